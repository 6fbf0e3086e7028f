//! Frames as the kernel side walks through them, in streams that repeat themselves exactly.

use std::ops::Range;

use signal_stream::Frames;

pub(crate) const PREFACE: &[u8; 8] = b"FRAMES!!";
/// The kind of frame of which only the beginning matters.
pub(crate) const BODY: u8 = 1;
/// The kind that matters.
pub(crate) const HEAD: u8 = 2;

pub(crate) const FRAMES: Frames =
    Frames { never: 0xe0 << 24, kinds: 0b110, copied: 0b100, first: 64 };

/// Bytes, and which of them have to be copied.
pub(crate) struct Stream {
    pub(crate) bytes: Vec<u8>,
    pub(crate) wanted: Vec<Range<usize>>,
}

/// Numbers without a pattern, the same each time.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 1 up to `most`, small ones as often as large ones.
    pub(crate) fn size(&mut self, most: usize) -> usize {
        let bits = self.next() % u64::from(most.ilog2() + 1);
        (self.next() as usize % (1 << (bits + 1)) + 1).min(most)
    }
}

pub(crate) fn frame(kind: u8, what: &[u8]) -> Vec<u8> {
    let length = (what.len() as u32).to_be_bytes();
    [&length[1..], &[kind, 0, 0, 0, 0, 0], what].concat()
}

/// So many frames behind the preface: heads of up to 12,000 bytes, bodies of up to 60,000.
pub(crate) fn stream(count: usize) -> Stream {
    let mut chance = Chance(1);
    let mut bytes = PREFACE.to_vec();
    let mut wanted: Vec<Range<usize>> = std::iter::once(0..PREFACE.len()).collect();
    for _ in 0..count {
        let is_head = chance.next().is_multiple_of(3);
        let (kind, most) = if is_head { (HEAD, 12_000) } else { (BODY, 60_000) };
        let length = chance.size(most) - 1;
        let what: Vec<u8> = (0..length).map(|_| chance.next() as u8).collect();
        let begin = bytes.len();
        bytes.extend(frame(kind, &what));
        let end = if is_head { bytes.len() } else { bytes.len().min(begin + 9 + 64) };
        wanted.push(begin..end);
    }
    Stream { bytes, wanted }
}
