//! A connection: frames of both sides, and the streams they belong to.

use std::sync::Arc;

use super::block::{self, Block};
use super::frame::{END_STREAM, Frame, PREFACE, USUAL, kind};
use super::hpack::Decoder;
use super::streams::{Counts, Leg, Streams};
use super::{Certainty, certainly_begins};
use crate::grpc::Counter;
use crate::http::{Request, Reset, Response, Version};
use crate::{
    Conversation, Ends, Found, Message, Outstanding, Pairing, Part, Policy, Role, Side, Step,
};

/// A connection's state.
#[derive(Debug)]
pub(crate) struct Http2 {
    pub(super) policy: Arc<Policy>,
    client: Way,
    server: Way,
    pub(super) streams: Streams,
    /// Whether the first stream's request was said in HTTP/1.1, before both sides changed over.
    upgraded: bool,
}

/// One side's state.
#[derive(Debug)]
pub(super) struct Way {
    pub decoder: Decoder,
    /// The header block that it is in the middle of.
    pub block: Option<Box<Block>>,
    /// How long its frames may be.
    most: u32,
}

/// How long frames may be where it was not seen what was allowed.
const UNKNOWN: u32 = 1 << 20;

/// So much of a frame is waited for where something of it is read, in bytes.
const WANTED: usize = 32 * 1024;

impl Http2 {
    /// A connection of which nothing was seen yet.
    pub(crate) fn new(policy: Arc<Policy>) -> Http2 {
        let way = || Way {
            decoder: Decoder::new(if policy.headers { |_| true } else { block::wants }),
            block: None,
            most: UNKNOWN,
        };
        let (client, server) = (way(), way());
        Http2 { policy, client, server, streams: Streams::default(), upgraded: false }
    }

    /// A connection that was HTTP/1.1 until its only request was answered with 101.
    pub(crate) fn upgraded(policy: Arc<Policy>) -> Http2 {
        Http2 { upgraded: true, ..Http2::new(policy) }
    }

    pub(super) fn way(&mut self, side: Side) -> &mut Way {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn pairing(&self, stream: u32) -> Pairing {
        match self.upgraded && stream == 1 {
            true => Pairing::InOrder,
            false => Pairing::Tag(u64::from(stream)),
        }
    }

    /// A part of the message of a stream that `side` says.
    pub(super) fn part(&self, side: Side, stream: u32) -> Part {
        Part::goes_on(Role::of(side), self.pairing(stream))
    }

    /// Whether the stream's request waits for its response.
    pub(super) fn is_asked(&self, stream: u32, asked: &dyn Outstanding) -> bool {
        match self.pairing(stream) {
            Pairing::Tag(tag) => asked.tagged(tag).is_some(),
            _ => asked.oldest().is_some(),
        }
    }

    fn settings(&mut self, side: Side, frame: &Frame) {
        let other = self.way(side.other());
        for (number, value) in frame.settings() {
            match number {
                1 => other.decoder.allow(value),
                5 => other.most = other.most.max(value.min(0xff_ffff)),
                _ => {}
            }
        }
    }

    /// Ends a request whose end does not come, or was not seen, where its response ends.
    fn ends_request(&mut self, side: Side, frame: &Frame) -> Option<Step> {
        let truncated = self.streams.lacks(Side::Client, frame.stream);
        let stream = self.streams.get(frame.stream)?;
        if stream.request != Leg::Open {
            return None;
        }
        let called = matches!(stream.sent, Counts::Messages(_));
        let answered = side == Side::Server
            && matches!(frame.kind, kind::DATA | kind::HEADERS)
            && frame.has(END_STREAM)
            && (called || truncated);
        if !answered && frame.kind != kind::RST_STREAM {
            return None;
        }
        // More may have been said that is only not told of yet.
        if side == Side::Server
            && let Counts::Messages(counter) = &mut stream.sent
        {
            counter.lose();
        }
        stream.misses(Side::Client);
        let message = self.finish(Side::Client, frame.stream);
        let part = self.part(Side::Client, frame.stream);
        let part = Part { last: true, truncated, message, ..part };
        Some(Step::Take { length: 0, part: Some(part) })
    }

    /// What `side` says in a stream is over; says what there is more to say of it.
    pub(super) fn finish(&mut self, side: Side, id: u32) -> Option<Message> {
        let stream = self.streams.get(id)?;
        *stream.leg(side) = Leg::Done;
        let messages = match stream.counts(side) {
            Counts::Messages(counter) => Some(counter.messages()),
            Counts::Perhaps | Counts::None => None,
        };
        let kept = stream.bodies[side as usize].take();
        let body = kept.as_ref().and_then(|body| body.text());
        let said: Option<Message> = match side {
            Side::Client => stream
                .asked
                .take()
                .map(|asked| Request { grpc: messages.or(asked.grpc), body, ..*asked }.into()),
            Side::Server => stream.answered.take().map(|answered| {
                Response { grpc: messages.or(answered.grpc), body, ..*answered }.into()
            }),
        };
        self.streams.end_if_done(id);
        said.filter(|_| messages.is_some() || kept.is_some())
    }

    fn reset(&mut self, side: Side, frame: &Frame, asked: &dyn Outstanding) -> Step {
        let id = frame.stream;
        let waits = self.is_asked(id, asked);
        let reset = Some(Reset(frame.word(0).unwrap_or(u32::MAX)));
        let mut stream = self.streams.get(id);
        let open = stream.as_ref().is_some_and(|stream| stream.response == Leg::Open);
        if let Some(stream) = &mut stream {
            stream.misses(Side::Server);
        }
        let done = stream.as_ref().is_some_and(|stream| stream.response == Leg::Done);
        let begun = stream.and_then(|stream| stream.answered.as_deref_mut());
        let message = match begun {
            Some(response) => {
                response.reset = reset;
                let known = response.clone();
                self.finish(Side::Server, id).unwrap_or_else(|| known.into())
            }
            None => Response { version: Version::Http2, reset, ..Response::default() }.into(),
        };
        match side {
            Side::Client => self.streams.give_up(id),
            Side::Server => self.streams.end(id),
        }
        if done || !(open || waits) {
            return pass(frame);
        }
        let truncated = self.streams.lacks(Side::Server, id);
        let part = self.part(Side::Server, id);
        take(frame, Part { first: !open, last: true, truncated, message: Some(message), ..part })
    }

    fn data(&mut self, side: Side, frame: &Frame, ends: Ends) -> Step {
        let id = frame.stream;
        let mut part = self.part(side, id);
        if side == Side::Server && self.streams.is_given_up(id) {
            return pass(frame);
        }
        // Of what a body stands alone, the headers were not seen.
        part.truncated = true;
        if let Some(stream) = self.streams.get(id) {
            part.truncated = *stream.leg(side) != Leg::Open;
            let wants = ends == Ends::Open && frame.there.len() < WANTED;
            if let Some(body) = &mut stream.bodies[side as usize]
                && body.room() > 0
            {
                match frame.content() {
                    Some((there, unseen))
                        if unseen == 0 || there.len() >= body.room() || !wants =>
                    {
                        body.see(there);
                        if unseen > 0 {
                            body.miss();
                        }
                    }
                    None if !wants || !frame.there.is_empty() => body.miss(),
                    _ => return Step::More,
                }
            }
            let (there, unseen) = match (*stream.counts(side), frame.content()) {
                (Counts::None, _) => (&[][..], 0),
                (_, Some((there, unseen))) => (there, u64::from(unseen)),
                (_, None) if wants && frame.there.is_empty() => return Step::More,
                (_, None) => (&[][..], u64::from(frame.length)),
            };
            match stream.counts(side) {
                Counts::None => {}
                Counts::Perhaps if unseen > 0 && wants => return Step::More,
                counts @ Counts::Perhaps => {
                    let mut counter = Counter::default();
                    counter.see(there);
                    match (unseen, counter.is_even()) {
                        (0, true) => {
                            *counts = Counts::Messages(counter);
                            part.message = stream.is_called(side);
                        }
                        (0, false) if there.is_empty() => {}
                        _ => *counts = Counts::None,
                    }
                }
                Counts::Messages(counter) => {
                    let mut next = *counter;
                    next.see(there);
                    if !next.covers(unseen) && wants {
                        return Step::More;
                    }
                    next.miss(unseen);
                    *counter = next;
                }
            }
        }
        if frame.has(END_STREAM) {
            part.message = self.finish(side, id).or(part.message);
            part.last = true;
        }
        take(frame, part)
    }
}

impl Conversation for Http2 {
    fn read(&mut self, side: Side, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        if side == Side::Client && bytes.first() == PREFACE.first() {
            return match bytes.starts_with(PREFACE) {
                true => Step::pass(PREFACE.len()),
                false if ends == Ends::Open && PREFACE.starts_with(bytes) => Step::More,
                false => Step::Lost("no_preface"),
            };
        }
        let Some(frame) = Frame::read(bytes) else {
            return match (bytes.is_empty(), ends) {
                (_, Ends::Open) => Step::More,
                (true, _) => Step::Lost("gap_between_frames"),
                (false, _) => Step::Lost("gap_in_frame"),
            };
        };
        let way = self.way(side);
        if !frame.is_sound(side, way.most) {
            return Step::Lost("no_frame");
        }
        let continues = frame.kind == kind::CONTINUATION;
        let carrier = way.block.as_ref().map(|block| block.carrier);
        if carrier.is_some() != continues || carrier.is_some_and(|id| id != frame.stream) {
            return Step::Lost("headers_interrupted");
        }
        let passed = matches!(
            frame.kind,
            kind::DATA | kind::PRIORITY | kind::PING | kind::GOAWAY | kind::WINDOW_UPDATE
        );
        let known = frame.kind <= kind::CONTINUATION;
        if !passed && known && !frame.whole() && ends == Ends::Open {
            return Step::More;
        }
        if let Some(step) = self.ends_request(side, &frame) {
            return step;
        }
        match frame.kind {
            kind::DATA => self.data(side, &frame, ends),
            kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION => {
                self.headers(side, &frame, asked)
            }
            kind::RST_STREAM => self.reset(side, &frame, asked),
            kind::SETTINGS => {
                self.settings(side, &frame);
                pass(&frame)
            }
            _ => pass(&frame),
        }
    }

    fn find(&mut self, side: Side, bytes: &[u8]) -> Found {
        let way = self.way(side);
        way.decoder.forget();
        way.block = None;
        self.streams.gap(side);
        if self.goes_on(side, bytes) {
            return Found::At(0);
        }
        let mut keep = None;
        for at in 0..bytes.len() {
            if !matches!(bytes[at], 0 | b'P') {
                continue;
            }
            match certainly_begins(side, &bytes[at..]) {
                Certainty::Yes => return Found::At(at),
                Certainty::More => keep = keep.or(Some(bytes.len() - at)),
                Certainty::No => {}
            }
        }
        Found::Nowhere { keep: keep.unwrap_or(0) }
    }

    fn keep(&mut self, policy: &Arc<Policy>) {
        self.policy = policy.clone();
    }

    fn held(&self) -> usize {
        let ways = [&self.client, &self.server];
        let block = |way: &Way| way.block.as_ref().map_or(0, |block| block.held());
        let ways: usize = ways.iter().map(|way| way.decoder.held() + block(way)).sum();
        ways + self.streams.held()
    }
}

impl Http2 {
    /// Whether a frame stands here of a message that is known to go on.
    fn goes_on(&mut self, side: Side, bytes: &[u8]) -> bool {
        let Some(frame) = Frame::read(bytes) else {
            return false;
        };
        let carries = matches!(frame.kind, kind::DATA | kind::HEADERS) && frame.length > 0;
        let stream = self.streams.get(frame.stream);
        carries
            && frame.is_sound(side, USUAL)
            && stream.is_some_and(|stream| *stream.leg(side) == Leg::Open)
    }
}

pub(super) fn pass(frame: &Frame) -> Step {
    Step::Take { length: frame.size(), part: None }
}

pub(super) fn take(frame: &Frame, part: Part) -> Step {
    Step::Take { length: frame.size(), part: Some(part) }
}
