//! Lines to standard output or a file.

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use export::{RotatingFile, Rotation, WriteError};

use super::{Carrier, Trouble};
use crate::shape::falco;
use crate::{Falco, File, Notice, Stdout};

/// Falco's lines, and where they go.
pub(super) struct Lines {
    format: Falco,
    sink: Sink,
}

enum Sink {
    Stream(Stream),
    File(Rotated),
}

/// A file that is put aside now and then.
struct Rotated {
    path: PathBuf,
    rotation: Rotation,
    after: Duration,
    begun: Option<SystemTime>,
    /// None until the first line: the receiver before this one, whose place it takes, may have it.
    file: Option<RotatingFile>,
}

/// A pipe, a terminal, or whatever standard output is.
struct Stream {
    file: fs::File,
    /// Whether the last line there is only a part of one.
    torn: bool,
}

impl Lines {
    /// To standard output.
    pub(super) fn stdout(config: &Stdout) -> Result<Lines, String> {
        // Not through `io::stdout()`: its buffer would keep what could not be written.
        let own = io::stdout().as_fd().try_clone_to_owned();
        let file = own.map_err(|error| format!("standard output is closed: {error}"))?.into();
        let sink = Sink::Stream(Stream { file, torn: false });
        Ok(Lines { format: config.format.clone(), sink })
    }

    /// To a file.
    pub(super) fn file(config: &File) -> Result<Lines, String> {
        if config.path.as_os_str().is_empty() {
            return Err("there is no path".to_string());
        }
        let max_bytes = match config.rotate_size.0 {
            0 => u64::MAX,
            size => size,
        };
        let after = config.rotate_after.0;
        let rotation = Rotation { max_bytes, keep: config.keep };
        // Between two agents nothing is lost: the file goes on, and so does its age.
        let begun = fs::metadata(&config.path).and_then(|file| file.created()).ok();
        let path = config.path.clone();
        let mut rotated = Rotated { path, rotation, after, begun, file: None };
        if let Err(error) = rotated.file()
            && error.source.kind() != io::ErrorKind::ResourceBusy
        {
            return Err(error.to_string());
        }
        // It was only to be seen whether it can be: the receiver before this one may need it yet.
        rotated.file = None;
        Ok(Lines { format: config.format.clone(), sink: Sink::File(rotated) })
    }
}

impl Carrier for Lines {
    fn most(&self) -> usize {
        256
    }

    fn carry(&mut self, notices: &[Arc<Notice>]) -> Result<usize, Trouble> {
        let lines = falco::lines(notices, &self.format);
        match &mut self.sink {
            Sink::Stream(stream) => stream.write(lines.as_bytes())?,
            Sink::File(rotated) => rotated.write(lines.as_bytes()).map_err(|error| {
                // An error before the first line has none of them.
                let unwritten = match error.unwritten {
                    0 => notices.len(),
                    some => usize::try_from(some).unwrap_or(usize::MAX),
                };
                let delivered = notices.len().saturating_sub(unwritten);
                Trouble::Later { delivered, after: None, words: error.to_string() }
            })?,
        }
        Ok(0)
    }
}

impl Rotated {
    fn file(&mut self) -> Result<&mut RotatingFile, WriteError> {
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(RotatingFile::open(&self.path, Some(self.rotation))?)),
        }
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), WriteError> {
        let now = SystemTime::now();
        let age = now.duration_since(*self.begun.get_or_insert(now)).unwrap_or_default();
        if self.after > Duration::ZERO && age >= self.after {
            self.file()?.put_aside()?;
            self.begun = Some(now);
        }
        self.file()?.write(lines)
    }
}

impl Stream {
    fn write(&mut self, lines: &[u8]) -> Result<(), Trouble> {
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
            let words = format!("standard output: {error}");
            if error.kind() == io::ErrorKind::BrokenPipe {
                return Err(Trouble::Refused { reason: "reader_gone", words });
            }
            let delivered = lines[..whole].iter().filter(|byte| **byte == b'\n').count();
            return Err(Trouble::Later { delivered, after: None, words });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::tests::sample;
    use crate::{Size, Span};

    fn numbered(number: u64) -> Arc<Notice> {
        Arc::new(Notice { time: number, ..sample() })
    }

    #[test]
    fn a_file_is_put_aside_when_it_is_full_or_old() {
        for (rotate_size, rotate_after) in
            [(Size(700), Span::seconds(0)), (Size(0), Span::millis(1))]
        {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("alerts.json");
            let config = File { path: path.clone(), rotate_size, rotate_after, ..File::default() };
            let mut lines = Lines::file(&config).unwrap();
            lines.carry(&[numbered(1)]).unwrap();
            if let Sink::File(rotated) = &mut lines.sink {
                rotated.begun = Some(SystemTime::now() - Duration::from_secs(9));
            }
            lines.carry(&[numbered(2)]).unwrap();
            let read = |name| fs::read_to_string(dir.path().join(name)).unwrap();
            assert!(read("alerts.json.1").contains("00:00:00.000000001"));
            assert!(read("alerts.json").contains("00:00:00.000000002"));
            assert_eq!(read("alerts.json").lines().count(), 1);
        }
    }

    #[test]
    fn a_full_disk_is_tried_again() {
        let config = File { path: "/dev/full".into(), ..File::default() };
        let trouble = Lines::file(&config).unwrap().carry(&[numbered(1), numbered(2)]).unwrap_err();
        let Trouble::Later { delivered: 0, words, .. } = trouble else { panic!("{trouble:?}") };
        assert!(words.contains("/dev/full: No space left"), "{words}");
    }

    #[test]
    fn a_reader_that_left_is_not_waited_for() {
        let (reader, writer) = io::pipe().unwrap();
        let file: std::os::fd::OwnedFd = writer.into();
        let mut stream = Stream { file: file.into(), torn: false };
        stream.write(b"one\n").unwrap();
        drop(reader);
        let trouble = stream.write(b"two\n").unwrap_err();
        assert!(matches!(trouble, Trouble::Refused { reason: "reader_gone", .. }), "{trouble:?}");
    }

    #[test]
    fn a_file_needs_a_path_that_is_there() {
        assert_eq!(Lines::file(&File::default()).err().unwrap(), "there is no path");
        let config = File { path: "/no/such/folder/alerts".into(), ..File::default() };
        assert!(Lines::file(&config).err().unwrap().contains("/no/such/folder/alerts"));
    }
}
