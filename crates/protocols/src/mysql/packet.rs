//! Packets: where they begin and end, and what their first bytes say.

/// A packet as far as it is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    /// Its number in the exchange that a command begins with 0.
    pub number: u8,
    /// What is there of what stands behind its head.
    pub body: &'a [u8],
    /// How long its body is in all.
    pub size: usize,
}

/// The size of a packet that goes on in the next one, in bytes.
const FULL: usize = 0xff_ffff;

/// A head's size.
pub(super) const HEAD: usize = 4;

impl<'a> Packet<'a> {
    /// The packet that begins here. `None` if there is not even its head.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let [a, b, c, number] = *bytes.first_chunk()?;
        let size = u32::from_le_bytes([a, b, c, 0]) as usize;
        let rest = &bytes[HEAD..];
        Some(Packet { number, body: &rest[..size.min(rest.len())], size })
    }

    /// How long it is with its head.
    pub(super) fn length(&self) -> u64 {
        (self.size + HEAD) as u64
    }

    /// Whether all of it is there.
    pub(super) fn is_whole(&self) -> bool {
        self.body.len() == self.size
    }

    /// Whether the next packet is the rest of this one.
    pub(super) fn goes_on(&self) -> bool {
        self.size == FULL
    }

    /// Whether it describes a column or a parameter; or is a row that begins so.
    pub(super) fn is_definition(&self) -> bool {
        self.body.starts_with(DEFINITION)
    }

    /// What ends rows: an EOF, or an OK that says it is one.
    pub(super) fn end(&self) -> Option<End> {
        if self.body.first() != Some(&0xfe) || self.goes_on() {
            return None;
        }
        match self.size {
            0..5 => Some(End::default()),
            5 | 6 => {
                Some(End { affected: 0, status: word(self.body, 3).unwrap_or(0), short: true })
            }
            _ => Some(self.ok()),
        }
    }

    /// What an OK says, as far as it is there.
    pub(super) fn ok(&self) -> End {
        let mut rest = self.body.get(1..).unwrap_or_default();
        let affected = number(&mut rest).unwrap_or(0);
        let known = number(&mut rest).is_some();
        let status = word(rest, 0).filter(|_| known).unwrap_or(0);
        End { affected, status, short: false }
    }
}

/// How a definition begins: its catalog is always `def`.
pub(super) const DEFINITION: &[u8] = b"\x03def";

/// What an OK or an EOF says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct End {
    /// How many rows were changed.
    pub affected: u64,
    /// The server's status.
    pub status: u16,
    /// Whether it is an EOF as they were before OK took their place.
    pub short: bool,
}

impl End {
    /// Whether another result comes behind this one.
    pub(super) fn has_more(&self) -> bool {
        self.status & 0x0008 != 0
    }

    /// Whether `\` is a character as any other in what is said from here on.
    pub(super) fn is_unescaped(&self) -> bool {
        self.status & 0x0200 != 0
    }

    /// Whether the rows stay with the server until they are fetched.
    pub(super) fn has_cursor(&self) -> bool {
        self.status & 0x0040 != 0
    }
}

/// Two bytes, the low one first.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

/// Four bytes, the low one first.
pub(super) fn long(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// Splits off a number of one to nine bytes.
pub(super) fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    let length = match first {
        0..=0xfa => 0,
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        _ => return None,
    };
    let (digits, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(match length {
        0 => first.into(),
        _ => digits.iter().rev().fold(0, |value, digit| value << 8 | u64::from(*digit)),
    })
}

/// Splits off a string behind its length.
pub(super) fn counted<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(text)
}

/// Splits off a string that ends in a NUL.
pub(super) fn string<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = memchr::memchr(0, bytes)?;
    let text = &bytes[..end];
    *bytes = &bytes[end + 1..];
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings() {
        let mut bytes = &b"\x05\xfc\x01\x02\xfd\x01\0\0\xfe\x01\0\0\0\0\0\0\x80\x02ab\x09x"[..];
        assert_eq!(number(&mut bytes), Some(5));
        assert_eq!(number(&mut bytes), Some(0x201));
        assert_eq!(number(&mut bytes), Some(1));
        assert_eq!(number(&mut bytes), Some(0x8000_0000_0000_0001));
        assert_eq!(counted(&mut bytes), Some(&b"ab"[..]));
        assert_eq!(counted(&mut bytes), None);
    }

    #[test]
    fn what_ends_rows() {
        let end = |bytes| Packet::read(bytes).unwrap().end();
        assert!(end(b"\x05\0\0\x01\xfe\0\0\x0a\0").is_some_and(|end| end.short && end.has_more()));
        assert!(end(b"\x07\0\0\x01\xfe\0\0\x42\0\0\0").is_some_and(|end| end.has_cursor()));
        assert!(end(b"\xff\xff\xff\x01\xfe\0\0\x42\0").is_none());
        assert!(end(b"\x05\0\0\x01\x04abcd").is_none());
    }
}
