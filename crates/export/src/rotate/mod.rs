//! A file of lines that is put aside when it is full: `rows.json`, `rows.json.1`, …
//!
//! Lines are written whole or not at all. Where a write fails, the file is cut back to its last
//! whole line, the error says how many lines were left out and why, and the next write tries
//! anew: a full disk costs rows that are counted, never a broken file.

mod tail;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tail::Tail;

/// A file of lines with those that were put aside before it.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    rotation: Option<Rotation>,
    /// None after the file could not be opened; the next write tries again.
    tail: Option<Tail<File>>,
}

/// When a file is full, and how many full ones stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// A file grows to this many bytes; a longer line gets a file of its own.
    pub max_bytes: u64,
    /// How many full files stay beside the one in use.
    pub keep: u32,
}

/// Why lines were left out. The file holds whole lines all the same.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct WriteError {
    /// What to count the lines under.
    pub reason: Reason,
    /// How many of the lines given are not in the file: the last ones.
    pub unwritten: u64,
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// A reason to count lost rows under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The disk, a quota or a limit on the file's size is used up.
    DiskFull,
    /// Anything else.
    Io,
}

impl RotatingFile {
    /// Opens `path` to append to it, and makes it where there is none. Half a line at its end,
    /// which a crash may have left, is taken away.
    pub fn open(path: &Path, rotation: Option<Rotation>) -> Result<RotatingFile, WriteError> {
        let mut file = RotatingFile { path: path.to_path_buf(), rotation, tail: None };
        match file.reopen() {
            Ok(_) => Ok(file),
            Err(error) => Err(file.error(b"", error)),
        }
    }

    /// Appends `lines`, each with its line feed, and puts the file aside when it is full.
    pub fn write(&mut self, lines: &[u8]) -> Result<(), WriteError> {
        // Lines for a file that somebody deleted would be lost without a word.
        self.tail.take_if(|tail| !tail.is_ours());
        let mut rest = lines;
        while !rest.is_empty() {
            match self.write_some(rest) {
                Ok(written) => rest = &rest[written..],
                Err((written, error)) => return Err(self.error(&rest[written..], error)),
            }
        }
        Ok(())
    }

    /// Puts the file aside although it is not full; the next line begins another. Without a
    /// rotation, or where nothing is in it, it stays.
    pub fn put_aside(&mut self) -> Result<(), WriteError> {
        let aside = match self.reopen().map(|tail| tail.size().unwrap_or(0)) {
            Ok(size) if size > 0 && self.rotation.is_some() => self.rotate(),
            done => done.map(drop),
        };
        aside.map_err(|error| self.error(b"", error))
    }

    /// From now on so.
    pub fn set_rotation(&mut self, rotation: Option<Rotation>) {
        self.rotation = rotation;
    }

    /// The file in use.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what fits into one file, and returns how much that was; also with an error.
    fn write_some(&mut self, lines: &[u8]) -> Result<usize, (usize, io::Error)> {
        let max_bytes = self.rotation.map_or(u64::MAX, |rotation| rotation.max_bytes);
        let tail = self.reopen().map_err(|error| (0, error))?;
        // Files that are no regular ones (a pipe, `/dev/null`) have no size to speak of.
        let size = tail.size().unwrap_or(0);
        let room = if tail.size().is_some() { max_bytes.saturating_sub(size) } else { u64::MAX };
        match whole_lines(lines, room) {
            0 if size > 0 => {
                self.rotate().map_err(|error| (0, error))?;
                Ok(0)
            }
            0 => tail.append(&lines[..first_line(lines)]),
            fitting => tail.append(&lines[..fitting]),
        }
    }

    fn reopen(&mut self) -> io::Result<&mut Tail<File>> {
        if self.tail.is_none() {
            let mut options = OpenOptions::new();
            // Rows tell what users did: not for everybody's eyes.
            let file = options.read(true).append(true).create(true).mode(0o640).open(&self.path)?;
            lock(&file)?;
            self.tail = Some(Tail::of_file(file)?);
        }
        self.tail.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Moves each file to the next number. A rename replaces what the number had, so a crash
    /// at any point loses nothing and leaves at most a number that nobody has.
    fn rotate(&mut self) -> io::Result<()> {
        let keep = self.rotation.map_or(0, |rotation| rotation.keep);
        for number in (1..keep).rev() {
            match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if keep == 0 {
            fs::remove_file(&self.path)?;
        } else {
            fs::rename(&self.path, self.numbered(1))?;
        }
        self.tail = None;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    fn error(&self, unwritten: &[u8], source: io::Error) -> WriteError {
        let full = matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        );
        let reason = if full { Reason::DiskFull } else { Reason::Io };
        let unwritten = unwritten.iter().filter(|byte| **byte == b'\n').count() as u64;
        WriteError { reason, unwritten, path: self.path.clone(), source }
    }
}

impl Reason {
    /// The reason as the drop ledger names it.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::DiskFull => "disk_full",
            Reason::Io => "io",
        }
    }
}

/// Two that write to one file would put each other's lines aside: the second one is told so.
fn lock(file: &File) -> io::Result<()> {
    if !file.metadata()?.is_file() {
        return Ok(());
    }
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process writes to this file"))
        }
        // Some network file systems have no locks.
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(()),
    }
}

/// The length of as many whole lines as `room` bytes hold.
fn whole_lines(lines: &[u8], room: u64) -> usize {
    let within = lines.len().min(usize::try_from(room).unwrap_or(usize::MAX));
    lines[..within].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

fn first_line(lines: &[u8]) -> usize {
    lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered_lines(range: std::ops::Range<u32>) -> String {
        range.map(|number| format!("{{\"row\":{number:05}}}\n")).collect()
    }

    #[test]
    fn full_files_are_put_aside_and_no_line_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.json");
        let rotation = Some(Rotation { max_bytes: 100, keep: 50 });
        let mut file = RotatingFile::open(&path, rotation).unwrap();
        for start in (0..100).step_by(10) {
            file.write(numbered_lines(start..start + 10).as_bytes()).unwrap();
        }
        let mut found = String::new();
        for number in (1..=50).rev() {
            let Ok(text) = fs::read_to_string(file.numbered(number)) else { continue };
            assert!(text.len() <= 100 && text.ends_with('\n'));
            found += &text;
        }
        found += &fs::read_to_string(&path).unwrap();
        assert_eq!(found, numbered_lines(0..100));
    }

    #[test]
    fn a_second_writer_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.json");
        let rotation = Some(Rotation { max_bytes: 4, keep: 1 });
        let mut first = RotatingFile::open(&path, rotation).unwrap();
        let refused = || RotatingFile::open(&path, None).unwrap_err().to_string();
        assert!(refused().ends_with("rows.json: another process writes to this file"));
        // The file that is made after the first was put aside is held as well.
        first.write(b"one\ntwo\n").unwrap();
        assert!(refused().contains("another process"));
        drop(first);
        RotatingFile::open(&path, None).unwrap();
    }

    #[test]
    fn only_so_many_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.json");
        for keep in [2, 0] {
            let rotation = Some(Rotation { max_bytes: 10, keep });
            let mut file = RotatingFile::open(&path, rotation).unwrap();
            file.write(numbered_lines(0..9).as_bytes()).unwrap();
            let stay = fs::read_dir(dir.path()).unwrap().count();
            // What an earlier run with a larger number left is not ours to delete.
            assert_eq!(stay, 3);
            assert_eq!(fs::read_to_string(&path).unwrap(), numbered_lines(8..9));
        }
    }

    #[test]
    fn half_a_line_that_a_crash_left_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.json");
        for (before, after) in
            [("{}\n{\"ro", "{}\nnew\n"), ("{\"ro", "new\n"), ("{}\n", "{}\nnew\n")]
        {
            fs::write(&path, before).unwrap();
            RotatingFile::open(&path, None).unwrap().write(b"new\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn a_file_that_comes_back_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("gone");
        let error = RotatingFile::open(&gone.join("rows.json"), None).unwrap_err();
        assert_eq!(error.reason, Reason::Io);
        assert!(error.to_string().contains("gone/rows.json"), "{error}");

        fs::create_dir(&gone).unwrap();
        let rotation = Some(Rotation { max_bytes: 4, keep: 1 });
        let mut file = RotatingFile::open(&gone.join("rows.json"), rotation).unwrap();
        file.write(b"one\n").unwrap();
        fs::remove_dir_all(&gone).unwrap();
        let error = file.write(b"two\nthree\n").unwrap_err();
        assert_eq!((error.reason, error.unwritten), (Reason::Io, 2));
        fs::create_dir(&gone).unwrap();
        file.write(b"four\n").unwrap();
        assert_eq!(fs::read_to_string(gone.join("rows.json")).unwrap(), "four\n");
    }

    #[test]
    fn a_file_that_others_touch_keeps_whole_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.json");
        let mut file = RotatingFile::open(&path, None).unwrap();
        file.write(b"one\n").unwrap();
        fs::write(&path, "").unwrap();
        file.write(b"two\n").unwrap();
        fs::write(&path, "two\nby another\nhalf").unwrap();
        file.write(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\nby another\nthree\n");
    }

    #[test]
    fn a_full_disk_is_told_from_other_errors() {
        let mut full = RotatingFile::open(Path::new("/dev/full"), None).unwrap();
        let error = full.write(b"one\ntwo\n").unwrap_err();
        assert_eq!((error.reason.name(), error.unwritten), ("disk_full", 2));
        let rotation = Some(Rotation { max_bytes: 4, keep: 1 });
        let mut null = RotatingFile::open(Path::new("/dev/null"), rotation).unwrap();
        null.write(b"one\ntwo\nthree\n").unwrap();
    }
}
