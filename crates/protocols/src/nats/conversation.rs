//! One connection: lines and payloads of both sides.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use super::line::{self, Line, Payload};
use super::message::{self, Event, Message, Request};
use crate::message::text;
use crate::{
    Conversation, Ends, Found, Message as Any, Outstanding, Pairing, Part, Policy, Role, Setting,
    Side, Step, Verdict, redact,
};

/// A connection's state.
#[derive(Debug)]
pub(super) struct Nats {
    policy: Arc<Policy>,
    /// Whether a line was cut: where it ends is not known.
    cut: [bool; 2],
}

/// A line that is not there whole is waited for as long as it is shorter than this.
const PATIENCE: usize = 32 << 10;

/// So much of headers, and of JetStream's replies, is waited for, in bytes.
const WANTED: u64 = 1024;

/// What asks JetStream, and which question is answered by messages of any subject.
const STREAM: &[u8] = b"$JS.API.";
const NEXT: &[u8] = b"$JS.API.CONSUMER.MSG.NEXT.";

impl Nats {
    pub(super) fn new(setting: &Setting) -> Nats {
        Nats { policy: setting.policy.clone(), cut: [false; 2] }
    }

    /// A line that a gap ends.
    fn cut(&mut self, side: Side, bytes: &[u8], asked: &dyn Outstanding) -> Step {
        let Some(line) = Line::cut(side, bytes) else {
            return Step::Lost("no_line");
        };
        self.cut[side as usize] = true;
        let part = self.part(line, b"", asked).map(Part::truncated);
        Step::Take { length: bytes.len() as u64, part }
    }

    /// What a line, and what is there of its payload, is to the pairing.
    fn part(&self, line: Line, data: &[u8], asked: &dyn Outstanding) -> Option<Part> {
        let request = |name| Request { name, ..Request::default() };
        let whole = |pairing, request: Request| Part::whole(Role::Request, pairing, request.into());
        Some(match line {
            // Each side may ask whether the other one is there; and confirmations say nothing.
            Line::Info | Line::Ok => return None,
            Line::Connect => whole(Pairing::Alone, request("CONNECT")),
            Line::Unsubscribe => whole(Pairing::Alone, request("UNSUB")),
            Line::Subscribe { subject, queue } => {
                let queue = redact::text(&text(queue.unwrap_or_default(), 64)).into_owned();
                let subscribed = Request {
                    pattern: message::pattern(subject),
                    subject: message::subject(subject, &self.policy),
                    queue,
                    ..request("SUB")
                };
                whole(Pairing::Alone, subscribed)
            }
            Line::Ping => whole(Pairing::InOrder, request("PING")),
            Line::Pong => {
                let event = Event { name: "PONG", ..Event::default() };
                Part::whole(Role::Response, Pairing::InOrder, event.into())
            }
            Line::Publish(payload) => self.published(payload, data),
            Line::Message(payload) => self.delivered(payload, data, asked),
            Line::Error(said) => {
                let mut event = Event { name: "ERR", ..Event::default() };
                event.fail(said);
                Part::whole(Role::Response, Pairing::Alone, event.into())
            }
        })
    }

    fn published(&self, payload: Payload, data: &[u8]) -> Part {
        let headers = &data[..data.len().min(payload.headers as usize)];
        let request = Request {
            name: "PUB",
            pattern: message::pattern(payload.subject),
            subject: message::subject(payload.subject, &self.policy),
            queue: String::new(),
            wants_reply: payload.reply.is_some(),
            payload_bytes: payload.size,
            trace: message::trace(headers),
            asks_stream: payload.subject.starts_with(STREAM),
        };
        // What is delivered next is a push, with the subject that it was published with.
        let pairing = match payload.reply {
            Some(reply) if !payload.subject.starts_with(NEXT) => Pairing::Tag(tag(reply)),
            _ => Pairing::Alone,
        };
        Part::whole(Role::Request, pairing, request.into())
    }

    fn delivered(&self, payload: Payload, data: &[u8], asked: &dyn Outstanding) -> Part {
        let mut event = Event {
            name: "MSG",
            pattern: message::pattern(payload.subject),
            subject: message::subject(payload.subject, &self.policy),
            payload_bytes: payload.size,
            ..Event::default()
        };
        let (headers, rest) = data.split_at(data.len().min(payload.headers as usize));
        if !headers.is_empty() {
            event.add_headers(headers);
        }
        let request = request(asked, payload.subject);
        if request.is_some_and(|request| request.asks_stream) {
            event.add_outcome(rest);
        }
        // What comes to an inbox answers something, even if that was not seen, or answered before.
        let pairing = match request.is_some() || payload.subject.starts_with(message::INBOX) {
            true => Pairing::Tag(tag(payload.subject)),
            false => Pairing::Alone,
        };
        Part::whole(Role::Response, pairing, event.into())
    }
}

impl Conversation for Nats {
    fn read(&mut self, side: Side, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        if std::mem::take(&mut self.cut[side as usize]) {
            return Step::Lost("line_cut");
        }
        if bytes.is_empty() {
            return if ends == Ends::Open {
                Step::More
            } else {
                Step::Lost("gap_between_messages")
            };
        }
        let Some((said, length)) = line::split(bytes) else {
            let sound = bytes.len() < PATIENCE && line::may_become(side, bytes);
            return match ends {
                Ends::Open if sound => Step::More,
                _ if sound => self.cut(side, bytes, asked),
                _ => Step::Lost("no_line"),
            };
        };
        if said.is_empty() {
            return Step::pass(length);
        }
        let Some(line) = Line::read(side, said) else {
            return Step::Lost("no_line");
        };
        let (data, behind) = (&bytes[length..], line.data());
        let wanted = match line {
            Line::Message(payload) => {
                let asks_stream =
                    request(asked, payload.subject).is_some_and(|request| request.asks_stream);
                let more = if asks_stream { payload.size } else { payload.headers };
                more.min(payload.headers + WANTED)
            }
            Line::Publish(payload) => payload.headers,
            _ => 0,
        };
        let wanted = wanted.min(WANTED);
        let cut = (data.len() as u64) < wanted;
        if cut && ends == Ends::Open {
            return Step::More;
        }
        if let Some(data) = usize::try_from(behind).ok().and_then(|behind| data.get(..behind))
            && behind > 0
            && !data.ends_with(b"\r\n")
        {
            return Step::Lost("no_line_break");
        }
        let data = &data[..data.len().min(behind.saturating_sub(2) as usize)];
        // What the server asks, and the client says to it, keeps the connection alive, no more.
        let asked_back =
            matches!((side, line), (Side::Server, Line::Ping) | (Side::Client, Line::Pong));
        let part = match asked_back {
            true => None,
            false => self.part(line, data, asked),
        };
        let part = part.map(|part| Part { truncated: cut, ..part });
        Step::Take { length: length as u64 + behind, part }
    }

    fn keep(&mut self, policy: &Arc<Policy>) {
        self.policy = policy.clone();
    }

    fn find(&mut self, side: Side, bytes: &[u8]) -> Found {
        self.cut[side as usize] = false;
        let verdict = |at: usize| super::begins(side, &bytes[at..]);
        let starts = || (0..bytes.len()).filter(|&at| at == 0 || bytes[at - 1] == b'\n');
        if let Some(at) = starts().find(|&at| verdict(at) == Verdict::Likely) {
            return Found::At(at);
        }
        let begun = starts().next_back().filter(|&at| verdict(at) == Verdict::More);
        Found::Nowhere { keep: begun.map_or(0, |at| bytes.len() - at) }
    }
}

/// The request whose reply goes to this subject.
fn request<'a>(asked: &'a dyn Outstanding, subject: &[u8]) -> Option<&'a Request> {
    match asked.tagged(tag(subject))? {
        Any::Nats(message) => match &**message {
            Message::Request(request) => Some(request),
            Message::Event(_) => None,
        },
        _ => None,
    }
}

/// A reply subject's hash, the same in every process.
fn tag(subject: &[u8]) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(subject)
}
