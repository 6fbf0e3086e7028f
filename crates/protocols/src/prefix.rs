//! Reads the front of a message that may be cut anywhere.

/// What is left of some bytes. Every read is `None` where they end before it does, and from there on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prefix<'a> {
    rest: &'a [u8],
}

impl<'a> Prefix<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Prefix<'a> {
        Prefix { rest: bytes }
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `length` bytes.
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        match self.rest.split_at_checked(length) {
            Some((taken, rest)) => {
                self.rest = rest;
                Some(taken)
            }
            None => {
                self.rest = &[];
                None
            }
        }
    }

    /// Passes over `length` bytes.
    pub(crate) fn skip(&mut self, length: u64) -> Option<()> {
        self.take(usize::try_from(length).unwrap_or(usize::MAX)).map(|_| ())
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// Two bytes, the highest first.
    pub(crate) fn be16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes, the highest first.
    pub(crate) fn be32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes, the highest first.
    pub(crate) fn be64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Four bytes, the lowest first.
    pub(crate) fn le32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, the lowest first.
    pub(crate) fn le64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// What stands before the next zero byte, which is read as well.
    pub(crate) fn until_zero(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.rest).unwrap_or(self.rest.len());
        let text = self.take(end)?;
        self.skip(1).map(|()| text)
    }

    /// So many bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Prefix;

    #[test]
    fn numbers_and_text() {
        let mut prefix = Prefix::new(b"\x01\x00\x02\x03\0\0\0ab\0\x07");
        assert_eq!((prefix.u8(), prefix.be16(), prefix.le32()), (Some(1), Some(2), Some(3)));
        assert_eq!((prefix.until_zero(), prefix.rest()), (Some(&b"ab"[..]), &b"\x07"[..]));
        assert_eq!((prefix.be16(), prefix.u8()), (None, None));
    }

    #[test]
    fn nothing_is_read_behind_a_cut() {
        let mut prefix = Prefix::new(b"abc");
        assert_eq!((prefix.until_zero(), prefix.u8()), (None, None));
        assert_eq!(Prefix::new(b"abc").skip(u64::MAX), None);
    }
}
