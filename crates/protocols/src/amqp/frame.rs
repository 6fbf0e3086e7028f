//! Where frames begin and end.

use super::methods::{Does, Method, method};
use crate::prefix::Prefix;
use crate::{Side, Verdict};

/// A frame as far as it is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub kind: u8,
    pub channel: u16,
    /// How long it is in all.
    pub length: u64,
    /// What is there of what it carries.
    pub payload: &'a [u8],
    /// How long that is in all.
    pub size: u64,
    /// Whether all of it is there, its end included.
    pub whole: bool,
    /// What stands at its end, if that is there.
    end: Option<u8>,
}

/// Kinds of frames.
pub(super) const METHOD: u8 = 1;
pub(super) const HEADER: u8 = 2;
pub(super) const BODY: u8 = 3;
pub(super) const HEARTBEAT: u8 = 8;

/// What every frame ends with.
pub(super) const END: u8 = 0xce;

/// A frame's head and its end, in bytes.
pub(super) const HEAD: usize = 7;
pub(super) const AROUND: u64 = 8;

/// What a client says first.
pub(super) const GREETING: &[u8; 8] = b"AMQP\0\0\x09\x01";

/// Longer frames are not believed, in bytes.
const LONGEST: u32 = 1 << 28;

/// Frames up to this length are looked at whole, in bytes.
const SHORT: u64 = 64;

/// The class of all messages.
pub(super) const BASIC: u16 = 60;

impl<'a> Frame<'a> {
    /// The frame that begins here. `None` if its head is not there.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Frame<'a>> {
        let mut head = Prefix::new(bytes);
        let (kind, channel, size) = (head.u8()?, head.be16()?, head.be32()?);
        let rest = head.rest();
        let payload = &rest[..rest.len().min(size as usize)];
        let end = rest.get(size as usize).copied();
        let length = u64::from(size) + AROUND;
        Some(Frame {
            kind,
            channel,
            length,
            payload,
            size: u64::from(size),
            whole: end.is_some(),
            end,
        })
    }

    /// Whether it may be one of `side`, as far as it is there.
    pub(super) fn is_sound(&self, side: Side) -> bool {
        let fits = match self.kind {
            METHOD => match self.method() {
                Some(Ok(method)) => {
                    let about_all = method.class == 10;
                    method.by.is_none_or(|by| by == side) && about_all == (self.channel == 0)
                }
                Some(Err(())) => false,
                None => self.size >= 4,
            },
            HEADER => {
                let class = self.payload.first_chunk().map(|class| u16::from_be_bytes(*class));
                let weight = self.payload.get(2..4);
                self.channel > 0
                    && self.size >= 14
                    && class.is_none_or(|class| class == BASIC)
                    && weight.is_none_or(|weight| weight == [0, 0])
            }
            BODY => self.channel > 0 && self.size > 0,
            HEARTBEAT => self.channel == 0 && self.size == 0,
            _ => false,
        };
        fits && self.size < u64::from(LONGEST) && self.end.is_none_or(|end| end == END)
    }

    /// The method that it carries; an error if it is none that is known. `None` if that is not there.
    pub(super) fn method(&self) -> Option<Result<&'static Method, ()>> {
        let mut payload = Prefix::new(self.payload);
        let (class, id) = (payload.be16()?, payload.be16()?);
        Some(method(class, id).ok_or(()))
    }
}

/// Whether these are the first bytes of what `side` says.
pub(super) fn begins(side: Side, bytes: &[u8]) -> Verdict {
    if side == Side::Client && bytes.first().is_none_or(|&byte| byte == GREETING[0]) {
        let shown = bytes.len().min(GREETING.len());
        return match bytes[..shown] == GREETING[..shown] {
            true if shown == GREETING.len() => Verdict::Likely,
            true => Verdict::More,
            false => Verdict::Unlikely,
        };
    }
    let mut bytes = bytes;
    loop {
        match frame_begins(side, bytes) {
            Begins::Said(verdict) => return verdict,
            Begins::Behind(length) => bytes = &bytes[length..],
        }
    }
}

/// What the first frame says of who speaks.
enum Begins {
    Said(Verdict),
    /// Both sides may say it: what comes behind these bytes has to tell.
    Behind(usize),
}

fn frame_begins(side: Side, bytes: &[u8]) -> Begins {
    let Some(frame) = Frame::read(bytes) else {
        let kind = bytes.first().is_none_or(|kind| matches!(*kind, METHOD | HEARTBEAT));
        return Begins::Said(if kind { Verdict::More } else { Verdict::Unlikely });
    };
    // The end of a short frame is waited for; that of a long one may never be copied.
    let short = frame.length <= SHORT;
    let sound = if short { frame } else { Frame { end: None, ..frame } };
    // Headers and bodies say too little of themselves to be believed.
    let kind = matches!(frame.kind, METHOD | HEARTBEAT);
    if !kind || !sound.is_sound(side) || frame.size >= 1 << 16 {
        return Begins::Said(Verdict::Unlikely);
    }
    let known = matches!(frame.method(), Some(Ok(method)) if tells(method));
    match known && (frame.whole || !short) {
        true => Begins::Said(Verdict::Likely),
        false if frame.whole => Begins::Behind(frame.length as usize),
        false => Begins::Said(Verdict::More),
    }
}

/// Whether only one side says this, for the most part: clients confirm what is delivered, servers what
/// is published.
fn tells(method: &Method) -> bool {
    method.by.is_some() || matches!(method.does, Does::Acks)
}

/// Whether a frame begins here that something else can be read behind.
pub(super) fn starts(side: Side, bytes: &[u8]) -> bool {
    match Frame::read(bytes).filter(|frame| frame.is_sound(side)) {
        Some(frame) if frame.kind == METHOD => {
            frame.method().is_some() && (!frame.whole || tiles(side, bytes))
        }
        Some(frame) => frame.kind == HEARTBEAT && frame.whole,
        None => false,
    }
}

/// Whether frames follow each other here: the first one whole, and the next sound as far as it is there.
fn tiles(side: Side, bytes: &[u8]) -> bool {
    let Some(frame) = Frame::read(bytes).filter(|frame| frame.whole && frame.is_sound(side)) else {
        return false;
    };
    let next = &bytes[frame.length as usize..];
    Frame::read(next).is_none_or(|next| next.is_sound(side))
}
