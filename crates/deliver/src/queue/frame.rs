//! Frames: a length, a checksum, and that many bytes.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::Notice;

/// The bytes before a frame's own.
const HEAD: usize = 8;
/// No frame is longer: a length beyond it is none.
const MOST: usize = 16 << 20;

/// What a segment has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Whole frames, in bytes.
    pub(super) length: u64,
    /// The frames at and behind `from`.
    pub(super) left: u64,
    /// Where the first of them begins.
    pub(super) from: u64,
    /// Whether something follows that is no frame.
    pub(super) torn: bool,
}

/// `bytes` as a frame.
pub(super) fn of(bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + bytes.len());
    frame.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    frame.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
    frame.extend_from_slice(bytes);
    frame
}

/// The notice in the frame at `at`, and the frame's length; none where there is none.
pub(super) fn read(file: &File, at: u64) -> Option<(Notice, u64)> {
    let mut bytes = vec![0; HEAD];
    file.read_exact_at(&mut bytes, at).ok()?;
    let (length, checksum) = head(&bytes)?;
    bytes.resize(length, 0);
    file.read_exact_at(&mut bytes, at + HEAD as u64).ok()?;
    let notice = (crc32fast::hash(&bytes) == checksum).then(|| Notice::from_bytes(&bytes))??;
    Some((notice, (HEAD + length) as u64))
}

/// A frame's length and checksum. None is empty: zeros, which a crash may leave, are no frame.
fn head(bytes: &[u8]) -> Option<(usize, u32)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let checksum = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    (1..=MOST).contains(&length).then_some((length, checksum))
}

/// Looks at all frames of a segment; those before `from` were delivered.
pub(super) fn scan(bytes: &[u8], from: u64) -> Scan {
    let mut scan = Scan { length: 0, left: 0, from: 0, torn: false };
    let mut rest = bytes;
    while let Some((length, checksum)) = head(rest) {
        let Some(body) = rest.get(HEAD..HEAD + length) else { break };
        if crc32fast::hash(body) != checksum {
            break;
        }
        if scan.length >= from {
            scan.left += 1;
        } else {
            scan.from = scan.length + (HEAD + length) as u64;
        }
        scan.length += (HEAD + length) as u64;
        rest = &rest[HEAD + length..];
    }
    scan.torn = !rest.is_empty();
    scan
}
