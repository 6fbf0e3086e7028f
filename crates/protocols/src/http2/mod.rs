//! HTTP/2, and gRPC in it.
//!
//! Frames are read as far as they are there; bodies are passed over by their length, unseen. Streams
//! are the tags by which responses find their requests. A connection may be taken up anywhere: what
//! headers say by numbers whose meaning was not seen is missing, and marked so.

mod block;
mod conversation;
mod frame;
mod headers;
mod hpack;
mod streams;
#[cfg(test)]
mod tests;

use crate::{Frames, Protocol, Side, Signature, Transport, Verdict, http};
pub(crate) use conversation::Http2;
use frame::{Evidence, FLAGS, Frame, PREFACE, kind};

/// HTTP/2. Its rows are `http`'s and `grpc`'s.
pub static HTTP2: Protocol = Protocol {
    name: "http2",
    transports: &[Transport::Stream],
    ports: &[80, 443, 8080, 50051],
    signatures: &[
        Signature::begins(Side::Client, b"PRI * HT"),
        begins(Side::Client, kind::DATA),
        begins(Side::Client, kind::HEADERS),
        begins(Side::Client, kind::PRIORITY),
        begins(Side::Client, kind::RST_STREAM),
        begins(Side::Client, kind::SETTINGS),
        begins(Side::Client, kind::PING),
        begins(Side::Client, kind::GOAWAY),
        begins(Side::Client, kind::WINDOW_UPDATE),
        begins(Side::Client, kind::CONTINUATION),
        begins(Side::Server, kind::DATA),
        begins(Side::Server, kind::HEADERS),
        begins(Side::Server, kind::PRIORITY),
        begins(Side::Server, kind::RST_STREAM),
        begins(Side::Server, kind::SETTINGS),
        begins(Side::Server, kind::PUSH_PROMISE),
        begins(Side::Server, kind::PING),
        begins(Side::Server, kind::GOAWAY),
        begins(Side::Server, kind::WINDOW_UPDATE),
        begins(Side::Server, kind::CONTINUATION),
    ],
    frames: Some(FRAMES),
    probe,
    converse: |setting| Box::new(Http2::new(setting.policy.clone())),
    summary: http::summary,
    tables: http::TABLES,
    write: http::write,
};

/// All kinds are copied but bodies, and those that are not of HTTP/2 itself (RFC 7838, 8336, 9218).
const FRAMES: Frames = Frames {
    preface: PREFACE.len() as u32,
    never: 0xe0 << 24 | 0x80 << 40,
    kinds: KINDS | 1 << 0xa | 1 << 0xc | 1 << 0x10,
    copied: KINDS & !(1 << kind::DATA),
};

const KINDS: u32 = (1 << FLAGS.len()) - 1;

/// A frame shorter than 64 KiB: a zero, its kind, none but its flags, and a bit that is never set.
const fn begins(side: Side, kind: u8) -> Signature {
    let flags = !FLAGS[kind as usize] as u64;
    Signature {
        side,
        offset: 0,
        mask: 0xff | 0xff << 24 | flags << 32 | 0x80 << 40,
        value: (kind as u64) << 24,
    }
}

/// How many frames are looked at.
const MOST: usize = 64;

/// Clients begin with words that nobody else says, or ask for something. Servers say one of the
/// frames whose every byte is known.
fn probe(side: Side, bytes: &[u8], _: Transport) -> Verdict {
    if side == Side::Client && PREFACE.starts_with(&bytes[..bytes.len().min(PREFACE.len())]) {
        return if bytes.len() < PREFACE.len() { Verdict::More } else { Verdict::Likely };
    }
    let mut rest = bytes;
    for _ in 0..MOST {
        let Some(frame) = Frame::read(rest) else {
            let may = frame::may_begin(side, rest);
            return if may { Verdict::More } else { Verdict::Unlikely };
        };
        let known = usize::from(frame.kind) < FLAGS.len();
        if !known || !frame.is_sound(side, frame::USUAL) {
            return Verdict::Unlikely;
        }
        match frame.evidence(side) {
            Evidence::Sure => return Verdict::Likely,
            Evidence::Likely if side == Side::Server => return Verdict::Likely,
            // Servers say these, too.
            Evidence::Likely | Evidence::Weak => {}
            Evidence::Never => return Verdict::Unlikely,
            Evidence::More => return Verdict::More,
        }
        match usize::try_from(frame.size()).ok().and_then(|size| rest.get(size..)) {
            Some(behind) => rest = behind,
            None => return Verdict::More,
        }
    }
    Verdict::Unlikely
}

/// Whether a whole frame of `side` stands at the front, for protocols whose messages may look like
/// one. `None` while it is not whole.
pub(crate) fn begins_whole(side: Side, bytes: &[u8]) -> Option<bool> {
    let Some(frame) = Frame::read(bytes) else {
        return (!frame::may_begin(side, bytes)).then_some(false);
    };
    if usize::from(frame.kind) >= FLAGS.len() || !frame.is_sound(side, frame::USUAL) {
        return Some(false);
    }
    let is_whole = usize::try_from(frame.size()).is_ok_and(|size| size <= bytes.len());
    is_whole.then_some(true)
}

/// Whether a frame of `side` begins here with no doubt, known by itself or by what comes behind it.
fn certainly_begins(side: Side, bytes: &[u8]) -> Certainty {
    if side == Side::Client && bytes.starts_with(PREFACE) {
        return Certainty::Yes;
    }
    let mut rest = bytes;
    for turn in 0..MOST {
        let Some(frame) = Frame::read(rest) else {
            // Of a body's bytes many look like the beginning of a frame.
            let may = turn == 0 && frame::may_begin(side, rest);
            return if may { Certainty::More } else { Certainty::No };
        };
        let known = usize::from(frame.kind) < FLAGS.len();
        if !known || !frame.is_sound(side, frame::USUAL) {
            return Certainty::No;
        }
        match frame.evidence(side) {
            Evidence::Sure | Evidence::Likely => return Certainty::Yes,
            Evidence::More if turn == 0 => return Certainty::More,
            Evidence::Never | Evidence::More => return Certainty::No,
            Evidence::Weak => {}
        }
        match usize::try_from(frame.size()).ok().and_then(|size| rest.get(size..)) {
            Some(behind) => rest = behind,
            None => return Certainty::No,
        }
    }
    Certainty::No
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certainty {
    Yes,
    No,
    /// It is too little to say.
    More,
}
