//! One connection: each message has its length first, and each response the number of its request.

use std::collections::HashMap;
use std::fmt::Write;

use super::apis;
use super::frame::{self, Frame, Head};
use super::layout::{self, Found as Read};
use super::message::{Message, Request, Response, folded};
use crate::message::text;
use crate::prefix::Prefix;
use crate::{
    Conversation, Ends, Found, Message as Any, Outstanding, Pairing, Part, Role, Side, Step,
    Verdict, redact,
};

/// A connection's state.
#[derive(Debug, Default)]
pub(super) struct Kafka {
    /// The names of topics that may be said by their ids.
    names: HashMap<[u8; 16], Box<str>>,
    /// Whether what is said is SASL's, between lengths and nothing else.
    sasl: bool,
    /// The number of the newest request.
    newest: Option<i32>,
}

/// So much of a message is waited for and read, in bytes.
const WANTED: usize = 4096;

/// How many names of topics are kept.
const MOST_NAMES: usize = 256;

/// How far behind the newest request a response may be that is found after a gap.
const MOST_WAITING: i64 = 4096;

impl Conversation for Kafka {
    fn read(&mut self, side: Side, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        let Some(frame) = Frame::read(bytes) else {
            return match (bytes.is_empty(), ends) {
                (_, Ends::Open) => Step::More,
                (true, _) => Step::Lost("gap_between_messages"),
                (false, _) => Step::Lost("gap_in_message"),
            };
        };
        if !frame.is_sound() {
            return Step::Lost("no_message");
        }
        if !frame.whole && frame.body.len() < WANTED && ends == Ends::Open {
            return Step::More;
        }
        let frame = frame.up_to(WANTED);
        match side {
            Side::Client => self.request(&frame),
            Side::Server => self.response(&frame, asked),
        }
    }

    fn find(&mut self, side: Side, bytes: &[u8]) -> Found {
        let begins = |at: &usize| match side {
            Side::Client => frame::request_begins(&bytes[*at..]) == Verdict::Likely,
            Side::Server => self.may_answer(&bytes[*at..]),
        };
        let tiles = |at: &usize| match Frame::read(&bytes[*at..]) {
            // The next message's length is believed, if there is one.
            Some(frame) if frame.whole => match Frame::read(&bytes[at + frame.length as usize..]) {
                Some(next) => next.is_sound(),
                None => true,
            },
            Some(_) => side == Side::Client || self.newest.is_some(),
            None => false,
        };
        match (0..bytes.len()).filter(begins).find(tiles) {
            Some(at) => Found::At(at),
            None => Found::Nowhere { keep: bytes.len().min(16) },
        }
    }

    fn held(&self) -> usize {
        self.names.values().map(|name| name.len() + 64).sum()
    }
}

impl Kafka {
    fn request(&mut self, frame: &Frame) -> Step {
        let length = frame.length;
        let Some(head) = Head::read(frame) else {
            return match self.sasl {
                true => Step::Take { length, part: None },
                false => Step::Lost("no_message"),
            };
        };
        self.sasl = false;
        self.newest = Some(head.correlation);
        let mut read = Read::default();
        let known = head.version <= head.api.newest;
        let layout = if known { head.api.request } else { &[] };
        let mut rest = head.rest;
        let all = layout::read(layout, head.version, head.is_flexible(), &mut rest, &mut read);
        let all = head.client.is_some() && all;
        let request = Request {
            api: head.key,
            name: head.api.name,
            version: head.version,
            client: redact::text(&text(head.client.unwrap_or_default(), 64)).into_owned(),
            topics: self.topics(&read),
            group: folded(&read.group),
            key: folded(&read.key),
            acks: read.acks,
        };
        // What is produced to nobody in particular is not answered.
        let pairing = match read.acks {
            Some(0) => Pairing::Alone,
            _ => Pairing::Tag(head.correlation as u64),
        };
        let part = Part::whole(Role::Request, pairing, request.into());
        let truncated = !all && !frame.whole && frame.body.len() < WANTED;
        Step::Take { length, part: Some(Part { truncated, ..part }) }
    }

    fn response(&mut self, frame: &Frame, asked: &dyn Outstanding) -> Step {
        let length = frame.length;
        let mut prefix = Prefix::new(frame.body);
        let correlation = prefix.be32().map(|correlation| correlation as i32);
        let request = correlation.and_then(|correlation| request(asked, correlation));
        let correlation = match correlation.filter(|&correlation| correlation >= 0) {
            Some(correlation) if request.is_some() || !self.sasl => correlation,
            _ if self.sasl => return Step::Take { length, part: None },
            None if frame.body.len() < 4 && !frame.whole => return Step::Lost("gap_in_message"),
            _ => return Step::Lost("no_message"),
        };
        let mut response = Response::default();
        let mut all = true;
        if let Some(request) = request
            && let Some(api) = apis::api(request.api)
        {
            let flexible = request.version >= api.flexible;
            if flexible && request.api != apis::API_VERSIONS {
                layout::tagged_fields(&mut prefix);
            }
            let mut read = Read::default();
            if request.version <= api.newest && !api.response.is_empty() {
                all = layout::read(api.response, request.version, flexible, &mut prefix, &mut read);
                // A list of nothing has no errors.
                response.error = read.error.or(all.then_some(0));
            }
            if request.api == apis::METADATA {
                self.learn(read.ids);
            }
            let is_raw = request.api == apis::SASL_HANDSHAKE && request.version == 0;
            self.sasl = is_raw && read.error == Some(0);
        }
        let part = Part::whole(Role::Response, Pairing::Tag(correlation as u64), response.into());
        let truncated = !all && !frame.whole && frame.body.len() < WANTED;
        Step::Take { length, part: Some(Part { truncated, ..part }) }
    }

    fn topics(&self, read: &Read) -> Vec<String> {
        let by_id = read.ids.iter().map(|(id, _)| match self.names.get(id) {
            Some(name) => name.to_string(),
            None => hex(id),
        });
        let mut topics: Vec<String> = Vec::new();
        for topic in read.topics.iter().map(|name| folded(name)).chain(by_id) {
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        topics
    }

    fn learn(&mut self, ids: Vec<([u8; 16], String)>) {
        for (id, name) in ids.into_iter().filter(|(_, name)| !name.is_empty()) {
            if self.names.len() >= MOST_NAMES && !self.names.contains_key(&id) {
                self.names.clear();
            }
            self.names.insert(id, folded(&name).into());
        }
    }

    /// Whether this may answer something that was asked.
    fn may_answer(&self, bytes: &[u8]) -> bool {
        let number = bytes.get(4..8).and_then(|number| number.first_chunk());
        let Some(number) = number.map(|number| i32::from_be_bytes(*number)) else {
            return false;
        };
        let fits = match self.newest {
            Some(newest) => (0..MOST_WAITING).contains(&(i64::from(newest) - i64::from(number))),
            None => (0..1 << 24).contains(&number),
        };
        fits && frame::response_begins(bytes) == Verdict::Likely
    }
}

fn request(asked: &dyn Outstanding, correlation: i32) -> Option<&Request> {
    match asked.tagged(u64::try_from(correlation).ok()?)? {
        Any::Kafka(message) => match &**message {
            Message::Request(request) => Some(request),
            Message::Response(_) => None,
        },
        _ => None,
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().fold(String::with_capacity(32), |mut hex, byte| {
        // Writing into a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
