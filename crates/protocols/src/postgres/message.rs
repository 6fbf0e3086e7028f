//! What is kept of queries and their answers.

use std::borrow::Cow;
use std::sync::Arc;

use crate::message::text;
use crate::normal::Sql;
use crate::{Message as Any, Summary, redact};

/// A request or its response.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// What the client asked.
    Request(Request),
    /// What the server said to it.
    Response(Response),
}

/// A query, or something else that is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What it is.
    pub kind: Kind,
    /// Its statement without literals; `None` where it was not seen: prepared before the agent.
    pub sql: Option<Arc<Sql>>,
    /// The statement's name, the database's for a connection; empty where there is none.
    pub name: String,
    /// Its text as it was, redacted; `None` unless the policy keeps literals.
    pub text: Option<Arc<str>>,
    /// Which run of messages up to a Sync it is part of: an error ends all of one.
    pub(super) batch: u32,
}

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The beginning of a connection, until it is ready.
    Connect,
    /// The question whether TLS, or GSS, may be spoken.
    Encrypt,
    /// A query that is text alone.
    Simple,
    /// One Execute, with what led up to it.
    Execute,
    /// Parse, Bind, Describe or Close without an Execute: so many messages of the server answer it.
    Prepare {
        /// ParseComplete, BindComplete, CloseComplete, RowDescription or NoData.
        answers: u16,
        /// Whether it only closes what was prepared.
        closes: bool,
    },
    /// A function call.
    Function,
    /// Asks, on a connection of its own, to stop what another one does. Never answered.
    Cancel,
}

/// What the server said to a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// `SELECT`, `INSERT`: what was done, as the server has it. Empty where it does not say.
    pub tag: String,
    /// How many rows it was done to.
    pub rows: Option<u64>,
    /// The error's code: `42P01`.
    pub code: Option<String>,
    /// What the error says, redacted.
    pub error: String,
    /// Whether it was not tried because something before it failed.
    pub skipped: bool,
    /// The channel of a notification, which nobody asked for.
    pub channel: String,
}

impl Response {
    /// Takes up a command's tag: `INSERT 0 5`, `SELECT 17`, `BEGIN`.
    pub(super) fn complete(&mut self, tag: &[u8]) {
        let tag = text(tag, 64);
        let mut words = tag.split(' ');
        self.tag = words.next().unwrap_or_default().to_owned();
        let rows = tag.rsplit(' ').next().and_then(|last| last.parse::<u64>().ok());
        // Of several statements in one query, what they did together.
        self.rows = match (self.rows, rows) {
            (Some(before), Some(rows)) => Some(before.saturating_add(rows)),
            (before, rows) => rows.or(before),
        };
    }

    /// Takes up the fields of an error: a letter and a string each. Says whether the connection
    /// ends with it.
    pub(super) fn fail(&mut self, mut fields: &[u8]) -> bool {
        let mut fatal = false;
        let mut said = String::new();
        while let Some((kind, rest)) = fields.split_first()
            && *kind != 0
        {
            let end = memchr::memchr(0, rest);
            let value = &rest[..end.unwrap_or(rest.len())];
            match kind {
                b'V' => fatal = matches!(value, b"FATAL" | b"PANIC"),
                b'C' => self.code = Some(text(value, 5)),
                b'M' => said = text(value, 512),
                _ => {}
            }
            fields = end.map_or(&[], |end| &rest[end + 1..]);
        }
        let code = self.code.get_or_insert_with(|| "XX000".to_owned());
        self.error = redact::text(&without_values(&said, code)).into_owned();
        fatal
    }
}

/// An error without the values that it repeats. Errors of names (class 42, but for operands of a
/// wrong type) quote names; others quote what was said.
fn without_values(said: &str, code: &str) -> String {
    if code.starts_with("42") && code != "42804" || code.starts_with("3") || code.starts_with("23")
    {
        return said.to_owned();
    }
    let mut kept = String::with_capacity(said.len());
    for (at, part) in said.split('"').enumerate() {
        match at % 2 {
            0 => kept.push_str(part),
            _ => {
                kept.push('"');
                kept.push_str(redact::TAKEN_OUT);
                kept.push('"');
            }
        }
    }
    kept
}

/// What a request and its response say.
pub(super) fn summary(request: Option<&Any>, response: Option<&Any>) -> Summary {
    let mut summary = Summary::default();
    if let Some(Any::Postgres(message)) = request
        && let Message::Request(request) = &**message
    {
        let verb = request.sql.as_ref().map(|sql| sql.verb.clone()).filter(|verb| !verb.is_empty());
        summary.operation = match request.kind {
            Kind::Connect => "CONNECT".into(),
            Kind::Encrypt => "SSL".into(),
            Kind::Cancel => "CANCEL".into(),
            Kind::Function => "FUNCTION".into(),
            Kind::Prepare { closes: true, .. } => "CLOSE".into(),
            Kind::Prepare { .. } => "PREPARE".into(),
            Kind::Simple | Kind::Execute => verb.map_or(Cow::Borrowed("EXECUTE"), Cow::Owned),
        };
        summary.resource = match &request.sql {
            Some(sql) => sql.text.clone(),
            None => request.name.clone(),
        };
    }
    match response {
        Some(Any::Postgres(message)) => {
            if let Message::Response(response) = &**message {
                summary.status = Some(match &response.code {
                    Some(code) => code.clone().into(),
                    None if response.skipped => "SKIPPED".into(),
                    None => "OK".into(),
                });
                let failed = response.code.is_some() || response.skipped;
                summary.error = failed.then(|| response.error.clone());
                if request.is_none() {
                    summary.operation = response.tag.clone().into();
                    summary.resource = response.channel.clone();
                }
            }
        }
        _ => summary.status = None,
    }
    summary
}

impl From<Request> for Any {
    fn from(request: Request) -> Any {
        Any::Postgres(Box::new(Message::Request(request)))
    }
}

impl From<Response> for Any {
    fn from(response: Response) -> Any {
        Any::Postgres(Box::new(Message::Response(response)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_errors() {
        let mut response = Response::default();
        response.complete(b"INSERT 0 5");
        response.complete(b"SELECT 2");
        assert_eq!((response.tag.as_str(), response.rows), ("SELECT", Some(7)));
        let fields =
            b"SERROR\0VERROR\0C22P02\0Minvalid input syntax for type integer: \"hunter\"\0\0";
        assert!(!response.fail(fields));
        assert_eq!(response.code.as_deref(), Some("22P02"));
        assert_eq!(response.error, "invalid input syntax for type integer: \"***\"");
        assert!(response.fail(b"VFATAL\0C3D000\0Mdatabase \"x\" does not exist\0\0"));
        assert_eq!(response.error, "database \"x\" does not exist");
        response.fail(b"Mcut");
    }
}
