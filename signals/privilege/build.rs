//! Compiles the kernel side and mirrors its records; and the program that the tests act with.

use std::path::Path;
use std::process::Command;

fn main() {
    if let Err(error) = bpf_build::compile("privilege") {
        eprintln!("{error:?}");
        std::process::exit(1);
    }
    test_program();
}

/// The tests say that they could not run where there is no such program: no build fails for it.
fn test_program() {
    let (source, folder) = ("tests/calls.c", std::env::var_os("OUT_DIR").unwrap_or_default());
    let program = Path::new(&folder).join("calls");
    println!("cargo:rerun-if-env-changed=CC");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let plain = ["-O1", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector"];
    let built = Command::new(compiler).args(plain).arg("-o").arg(&program).arg(source).status();
    if !built.is_ok_and(|status| status.success()) {
        println!("cargo:warning={source} does not compile; the kernel tests will not run");
        std::fs::write(&program, []).expect("the build's own folder can be written");
    }
}
