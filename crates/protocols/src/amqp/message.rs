//! What is kept of methods and of the messages that they carry.

use std::borrow::Cow;

use crate::message::text;
use crate::{Message as Any, Summary, normal, redact};

/// What a client asked or published, or what a server answered or delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// What the client said.
    Request(Request),
    /// What the server said.
    Response(Response),
}

/// A method of the client, and the message that it carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// Its name: `queue.declare`.
    pub method: &'static str,
    /// The queue, exchange or virtual host that it is about, with ids folded; of a message its exchange,
    /// which is empty for the one that has no name.
    pub name: String,
    /// Of a message, its routing key with ids folded.
    pub routing_key: Option<String>,
    /// How long the message's body is, in bytes.
    pub body: Option<u64>,
}

/// A method of the server, and the message that it carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// Its name: `queue.declare-ok`.
    pub method: &'static str,
    /// Of a close and a returned message, why: 404.
    pub code: Option<u16>,
    /// What it says of that, redacted.
    pub text: String,
    /// Of a message, its exchange and its routing key with ids folded.
    pub from: Option<(String, String)>,
    /// Whether the message was delivered before.
    pub redelivered: bool,
    /// How long the message's body is, in bytes.
    pub body: Option<u64>,
}

/// What a request and its response say.
pub(super) fn summary(request: Option<&Any>, response: Option<&Any>) -> Summary {
    let mut summary = Summary::default();
    if let Some(Any::Amqp(message)) = request
        && let Message::Request(request) = &**message
    {
        summary.operation = request.method.into();
        summary.resource = match &request.routing_key {
            Some(key) => place(&request.name, key),
            None => request.name.clone(),
        };
    }
    if let Some(Any::Amqp(message)) = response
        && let Message::Response(response) = &**message
    {
        let status: Cow<'static, str> = match (response.method, response.code) {
            (_, Some(code)) if code != 200 => code.to_string().into(),
            ("basic.nack", _) => "NACK".into(),
            ("basic.get-empty", _) => "EMPTY".into(),
            _ => "OK".into(),
        };
        let failed = !matches!(&*status, "OK" | "EMPTY");
        summary.error = failed.then(|| response.text.clone());
        summary.status = Some(status);
        if request.is_none() {
            summary.operation = response.method.into();
            summary.resource = response
                .from
                .as_ref()
                .map(|(exchange, key)| place(exchange, key))
                .unwrap_or_default();
        }
    }
    summary
}

/// Where a message goes, or comes from. Without an exchange, the key is the queue's name.
fn place(exchange: &str, key: &str) -> String {
    match (exchange, key) {
        ("", key) => key.to_owned(),
        (exchange, "") => exchange.to_owned(),
        (exchange, key) => format!("{exchange}/{key}"),
    }
}

/// A name without what differs from call to call. Names that the server made up are ids.
pub(super) fn folded(name: &[u8]) -> String {
    const MADE_UP: [&str; 2] = ["amq.gen-", "amq.rabbitmq.reply-to."];
    let name = text(name, 255);
    match MADE_UP.iter().find(|made_up| name.starts_with(*made_up)) {
        Some(made_up) => format!("{made_up}{{id}}"),
        None => normal::key(&name),
    }
}

/// What an error says, without what identifies people.
pub(super) fn said(bytes: &[u8]) -> String {
    redact::text(&text(bytes, 255)).into_owned()
}

impl From<Request> for Any {
    fn from(request: Request) -> Any {
        Any::Amqp(Box::new(Message::Request(request)))
    }
}

impl From<Response> for Any {
    fn from(response: Response) -> Any {
        Any::Amqp(Box::new(Message::Response(response)))
    }
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn made_up_names_are_ids() {
        for (said, name) in [
            ("amq.gen-JzTY20BRgKO-HjmUJj0wLg", "amq.gen-{id}"),
            ("amq.rabbitmq.reply-to.g1h2AA5yZXBseUAxMj", "amq.rabbitmq.reply-to.{id}"),
            ("amq.topic", "amq.topic"),
            ("orders.17.made", "orders.{id}.made"),
        ] {
            assert_eq!(folded(said.as_bytes()), name);
        }
    }
}
