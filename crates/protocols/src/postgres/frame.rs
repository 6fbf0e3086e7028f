//! Where messages begin and end, and what they look like at their beginning.

use crate::Verdict;

/// A message as far as it is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    /// Its tag; 0 for what a client says first, which has none.
    pub tag: u8,
    /// What is there of what stands behind its length.
    pub body: &'a [u8],
    /// How long it is in all.
    pub length: u64,
    /// Whether all of it is there.
    pub whole: bool,
}

/// Longer messages are not believed, in bytes.
const LONGEST: u64 = 1 << 30;

/// The tags of each side.
pub(super) const CLIENT: &[u8] = b"QPBEDCSHFdcfp\x58";
pub(super) const SERVER: &[u8] = b"RKSNAZTDCEI123ntsGHWdcvV";

impl<'a> Frame<'a> {
    /// The message that begins here. `None` if there is not even its length.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Frame<'a>> {
        let tag = *bytes.first()?;
        let head = if tag == 0 { 0 } else { 1 };
        let size = bytes.get(head..)?.first_chunk::<4>()?;
        let length = u64::from(u32::from_be_bytes(*size)) + head as u64;
        let rest = &bytes[head + 4..];
        let end = usize::try_from(length).unwrap_or(usize::MAX).saturating_sub(head + 4);
        Some(Frame { tag, body: &rest[..end.min(rest.len())], length, whole: rest.len() >= end })
    }

    /// Whether its length is one that its tag may have.
    pub(super) fn is_sound(&self, tags: &[u8]) -> bool {
        let body = self.length.saturating_sub(5);
        let fits = match self.tag {
            0 => (8..=10_240).contains(&self.length),
            b'Z' => body == 1,
            b'1' | b'2' | b'3' | b'n' | b's' | b'I' | b'S' | b'c' | b'H'
                if tags == SERVER && !matches!(self.tag, b'S' | b'H') =>
            {
                body == 0
            }
            b'S' | b'H' | b'c' | b'X' if tags == CLIENT => body == 0,
            b'R' | b'K' => (4..10_000).contains(&body),
            b'T' | b't' | b'G' | b'H' | b'W' => (2..1 << 20).contains(&body),
            b'E' | b'C' | b'N' | b'A' | b'S' => (1..1 << 20).contains(&body),
            _ => true,
        };
        let tagged = self.tag == 0 || tags.contains(&self.tag);
        tagged && fits && self.length >= 5 && self.length < LONGEST
    }
}

/// Splits off a string that ends in a NUL.
pub(super) fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// What a client says before it has said a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Startup,
    Ssl,
    Gss,
    Cancel,
}

pub(super) fn opening(body: &[u8]) -> Option<Opening> {
    match u32::from_be_bytes(*body.first_chunk()?) {
        0x0003_0000..=0x0003_0010 => Some(Opening::Startup),
        80_877_102 => Some(Opening::Cancel),
        80_877_103 => Some(Opening::Ssl),
        80_877_104 => Some(Opening::Gss),
        _ => None,
    }
}

pub(super) fn client_begins(bytes: &[u8]) -> Verdict {
    let Some(frame) = Frame::read(bytes) else {
        return match bytes.first() {
            Some(0) | None => Verdict::More,
            Some(tag) if CLIENT.contains(tag) && bytes.get(1).is_none_or(|&byte| byte == 0) => {
                Verdict::More
            }
            Some(_) => Verdict::Unlikely,
        };
    };
    if !frame.is_sound(CLIENT) || frame.length >= 1 << 24 {
        return Verdict::Unlikely;
    }
    let fits = match frame.tag {
        0 if frame.body.len() < 4 => return Verdict::More,
        0 => match opening(frame.body) {
            Some(Opening::Startup) => frame.body.get(4).map(|byte| byte.is_ascii_lowercase()),
            Some(Opening::Ssl | Opening::Gss) => Some(frame.length == 8),
            Some(Opening::Cancel) => Some(frame.length >= 16),
            None => Some(false),
        },
        b'Q' => frame.body.first().map(|&byte| begins_sql(byte)),
        // The name, then the text.
        b'P' => match string(frame.body) {
            Some((name, rest)) if name.iter().all(u8::is_ascii_graphic) => {
                rest.first().map(|&byte| begins_sql(byte))
            }
            None if frame.body.len() < 64 && frame.body.iter().all(u8::is_ascii_graphic) => None,
            _ => Some(false),
        },
        b'B' => match string(frame.body).map(|(portal, rest)| (portal, string(rest))) {
            Some((portal, Some((name, _)))) => {
                Some([portal, name].concat().iter().all(u8::is_ascii_graphic))
            }
            _ if frame.body.len() < 128 => None,
            _ => Some(false),
        },
        // What a message is said with that may begin a connection taken up in the middle.
        b'D' | b'C' => frame.body.first().map(|kind| matches!(kind, b'S' | b'P')),
        b'S' | b'H' => Some(true),
        b'E' if frame.whole => Some(string(frame.body).is_some_and(|(_, rest)| rest.len() == 4)),
        b'E' if frame.length < 64 => None,
        _ => Some(false),
    };
    match fits {
        Some(true) => Verdict::Likely,
        Some(false) => Verdict::Unlikely,
        // A message that is there whole and says nothing is none of these.
        None if frame.whole => Verdict::Unlikely,
        None => Verdict::More,
    }
}

pub(super) fn server_begins(bytes: &[u8]) -> Verdict {
    // The answer to the question for TLS is one letter, and something else comes behind it.
    match bytes {
        [] | [b'S' | b'N' | b'G'] => return Verdict::More,
        [b'S', 0x15 | 0x16, ..] | [b'N', b'R' | b'E', ..] => return Verdict::Likely,
        _ => {}
    }
    let Some(frame) = Frame::read(bytes) else {
        let sound = SERVER.contains(&bytes[0]) && bytes.get(1).is_none_or(|&byte| byte == 0);
        return if sound { Verdict::More } else { Verdict::Unlikely };
    };
    if !frame.is_sound(SERVER) || frame.length >= 1 << 24 {
        return Verdict::Unlikely;
    }
    let word =
        |at: usize| frame.body.get(at..)?.first_chunk::<4>().copied().map(u32::from_be_bytes);
    let fits = match frame.tag {
        b'1' | b'2' | b'3' | b'n' | b's' | b'I' => Some(true),
        b'Z' => frame.body.first().map(|state| matches!(state, b'I' | b'T' | b'E')),
        b'R' => word(0).map(|kind| kind <= 12),
        b'C' | b'S' => frame.body.first().map(|byte| byte.is_ascii_alphabetic()),
        b'E' | b'N' => frame.body.first().map(|field| *field == b'S'),
        // Columns, and the first one's name.
        b'T' => match frame.body.first_chunk::<2>() {
            Some([0, 0]) => Some(frame.length == 7),
            Some([high, _]) => Some(*high < 8 && frame.length > 20),
            None => None,
        },
        b't' | b'G' | b'H' => Some(frame.length < 1 << 16),
        b'D' => frame.body.first().map(|&high| frame.length >= 7 && high < 8),
        _ => Some(false),
    };
    match fits {
        Some(true) => Verdict::Likely,
        Some(false) => Verdict::Unlikely,
        None if frame.whole => Verdict::Unlikely,
        None => Verdict::More,
    }
}

fn begins_sql(byte: u8) -> bool {
    byte.is_ascii_alphabetic()
        || byte.is_ascii_whitespace()
        || matches!(byte, b'/' | b'-' | b'(' | b';' | 0)
}
