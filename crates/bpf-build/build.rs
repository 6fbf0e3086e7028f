//! Remembers where libbpf's own headers lie: its version and ours must be the same.

fn main() {
    let headers = std::env::var("DEP_BPF_INCLUDE").expect("libbpf-sys says where its headers are");
    println!("cargo:rustc-env=LIBBPF_HEADERS={headers}");
}
