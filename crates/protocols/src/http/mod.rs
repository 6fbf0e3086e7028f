//! The words of HTTP, whatever its version: what a request and a response say.

mod body;
mod fields;
mod row;

use std::borrow::Cow;

use schema::{Event, Table};

use crate::message::text;
use crate::{Message as Any, Policy, Summary, grpc, normal, redact};

pub(crate) use body::Body;
pub use fields::Fields;
pub use row::HttpRequest;
pub(crate) use row::write;

/// The tables of its requests, whatever its version: those that are calls of gRPC have their own.
pub(crate) const TABLES: &[&Table] = &[HttpRequest::TABLE, grpc::GrpcRequest::TABLE];

/// The longest target that is kept, in bytes.
const LONGEST_TARGET: usize = 2048;

/// A request or a response.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// What the client said.
    Request(Request),
    /// What the server said.
    Response(Response),
}

/// A request's head.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// `GET`; empty where it was not seen.
    pub method: Cow<'static, str>,
    /// Path and query, the query redacted. Empty where it was not seen; `…` ends what was seen in part.
    pub target: String,
    /// The path with ids folded.
    pub route: String,
    /// Which HTTP it is.
    pub version: Version,
    /// The host it was sent to: `Host` or `:authority`.
    pub host: Option<String>,
    /// What its headers say.
    pub fields: Fields,
    /// What it carries, if it is known to be a call of gRPC.
    pub grpc: Option<grpc::Messages>,
    /// Its body, redacted, as much as the policy keeps.
    pub body: Option<String>,
}

/// A response's head.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Response {
    /// 200; 0 where it was not seen.
    pub status: u16,
    /// Which HTTP it is.
    pub version: Version,
    /// What its headers say, trailers included.
    pub fields: Fields,
    /// What it carries, if it is known to answer a call of gRPC.
    pub grpc: Option<grpc::Messages>,
    /// Its body, redacted, as much as the policy keeps.
    pub body: Option<String>,
    /// Why it ended before its end: either side gave up its stream.
    pub reset: Option<Reset>,
}

/// An error code of HTTP/2, with which a side gives up a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reset(pub u32);

/// Which HTTP it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
    /// HTTP/2
    Http2,
}

impl Version {
    /// `1.0`, `1.1`, `2`
    pub fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "1.0",
            Version::Http11 => "1.1",
            Version::Http2 => "2",
        }
    }
}

impl Reset {
    /// `CANCEL`, `REFUSED_STREAM`; empty for a number that has no name.
    pub fn as_str(self) -> &'static str {
        const NAMES: [&str; 14] = [
            "NO_ERROR",
            "PROTOCOL_ERROR",
            "INTERNAL_ERROR",
            "FLOW_CONTROL_ERROR",
            "SETTINGS_TIMEOUT",
            "STREAM_CLOSED",
            "FRAME_SIZE_ERROR",
            "REFUSED_STREAM",
            "CANCEL",
            "COMPRESSION_ERROR",
            "CONNECT_ERROR",
            "ENHANCE_YOUR_CALM",
            "INADEQUATE_SECURITY",
            "HTTP_1_1_REQUIRED",
        ];
        NAMES.get(self.0 as usize).copied().unwrap_or_default()
    }
}

impl Request {
    /// Takes up what the first line, or the pseudo-headers, say.
    pub fn set_target(&mut self, target: &[u8], policy: &Policy) {
        let target = text(target, LONGEST_TARGET);
        // The absolute form, as proxies are asked: http://host/path
        let below = ["http://", "https://"].iter().find_map(|scheme| target.strip_prefix(scheme));
        let plain = match below {
            Some(rest) => {
                let at = rest.find(['/', '?']).unwrap_or(rest.len());
                // What stands before an @ is a user and a password.
                let host = rest[..at].rsplit('@').next().unwrap_or_default();
                self.host.get_or_insert_with(|| host.to_owned());
                &rest[at..]
            }
            None => &target,
        };
        self.route = normal::path(plain);
        self.target = match plain.split_once('?') {
            Some((path, query)) => {
                format!("{}?{}", redact::text(path), redact::query(query, policy))
            }
            None => redact::text(plain).into_owned(),
        };
    }
}

impl Message {
    /// What its headers say.
    pub(crate) fn fields(&self) -> &Fields {
        match self {
            Message::Request(request) => &request.fields,
            Message::Response(response) => &response.fields,
        }
    }

    /// What is kept of its body.
    pub fn body(&self) -> Option<&str> {
        match self {
            Message::Request(request) => request.body.as_deref(),
            Message::Response(response) => response.body.as_deref(),
        }
    }

    /// The same with its body.
    pub(crate) fn with_body(mut self, said: Option<String>) -> Message {
        match &mut self {
            Message::Request(Request { body, .. }) | Message::Response(Response { body, .. }) => {
                *body = said;
            }
        }
        self
    }
}

/// The method's name without a copy, where it is one of the known ones.
pub fn method(name: &[u8]) -> Cow<'static, str> {
    const KNOWN: [&str; 9] =
        ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE"];
    match KNOWN.iter().find(|known| known.as_bytes() == name) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(text(name, 24)),
    }
}

/// What a request and its response say, for all versions, and for gRPC.
pub fn summary(request: Option<&Any>, response: Option<&Any>) -> Summary {
    if let Some(call) = grpc::call(request, response) {
        return call.into();
    }
    let mut summary = Summary { protocol: Some("http"), ..Summary::default() };
    if let Some(request) = Request::of(request) {
        summary.operation = request.method.clone();
        summary.resource = request.route.clone();
        summary.trace = request.fields.trace;
    }
    if let Some(response) = Response::of(response) {
        if response.status != 0 {
            summary.status = Some(Cow::Owned(response.status.to_string()));
        }
        summary.error = match response.reset {
            Some(reset) => Some(reset.as_str().to_owned()),
            None => (response.status >= 400).then(String::new),
        };
    }
    summary
}

impl Request {
    /// The request that a message is.
    pub fn of(message: Option<&Any>) -> Option<&Request> {
        match message {
            Some(Any::Http(message)) => match &**message {
                Message::Request(request) => Some(request),
                Message::Response(_) => None,
            },
            _ => None,
        }
    }
}

impl Response {
    /// The response that a message is.
    pub fn of(message: Option<&Any>) -> Option<&Response> {
        match message {
            Some(Any::Http(message)) => match &**message {
                Message::Response(response) => Some(response),
                Message::Request(_) => None,
            },
            _ => None,
        }
    }
}

impl From<Message> for Any {
    fn from(message: Message) -> Any {
        Any::Http(Box::new(message))
    }
}

impl From<Request> for Any {
    fn from(request: Request) -> Any {
        Message::Request(request).into()
    }
}

impl From<Response> for Any {
    fn from(response: Response) -> Any {
        Message::Response(response).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_redacted_and_folded() {
        let mut request = Request::default();
        request.set_target(b"/u/17/x?token=abc", &Policy::default());
        assert_eq!(
            (request.target.as_str(), request.route.as_str()),
            ("/u/17/x?token=***", "/u/{id}/x")
        );
        request.set_target(b"http://jo:pw@shop:80/a?b", &Policy::default());
        assert_eq!(request.host.as_deref(), Some("shop:80"));
        assert_eq!((request.target.as_str(), request.route.as_str()), ("/a?***", "/a"));
    }

    #[test]
    fn failures_have_an_error() {
        let response = |status| Any::from(Response { status, ..Response::default() });
        assert_eq!(summary(None, Some(&response(503))).error.as_deref(), Some(""));
        assert_eq!(summary(None, Some(&response(304))).error, None);
        assert_eq!(summary(None, Some(&response(0))).status, None);
        let reset = Response { status: 200, reset: Some(Reset(8)), ..Response::default() };
        assert_eq!(summary(None, Some(&reset.into())).error.as_deref(), Some("CANCEL"));
    }
}
