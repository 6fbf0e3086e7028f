//! `image`: one static binary in an image of its own, with nothing else in it.
//!
//! No container tool is needed: an image is a few JSON files and a tar archive.

mod layout;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::Command as Entry;
use crate::command_line::Flag;
use crate::failure::{Context, Failure, Result};
use crate::run::{self, say};
use crate::setup::{self, Scope};
use crate::{place, vm};

pub(crate) const COMMAND: Entry = Entry {
    name: "image",
    usage: "[--output FILE]",
    about: "Builds one static binary and puts it into a container image, alone",
    more: "The image is an OCI archive: `skopeo copy oci-archive:FILE …` brings it to a registry,\n\
           `podman load -i FILE` and `ctr images import FILE` onto a machine. The same sources give\n\
           the same image.",
    flags: &[Flag {
        name: "--output",
        value: "FILE",
        doc: "where to write it (target/image/fathom-VERSION.tar)",
    }],
    examples: &[("image", "minutes: it is a release build of everything")],
    run: |words| {
        words.nothing_more()?;
        setup::ensure(Scope::default())?;
        let binary = build()?;
        let version = version(&binary)?;
        let given = words.list("--output").pop().map(PathBuf::from);
        let file = given.unwrap_or_else(|| folder().join(format!("fathom-{version}.tar")));
        layout::write(&binary, &version, &folder().join("layout"), &file)?;
        let size = fs::metadata(&file).context(|| file.display().to_string())?.len();
        println!("{} {:.1} MB", file.display(), size as f64 / 1e6);
        Ok(())
    },
};

/// The kernel's types that our programs are compiled with are of this machine.
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn folder() -> PathBuf {
    place::target().join("image")
}

/// A release build that loads no library.
fn build() -> Result<PathBuf> {
    say("building one static binary, optimised: minutes");
    let mut cargo = place::cargo();
    // A target of its own, so that the flags are not for build scripts and macros.
    cargo.args(["build", "--release", "--locked", "--bin", "fathom", "--target", TARGET]);
    // Static libelf and zlib, but of our own libbpf: the feature `static` would take the system's.
    cargo.args(["-p", "fathom", "-p", "kernel"]);
    cargo.args(["--features", "libbpf-sys/static-libelf,libbpf-sys/static-zlib"]);
    cargo.env("LIBBPF_SYS_LIBRARY_PATH", libraries()?);
    cargo.env("RUSTFLAGS", format!("-C target-feature=+crt-static{}", behind_libelf()?));
    // Its own folder: the flags would make every other build start from nothing.
    let target = folder().join("build");
    run::through(cargo.env("CARGO_TARGET_DIR", &target))?;
    let binary = target.join(TARGET).join("release/fathom");
    match vm::libraries(&binary)?[..] {
        [] => Ok(binary),
        _ => Err(Failure::new(format!("{} is not static", binary.display()))),
    }
}

/// Where the static libraries are.
fn libraries() -> Result<PathBuf> {
    let found = run::output(Command::new("gcc").arg("-print-file-name=libelf.a"))?;
    let found = Path::new(found.trim());
    // Where gcc finds none, it says the bare name.
    match found.parent() {
        Some(folder) if found.is_absolute() => Ok(folder.into()),
        _ => Err(Failure::new("there is no libelf.a (Debian: libelf-dev)")),
    }
}

/// What libelf itself needs beside zlib, which differs from release to release.
fn behind_libelf() -> Result<String> {
    let found =
        run::output(Command::new("pkg-config").args(["--static", "--libs-only-l", "libelf"]))?;
    let others = found.split_whitespace().filter(|word| !matches!(*word, "-lelf" | "-lz"));
    Ok(others.map(|word| format!(" -C link-arg={word}")).collect())
}

/// `fathom 0.1.0`
fn version(binary: &Path) -> Result<String> {
    let said = run::output(Command::new(binary).arg("--version"))?;
    let version = said.split_whitespace().nth(1).map(str::to_string);
    version.ok_or_else(|| Failure::new(format!("`{}` is no version", said.trim())))
}
