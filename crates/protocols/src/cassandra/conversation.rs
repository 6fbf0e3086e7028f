//! One connection: messages one behind the other, or in segments.

use std::sync::Arc;

use super::body::{self, WANTED};
use super::frame::{self, HEAD, Head, SEGMENT_END, SEGMENT_HEAD};
use super::message::{Kind, Message, Request};
use super::statements::Statements;
use crate::{
    Conversation, Ends, Found, Message as Any, Next, Outstanding, Pairing, Part, Policy, Role,
    Setting, Side, Step, Verdict,
};

/// A connection's state.
#[derive(Debug)]
pub(super) struct Cassandra {
    policy: Arc<Policy>,
    statements: Statements,
    /// Whether messages are in segments; `None` where that is not known yet.
    segmented: Option<bool>,
    ways: [Way; 2],
}

/// Where one side is in a segment.
#[derive(Debug, Default)]
struct Way {
    /// Bytes still to come of what is in the segment.
    left: u64,
    /// Whether the segment's end is still to come.
    open: bool,
    /// Bytes still to come of a message that is longer than a segment, and how it is paired.
    goes_on: Option<(u64, Pairing)>,
}

impl Cassandra {
    pub(super) fn new(setting: &Setting) -> Cassandra {
        Cassandra {
            policy: setting.policy.clone(),
            statements: Statements::default(),
            segmented: (!setting.from_middle).then_some(false),
            ways: [Way::default(), Way::default()],
        }
    }
}

impl Conversation for Cassandra {
    fn read(&mut self, side: Side, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        if self.segmented.is_none() {
            if bytes.len() < SEGMENT_HEAD {
                return short(bytes, ends);
            }
            self.segmented = Some(frame::segment(bytes).is_some());
        }
        match self.segmented {
            Some(true) => self.in_segment(side, bytes, ends, asked),
            _ => self.message(side, bytes, ends, asked, u64::MAX),
        }
    }

    fn keep(&mut self, policy: &Arc<Policy>) {
        self.policy = policy.clone();
    }

    fn find(&mut self, side: Side, bytes: &[u8]) -> Found {
        self.ways[side as usize] = Way::default();
        // A segment has a checksum, but so many places are tried that it alone is not enough.
        let segment = |at: &usize| match frame::segment(&bytes[*at..]) {
            Some((_, true)) => frame::begins(side, &bytes[*at..]) == Verdict::Likely,
            _ => false,
        };
        let message = |at: &usize| {
            let bytes = &bytes[*at..];
            frame::segment(bytes).is_none()
                && frame::begins(side, bytes) == Verdict::Likely
                && Head::read(side, bytes).is_some_and(|head| {
                    let next = bytes.get(head.length as usize..).unwrap_or_default();
                    next.len() < HEAD || Head::read(side, next).is_some()
                })
        };
        if let Some(at) = (0..bytes.len()).find(segment) {
            self.segmented = Some(true);
            return Found::At(at);
        }
        match (0..bytes.len()).find(message).filter(|_| self.segmented != Some(true)) {
            Some(at) => {
                self.segmented = Some(false);
                Found::At(at)
            }
            None => Found::Nowhere { keep: bytes.len().min(HEAD + SEGMENT_HEAD) },
        }
    }

    fn held(&self) -> usize {
        self.statements.bytes()
    }
}

impl Cassandra {
    fn in_segment(
        &mut self,
        side: Side,
        bytes: &[u8],
        ends: Ends,
        asked: &dyn Outstanding,
    ) -> Step {
        let way = &mut self.ways[side as usize];
        // What is known to come need not be seen.
        let nothing = bytes.is_empty() && !matches!(ends, Ends::Hole(_));
        if way.left == 0 && way.open {
            if nothing {
                return short(bytes, ends);
            }
            way.open = false;
            return Step::Take { length: SEGMENT_END, part: None };
        }
        if way.left == 0 {
            let Some((length, _)) = frame::segment(bytes) else {
                return match bytes.len() < SEGMENT_HEAD {
                    true => short(bytes, ends),
                    false => Step::Lost("no_segment"),
                };
            };
            (way.left, way.open) = (length, true);
            return Step::pass(SEGMENT_HEAD);
        }
        if let Some((more, pairing)) = way.goes_on {
            if nothing {
                return short(bytes, ends);
            }
            let length = more.min(way.left);
            way.left -= length;
            way.goes_on = (more > length).then_some((more - length, pairing));
            let part = Part { last: more == length, ..Part::goes_on(Role::of(side), pairing) };
            return Step::Take { length, part: Some(part) };
        }
        let room = way.left;
        self.message(side, bytes, ends, asked, room)
    }

    /// A message that begins here, of which `room` bytes are in this segment.
    fn message(
        &mut self,
        side: Side,
        bytes: &[u8],
        ends: Ends,
        asked: &dyn Outstanding,
        room: u64,
    ) -> Step {
        let Some(head) = Head::read(side, bytes) else {
            return match bytes.len() < HEAD {
                true => short(bytes, ends),
                false => Step::Lost("no_message"),
            };
        };
        let here = head.length.min(room);
        let shown = bytes.len().min(usize::try_from(here).unwrap_or(usize::MAX)).max(HEAD);
        let said = &bytes[HEAD..shown];
        let whole = shown as u64 >= here;
        if !whole && said.len() < WANTED && ends == Ends::Open {
            return Step::More;
        }
        let said = &said[..said.len().min(WANTED)];
        let (mut to, mut cut) = (None, false);
        let (pairing, all, message) = match side {
            Side::Client => {
                let (request, all) = body::request(&head, said, &self.policy, &mut self.statements);
                cut = request.cut;
                (Pairing::Tag(head.stream as u64), all, Any::from(request))
            }
            Side::Server => {
                let request = request(asked, head.stream);
                to = begins_segments(&head, request);
                let (response, all) = body::response(&head, said, request, &mut self.statements);
                let pairing = match head.stream {
                    ..0 => Pairing::Alone,
                    stream => Pairing::Tag(stream as u64),
                };
                (pairing, all, Any::from(response))
            }
        };
        let way = &mut self.ways[side as usize];
        way.left = way.left.saturating_sub(here);
        way.goes_on = (head.length > here).then_some((head.length - here, pairing));
        let truncated = cut || (!all && (!whole || head.length > here) && said.len() < WANTED);
        let last = head.length == here;
        let part = Part { truncated, last, ..Part::begins(Role::of(side), pairing, message) };
        match to {
            Some(true) => {
                let to = Next::Unread("cassandra-compressed");
                return Step::Switch { length: here, part: Some(part), to };
            }
            Some(false) => self.segmented = Some(true),
            None => {}
        }
        Step::Take { length: here, part: Some(part) }
    }
}

/// From version 5 on, what comes behind the answer to STARTUP is in segments. Whether these are
/// compressed, if they begin here.
fn begins_segments(head: &Head, request: Option<&Request>) -> Option<bool> {
    let request = request.filter(|request| request.kind == Kind::Startup)?;
    let answers = matches!(head.opcode, frame::READY | frame::AUTHENTICATE);
    (answers && matches!(head.version, 5 | 6)).then_some(request.compresses)
}

/// There are too few bytes.
fn short(bytes: &[u8], ends: Ends) -> Step {
    match (bytes.is_empty(), ends) {
        (_, Ends::Open) => Step::More,
        (true, _) => Step::Lost("gap_between_messages"),
        (false, _) => Step::Lost("gap_in_message"),
    }
}

fn request(asked: &dyn Outstanding, stream: i16) -> Option<&Request> {
    match asked.tagged(u64::try_from(stream).ok()?)? {
        Any::Cassandra(message) => match &**message {
            Message::Request(request) => Some(request),
            Message::Response(_) => None,
        },
        _ => None,
    }
}
