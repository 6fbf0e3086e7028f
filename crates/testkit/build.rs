//! Compiles the program that acts where an observer of system calls does not look.

fn main() {
    if let Err(error) = bpf_build::program("evade/evade.c", "evade") {
        eprintln!("{error:?}");
        std::process::exit(1);
    }
}
