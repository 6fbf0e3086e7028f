//! What is kept of requests and responses.

use std::borrow::Cow;

use super::errors;
use crate::{Message as Any, Summary, normal};

/// A request or its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// What the client asked.
    Request(Request),
    /// What the broker said to it.
    Response(Response),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The number of what is asked: 0 for Produce.
    pub api: i16,
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: i16,
    /// What the client calls itself, redacted; empty if it does not say.
    pub client: String,
    /// The topics that it is about, with ids folded, as far as they were seen; at most 16. A topic that is
    /// said by its number alone is that number in hex, unless its name was seen on this connection.
    pub topics: Vec<String>,
    /// The consumer group, with ids folded; empty where there is none.
    pub group: String,
    /// A transaction's, coordinator's or configuration's name, or SASL's mechanism, with ids folded.
    pub key: String,
    /// Of Produce: how many brokers must have it before it is answered (-1 for all of them).
    pub acks: Option<i16>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// The first error in it, of the whole or of a topic or partition: 0 if there is none, `None` if
    /// it is not known.
    pub error: Option<i16>,
}

/// How many topics are named before the rest is `…`.
const MOST_NAMED: usize = 4;

/// What a request and its response say.
pub(super) fn summary(request: Option<&Any>, response: Option<&Any>) -> Summary {
    let mut summary = Summary::default();
    if let Some(Any::Kafka(message)) = request
        && let Message::Request(request) = &**message
    {
        summary.operation = Cow::Borrowed(request.name);
        summary.resource = resource(request);
    }
    if let Some(Any::Kafka(message)) = response
        && let Message::Response(response) = &**message
    {
        summary.status = response.error.map(errors::name);
        summary.error = response.error.filter(|&code| code != 0).map(|_| String::new());
    }
    summary
}

fn resource(request: &Request) -> String {
    if request.topics.is_empty() {
        let name = if request.group.is_empty() { &request.key } else { &request.group };
        return name.clone();
    }
    let named = request.topics.len().min(MOST_NAMED);
    let mut resource = request.topics[..named].join(",");
    if request.topics.len() > named {
        resource.push_str(",…");
    }
    resource
}

/// A name without what differs from call to call.
pub(super) fn folded(name: &str) -> String {
    normal::key(name)
}

impl From<Request> for Any {
    fn from(request: Request) -> Any {
        Any::Kafka(Box::new(Message::Request(request)))
    }
}

impl From<Response> for Any {
    fn from(response: Response) -> Any {
        Any::Kafka(Box::new(Message::Response(response)))
    }
}
