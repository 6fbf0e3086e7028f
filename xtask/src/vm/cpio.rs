//! Writes a cpio archive of the "newc" kind: what the kernel unpacks as its first file system.

use std::io::{self, Write};

pub(super) const DIRECTORY: u32 = 0o040_000;
pub(super) const FILE: u32 = 0o100_000;
pub(super) const LINK: u32 = 0o120_000;
pub(super) const CHARACTER_DEVICE: u32 = 0o020_000;

/// Writes entries one after another; `finish` ends the archive.
pub(super) struct Archive<W: Write> {
    out: W,
    entries: u32,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, entries: 0 }
    }

    /// Adds an entry: `mode` with the file type in it, `device` (major, minor) for devices,
    /// and for links the target as `content`.
    pub(super) fn add(
        &mut self,
        path: &str,
        mode: u32,
        device: (u32, u32),
        content: &[u8],
    ) -> io::Result<()> {
        let size = u32::try_from(content.len())
            .map_err(|_| io::Error::other(format!("{path} is too large")))?;
        self.entries += 1;
        let links = if mode & DIRECTORY != 0 { 2 } else { 1 };
        let name_size = path.len() as u32 + 1;
        let fields =
            [self.entries, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0];
        let mut header = String::from("070701");
        for field in fields {
            header += &format!("{field:08x}");
        }
        self.out.write_all(header.as_bytes())?;
        self.out.write_all(path.as_bytes())?;
        self.out.write_all(&[0])?;
        self.pad(header.len() + path.len() + 1)?;
        self.out.write_all(content)?;
        self.pad(content.len())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.add("TRAILER!!!", 0, (0, 0), &[])?;
        self.out.flush()
    }

    /// Every part starts at a multiple of four.
    fn pad(&mut self, written: usize) -> io::Result<()> {
        self.out.write_all(&[0; 3][..written.wrapping_neg() % 4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_laid_out_as_the_kernel_reads_it() {
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        archive.add("a", DIRECTORY | 0o755, (0, 0), &[]).unwrap();
        archive.add("a/file", FILE | 0o644, (0, 0), b"hello").unwrap();
        archive.add("dev", CHARACTER_DEVICE | 0o600, (5, 1), &[]).unwrap();
        archive.finish().unwrap();

        assert_eq!(bytes.len() % 4, 0);
        let entries = read(&bytes);
        let names: Vec<&str> = entries.iter().map(|entry| entry.0.as_str()).collect();
        assert_eq!(names, ["a", "a/file", "dev", "TRAILER!!!"]);
        assert_eq!(entries[1].1, FILE | 0o644);
        assert_eq!(entries[1].2, b"hello");
    }

    /// Walks the archive by its own lengths, as the kernel does.
    fn read(bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let (mut at, mut entries) = (0, Vec::new());
        while at < bytes.len() {
            let field = |n: usize| {
                let hex = &bytes[at + 6 + n * 8..at + 14 + n * 8];
                u32::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap()
            };
            assert_eq!(&bytes[at..at + 6], b"070701");
            let (mode, size, name_size) = (field(1), field(6) as usize, field(11) as usize);
            let name =
                String::from_utf8(bytes[at + 110..at + 110 + name_size - 1].to_vec()).unwrap();
            let content = (at + 110 + name_size).next_multiple_of(4);
            entries.push((name, mode, bytes[content..content + size].to_vec()));
            at = (content + size).next_multiple_of(4);
        }
        entries
    }
}
