//! What is kept of what is said.

use crate::message::text;
use crate::{Message as Any, Policy, Summary, Trace, normal, redact};

/// What a client or a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// What the client said.
    Request(Request),
    /// What the server said.
    Event(Event),
}

/// What a client said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// `PUB`, `SUB`; of a publication with headers `PUB` as well.
    pub name: &'static str,
    /// The subject with ids folded; empty where there is none.
    pub pattern: String,
    /// The subject itself, redacted; `None` unless the policy keeps literals.
    pub subject: Option<String>,
    /// The group that shares a subscription; empty where there is none.
    pub queue: String,
    /// Whether it says where a reply is to go.
    pub wants_reply: bool,
    /// How long its payload is, in bytes, headers included.
    pub payload_bytes: u64,
    /// The trace that its headers name.
    pub trace: Option<Trace>,
    /// Whether it asks JetStream, which says in its reply's payload how it went.
    pub(super) asks_stream: bool,
}

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// `MSG`, `PONG`, `ERR`; of a message with headers `MSG` as well.
    pub name: &'static str,
    /// The subject with ids folded; empty where there is none.
    pub pattern: String,
    /// The subject itself, redacted; `None` unless the policy keeps literals.
    pub subject: Option<String>,
    /// How long its payload is, in bytes, headers included.
    pub payload_bytes: u64,
    /// What the server says instead of a message: 503 that nobody listens. Or JetStream's error.
    pub status: Option<u16>,
    /// What went wrong, redacted; `None` if nothing.
    pub error: Option<String>,
    /// The trace that its headers name.
    pub trace: Option<Trace>,
}

/// How subjects begin that clients make up for their replies.
pub(super) const INBOX: &[u8] = b"_INBOX.";

/// A subject with ids folded. What an inbox is called differs from call to call.
pub(super) fn pattern(subject: &[u8]) -> String {
    match subject.starts_with(INBOX) {
        true => "_INBOX.{id}".to_owned(),
        false => normal::key(&text(subject, 256)),
    }
}

/// A subject as it is, if that may be kept.
pub(super) fn subject(subject: &[u8], policy: &Policy) -> Option<String> {
    policy.literals.then(|| redact::text(&text(subject, 256)).into_owned())
}

impl Event {
    /// Takes up what stands in the first line of headers, and a trace.
    pub(super) fn add_headers(&mut self, headers: &[u8]) {
        let (first, _) = super::line::split(headers).unwrap_or((headers, 0));
        let said = first.get(b"NATS/1.0".len()..).unwrap_or_default().trim_ascii();
        let (code, words) = said.split_at(said.len().min(3));
        self.status = std::str::from_utf8(code).ok().and_then(|code| code.parse().ok());
        self.error = self
            .status
            .filter(|status| *status >= 400)
            .map(|_| redact::text(&text(words.trim_ascii(), 128)).into_owned());
        self.trace = trace(headers);
    }

    /// Takes up an error of JetStream: `{"error":{"code":404,…,"description":"…"}}`.
    pub(super) fn add_outcome(&mut self, payload: &[u8]) {
        let Some(at) = memchr::memmem::find(payload, b"\"error\":") else {
            return;
        };
        let said = &payload[at..];
        let after = |key: &[u8]| {
            memchr::memmem::find(said, key).map(|at| said[at + key.len()..].trim_ascii_start())
        };
        let Some(code) = after(b"\"code\":") else {
            return;
        };
        let digits = code.iter().take(3).take_while(|byte| byte.is_ascii_digit());
        self.status = Some(digits.fold(0, |code, digit| code * 10 + u16::from(digit - b'0')));
        let words = after(b"\"description\":").and_then(|words| words.strip_prefix(b"\""));
        let words = words.unwrap_or_default().split(|byte| *byte == b'"').next();
        self.error = Some(redact::text(&text(words.unwrap_or_default(), 256)).into_owned());
    }

    /// Takes up what `-ERR` says. Behind a double quote stands what was asked for.
    pub(super) fn fail(&mut self, said: &[u8]) {
        let said = text(said, 256);
        let said = said.split('"').next().unwrap_or_default().trim_matches(['\'', ' ']);
        self.error = Some(redact::text(said).into_owned());
    }
}

/// The trace that headers name.
pub(super) fn trace(headers: &[u8]) -> Option<Trace> {
    headers.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at(colon);
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match () {
            _ if is(b"traceparent") => Trace::from_traceparent(&value[1..]),
            _ if is(b"b3") => Trace::from_b3(&value[1..]),
            _ => None,
        }
    })
}

/// What was said and what came of it.
pub(super) fn summary(request: Option<&Any>, response: Option<&Any>) -> Summary {
    let mut summary = Summary::default();
    if let Some(Any::Nats(message)) = request
        && let Message::Request(request) = &**message
    {
        summary.operation = request.name.into();
        summary.resource = request.pattern.clone();
        summary.trace = request.trace;
    }
    if let Some(Any::Nats(message)) = response
        && let Message::Event(event) = &**message
    {
        summary.status = Some(match event.status {
            Some(status) => status.to_string().into(),
            None if event.error.is_some() => "ERR".into(),
            None => "OK".into(),
        });
        summary.error = event.error.clone();
        if request.is_none() {
            summary.operation = event.name.into();
            summary.resource = event.pattern.clone();
            summary.trace = event.trace;
        }
    }
    summary
}

impl From<Request> for Any {
    fn from(request: Request) -> Any {
        Any::Nats(Box::new(Message::Request(request)))
    }
}

impl From<Event> for Any {
    fn from(event: Event) -> Any {
        Any::Nats(Box::new(Message::Event(event)))
    }
}
