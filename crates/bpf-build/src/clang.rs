//! Finding clang and calling it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The oldest clang whose BPF back end knows all that we write.
const OLDEST: u32 = 14;
/// The newest clang that is looked for by name.
const NEWEST: u32 = 30;

/// Compiles one BPF program.
pub(crate) fn compile(folder: &Path, source: &Path, object: &Path) -> Result<()> {
    let clang = find()?;
    let kernel_side = kernel_side();
    let output = Command::new(&clang)
        .args(["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-std=gnu11", "-c"])
        .args(["-Wall", "-Wpadded", "-Werror", "-Wno-address-of-packed-member"])
        .arg("-D__TARGET_ARCH_x86")
        .arg("-I")
        .arg(folder)
        .arg("-I")
        .arg(&kernel_side)
        .arg("-isystem")
        .arg(kernel_side.join("vmlinux/x86_64"))
        .arg("-isystem")
        .arg(env!("LIBBPF_HEADERS"))
        .arg(source)
        .arg("-o")
        .arg(object)
        .output()
        .with_context(|| format!("cannot run {clang}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{clang} does not compile {}:\n{said}", source.display());
    }
    Ok(())
}

/// Compiles one program for the machine, without a C library and below 4 GiB.
pub(crate) fn compile_program(source: &Path, program: &Path) -> Result<()> {
    let clang = find()?;
    let output = Command::new(&clang)
        .args(["-target", "x86_64-linux-gnu", "-O1", "-Wall", "-Werror", "-std=gnu11"])
        .args(["-static", "-nostdlib", "-ffreestanding", "-fno-pie"])
        .args(["-mno-red-zone", "-fno-stack-protector", "-o"])
        .arg(program)
        .arg(source)
        .output()
        .with_context(|| format!("cannot run {clang}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{clang} does not compile {}:\n{said}", source.display());
    }
    Ok(())
}

/// The kernel side's headers, `bpf/` in the repository.
pub(crate) fn kernel_side() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bpf")
}

/// `$CLANG` if set, else the newest `clang-NN`, else a plain `clang` that is new enough.
fn find() -> Result<String> {
    println!("cargo:rerun-if-env-changed=CLANG");
    if let Ok(named) = std::env::var("CLANG") {
        return Ok(named);
    }
    let versioned = (OLDEST..=NEWEST).rev().map(|version| format!("clang-{version}"));
    for name in versioned.chain(["clang".to_string()]) {
        if version(&name).is_some_and(|version| version >= OLDEST) {
            return Ok(name);
        }
    }
    bail!("no clang of version {OLDEST} or newer was found; `cargo xtask setup` installs it")
}

fn version(clang: &str) -> Option<u32> {
    let output = Command::new(clang).arg("--version").output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    let (_, after) = said.split_once("version ")?;
    after.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}
