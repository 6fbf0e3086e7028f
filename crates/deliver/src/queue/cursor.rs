//! How far a queue has been delivered.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The file that says so: a segment's number, a byte of it, and a checksum of both.
#[derive(Debug)]
pub(super) struct Cursor(File);

const LENGTH: usize = 20;

impl Cursor {
    /// Opens it, with the place that it names; one that cannot be read names the beginning, so
    /// that notices are sent again rather than not at all.
    pub(super) fn open(path: &Path) -> io::Result<(Cursor, (u64, u64))> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o640);
        let file = options.open(path)?;
        let mut bytes = [0; LENGTH];
        let place = file.read_exact_at(&mut bytes, 0).ok().and_then(|()| place(&bytes));
        Ok((Cursor(file), place.unwrap_or_default()))
    }

    /// Moves to `place`. An error costs notices that are sent again, no more.
    pub(super) fn move_to(&self, place: (u64, u64)) {
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&place.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&place.1.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..16]);
        bytes[16..].copy_from_slice(&checksum.to_le_bytes());
        let _ = self.0.write_all_at(&bytes, 0);
    }
}

fn place(bytes: &[u8; LENGTH]) -> Option<(u64, u64)> {
    let number = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let checksum = u32::from_le_bytes(*bytes[16..].first_chunk()?);
    (crc32fast::hash(&bytes[..16]) == checksum).then_some((number(0)?, number(8)?))
}
