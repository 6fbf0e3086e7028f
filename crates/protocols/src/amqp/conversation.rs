//! One connection: frames of both sides, each of a channel.

use super::channels::{Channels, Content};
use super::frame::{self, AROUND, BODY, Frame, GREETING, HEAD, HEADER, METHOD};
use super::message::Message;
use crate::{
    Conversation, Ends, Found, Message as Any, Outstanding, Pairing, Part, Role, Side, Step,
};

/// A connection's state.
#[derive(Debug)]
pub(super) struct Amqp {
    pub(super) channels: Channels,
    /// How often something of the server was lost. Answers say no number, so what was asked before and
    /// what is answered after are not each other's.
    pub(super) losses: u16,
    /// How long a frame may be, as both sides agreed.
    pub(super) longest: u64,
}

/// So much of a method is waited for, in bytes; and so much of a message's header.
const WANTED: usize = 4096;
const WANTED_HEADER: usize = 14;

/// What RabbitMQ proposes, in bytes.
const USUAL_LONGEST: u64 = 131_072;

impl Default for Amqp {
    fn default() -> Amqp {
        Amqp { channels: Channels::default(), losses: 0, longest: USUAL_LONGEST }
    }
}

impl Conversation for Amqp {
    fn read(&mut self, side: Side, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        if bytes.first() == Some(&GREETING[0]) && side == Side::Client {
            return match bytes.len() < GREETING.len() {
                true if ends == Ends::Open => Step::More,
                true => Step::Lost("gap_in_greeting"),
                false if bytes.starts_with(GREETING) => self.greeted(),
                false => Step::Lost("no_greeting"),
            };
        }
        let Some(frame) = Frame::read(bytes) else {
            return match (bytes.is_empty(), ends) {
                (_, Ends::Open) => Step::More,
                (_, Ends::Hole(_)) => self.unseen_body(side),
                (true, _) => Step::Lost("gap_between_frames"),
                (false, _) => Step::Lost("gap_in_frame"),
            };
        };
        if !frame.is_sound(side) {
            return Step::Lost("no_frame");
        }
        let wanted = match frame.kind {
            METHOD => WANTED,
            HEADER => WANTED_HEADER,
            _ => 0,
        };
        // A frame is checked at its end where it is short enough to be waited for.
        let enough = frame.whole || (frame.payload.len() >= wanted && frame.size >= wanted as u64);
        if !enough && ends == Ends::Open && frame.kind != BODY {
            return Step::More;
        }
        match frame.kind {
            METHOD => self.method(side, &frame, asked),
            HEADER => self.header(side, &frame),
            BODY => self.body(side, &frame),
            _ => Step::Take { length: frame.length, part: None },
        }
    }

    fn find(&mut self, side: Side, bytes: &[u8]) -> Found {
        self.channels.lose(side);
        if side == Side::Server {
            self.losses = self.losses.wrapping_add(1);
        }
        let begins = |at: &usize| frame::starts(side, &bytes[*at..]);
        match (0..bytes.len()).find(begins) {
            Some(at) => Found::At(at),
            None => Found::Nowhere { keep: bytes.len().min(HEAD + 4) },
        }
    }

    fn held(&self) -> usize {
        self.channels.bytes()
    }
}

impl Amqp {
    /// The header of a message: how long its body is.
    fn header(&mut self, side: Side, frame: &Frame) -> Step {
        let length = frame.length;
        let newest = self.channels.is_newest(side, frame.channel);
        let slot = self.channels.content(side, frame.channel);
        let Some(content) = slot.as_mut() else {
            return Step::Take { length, part: None };
        };
        let size = frame.payload.get(4..).and_then(|size| size.first_chunk());
        let size = size.map(|size| u64::from_be_bytes(*size));
        content.left = size;
        let pairing = content.pairing;
        // What has no number is taken for part of the newest one, whose names must stay.
        let message =
            (newest || pairing != Pairing::Alone).then(|| with_body(content.message.clone(), size));
        let last = size == Some(0);
        if last {
            *slot = None;
        }
        let part = Part::goes_on(Role::of(side), pairing);
        let truncated = size.is_none();
        Step::Take { length, part: Some(Part { last, truncated, message, ..part }) }
    }

    /// A piece of a message's body.
    fn body(&mut self, side: Side, frame: &Frame) -> Step {
        let length = frame.length;
        let slot = self.channels.content(side, frame.channel);
        let Some(content) = slot.as_mut() else {
            return Step::Take { length, part: None };
        };
        content.left = content.left.map(|left| left.saturating_sub(frame.size));
        let last = content.left == Some(0);
        let part = Part { last, ..Part::goes_on(Role::of(side), content.pairing) };
        if last {
            *slot = None;
        }
        Step::Take { length, part: Some(part) }
    }

    /// A body whose length is known need not be seen: it is in as few frames as it fits into.
    fn unseen_body(&mut self, side: Side) -> Step {
        let Some((number, left)) = self.channels.expected(side) else {
            return Step::Lost("gap_between_frames");
        };
        let frames = left.div_ceil(self.longest.saturating_sub(AROUND).max(1));
        let length = frames.saturating_mul(AROUND).saturating_add(left);
        match self.channels.content(side, number).take() {
            Some(content) => {
                let part = Part::ends(Role::of(side), content.pairing);
                Step::Take { length, part: Some(part) }
            }
            None => Step::Lost("gap_between_frames"),
        }
    }

    /// Ends a message of which no more comes, before something else is read.
    pub(super) fn abandon(&mut self, side: Side, number: u16) -> Option<Step> {
        let content: Content = self.channels.content(side, number).take()?;
        let part = Part::ends(Role::of(side), content.pairing).truncated();
        Some(Step::Take { length: 0, part: Some(part) })
    }
}

fn with_body(message: Any, size: Option<u64>) -> Any {
    match message {
        Any::Amqp(mut message) => {
            match &mut *message {
                Message::Request(request) => request.body = size,
                Message::Response(response) => response.body = size,
            }
            Any::Amqp(message)
        }
        other => other,
    }
}

/// The number by which what is asked of a channel is found again; there is one of a kind at a time.
pub(super) fn tag(losses: u16, channel: u16, class: u16, method: u16) -> Pairing {
    let words = [0, losses & 0x7fff, channel, (class & 0xff) << 8 | (method & 0xff)];
    Pairing::Tag(words.iter().fold(0, |tag, word| tag << 16 | u64::from(*word)))
}

/// The number of a message that is to be confirmed.
pub(super) fn confirmation(channel: u16, number: u64) -> Pairing {
    Pairing::Tag(1 << 63 | u64::from(channel) << 47 | (number & ((1 << 47) - 1)))
}

/// Whether somebody waits for this.
pub(super) fn is_asked(asked: &dyn Outstanding, pairing: Pairing) -> bool {
    matches!(pairing, Pairing::Tag(tag) if asked.tagged(tag).is_some())
}
