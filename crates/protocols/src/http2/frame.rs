//! Frames: nine bytes of what they are, and what they carry.

use super::hpack;
use crate::Side;

/// What a client says first.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long the front of a frame is.
pub(super) const FRONT: usize = 9;

/// How long a frame may be if nobody allowed more.
pub(super) const USUAL: u32 = 16_384;

pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const PRIORITY: u8 = 2;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const PUSH_PROMISE: u8 = 5;
    pub(in super::super) const PING: u8 = 6;
    pub(in super::super) const GOAWAY: u8 = 7;
    pub(in super::super) const WINDOW_UPDATE: u8 = 8;
    pub(in super::super) const CONTINUATION: u8 = 9;
}

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// The flags that each kind may have.
pub(super) const FLAGS: [u8; 10] = [
    END_STREAM | PADDED,
    END_STREAM | END_HEADERS | PADDED | PRIORITY,
    0,
    0,
    ACK,
    END_HEADERS | PADDED,
    ACK,
    0,
    0,
    END_HEADERS,
];

/// A frame, as far as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'b> {
    /// How long what it carries is, in bytes.
    pub length: u32,
    pub kind: u8,
    pub flags: u8,
    /// The stream it belongs to, with the bit that must not be set.
    pub stream: u32,
    /// What is there of what it carries.
    pub there: &'b [u8],
}

/// What a frame says of whether this is HTTP/2 at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// It is, and only this side says such a thing.
    Sure,
    /// It is, and either side may say it.
    Likely,
    /// It may well be.
    Weak,
    /// It is not, or this side does not say it.
    Never,
    /// More of it has to be there.
    More,
}

impl<'b> Frame<'b> {
    /// The frame that begins here; `None` if not even its front is there.
    pub(super) fn read(bytes: &'b [u8]) -> Option<Frame<'b>> {
        let (front, rest) = bytes.split_first_chunk::<FRONT>()?;
        let [a, b, c, kind, flags, s1, s2, s3, s4] = *front;
        let length = u32::from_be_bytes([0, a, b, c]);
        let there = &rest[..rest.len().min(length as usize)];
        Some(Frame { length, kind, flags, stream: u32::from_be_bytes([s1, s2, s3, s4]), there })
    }

    /// How long it is with its front.
    pub(super) fn size(&self) -> u64 {
        u64::from(self.length) + FRONT as u64
    }

    /// Whether all of it is there.
    pub(super) fn whole(&self) -> bool {
        self.there.len() == self.length as usize
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether it is as the protocol wants it, from `side`, no longer than `most`. Kinds that are not
    /// known have to be put up with.
    pub(super) fn is_sound(&self, side: Side, most: u32) -> bool {
        let Some(flags) = FLAGS.get(usize::from(self.kind)) else {
            return self.length <= USUAL && self.stream >> 31 == 0;
        };
        let own = side == Side::Server || self.stream % 2 == 1;
        let of_stream = self.stream != 0;
        // Padding has a length, priority five bytes.
        let least = u32::from(self.has(PADDED)) + 5 * u32::from(self.has(PRIORITY));
        let fits = match self.kind {
            kind::DATA => of_stream && own && self.length >= least,
            kind::HEADERS => of_stream && own && self.length > least,
            kind::PRIORITY => of_stream && self.length == 5,
            kind::RST_STREAM => of_stream && self.length == 4,
            kind::SETTINGS => {
                let length = if self.has(ACK) { 0 } else { self.length };
                self.stream == 0 && self.length == length && length % 6 == 0 && length <= 6 * 64
            }
            kind::PUSH_PROMISE => of_stream && side == Side::Server && self.length > 4 + least,
            kind::PING => self.stream == 0 && self.length == 8,
            kind::GOAWAY => self.stream == 0 && self.length >= 8,
            kind::WINDOW_UPDATE => self.length == 4,
            _ => of_stream && own,
        };
        fits && self.flags & !flags == 0 && self.stream >> 31 == 0 && self.length <= most
    }

    /// What it carries without padding and priority, as far as it is there; and how much of that is
    /// not. `None` if it is not known yet how much padding there is, or if that is too much.
    pub(super) fn content(&self) -> Option<(&'b [u8], u32)> {
        let (mut there, mut length) = (self.there, self.length);
        let mut padding = 0;
        let carries = matches!(self.kind, kind::DATA | kind::HEADERS | kind::PUSH_PROMISE);
        if carries && self.has(PADDED) {
            let (first, rest) = there.split_first()?;
            (padding, there, length) = (u32::from(*first), rest, length - 1);
        }
        if self.kind == kind::HEADERS && self.has(PRIORITY) {
            there = &there[there.len().min(5)..];
            length = length.checked_sub(5)?;
        }
        length = length.checked_sub(padding)?;
        let there = &there[..there.len().min(length as usize)];
        Some((there, length - there.len() as u32))
    }

    /// The number of 32 bits at `at`, if it is there.
    pub(super) fn word(&self, at: usize) -> Option<u32> {
        let word = self.there.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*word))
    }

    /// What it sets: numbers and values, as far as they are there.
    pub(super) fn settings(&self) -> impl Iterator<Item = (u16, u32)> + use<'b> {
        self.there.chunks_exact(6).map(|chunk| {
            let [a, b, value @ ..] = [chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5]];
            (u16::from_be_bytes([a, b]), u32::from_be_bytes(value))
        })
    }

    /// Takes a sound frame of `side` as evidence.
    pub(super) fn evidence(&self, side: Side) -> Evidence {
        let code = |at| match self.word(at) {
            Some(0..=13) => Evidence::Likely,
            Some(_) => Evidence::Never,
            None => Evidence::More,
        };
        // What begins with a zero and a small number is often something else. Streams of even
        // numbers are pushed, which hardly anybody does.
        let pushed = self.stream.is_multiple_of(2);
        match self.kind {
            kind::DATA if pushed => Evidence::Never,
            kind::DATA => Evidence::Weak,
            kind::HEADERS if pushed => Evidence::Never,
            kind::HEADERS => self.first_field(side),
            kind::PRIORITY => Evidence::Weak,
            kind::RST_STREAM => code(0),
            kind::SETTINGS if self.has(ACK) => Evidence::Likely,
            kind::SETTINGS if self.length == 0 => Evidence::Weak,
            kind::SETTINGS if !self.whole() => Evidence::More,
            kind::SETTINGS => self.known_settings(),
            kind::PUSH_PROMISE => Evidence::Weak,
            kind::PING => Evidence::Likely,
            kind::GOAWAY => code(4),
            kind::WINDOW_UPDATE => match self.word(0) {
                Some(1..=0x7fff_ffff) => Evidence::Likely,
                Some(_) => Evidence::Never,
                None => Evidence::More,
            },
            _ => Evidence::Never,
        }
    }

    fn known_settings(&self) -> Evidence {
        let mut known = 0;
        for (number, value) in self.settings() {
            let sound = match number {
                2 | 8 => value <= 1,
                4 => value < 1 << 31,
                5 => (1 << 14..1 << 24).contains(&value),
                _ => true,
            };
            if !sound {
                return Evidence::Never;
            }
            known += usize::from((1..=9).contains(&number));
        }
        if known > 0 { Evidence::Likely } else { Evidence::Never }
    }

    /// A request or a response begins with a few fields that stand nowhere else. What is said of them by
    /// numbers is not known here.
    fn first_field(&self, side: Side) -> Evidence {
        let Some((block, unseen)) = self.content() else {
            return if self.there.is_empty() { Evidence::More } else { Evidence::Never };
        };
        let mut rest = block;
        let mut unknown = self.has(END_STREAM);
        while !rest.is_empty() {
            let asks = match hpack::next(rest) {
                Ok(Some((next, used))) => {
                    rest = &rest[used..];
                    next
                }
                Ok(None) if unseen > 0 => return Evidence::More,
                Ok(None) | Err(hpack::Broken) => return Evidence::Never,
            };
            return match asks {
                hpack::Next::Size => continue,
                hpack::Next::Unknown => {
                    unknown = true;
                    continue;
                }
                hpack::Next::Begins(begins) if begins == side => Evidence::Sure,
                hpack::Next::Begins(_) => Evidence::Never,
                // Trailers, or one behind what is not known.
                hpack::Next::Other if unknown => Evidence::Weak,
                hpack::Next::Other => Evidence::Never,
            };
        }
        match (unseen, unknown) {
            (0, true) => Evidence::Weak,
            (0, false) => Evidence::Never,
            _ => Evidence::More,
        }
    }
}

/// Whether a frame may begin like this, of which not even the front is there.
pub(super) fn may_begin(side: Side, bytes: &[u8]) -> bool {
    let mut front = [0; FRONT];
    let there = bytes.len().min(FRONT);
    front[..there].copy_from_slice(&bytes[..there]);
    let Some(frame) = Frame::read(&front) else {
        return false;
    };
    let client_pushes = side == Side::Client && frame.kind == kind::PUSH_PROMISE;
    match there {
        0 => true,
        1..4 => frame.length <= USUAL,
        4 => frame.length <= USUAL && usize::from(frame.kind) < FLAGS.len() && !client_pushes,
        _ => {
            let flags = FLAGS.get(usize::from(frame.kind)).copied().unwrap_or_default();
            may_begin(side, &bytes[..4]) && frame.flags & !flags == 0 && frame.stream >> 31 == 0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: &[u8]) -> Frame<'_> {
        Frame::read(bytes).unwrap()
    }

    #[test]
    fn padding_and_priority_are_no_content() {
        let padded = frame(b"\0\0\x0a\x01\x2c\0\0\0\x01\x02\0\0\0\0\x10\x82\x84..");
        assert!(padded.is_sound(Side::Client, USUAL));
        assert_eq!(padded.content(), Some((&b"\x82\x84"[..], 0)));
        let cut = frame(b"\0\0\x0a\x01\x2c\0\0\0\x01\x02\0\0\0\0\x10\x82");
        assert_eq!(cut.content(), Some((&b"\x82"[..], 1)));
        assert_eq!(frame(b"\0\0\x02\0\x08\0\0\0\x01\x02a").content(), None);
        assert_eq!(frame(b"\0\0\x02\0\x08\0\0\0\x01").content(), None);
    }

    #[test]
    fn frames_that_are_none() {
        for (side, bytes) in [
            (Side::Client, &b"\0\0\0\0\0\0\0\0\0"[..]),
            (Side::Client, b"\0\0\x04\x01\x04\0\0\0\x02...."),
            (Side::Server, b"\0\0\x04\x01\x14\0\0\0\x01...."),
            (Side::Server, b"\0\0\x04\x01\x04\x80\0\0\x01...."),
            (Side::Client, b"\0\0\x05\x05\x04\0\0\0\x01\0\0\0\x02\x82"),
            (Side::Server, b"\0\0\x05\x04\0\0\0\0\0....."),
            (Side::Server, b"\0\0\x06\x04\x01\0\0\0\0......"),
            (Side::Server, b"\0\x40\x01\0\0\0\0\0\x01"),
            (Side::Server, b"\0\0\0\x01\x04\0\0\0\x01"),
        ] {
            assert!(!frame(bytes).is_sound(side, USUAL), "{bytes:?}");
        }
    }

    #[test]
    fn what_frames_are_evidence_of() {
        use Evidence::{Likely, More, Never, Sure, Weak};
        for (side, bytes, evidence) in [
            (Side::Client, &b"\0\0\x02\x01\x05\0\0\0\x01\x82\x84"[..], Sure),
            (Side::Server, b"\0\0\x02\x01\x05\0\0\0\x01\x82\x84", Never),
            (Side::Server, b"\0\0\x02\x01\x05\0\0\0\x01\x20\x88", Sure),
            (Side::Server, b"\0\0\x02\x01\x05\0\0\0\x01\x20", More),
            (Side::Server, b"\0\0\x01\x01\x05\0\0\0\x01\xbe", Weak),
            (Side::Server, b"\0\0\x01\x01\x04\0\0\0\x01\x93", Never),
            (Side::Client, b"\0\0\x03\x01\x04\0\0\0\x01\xc3\xc2\x83", Sure),
            (Side::Server, b"\0\0\x03\x01\x04\0\0\0\x01\xc3\xc2\x83", Never),
            (Side::Client, b"\0\0\x09\x01\x04\0\0\0\x01\x40\x05:path\x01/", Sure),
            (Side::Client, b"\0\0\x0a\x01\x05\0\0\0\x01\x40\x07:status\x01", Never),
            (Side::Client, b"\0\0\x05\x01\x05\0\0\0\x01\x40\x01a\x01b", Weak),
            (Side::Client, b"\0\0\x05\x01\x05\0\0\0\x01\x40\x02a", More),
            (Side::Server, b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08", Likely),
            (Side::Server, b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x18", Never),
            (Side::Server, b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64", Likely),
            (Side::Server, b"\0\0\x06\x04\0\0\0\0\0\0\x02\0\0\0\x64", Never),
            (Side::Server, b"\0\0\x06\x04\0\0\0\0\0\x0a\x02\0\0\0\x64", Never),
            (Side::Client, b"\0\0\x08\x06\0\0\0\0\0", Likely),
            (Side::Client, b"\0\0\x04\x08\0\0\0\0\0\0\0\0\0", Never),
        ] {
            assert!(frame(bytes).is_sound(side, USUAL), "{bytes:?}");
            assert_eq!(frame(bytes).evidence(side), evidence, "{bytes:?}");
        }
    }
}
