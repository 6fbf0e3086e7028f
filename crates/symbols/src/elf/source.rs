//! The bytes of a file, read in bounded pieces.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::ElfError;

/// Where bytes come from. A file is never mapped into memory: one that shrinks would end the agent
/// with SIGBUS.
pub(super) enum Source {
    File { file: File, size: u64 },
    Bytes(Vec<u8>),
}

impl Source {
    /// A regular file. Anything else may be endless, or make its reader wait.
    pub(super) fn file(file: File) -> Result<Source, ElfError> {
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(ElfError::NotAFile);
        }
        Ok(Source::File { file, size: meta.len() })
    }

    /// Its size in bytes, as it was when it was opened.
    pub(super) fn size(&self) -> u64 {
        match self {
            Source::File { size, .. } => *size,
            Source::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Exactly `size` bytes from `offset` on. Memory is only asked for once the file is known to
    /// be that long.
    pub(super) fn read(&self, offset: u64, size: u64) -> Result<Vec<u8>, ElfError> {
        let end = offset.checked_add(size).ok_or(ElfError::Truncated { offset, size })?;
        if end > self.size() {
            return Err(ElfError::Truncated { offset, size });
        }
        match self {
            Source::File { file, .. } => {
                let mut bytes = Vec::new();
                bytes
                    .try_reserve_exact(size as usize)
                    .map_err(|_| ElfError::TooLarge { what: "a read", size })?;
                bytes.resize(size as usize, 0);
                file.read_exact_at(&mut bytes, offset).map_err(|error| match error.kind() {
                    // It has shrunk since it was opened.
                    std::io::ErrorKind::UnexpectedEof => ElfError::Truncated { offset, size },
                    _ => error.into(),
                })?;
                Ok(bytes)
            }
            Source::Bytes(bytes) => Ok(bytes[offset as usize..end as usize].to_vec()),
        }
    }
}

/// The little-endian number of `N` bytes at `at`, where the bytes reach that far.
pub(super) fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let end = at.checked_add(N)?;
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(bytes.get(at..end)?);
    Some(u64::from_le_bytes(wide))
}
