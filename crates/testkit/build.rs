//! Compiles the programs that do what Rust cannot say safely: acting where an observer of system
//! calls does not look, and making the very calls that they are told.

fn main() {
    for (source, name) in [("evade/evade.c", "evade"), ("calls/calls.c", "calls")] {
        if let Err(error) = bpf_build::program(source, name) {
            eprintln!("{error:?}");
            std::process::exit(1);
        }
    }
}
