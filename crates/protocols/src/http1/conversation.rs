//! Where heads, bodies and chunks begin and end.

use std::sync::Arc;

use super::head::{self, Framing, Upgrade};
use crate::http::{self, Body as Said};
use crate::http2::Http2;
use crate::{
    Conversation, Ends, Found, Message, Next, Outstanding, Pairing, Part, Policy, Role, Setting,
    Side, Step,
};

/// A connection's state.
#[derive(Debug)]
pub(super) struct Http1 {
    policy: Arc<Policy>,
    client: State,
    server: State,
    /// What either side is saying, where its body is kept.
    keeping: [Option<Box<Keeping>>; 2],
    /// What the client asked the connection to become, and was not answered about yet.
    upgrade: Option<Asked>,
    /// What it became, where that is the next HTTP: its first request was said in this one.
    next: Option<Box<Http2>>,
}

/// What a side is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing: a head comes next.
    Head,
    /// A body that is kept, of which so many bytes are left.
    Body(u64),
    /// A chunk that is kept: so many bytes are left of it, and of it with the line break behind it.
    InChunk(u64, u64),
    /// The size of a chunk comes next.
    Chunk,
    /// Trailers, or the empty line behind the last chunk.
    Trailers,
    /// A body that ends with the connection.
    Rest,
    /// A head that was cut: nobody knows where its body ends.
    Cut,
}

/// A message whose body is kept.
#[derive(Debug)]
struct Keeping {
    message: http::Message,
    body: Said,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Upgrade(Upgrade),
    Connect,
}

/// Whether a response has a body, and whether it is a response at all.
enum Body {
    None,
    Length(u64),
    Chunks,
    Rest,
}

impl Http1 {
    pub(super) fn new(setting: &Setting) -> Http1 {
        let policy = setting.policy.clone();
        let (client, server) = (State::Head, State::Head);
        Http1 { policy, client, server, keeping: [None, None], upgrade: None, next: None }
    }

    fn state(&mut self, side: Side) -> &mut State {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn head(&mut self, side: Side, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        // Some clients send an empty line behind a body.
        let empty = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if empty > 0 {
            return Step::pass(empty);
        }
        if bytes.is_empty() || !head::may_begin(side, bytes) {
            return match (bytes.is_empty(), ends) {
                (true, Ends::Open) => Step::More,
                (true, _) => Step::Lost("gap_between_messages"),
                (false, _) => Step::Lost("no_first_line"),
            };
        }
        if ends == Ends::Open && !head::is_whole(bytes) {
            return Step::More;
        }
        match side {
            Side::Client => self.request(bytes),
            Side::Server => self.response(bytes, asked),
        }
    }

    fn request(&mut self, bytes: &[u8]) -> Step {
        let Some(head) = head::request(bytes, &self.policy) else {
            return Step::Lost("no_first_line");
        };
        if !head.whole {
            return self.cut(Side::Client, head.length, head.message.into());
        }
        self.upgrade = match head.framing.upgrade {
            _ if head.message.method == "CONNECT" => Some(Asked::Connect),
            upgrade => upgrade.map(Asked::Upgrade),
        };
        let body = match head.framing {
            Framing { chunked: true, .. } => Body::Chunks,
            Framing { content_length: Some(length), .. } => Body::Length(length),
            _ => Body::None,
        };
        let message = http::Message::Request(head.message);
        self.begin(Side::Client, head.length, message, body, head.framing.coded)
    }

    fn response(&mut self, bytes: &[u8], asked: &dyn Outstanding) -> Step {
        let Some(head) = head::response(bytes, &self.policy) else {
            return Step::Lost("no_first_line");
        };
        if !head.whole {
            return self.cut(Side::Server, head.length, head.message.into());
        }
        let status = head.message.status;
        let method = match asked.oldest() {
            Some(Message::Http(message)) => match &**message {
                http::Message::Request(request) => &request.method,
                http::Message::Response(_) => "",
            },
            _ => "",
        };
        // 100 Continue and its like announce the response, they are none.
        if (100..200).contains(&status) && status != 101 {
            return Step::pass(head.length);
        }
        let upgrade = self.upgrade.take();
        let switched = match upgrade {
            Some(Asked::Connect) => (200..300).contains(&status).then_some(Next::Anything),
            _ if status != 101 => None,
            Some(Asked::Upgrade(Upgrade::WebSocket)) => Some(Next::Unread("websocket")),
            Some(Asked::Upgrade(Upgrade::Http2)) => {
                self.next = Some(Box::new(Http2::upgraded(self.policy.clone())));
                return Step::pass(head.length);
            }
            _ => Some(Next::Anything),
        };
        if let Some(to) = switched {
            let length = head.length as u64;
            let part = Part::whole(Role::Response, Pairing::InOrder, head.message.into());
            return Step::Switch { length, part: Some(part), to };
        }
        let body = match head.framing {
            _ if method == "HEAD" || status == 204 || status == 304 => Body::None,
            Framing { chunked: true, .. } => Body::Chunks,
            Framing { content_length: Some(length), .. } => Body::Length(length),
            _ => Body::Rest,
        };
        let message = http::Message::Response(head.message);
        self.begin(Side::Server, head.length, message, body, head.framing.coded)
    }

    fn begin(
        &mut self,
        side: Side,
        head: usize,
        message: http::Message,
        body: Body,
        coded: bool,
    ) -> Step {
        let is_said = !coded && !matches!(body, Body::None | Body::Length(0));
        let kept = is_said.then(|| Said::of(message.fields(), &self.policy)).flatten();
        let keeps = kept.is_some();
        self.keeping[side as usize] =
            kept.map(|body| Box::new(Keeping { message: message.clone(), body }));
        let part = Part::begins(Role::of(side), Pairing::InOrder, message.into());
        let (length, last, state) = match body {
            Body::None => (head as u64, true, State::Head),
            Body::Length(length) if keeps => (head as u64, false, State::Body(length)),
            Body::Length(length) => ((head as u64).saturating_add(length), true, State::Head),
            Body::Chunks => (head as u64, false, State::Chunk),
            Body::Rest => (head as u64, false, State::Rest),
        };
        *self.state(side) = state;
        Step::Take { length, part: Some(Part { last, ..part }) }
    }

    /// Takes a head whose end is not there.
    fn cut(&mut self, side: Side, length: usize, message: Message) -> Step {
        *self.state(side) = State::Cut;
        let part = Part::whole(Role::of(side), Pairing::InOrder, message);
        Step::take(length, part.truncated())
    }

    fn chunk(&mut self, side: Side, bytes: &[u8], ends: Ends) -> Step {
        let Some((line, rest)) = head::line(bytes) else {
            return match ends {
                Ends::Open if bytes.len() <= LONGEST_SIZE => Step::More,
                Ends::Open => Step::Lost("no_chunk_size"),
                Ends::Hole(_) | Ends::Closed => Step::Lost("gap_in_chunks"),
            };
        };
        let Some(size) = chunk_size(line) else {
            return Step::Lost("no_chunk_size");
        };
        let length = (bytes.len() - rest.len()) as u64;
        let part = Part::goes_on(Role::of(side), Pairing::InOrder);
        if size == 0 {
            *self.state(side) = State::Trailers;
            let message = self.said(side);
            return Step::Take { length, part: Some(Part { message, ..part }) };
        }
        if self.keeping[side as usize].is_some() {
            *self.state(side) = State::InChunk(size, size.saturating_add(2));
            return Step::Take { length, part: Some(part) };
        }
        // The line break behind the chunk goes with it.
        Step::Take { length: length.saturating_add(size).saturating_add(2), part: Some(part) }
    }

    /// Takes up the next bytes of a body that is kept; whether more of it is of use.
    fn keep_of_body(&mut self, side: Side, bytes: &[u8]) -> bool {
        let Some(keeping) = &mut self.keeping[side as usize] else {
            return false;
        };
        keeping.body.see(bytes);
        keeping.body.room() > 0
    }

    /// The message with what is kept of its body, once; `None` where nothing is.
    fn said(&mut self, side: Side) -> Option<Message> {
        let Keeping { message, body } = *self.keeping[side as usize].take()?;
        Some(message.with_body(body.text()).into())
    }

    /// The same where the body goes on.
    fn said_in_part(&mut self, side: Side) -> Option<Message> {
        if let Some(keeping) = &mut self.keeping[side as usize] {
            keeping.body.miss();
        }
        self.said(side)
    }

    /// A body whose length is known: its beginning is kept, the rest passed over.
    fn body(&mut self, side: Side, left: u64, bytes: &[u8], ends: Ends) -> Step {
        let there = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let part = Part::goes_on(Role::of(side), Pairing::InOrder);
        let wants = self.keep_of_body(side, &bytes[..there]);
        let over = there as u64 == left;
        if over || !wants || ends != Ends::Open {
            *self.state(side) = State::Head;
            let message = if over { self.said(side) } else { self.said_in_part(side) };
            return Step::Take { length: left, part: Some(Part { last: true, message, ..part }) };
        }
        if there == 0 {
            return Step::More;
        }
        *self.state(side) = State::Body(left - there as u64);
        Step::take(there, part)
    }

    /// A chunk that is kept, without the line break behind it.
    fn in_chunk(&mut self, side: Side, (data, left): (u64, u64), bytes: &[u8], ends: Ends) -> Step {
        let count = |most: u64| bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let (seen, there) = (count(data), count(left));
        let part = Part::goes_on(Role::of(side), Pairing::InOrder);
        let wants = self.keep_of_body(side, &bytes[..seen]);
        let over = there as u64 == left;
        // What was not seen may be chunks as well.
        let gap = ends != Ends::Open && there == bytes.len();
        if over || !wants || gap {
            *self.state(side) = State::Chunk;
            let message = if over && wants && !gap { None } else { self.said_in_part(side) };
            return Step::Take { length: left, part: Some(Part { message, ..part }) };
        }
        if there == 0 {
            return Step::More;
        }
        *self.state(side) = State::InChunk(data - seen as u64, left - there as u64);
        Step::take(there, part)
    }

    fn trailers(&mut self, side: Side, bytes: &[u8], ends: Ends) -> Step {
        let Some((line, rest)) = head::line(bytes) else {
            return match ends {
                Ends::Open if bytes.len() <= LONGEST_TRAILER => Step::More,
                _ => Step::Lost("gap_in_trailers"),
            };
        };
        let mut part = Part::goes_on(Role::of(side), Pairing::InOrder);
        if line.is_empty() {
            *self.state(side) = State::Head;
            part.last = true;
        }
        Step::take(bytes.len() - rest.len(), part)
    }

    fn rest(&mut self, side: Side, bytes: &[u8], ends: Ends) -> Step {
        let mut part = Part::goes_on(Role::of(side), Pairing::InOrder);
        let wants = self.keep_of_body(side, bytes);
        part.message = match ends {
            Ends::Closed => self.said(side),
            Ends::Open if wants => None,
            Ends::Open | Ends::Hole(_) => self.said_in_part(side),
        };
        match ends {
            Ends::Open if bytes.is_empty() => Step::More,
            Ends::Open => Step::take(bytes.len(), part),
            Ends::Hole(length) => {
                let length = length.saturating_add(bytes.len() as u64);
                Step::Take { length, part: Some(part) }
            }
            Ends::Closed => {
                *self.state(side) = State::Head;
                Step::take(bytes.len(), Part { last: true, ..part })
            }
        }
    }
}

/// The longest line with a chunk's size, extensions included, in bytes.
const LONGEST_SIZE: usize = 1024;

/// The longest trailer, in bytes.
const LONGEST_TRAILER: usize = 8 * 1024;

impl Conversation for Http1 {
    fn read(&mut self, side: Side, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        if let Some(next) = &mut self.next {
            return next.read(side, bytes, ends, asked);
        }
        let state = *self.state(side);
        match state {
            // What comes behind an upgrade is HTTP only if the server says no.
            State::Head if side == Side::Client && self.upgrade.is_some() => match ends {
                Ends::Open => Step::More,
                Ends::Hole(_) | Ends::Closed => Step::Lost("upgrade_unanswered"),
            },
            State::Head => self.head(side, bytes, ends, asked),
            State::Body(left) => self.body(side, left, bytes, ends),
            State::Chunk => self.chunk(side, bytes, ends),
            State::InChunk(data, left) => self.in_chunk(side, (data, left), bytes, ends),
            State::Trailers => self.trailers(side, bytes, ends),
            State::Rest => self.rest(side, bytes, ends),
            State::Cut => Step::Lost("head_cut"),
        }
    }

    fn find(&mut self, side: Side, bytes: &[u8]) -> Found {
        if let Some(next) = &mut self.next {
            return next.find(side, bytes);
        }
        *self.state(side) = State::Head;
        self.keeping[side as usize] = None;
        if side == Side::Client {
            self.upgrade = None;
        }
        let finder: &[u8] = match side {
            Side::Client => b" HTTP/1.",
            Side::Server => b"HTTP/1.",
        };
        let found = memchr::memmem::find_iter(bytes, finder);
        let mut starts = found.filter_map(|at| match side {
            Side::Client => request_start(bytes, at),
            Side::Server => Some(at),
        });
        if let Some(at) = starts.find(|&at| begins(side, &bytes[at..])) {
            return Found::At(at);
        }
        // A first line may have begun without being whole.
        let tail = memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1);
        let begun = (tail..bytes.len()).find(|&at| head::may_begin(side, &bytes[at..]));
        let keep = begun.map_or(0, |at| bytes.len() - at);
        Found::Nowhere { keep: if keep > super::LONGEST_LINE { 0 } else { keep } }
    }

    fn keep(&mut self, policy: &Arc<Policy>) {
        self.policy = policy.clone();
        if let Some(next) = &mut self.next {
            next.keep(policy);
        }
    }

    fn held(&self) -> usize {
        let bodies = self.keeping.iter().flatten().map(|it| it.body.held()).sum::<usize>();
        bodies + self.next.as_ref().map_or(0, |next| next.held())
    }
}

/// Where the request begins whose version stands behind the space at `space`.
fn request_start(bytes: &[u8], space: usize) -> Option<usize> {
    let before = memchr::memrchr(b' ', &bytes[..space])?;
    let method = bytes[..before].iter().rev().take_while(|byte| byte.is_ascii_uppercase()).count();
    let start = before - method;
    let whole_word = start == 0 || !bytes[start - 1].is_ascii_alphanumeric();
    (method > 0 && whole_word).then_some(start)
}

/// Whether a whole first line begins here, with something like a header behind it.
fn begins(side: Side, bytes: &[u8]) -> bool {
    let Some((line, rest)) = head::line(bytes) else {
        return false;
    };
    let first = match side {
        Side::Client => head::request_line(line).is_some(),
        Side::Server => head::status_line(line).is_some(),
    };
    let second = match head::line(rest) {
        Some((line, _)) => line.is_empty() || memchr::memchr(b':', line).is_some(),
        None => true,
    };
    first && second
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&byte| byte == b';').next()?.trim_ascii();
    let sound = !digits.is_empty() && digits.len() <= 12;
    let text = std::str::from_utf8(digits).ok().filter(|_| sound)?;
    if text.starts_with('+') {
        return None;
    }
    u64::from_str_radix(text, 16).ok()
}
