//! The end of a file of lines: it never holds half a line for longer than a write takes.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;

/// What lines are appended to.
pub(crate) trait Medium: Write {
    /// Takes away all beyond `size`.
    fn cut(&mut self, size: u64) -> io::Result<()>;
}

/// A medium and where its last whole line ends.
#[derive(Debug)]
pub(crate) struct Tail<M> {
    medium: M,
    whole: u64,
    /// Whether part of a line may stand after `whole`, because a cut failed as well.
    torn: bool,
    /// False for what is no regular file: what was written there is gone.
    sized: bool,
}

impl Medium for File {
    fn cut(&mut self, size: u64) -> io::Result<()> {
        self.set_len(size)
    }
}

impl Tail<File> {
    /// The end of `file`, which was opened to append to it.
    pub(crate) fn of_file(mut file: File) -> io::Result<Tail<File>> {
        let about = file.metadata()?;
        if !about.is_file() {
            return Ok(Tail { medium: file, whole: 0, torn: false, sized: false });
        }
        let whole = last_line_end(&mut file, about.len())?;
        let mut tail = Tail { medium: file, whole, torn: whole < about.len(), sized: true };
        tail.mend()?;
        Ok(tail)
    }

    /// Whether the file is as we left it: not deleted, and neither cut nor written by others.
    pub(crate) fn is_ours(&self) -> bool {
        let as_left = |about: Metadata| about.nlink() > 0 && about.len() == self.whole;
        !self.sized || self.medium.metadata().is_ok_and(as_left)
    }
}

impl<M: Medium> Tail<M> {
    /// Bytes in whole lines; none where there is no such thing.
    pub(crate) fn size(&self) -> Option<u64> {
        self.sized.then_some(self.whole)
    }

    /// Appends `lines`, or as many whole ones as can be; returns the length of what is there
    /// now, also with an error.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<usize, (usize, io::Error)> {
        self.mend().map_err(|error| (0, error))?;
        let mut written = 0;
        while written < lines.len() {
            let error = match self.medium.write(&lines[written..]) {
                Ok(0) => ErrorKind::WriteZero.into(),
                Ok(more) => {
                    written += more;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            let whole =
                lines[..written].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            self.whole += whole as u64;
            self.torn = whole < written;
            // Where this fails too, the next append tries again before it writes.
            let _ = self.mend();
            return Err((whole, error));
        }
        self.whole += written as u64;
        Ok(written)
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.torn && self.sized {
            self.medium.cut(self.whole)?;
        }
        self.torn = false;
        Ok(())
    }
}

/// The place after the last line feed in the first `size` bytes.
fn last_line_end(file: &mut File, size: u64) -> io::Result<u64> {
    const BLOCK: u64 = 64 * 1024;
    let mut end = size;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let mut block = vec![0; (end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with so many bytes of room, which fails to cut so many times.
    #[derive(Default)]
    struct Small {
        bytes: Vec<u8>,
        room: usize,
        failing_cuts: u32,
    }

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.room - self.bytes.len());
            if fits == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.bytes.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Medium for Small {
        fn cut(&mut self, size: u64) -> io::Result<()> {
            if self.failing_cuts > 0 {
                self.failing_cuts -= 1;
                return Err(ErrorKind::PermissionDenied.into());
            }
            self.bytes.truncate(size as usize);
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_leaves_whole_lines_and_is_tried_again() {
        for failing_cuts in 0..3 {
            let medium = Small { room: 10, failing_cuts, ..Small::default() };
            let mut tail = Tail { medium, whole: 0, torn: false, sized: true };
            let (whole, error) = tail.append(b"one\ntwo\nthree\n").unwrap_err();
            assert_eq!((whole, error.kind()), (8, ErrorKind::StorageFull));
            tail.medium.room = 100;
            let mut failures = 0;
            while tail.append(b"four\n").is_err() {
                failures += 1;
            }
            assert_eq!(failures, failing_cuts.saturating_sub(1));
            assert_eq!(tail.medium.bytes, b"one\ntwo\nfour\n");
            assert_eq!(tail.size(), Some(13));
        }
    }

    #[test]
    fn at_every_room_the_lines_are_whole() {
        let lines = b"{\"a\":1}\n{}\n\n{\"long\":\"line\"}\n";
        for room in 1..lines.len() {
            let mut tail = Tail {
                medium: Small { room, ..Small::default() },
                whole: 0,
                torn: false,
                sized: true,
            };
            let (whole, _) = tail.append(lines).unwrap_err();
            assert_eq!(tail.medium.bytes, lines[..whole]);
            assert!(whole == 0 || lines[whole - 1] == b'\n');
            tail.medium.room = 1000;
            tail.append(&lines[whole..]).unwrap();
            assert_eq!(tail.medium.bytes, lines);
        }
    }
}
