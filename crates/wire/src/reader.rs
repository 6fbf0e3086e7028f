//! Bounded reads from one record.

use std::fmt;

use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::RecordHeader;

/// Why a record could not be read; counted by this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The record ends before its head or its fixed part does.
    Short,
    /// The record says that it is longer or shorter than it is.
    Size,
    /// A string would reach past the end.
    Text,
    /// The signal has no record of this kind.
    Kind,
    /// No signal has this number.
    Signal,
}

/// Reads one record.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

/// The strings behind a record's fixed part.
#[derive(Debug, Clone, Copy)]
pub struct Tail<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Takes a record whose stated size is its real one.
    pub fn new(bytes: &'a [u8]) -> Result<(RecordHeader, Reader<'a>), Malformed> {
        let (header, _) = RecordHeader::read_from_prefix(bytes).map_err(|_| Malformed::Short)?;
        match bytes.get(..header.size as usize) {
            // The ring rounds a record up to 8 bytes; more than that is not ours.
            Some(exact) if bytes.len() - exact.len() < 8 && exact.len() >= RecordHeader::SIZE => {
                Ok((header, Reader { bytes: exact }))
            }
            _ => Err(Malformed::Size),
        }
    }

    /// The fixed part and the strings behind it.
    pub fn record<T: FromBytes + KnownLayout + Immutable>(
        self,
    ) -> Result<(T, Tail<'a>), Malformed> {
        let (record, bytes) = T::read_from_prefix(self.bytes).map_err(|_| Malformed::Short)?;
        Ok((record, Tail { bytes }))
    }
}

impl<'a> Tail<'a> {
    /// Takes the next `length` bytes.
    pub fn take(&mut self, length: impl Into<u32>) -> Result<&'a [u8], Malformed> {
        let (taken, rest) =
            self.bytes.split_at_checked(length.into() as usize).ok_or(Malformed::Text)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// Takes the next `length` bytes as a string that may end in a NUL.
    pub fn string(&mut self, length: impl Into<u32>) -> Result<&'a [u8], Malformed> {
        let taken = self.take(length)?;
        Ok(taken.strip_suffix(&[0]).unwrap_or(taken))
    }
}

impl Malformed {
    /// Every reason, in order.
    pub const ALL: [Malformed; 5] =
        [Malformed::Short, Malformed::Size, Malformed::Text, Malformed::Kind, Malformed::Signal];

    /// The reason under which the ledger counts it.
    pub fn reason(self) -> &'static str {
        match self {
            Malformed::Short => "record_short",
            Malformed::Size => "record_size",
            Malformed::Text => "record_text",
            Malformed::Kind => "record_kind",
            Malformed::Signal => "record_signal",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Malformed {}
