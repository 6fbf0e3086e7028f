//! How many messages a stream carries.

/// What one side's messages of a call came to, as far as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Messages {
    /// How many there were; `None` where some of their lengths were not seen, or not yet.
    pub count: Option<u64>,
    /// How long they were together, in bytes, as they were sent; `None` likewise.
    pub bytes: Option<u64>,
}

/// Counts messages: each has a byte of flags and its length before it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counter {
    count: u64,
    bytes: u64,
    /// Bytes of the newest message still to come.
    left: u64,
    /// What is there of the next one's prefix.
    prefix: [u8; PREFIX],
    there: usize,
    /// Whether it is not known where messages begin.
    lost: bool,
}

const PREFIX: usize = 5;

impl Counter {
    /// Bytes that were seen.
    pub(crate) fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.lost {
            if self.left > 0 {
                let passed = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= passed as u64;
                bytes = &bytes[passed..];
                continue;
            }
            let taken = bytes.len().min(PREFIX - self.there);
            self.prefix[self.there..self.there + taken].copy_from_slice(&bytes[..taken]);
            self.there += taken;
            bytes = &bytes[taken..];
            if self.there == PREFIX {
                self.begin();
            }
        }
    }

    /// Bytes that were not.
    pub(crate) fn miss(&mut self, bytes: u64) {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => self.lost = true,
        }
    }

    /// Whether so many bytes need not be seen.
    pub(crate) fn covers(&self, bytes: u64) -> bool {
        self.lost || self.left >= bytes
    }

    /// Whether what was seen is whole messages, at least one.
    pub(crate) fn is_even(&self) -> bool {
        !self.lost && self.left == 0 && self.there == 0 && self.count > 0
    }

    /// What it came to.
    pub(crate) fn messages(&self) -> Messages {
        match self.lost {
            true => Messages::default(),
            false => Messages { count: Some(self.count), bytes: Some(self.bytes) },
        }
    }

    /// It is not known any more where messages begin.
    pub(crate) fn lose(&mut self) {
        self.lost = true;
    }

    fn begin(&mut self) {
        let [flags, length @ ..] = self.prefix;
        let length = u64::from(u32::from_be_bytes(length));
        self.there = 0;
        if flags > 1 {
            // Trailers of grpc-web are said like a message; anything else is none.
            self.lost |= flags & 0x7e != 0;
            self.left = length;
            return;
        }
        self.count += 1;
        self.bytes += length;
        self.left = length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"\0\0\0\0\x03abc\x01\0\0\0\0";

    #[test]
    fn however_they_are_cut() {
        for end in 0..=TWO.len() {
            let mut counter = Counter::default();
            counter.see(&TWO[..end]);
            counter.see(&TWO[end..]);
            let two = Messages { count: Some(2), bytes: Some(3) };
            assert_eq!((counter.messages(), counter.is_even()), (two, true));
        }
    }

    #[test]
    fn what_need_not_be_seen() {
        let mut counter = Counter::default();
        counter.see(&TWO[..6]);
        assert!(counter.covers(2) && !counter.covers(3));
        counter.miss(2);
        counter.see(&TWO[8..]);
        assert_eq!(counter.messages().count, Some(2));
        counter.miss(1);
        assert_eq!(counter.messages(), Messages::default());
    }

    #[test]
    fn what_is_no_message() {
        let mut counter = Counter::default();
        counter.see(b"{\"a\": 1}");
        assert_eq!(counter.messages().count, None);
    }
}
