//! What is kept of requests and responses.

use std::borrow::Cow;
use std::sync::Arc;

use crate::normal::Sql;
use crate::{Message as Any, Summary};

/// A request or its response.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// What the client asked.
    Request(Request),
    /// What the server said.
    Response(Response),
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What it is.
    pub kind: Kind,
    /// Its statement without literals, of a batch the first one; `None` where it was not seen: prepared
    /// on another connection, or before the agent.
    pub sql: Option<Arc<Sql>>,
    /// What was prepared, in hex; empty where it is not said.
    pub id: String,
    /// Its text as it was, redacted; `None` unless the policy keeps literals.
    pub text: Option<Arc<str>>,
    /// How many statements it has.
    pub statements: u16,
    /// Whether its text was not seen to its end.
    pub(super) cut: bool,
    /// Whether the client wants what comes to be compressed.
    pub(super) compresses: bool,
}

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Asks what the server can.
    Options,
    /// The beginning of a connection.
    Startup,
    /// Who the client is.
    Auth,
    /// A statement as text.
    Query,
    /// A statement to be run later.
    Prepare,
    /// One that was prepared.
    Execute,
    /// Several.
    Batch,
    /// Asks to be told of events.
    Register,
}

/// A response, or an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// `READY`, `ROWS`, `VOID`, `PREPARED`, `ERROR` …; empty where it is compressed.
    pub kind: &'static str,
    /// How many rows it has; `None` if it has none or they were not seen to be counted.
    pub rows: Option<u32>,
    /// The error's number: 0x2200.
    pub code: Option<u32>,
    /// What the error says, without values, redacted.
    pub error: String,
    /// Of an event, its kind and what happened: `STATUS_CHANGE`, `UP`.
    pub event: Option<(String, String)>,
}

impl Request {
    pub(super) fn new(kind: Kind) -> Request {
        Request {
            kind,
            sql: None,
            id: String::new(),
            text: None,
            statements: 0,
            cut: false,
            compresses: false,
        }
    }
}

/// What a request and its response say.
pub(super) fn summary(request: Option<&Any>, response: Option<&Any>) -> Summary {
    let mut summary = Summary::default();
    if let Some(Any::Cassandra(message)) = request
        && let Message::Request(request) = &**message
    {
        let verb = request.sql.as_ref().map(|sql| sql.verb.clone()).filter(|verb| !verb.is_empty());
        summary.operation = match request.kind {
            Kind::Options => "OPTIONS".into(),
            Kind::Startup => "STARTUP".into(),
            Kind::Auth => "AUTH".into(),
            Kind::Prepare => "PREPARE".into(),
            Kind::Batch => "BATCH".into(),
            Kind::Register => "REGISTER".into(),
            Kind::Query => verb.map_or(Cow::Borrowed("QUERY"), Cow::Owned),
            Kind::Execute => verb.map_or(Cow::Borrowed("EXECUTE"), Cow::Owned),
        };
        summary.resource = match &request.sql {
            Some(sql) => sql.text.clone(),
            None => request.id.clone(),
        };
    }
    if let Some(Any::Cassandra(message)) = response
        && let Message::Response(response) = &**message
    {
        let failed = response.kind == "ERROR";
        summary.status = Some(match response.code {
            Some(code) => name(code),
            None if failed => "ERROR".into(),
            None => "OK".into(),
        });
        summary.error = failed.then(|| response.error.clone());
        if let Some((kind, what)) = &response.event {
            summary.operation = kind.clone().into();
            summary.resource = what.clone();
        }
    }
    summary
}

fn name(code: u32) -> Cow<'static, str> {
    match code {
        0x0000 => "SERVER_ERROR",
        0x000a => "PROTOCOL_ERROR",
        0x0100 => "BAD_CREDENTIALS",
        0x1000 => "UNAVAILABLE",
        0x1001 => "OVERLOADED",
        0x1002 => "IS_BOOTSTRAPPING",
        0x1003 => "TRUNCATE_ERROR",
        0x1100 => "WRITE_TIMEOUT",
        0x1200 => "READ_TIMEOUT",
        0x1300 => "READ_FAILURE",
        0x1400 => "FUNCTION_FAILURE",
        0x1500 => "WRITE_FAILURE",
        0x1600 => "CDC_WRITE_FAILURE",
        0x1700 => "CAS_WRITE_UNKNOWN",
        0x2000 => "SYNTAX_ERROR",
        0x2100 => "UNAUTHORIZED",
        0x2200 => "INVALID",
        0x2300 => "CONFIG_ERROR",
        0x2400 => "ALREADY_EXISTS",
        0x2500 => "UNPREPARED",
        _ => return format!("{code:#06x}").into(),
    }
    .into()
}

impl From<Request> for Any {
    fn from(request: Request) -> Any {
        Any::Cassandra(Box::new(Message::Request(request)))
    }
}

impl From<Response> for Any {
    fn from(response: Response) -> Any {
        Any::Cassandra(Box::new(Message::Response(response)))
    }
}
