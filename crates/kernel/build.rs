//! Compiles the two programs that belong to no signal.

fn main() {
    for name in ["probe", "syscall"] {
        if let Err(error) = bpf_build::compile(name) {
            eprintln!("{error:?}");
            std::process::exit(1);
        }
    }
}
