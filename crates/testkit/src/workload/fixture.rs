//! What all threads of a workload use, made before any of them begins.

use std::fs::{self, File, Permissions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;

/// Programs to run and to fail at.
#[derive(Debug)]
pub(super) struct Fixture {
    /// The directory that holds everything.
    pub(super) home: Vec<u8>,
    /// The file behind `/bin/sh`.
    pub(super) shell: Vec<u8>,
    /// The file behind `/bin/true`.
    pub(super) true_path: Vec<u8>,
    /// The file behind `/bin/sleep`.
    pub(super) sleep: Vec<u8>,
    /// This program.
    pub(super) own: Vec<u8>,
    /// A copy of `/bin/true`.
    pub(super) true_copy: Vec<u8>,
    /// Its bytes.
    pub(super) true_image: Vec<u8>,
    /// A script that exits with its first argument.
    pub(super) script: Vec<u8>,
    /// A program without permission to run (`EACCES`).
    pub(super) no_exec: Vec<u8>,
    /// A file that is no program (`ENOEXEC`).
    pub(super) not_a_program: Vec<u8>,
    /// A script whose interpreter is missing (`ENOENT`).
    pub(super) bad_interpreter: Vec<u8>,
    /// A program that is being written (`ETXTBSY`).
    pub(super) busy: Vec<u8>,
    _writer: File,
    null: File,
}

impl Fixture {
    /// Makes the files in the directory `home`, which is there.
    pub(super) fn new(home: &Path) -> anyhow::Result<Fixture> {
        let at = |name: &str| home.join(name);
        let image = fs::read("/bin/true").context("/bin/true is needed")?;
        let make = |name: &str, bytes: &[u8], mode: u32| -> anyhow::Result<Vec<u8>> {
            fs::write(at(name), bytes)?;
            fs::set_permissions(at(name), Permissions::from_mode(mode))?;
            Ok(at(name).into_os_string().into_vec())
        };
        let real = |path: &str| -> anyhow::Result<Vec<u8>> {
            let path = fs::canonicalize(path).with_context(|| format!("{path} is needed"))?;
            Ok(path.into_os_string().into_vec())
        };
        let busy = make("busy", &image, 0o755)?;
        Ok(Fixture {
            home: home.as_os_str().as_bytes().to_vec(),
            shell: real("/bin/sh")?,
            true_path: real("/bin/true")?,
            sleep: real("/bin/sleep")?,
            own: real("/proc/self/exe")?,
            true_copy: make("true", &image, 0o755)?,
            script: make("script", b"#!/bin/sh\nexit $1\n", 0o755)?,
            no_exec: make("no-exec", &image, 0o644)?,
            not_a_program: make("not-a-program", b"just text\n", 0o755)?,
            bad_interpreter: make("bad-interpreter", b"#!/nonexistent/interpreter\n", 0o755)?,
            _writer: File::options().write(true).open(at("busy"))?,
            busy,
            true_image: image,
            null: File::options().read(true).write(true).open("/dev/null")?,
        })
    }

    /// `/dev/null` for a child, without an open.
    pub(super) fn null(&self) -> Stdio {
        self.null.try_clone().map_or_else(|_| Stdio::inherit(), Stdio::from)
    }

    /// A spelling of `path` that nobody else uses, and what it resolves to.
    pub(super) fn marked(&self, path: &[u8], mark: u32) -> (Vec<u8>, Option<Vec<u8>>) {
        let name = path.strip_prefix(&self.home[..]).expect("the fixture's files are at its home");
        // Each bit of the mark is one more `/./` or `//`: unusual, and unique.
        let mut marked = self.home.clone();
        for bit in 0..20 {
            marked.extend_from_slice(if mark >> bit & 1 == 1 { b"/./" } else { b"//" });
        }
        marked.extend_from_slice(name.strip_prefix(b"/").unwrap_or(name));
        (marked, Some(path.to_vec()))
    }
}

/// A directory that goes away with the value.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new directory for `purpose`, whose path has no symbolic links.
    pub fn new(purpose: &str) -> anyhow::Result<Scratch> {
        let base = fs::canonicalize(std::env::temp_dir())?;
        let path = base.join(format!("fathom-{purpose}-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Scratch(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("testkit: {} stays behind: {error}", self.0.display());
        }
    }
}
