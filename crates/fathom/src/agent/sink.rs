//! What lines are written to: whole lines, and where that fails, how many and why.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result};
use export::{RotatingFile, Rotation};

use crate::config::{Output, OutputKind};

/// Where an output's lines go.
#[derive(Debug)]
pub(super) enum Sink {
    File(RotatingFile),
    Stream(Stream),
}

/// Lines that were not written: the last ones.
#[derive(Debug)]
pub(super) struct Failure {
    /// As the ledger counts them.
    pub(super) reason: &'static str,
    pub(super) unwritten: u64,
    /// For the log.
    pub(super) words: String,
}

/// A pipe, a terminal, or whatever standard output is.
#[derive(Debug)]
pub(super) struct Stream {
    file: File,
    /// Whether the last line there is only a part of one.
    torn: bool,
}

impl Sink {
    /// Opens what `output` names.
    pub(super) fn open(output: &Output) -> Result<Sink> {
        Ok(match output.kind {
            OutputKind::Stdout => {
                // Not through `io::stdout()`: its buffer would keep what could not be written.
                let own = io::stdout().as_fd().try_clone_to_owned();
                let file = own.context("standard output is closed")?.into();
                Sink::Stream(Stream { file, torn: false })
            }
            OutputKind::File => {
                let file = RotatingFile::open(Path::new(&output.path.0), rotation(output));
                Sink::File(file.context("cannot write rows")?)
            }
        })
    }

    /// From now on as `output` says, which names the same place.
    pub(super) fn change(&mut self, output: &Output) {
        if let Sink::File(file) = self {
            file.set_rotation(rotation(output));
        }
    }

    /// Appends `lines`, each with its line feed.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), Failure> {
        match self {
            Sink::Stream(stream) => stream.write(lines),
            Sink::File(file) => file.write(lines).map_err(|error| Failure {
                reason: error.reason.name(),
                unwritten: error.unwritten,
                words: error.to_string(),
            }),
        }
    }
}

impl Stream {
    fn write(&mut self, lines: &[u8]) -> Result<(), Failure> {
        let mut written = 0;
        // What is torn cannot be taken back; it ends here, and the next line is whole again.
        let mut mend: &[u8] = if self.torn { b"\n" } else { b"" };
        while !mend.is_empty() || written < lines.len() {
            let next = if mend.is_empty() { &lines[written..] } else { mend };
            let error = match self.file.write(next) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(_) if !mend.is_empty() => {
                    (self.torn, mend) = (false, b"");
                    continue;
                }
                Ok(more) => {
                    written += more;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            let whole =
                lines[..written].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            self.torn |= whole < written;
            let left = lines[whole..].iter().filter(|byte| **byte == b'\n').count();
            let words = format!("standard output: {error}");
            return Err(Failure { reason: reason(&error), unwritten: left as u64, words });
        }
        Ok(())
    }
}

fn rotation(output: &Output) -> Option<Rotation> {
    let max_bytes = output.rotate_size.0;
    (max_bytes > 0).then_some(Rotation { max_bytes, keep: output.keep })
}

fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "disk_full"
        }
        io::ErrorKind::BrokenPipe => "reader_gone",
        _ => "io",
    }
}
