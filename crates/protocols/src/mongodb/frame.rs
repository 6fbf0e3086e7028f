//! Where messages begin: sixteen bytes that say how long they are and which is which.

use super::bson;
use crate::prefix::Prefix;
use crate::{Side, Verdict};

/// A message as far as it is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    /// How long it is in all.
    pub length: u64,
    /// Its number.
    pub id: u32,
    /// The number of what it answers; 0 if it asks.
    pub answers: u32,
    /// What kind of message it is.
    pub code: u32,
    /// What is there of what stands behind.
    pub body: &'a [u8],
    pub whole: bool,
}

/// Kinds of messages.
pub(super) const REPLY: u32 = 1;
pub(super) const UPDATE: u32 = 2001;
pub(super) const INSERT: u32 = 2002;
pub(super) const QUERY: u32 = 2004;
pub(super) const GET_MORE: u32 = 2005;
pub(super) const DELETE: u32 = 2006;
pub(super) const KILL_CURSORS: u32 = 2007;
pub(super) const COMPRESSED: u32 = 2012;
pub(super) const MSG: u32 = 2013;

/// A flag of MSG: the message ends with four bytes of a checksum.
const CHECKSUM: u32 = 1;
/// A flag of MSG: more comes without being asked for, or no answer is wanted.
pub(super) const MORE_TO_COME: u32 = 2;
/// A flag of MSG: the asker takes more than one answer.
const EXHAUST: u32 = 1 << 16;

const HEAD: u32 = 16;

/// Longer messages are not believed, in bytes: the servers' own bound and some more.
const LONGEST: u32 = 64_000_000;

impl<'a> Frame<'a> {
    /// The message that begins here. `None` if its head is not there.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Frame<'a>> {
        let mut head = Prefix::new(bytes);
        let length = head.le32()?;
        let (id, answers, code) = (head.le32()?, head.le32()?, head.le32()?);
        let rest = head.rest();
        let end = length.saturating_sub(HEAD) as usize;
        let whole = rest.len() >= end;
        let body = &rest[..end.min(rest.len())];
        Some(Frame { length: u64::from(length), id, answers, code, body, whole })
    }

    /// Whether it is of a kind that `side` says, and not too short or long.
    pub(super) fn is_sound(&self, side: Side) -> bool {
        let said = match side {
            Side::Client => matches!(
                self.code,
                MSG | QUERY | COMPRESSED | GET_MORE | INSERT | UPDATE | DELETE | KILL_CURSORS
            ),
            Side::Server => matches!(self.code, MSG | REPLY | COMPRESSED),
        };
        let asks = self.answers == 0;
        let length = u64::from(HEAD + 9)..u64::from(LONGEST);
        said && length.contains(&self.length) && asks == (side == Side::Client)
    }
}

/// Whether these are the first bytes of a message of `side`.
pub(super) fn begins(side: Side, bytes: &[u8]) -> Verdict {
    let Some(frame) = Frame::read(bytes) else {
        let mut head = Prefix::new(bytes);
        let short = head.le32().is_none_or(|length| (HEAD + 9..LONGEST).contains(&length));
        return if short { Verdict::More } else { Verdict::Unlikely };
    };
    if !frame.is_sound(side) {
        return Verdict::Unlikely;
    }
    let fits = match frame.code {
        MSG => message_fits(&frame),
        COMPRESSED => compressed_fits(&frame),
        REPLY => reply_fits(&frame),
        QUERY => frame.body.get(1..4).map(|flags| flags == [0; 3]).and_then(|plain| match plain {
            true => name_fits(&frame),
            false => Some(false),
        }),
        _ => name_fits(&frame),
    };
    match fits {
        Some(true) => Verdict::Likely,
        Some(false) => Verdict::Unlikely,
        None if frame.whole => Verdict::Unlikely,
        None => Verdict::More,
    }
}

/// Known flags, then a section: a document, or a run of them with a name.
fn message_fits(frame: &Frame) -> Option<bool> {
    let mut body = Prefix::new(frame.body);
    let flags = body.le32()?;
    if flags & !(CHECKSUM | MORE_TO_COME | EXHAUST) != 0 {
        return Some(false);
    }
    let kind = body.u8()?;
    let length = u64::from(body.le32()?);
    if kind > 1 || length < u64::from(bson::SHORTEST) || length > frame.length - 16 - 5 {
        return Some(false);
    }
    match kind {
        0 => bson::field_begins(body.rest()),
        // Its name has the same form as a field's.
        _ => bson::name_begins(body.rest()),
    }
}

fn compressed_fits(frame: &Frame) -> Option<bool> {
    let mut body = Prefix::new(frame.body);
    let (code, length, by) = (body.le32()?, body.le32()?, body.u8()?);
    let known = matches!(code, REPLY | UPDATE | INSERT | QUERY | GET_MORE..=KILL_CURSORS | MSG);
    Some(known && length < LONGEST && by <= 3)
}

/// Flags, a cursor, a place, a count, and the first document.
fn reply_fits(frame: &Frame) -> Option<bool> {
    let mut body = Prefix::new(frame.body);
    let flags = body.le32()?;
    body.skip(12)?;
    let count = body.le32()?;
    if flags > 15 || count > 1 << 24 {
        return Some(false);
    }
    if count == 0 {
        return Some(frame.length == 36);
    }
    let length = body.le32()?;
    if length < bson::SHORTEST || u64::from(length) > frame.length {
        return Some(false);
    }
    // A document of a collection may have nothing in it.
    if length == bson::SHORTEST { Some(true) } else { bson::field_begins(body.rest()) }
}

/// Four bytes, then the name of a collection.
fn name_fits(frame: &Frame) -> Option<bool> {
    let name = frame.body.get(4..)?;
    let end = name.iter().take(256).position(|&byte| byte == 0);
    let sound = |name: &[u8]| name.iter().all(|&byte| byte >= b' ' && byte != 0x7f);
    match end {
        Some(end) => Some(name[..end].contains(&b'.') && sound(&name[..end])),
        None if name.len() < 256 && sound(name) => None,
        None => Some(false),
    }
}
