//! Compiles the kernel side and mirrors its records.

fn main() {
    if let Err(error) = bpf_build::compile("profile") {
        eprintln!("{error:?}");
        std::process::exit(1);
    }
}
