//! The words of gRPC. It is HTTP/2 with a content type of its own; its connections are read there.

mod messages;
mod row;

use std::borrow::Cow;

use crate::http::{Fields, Request, Reset, Response};
use crate::{Message, Summary, Trace};

pub(crate) use messages::Counter;
pub use messages::Messages;
pub use row::GrpcRequest;
pub(crate) use row::write;

/// A call and its answer, as one row shows them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Call {
    /// `shop.Orders`; empty where the path was not seen.
    pub service: String,
    /// `Get`; empty where the path was not seen.
    pub method: String,
    /// How long the caller waits, in nanoseconds, where it says so.
    pub timeout: Option<u64>,
    /// What the caller sent.
    pub sent: Messages,
    /// What it got.
    pub received: Messages,
    /// The status: `grpc-status`, or what a stream that was given up, or a failure of HTTP, stands
    /// for. `None` where it was not seen.
    pub status: Option<Status>,
    /// `grpc-message`, redacted.
    pub message: Option<String>,
    /// The trace that the call says it belongs to.
    pub trace: Option<Trace>,
}

/// A status of gRPC: 0 to 16 have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u8);

/// The call that a request and its response are, if they are one: either is enough to know.
pub fn call(request: Option<&Message>, response: Option<&Message>) -> Option<Call> {
    let (request, response) = (Request::of(request), Response::of(response));
    let sent = request.and_then(|request| request.grpc);
    let received = response.and_then(|response| response.grpc);
    if sent.is_none() && received.is_none() {
        return None;
    }
    let mut call = Call {
        sent: sent.unwrap_or_default(),
        received: received.unwrap_or_default(),
        ..Call::default()
    };
    if let Some(request) = request {
        let path = request.target.split('?').next().unwrap_or_default();
        let (service, method) = path.rsplit_once('/').unwrap_or_default();
        call.service = service.strip_prefix('/').unwrap_or(service).to_owned();
        call.method = method.to_owned();
        call.timeout = request.fields.grpc_timeout;
        call.trace = request.fields.trace;
    }
    if let Some(response) = response {
        call.status = status(response);
        call.message = response.fields.grpc_message.clone();
    }
    Some(call)
}

/// Whether these headers are a call's, or an answer's.
pub(crate) fn is_said_by(fields: &Fields) -> bool {
    let said = fields.content_type.as_deref();
    fields.grpc_status.is_some() || said.is_some_and(|said| said.starts_with("application/grpc"))
}

/// Reads a `grpc-message`: characters that may not stand in a header are `%` and two digits.
pub(crate) fn message(value: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, behind @ ..] = rest {
        let digit = |at: usize| Some(char::from(*behind.get(at)?).to_digit(16)? as u8);
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                plain.push(high << 4 | low);
                rest = &behind[2..];
            }
            _ => {
                plain.push(*first);
                rest = behind;
            }
        }
    }
    plain
}

/// Reads a `grpc-timeout`, `100m`, in nanoseconds.
pub(crate) fn timeout(value: &[u8]) -> Option<u64> {
    let (unit, digits) = value.split_last()?;
    let sound = (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let count: u64 = std::str::from_utf8(digits).ok().filter(|_| sound)?.parse().ok()?;
    let each = match unit {
        b'n' => 1,
        b'u' => 1_000,
        b'm' => 1_000_000,
        b'S' => 1_000_000_000,
        b'M' => 60_000_000_000,
        b'H' => 3_600_000_000_000,
        _ => return None,
    };
    Some(count.saturating_mul(each))
}

/// What callers are told, as gRPC says how statuses are made where there is none.
fn status(response: &Response) -> Option<Status> {
    let said = response.fields.grpc_status.map(Status);
    said.or(response.reset.map(of_reset)).or(match response.status {
        0 | 200 => None,
        400 => Some(Status(13)),
        401 => Some(Status(16)),
        403 => Some(Status(7)),
        404 => Some(Status(12)),
        429 | 502 | 503 | 504 => Some(Status(14)),
        _ => Some(Status(2)),
    })
}

fn of_reset(reset: Reset) -> Status {
    match reset.as_str() {
        "CANCEL" => Status(1),
        "REFUSED_STREAM" => Status(14),
        "ENHANCE_YOUR_CALM" => Status(8),
        "INADEQUATE_SECURITY" => Status(7),
        "" | "STREAM_CLOSED" | "HTTP_1_1_REQUIRED" => Status(2),
        _ => Status(13),
    }
}

impl Status {
    /// `NOT_FOUND`, or the number where it has no name.
    pub fn name(self) -> Cow<'static, str> {
        const NAMES: [&str; 17] = [
            "OK",
            "CANCELLED",
            "UNKNOWN",
            "INVALID_ARGUMENT",
            "DEADLINE_EXCEEDED",
            "NOT_FOUND",
            "ALREADY_EXISTS",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "FAILED_PRECONDITION",
            "ABORTED",
            "OUT_OF_RANGE",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
            "UNAUTHENTICATED",
        ];
        match NAMES.get(usize::from(self.0)) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(self.0.to_string()),
        }
    }
}

impl From<Call> for Summary {
    fn from(call: Call) -> Summary {
        let failed = call.status.is_some_and(|status| status != Status(0));
        Summary {
            protocol: Some("grpc"),
            operation: Cow::Owned(call.method),
            resource: call.service,
            status: call.status.map(Status::name),
            error: failed.then(|| call.message.unwrap_or_default()),
            trace: call.trace,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str) -> Message {
        let request = Request {
            target: target.to_owned(),
            grpc: Some(Messages::default()),
            ..Request::default()
        };
        request.into()
    }

    fn answered(status: u16, grpc_status: Option<u8>, reset: Option<u32>) -> Message {
        let fields = Fields { grpc_status, ..Fields::default() };
        Response { status, fields, reset: reset.map(Reset), ..Response::default() }.into()
    }

    #[test]
    fn a_call_has_a_service_and_a_method() {
        let said = Summary::from(call(Some(&asked("/shop.v1.Orders/Get")), None).unwrap());
        assert_eq!(
            (&*said.operation, &*said.resource, said.status),
            ("Get", "shop.v1.Orders", None)
        );
        let unseen = call(Some(&asked("")), None).unwrap();
        assert_eq!((&*unseen.service, &*unseen.method), ("", ""));
        assert_eq!(call(Some(&Request::default().into()), Some(&answered(200, None, None))), None);
    }

    #[test]
    fn statuses_that_are_said_or_follow() {
        let asked = asked("/a.B/C");
        for (answer, status, failed) in [
            (answered(200, Some(0), None), Some("OK"), false),
            (answered(200, Some(5), None), Some("NOT_FOUND"), true),
            (answered(200, Some(77), None), Some("77"), true),
            (answered(200, None, Some(8)), Some("CANCELLED"), true),
            (answered(503, None, None), Some("UNAVAILABLE"), true),
            (answered(200, None, None), None, false),
        ] {
            let said = Summary::from(call(Some(&asked), Some(&answer)).unwrap());
            assert_eq!((said.status.as_deref(), said.error.is_some()), (status, failed));
        }
    }

    #[test]
    fn values_of_headers() {
        assert_eq!(timeout(b"100m"), Some(100_000_000));
        assert_eq!(timeout(b"99999999H"), Some(u64::MAX));
        for bad in [&b""[..], b"m", b"100", b"100x", b"123456789S", b"+1S"] {
            assert_eq!(timeout(bad), None);
        }
        assert_eq!(message(b"50%25 of %C3%A9%"), "50% of \u{e9}%".as_bytes());
    }
}
