//! Where messages begin: nine bytes, or from version 5 on a segment with a checksum around messages.

use crate::prefix::Prefix;
use crate::{Side, Verdict};

/// What every message begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub version: u8,
    pub flags: u8,
    /// The number that a response repeats; -1 for what nobody asked for.
    pub stream: i16,
    pub opcode: u8,
    /// How long it is in all.
    pub length: u64,
}

/// Messages.
pub(super) const ERROR: u8 = 0x00;
pub(super) const STARTUP: u8 = 0x01;
pub(super) const READY: u8 = 0x02;
pub(super) const AUTHENTICATE: u8 = 0x03;
pub(super) const OPTIONS: u8 = 0x05;
pub(super) const SUPPORTED: u8 = 0x06;
pub(super) const QUERY: u8 = 0x07;
pub(super) const RESULT: u8 = 0x08;
pub(super) const PREPARE: u8 = 0x09;
pub(super) const EXECUTE: u8 = 0x0a;
pub(super) const REGISTER: u8 = 0x0b;
pub(super) const EVENT: u8 = 0x0c;
pub(super) const BATCH: u8 = 0x0d;
pub(super) const AUTH_CHALLENGE: u8 = 0x0e;
pub(super) const AUTH_RESPONSE: u8 = 0x0f;
pub(super) const AUTH_SUCCESS: u8 = 0x10;

/// Flags.
pub(super) const COMPRESSED: u8 = 1;
pub(super) const TRACED: u8 = 2;
pub(super) const PAYLOAD: u8 = 4;
pub(super) const WARNED: u8 = 8;
const KNOWN_FLAGS: u8 = 0x1f;

/// How long a message's head is, a segment's head, and what stands behind a segment, in bytes.
pub(super) const HEAD: usize = 9;
pub(super) const SEGMENT_HEAD: usize = 6;
pub(super) const SEGMENT_END: u64 = 4;

/// Longer messages are not believed, in bytes: the protocol's own bound.
const LONGEST: u32 = 256 << 20;

impl Head {
    /// The head that stands here. `None` if it is not there, or is none of `side`'s.
    pub(super) fn read(side: Side, bytes: &[u8]) -> Option<Head> {
        let mut head = Prefix::new(bytes);
        let version = head.u8()?;
        let (flags, stream, opcode) = (head.u8()?, head.be16()? as i16, head.u8()?);
        let length = head.be32()?;
        let is_response = version & 0x80 != 0;
        let version = version & 0x7f;
        let head = Head { version, flags, stream, opcode, length: u64::from(length) + HEAD as u64 };
        let fits = is_response == (side == Side::Server)
            && is_version(version)
            && flags & !KNOWN_FLAGS == 0
            && length <= LONGEST
            && says(side, opcode)
            && (stream >= 0 || opcode == EVENT || opcode == ERROR);
        fits.then_some(head)
    }
}

/// The length of the segment whose head stands here, without its head and end, and whether its messages
/// end in it. `None` if it is none.
pub(super) fn segment(bytes: &[u8]) -> Option<(u64, bool)> {
    let [a, b, c, crc @ ..] = *bytes.first_chunk::<SEGMENT_HEAD>()?;
    let head = u32::from_le_bytes([a, b, c, 0]);
    let sound =
        head >> 18 == 0 && crc24(&[a, b, c]) == u32::from_le_bytes([crc[0], crc[1], crc[2], 0]);
    sound.then_some((u64::from(head & 0x1_ffff), head & 0x2_0000 != 0))
}

/// Whether these are the first bytes of a message of `side`, or of a segment.
pub(super) fn begins(side: Side, bytes: &[u8]) -> Verdict {
    if segment(bytes).is_some() {
        return match bytes.get(SEGMENT_HEAD) {
            Some(&version) if is_version(version & 0x7f) => {
                let answers = version & 0x80 != 0;
                if answers == (side == Side::Server) { Verdict::Likely } else { Verdict::Unlikely }
            }
            Some(_) => Verdict::Unlikely,
            None => Verdict::More,
        };
    }
    let Some(head) = Head::read(side, bytes) else {
        return match may_begin(side, bytes) {
            true => Verdict::More,
            false => Verdict::Unlikely,
        };
    };
    let body = &bytes[HEAD..];
    let end = (head.length as usize - HEAD).min(body.len());
    match body_fits(&head, &body[..end]) {
        Some(true) => Verdict::Likely,
        Some(false) => Verdict::Unlikely,
        None if body.len() >= head.length as usize - HEAD => Verdict::Unlikely,
        None => Verdict::More,
    }
}

/// Whether these few bytes may be a head, or a segment's, with more behind them.
fn may_begin(side: Side, bytes: &[u8]) -> bool {
    let answers = side == Side::Server;
    let head = match bytes {
        [] => true,
        _ if bytes.len() >= HEAD => false,
        [version, rest @ ..] => {
            is_version(version & 0x7f)
                && (version & 0x80 != 0) == answers
                && rest.first().is_none_or(|flags| flags & !KNOWN_FLAGS == 0)
                && rest.get(3).is_none_or(|&opcode| says(side, opcode))
        }
    };
    let segment = bytes.len() < SEGMENT_HEAD && bytes.get(2).is_none_or(|byte| byte & 0xfc == 0);
    head || segment
}

/// Whether what stands behind a head is what its kind has there. What is compressed is believed.
fn body_fits(head: &Head, body: &[u8]) -> Option<bool> {
    let length = head.length - HEAD as u64;
    let mut body = Prefix::new(body);
    if head.flags & COMPRESSED != 0 {
        return Some(length > 0);
    }
    let plain = head.flags & (TRACED | PAYLOAD | WARNED) == 0;
    match head.opcode {
        OPTIONS | READY => Some(length == 0),
        STARTUP | SUPPORTED => Some(body.be16()? < 64 && length < 1 << 16),
        REGISTER => Some((1..16).contains(&body.be16()?) && length < 1 << 10),
        AUTHENTICATE => Some(u64::from(body.be16()?) + 2 == length),
        AUTH_RESPONSE | AUTH_CHALLENGE | AUTH_SUCCESS => {
            let token = body.be32()? as i32;
            Some(token < 0 || u64::from(token as u32) + 4 == length)
        }
        QUERY | PREPARE if head.flags & PAYLOAD == 0 => {
            let text = u64::from(body.be32()?);
            let first = body.u8()?;
            let begins = first.is_ascii_alphabetic()
                || first.is_ascii_whitespace()
                || b"/-(".contains(&first);
            Some(begins && text > 0 && text + 4 <= length)
        }
        EXECUTE if head.flags & PAYLOAD == 0 => {
            let id = u64::from(body.be16()?);
            Some((1..=64).contains(&id) && id + 4 <= length)
        }
        BATCH if head.flags & PAYLOAD == 0 => {
            let (kind, count) = (body.u8()?, body.be16()?);
            Some(kind <= 2 && u64::from(count) < length)
        }
        RESULT if plain => Some((1..=5).contains(&body.be32()?)),
        ERROR if plain => {
            let (code, text) = (body.be32()?, body.be16()?);
            Some(code <= 0x2500 && u64::from(text) + 6 <= length)
        }
        EVENT => Some(head.stream == -1 && u64::from(body.be16()?) + 2 < length),
        _ => Some(length > 16),
    }
}

/// Versions 3 to 6, and two of a relative.
fn is_version(version: u8) -> bool {
    matches!(version, 3..=6 | 0x41 | 0x42)
}

fn says(side: Side, opcode: u8) -> bool {
    match side {
        Side::Client => matches!(
            opcode,
            STARTUP | OPTIONS | QUERY | PREPARE | EXECUTE | REGISTER | BATCH | AUTH_RESPONSE
        ),
        Side::Server => matches!(
            opcode,
            ERROR
                | READY
                | AUTHENTICATE
                | SUPPORTED
                | RESULT
                | EVENT
                | AUTH_CHALLENGE
                | AUTH_SUCCESS
        ),
    }
}

/// The checksum of a segment's head: 24 bits, with the polynomial that Cassandra has for it.
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x0087_5060, |crc: u32, &byte| {
        (0..8).fold(crc ^ (u32::from(byte) << 16), |crc, _| {
            let shifted = crc << 1;
            if shifted & 0x0100_0000 != 0 { shifted ^ 0x0197_4f0b } else { shifted }
        })
    })
}

#[cfg(test)]
pub(super) fn segmented(payload: &[u8], whole: bool) -> Vec<u8> {
    let head = payload.len() as u32 | if whole { 0x2_0000 } else { 0 };
    let head = &head.to_le_bytes()[..3];
    [head, &crc24(head).to_le_bytes()[..3], payload, &[0xcc; 4]].concat()
}
