//! Where messages begin: a length, then what every request or response begins with.

use super::apis::{Api, api};
use super::layout::{self, Found, tagged_fields};
use crate::Verdict;
use crate::prefix::Prefix;

/// A message as far as it is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    /// What is there of what stands behind its length.
    pub body: &'a [u8],
    /// How long it is in all.
    pub length: u64,
    pub whole: bool,
}

/// What every request begins with.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub key: i16,
    pub api: &'static Api,
    pub version: i16,
    pub correlation: i32,
    /// `None` where it was cut; empty where it has none.
    pub client: Option<&'a [u8]>,
    /// What stands behind it.
    pub rest: Prefix<'a>,
}

/// Longer messages are not believed, in bytes.
const LONGEST: u32 = 1 << 28;

/// Longer requests without a client's name are not looked at, in bytes.
const LONGEST_NAMELESS: u64 = 512;

/// Higher versions are not believed.
const NEWEST: u16 = 30;

impl<'a> Frame<'a> {
    /// The same with no more of it than so many bytes.
    pub(super) fn up_to(self, length: usize) -> Frame<'a> {
        Frame { body: &self.body[..self.body.len().min(length)], ..self }
    }

    /// The message that begins here. `None` if there is not even its length.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Frame<'a>> {
        let (size, rest) = bytes.split_first_chunk::<4>()?;
        let size = u32::from_be_bytes(*size);
        let end = (size as usize).min(rest.len());
        let whole = rest.len() >= size as usize;
        Some(Frame { body: &rest[..end], length: u64::from(size) + 4, whole })
    }

    pub(super) fn is_sound(&self) -> bool {
        self.length < u64::from(LONGEST)
    }
}

impl<'a> Head<'a> {
    /// What a request begins with. `None` if it is none, or is cut before it says what it is.
    pub(super) fn read(frame: &Frame<'a>) -> Option<Head<'a>> {
        let mut prefix = Prefix::new(frame.body);
        let key = prefix.be16()? as i16;
        let version = prefix.be16()?;
        let correlation = prefix.be32()? as i32;
        let api = api(key).filter(|_| version <= NEWEST && correlation >= 0)?;
        let version = version as i16;
        let mut head = Head { key, api, version, correlation, client: None, rest: prefix };
        // One request, in its oldest version, has no name of its client.
        if key == 7 && version == 0 {
            head.client = Some(b"");
            return Some(head);
        }
        let length = head.rest.be16().map(|length| length as i16);
        head.client =
            length.and_then(|length| head.rest.take(usize::try_from(length).unwrap_or(0)));
        if head.client.is_some() && head.is_flexible() {
            tagged_fields(&mut head.rest);
        }
        Some(head)
    }

    pub(super) fn is_flexible(&self) -> bool {
        self.version >= self.api.flexible
    }
}

/// Whether these are the first bytes of a request.
pub(super) fn request_begins(bytes: &[u8]) -> Verdict {
    let Some(frame) = Frame::read(bytes) else {
        return if bytes.first().is_none_or(|&high| high < 16) {
            Verdict::More
        } else {
            Verdict::Unlikely
        };
    };
    if !frame.is_sound() || frame.length < 4 + 8 {
        return Verdict::Unlikely;
    }
    let word =
        |at: usize| Some(u16::from_be_bytes([*frame.body.get(at)?, *frame.body.get(at + 1)?]));
    let fits = [
        word(0).map(|key| api(key as i16).is_some()),
        word(2).map(|version| version <= NEWEST),
        frame.body.get(4).map(|&high| high < 0x80),
        name_fits(&frame),
    ];
    if fits.contains(&Some(false)) {
        return Verdict::Unlikely;
    }
    if fits.contains(&None) { Verdict::More } else { Verdict::Likely }
}

/// Whether the name of the client is one: there is none, or it is printed.
fn name_fits(frame: &Frame) -> Option<bool> {
    if frame.body.get(..4) == Some(b"\0\x07\0\0") {
        return Some(true);
    }
    let length = i16::from_be_bytes([*frame.body.get(8)?, *frame.body.get(9)?]);
    if length <= 0 {
        return if length >= -1 { body_fits(frame) } else { Some(false) };
    }
    let room = frame.length - 4 - 10;
    let name = &frame.body[10..];
    let shown = name.len().min(length as usize);
    if u64::from(length as u16) > room
        || !name[..shown].iter().all(|byte| (b' '..0x7f).contains(byte))
    {
        return Some(false);
    }
    (shown == length as usize).then_some(true)
}

/// Whether a request without a client's name is one by what stands behind: all of it has to be there.
fn body_fits(frame: &Frame) -> Option<bool> {
    if frame.length > LONGEST_NAMELESS {
        return Some(false);
    }
    if !frame.whole {
        return None;
    }
    let Some(mut head) = Head::read(frame) else {
        return Some(false);
    };
    let flexible = head.is_flexible();
    let mut found = Found::default();
    let known = head.version <= head.api.newest && !head.api.request.is_empty();
    let read = layout::read(head.api.request, head.version, flexible, &mut head.rest, &mut found);
    let named = !(found.topics.is_empty() && found.group.is_empty() && found.key.is_empty());
    Some(known && read && named)
}

/// Whether these are the first bytes of a response: there is little to tell by.
pub(super) fn response_begins(bytes: &[u8]) -> Verdict {
    match Frame::read(bytes) {
        Some(frame) if !frame.is_sound() || frame.length < 4 + 4 + 2 => Verdict::Unlikely,
        Some(frame) => match frame.body.first() {
            Some(&high) if high < 0x80 => Verdict::Likely,
            Some(_) => Verdict::Unlikely,
            None => Verdict::More,
        },
        None if bytes.first().is_none_or(|&high| high < 16) => Verdict::More,
        None => Verdict::Unlikely,
    }
}
