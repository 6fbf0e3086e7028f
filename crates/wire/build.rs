//! Mirrors the record header from the C that defines it.

fn main() {
    if let Err(error) = bpf_build::compile("wire") {
        eprintln!("{error:?}");
        std::process::exit(1);
    }
}
