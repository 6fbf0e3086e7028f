//! Compiles the part of the runtimes' interface that is used; no `protoc` is needed.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/cri.proto");
    let files = protox::compile(["proto/cri.proto"], ["proto"])?;
    tonic_prost_build::configure().build_server(false).compile_fds(files.clone())?;
    // The server's side is for the tests alone, which play a runtime with it.
    let played = PathBuf::from(std::env::var("OUT_DIR")?).join("played");
    std::fs::create_dir_all(&played)?;
    tonic_prost_build::configure().build_client(false).out_dir(played).compile_fds(files)?;
    Ok(())
}
