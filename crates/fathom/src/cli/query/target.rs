//! Where an answer is written to.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::form::Sink;

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Standard output.
    Out,
    /// A file, which is there once the answer is whole.
    File(PathBuf),
}

/// A file that is being written under another name.
#[derive(Debug)]
pub(super) struct Pending {
    /// Its name until then; none where it is written in place (a pipe, a device).
    temporary: Option<PathBuf>,
    path: PathBuf,
}

const BUFFER: usize = 64 << 10;

impl Target {
    /// Whether a person reads it at once.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Target::Out) && io::stdout().is_terminal()
    }

    /// Opens it.
    pub(super) fn open(&self) -> Result<(Sink, Option<Pending>)> {
        let path = match self {
            Target::Out => {
                // Not by lines: an answer may have millions.
                let out = io::stdout().as_fd().try_clone_to_owned();
                let out = File::from(out.context("cannot write to standard output")?);
                return Ok((Box::new(BufWriter::with_capacity(BUFFER, out)), None));
            }
            Target::File(path) => path,
        };
        let in_place = fs::metadata(path).is_ok_and(|it| !it.is_file());
        let temporary = (!in_place).then(|| temporary(path));
        let to = temporary.as_deref().unwrap_or(path);
        let file = if in_place { File::options().write(true).open(to) } else { File::create(to) };
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let pending = Pending { temporary, path: path.clone() };
        Ok((Box::new(BufWriter::with_capacity(BUFFER, file)), Some(pending)))
    }
}

impl Pending {
    /// Gives the file its name: it is whole.
    pub(super) fn keep(mut self) -> Result<()> {
        let Some(temporary) = self.temporary.take() else { return Ok(()) };
        let renamed = fs::rename(&temporary, &self.path);
        renamed.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // What is half an answer is none.
            let _ = fs::remove_file(temporary);
        }
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}

/// Writes text to standard output, as far as somebody reads it.
pub(super) fn say(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
