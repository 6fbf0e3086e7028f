//! What every signal's and control's `build.rs` calls: compile the BPF program, mirror its records.
//!
//! ```no_run
//! bpf_build::compile("file").unwrap();
//! ```
//!
//! makes of `file.bpf.c`, in the crate's folder, `$OUT_DIR/file.bpf.o` and `$OUT_DIR/file.rs`. The
//! second holds the Rust form of every `struct …_record` and every `enum …_kind` or `…_marks`, read
//! from the BTF of the very object that is loaded: there is no other mirror, so there is none to
//! forget.
#![forbid(unsafe_code)]

mod clang;
mod mirror;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use libbpf_rs::Linker;

/// Compiles `NAME.bpf.c` and writes `NAME.bpf.o` and `NAME.rs` to the build's output folder.
pub fn compile(name: &str) -> Result<()> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR").context("run this from build.rs")?);
    let output = PathBuf::from(env::var("OUT_DIR").context("run this from build.rs")?);
    let raw = output.join(format!("{name}.raw.o"));
    let object = output.join(format!("{name}.bpf.o"));
    clang::compile(&folder, &folder.join(format!("{name}.bpf.c")), &raw)?;
    drop_debug_information(&raw, &object)?;
    mirror::write(&object, &output.join(format!("{name}.rs")))?;
    for path in [folder.as_path(), &clang::kernel_side()] {
        rerun_if_changed(path)?;
    }
    Ok(())
}

/// Compiles the C program `SOURCE`, which does without a C library, to `NAME` in the build's output
/// folder: a static program for the very machine, for tests that need what Rust cannot say safely.
pub fn program(source: &str, name: &str) -> Result<()> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR").context("run this from build.rs")?);
    let output = PathBuf::from(env::var("OUT_DIR").context("run this from build.rs")?);
    clang::compile_program(&folder.join(source), &output.join(name))?;
    rerun_if_changed(&folder)
}

/// libbpf's static linker keeps the code and its BTF, and leaves the DWARF out.
fn drop_debug_information(raw: &Path, object: &Path) -> Result<()> {
    let mut linker = Linker::new(object).context("cannot make the linked object")?;
    linker.add_file(raw).context("cannot link the object")?;
    linker.link().context("cannot link the object")?;
    Ok(())
}

/// Names every C file below `folder` to cargo.
fn rerun_if_changed(folder: &Path) -> Result<()> {
    for entry in folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            rerun_if_changed(&path)?;
        } else if path.extension().is_some_and(|end| end == "c" || end == "h") {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    Ok(())
}
