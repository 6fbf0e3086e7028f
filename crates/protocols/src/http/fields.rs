//! What is kept of headers.

use crate::message::text;
use crate::{Policy, Trace, grpc, redact};

/// The longest value that is kept, in bytes.
const LONGEST: usize = 256;

/// How many headers are kept at most, where they are kept at all.
const MOST: usize = 64;

/// The headers that have a column, and the others if they are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    /// `Content-Type`, without parameters.
    pub content_type: Option<String>,
    /// `Content-Length`.
    pub content_length: Option<u64>,
    /// Whether the body is compressed, as `Content-Encoding` says.
    pub encoded: bool,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// The trace that `traceparent` or B3 headers name.
    pub trace: Option<Trace>,
    /// `X-Request-Id`.
    pub request_id: Option<String>,
    /// `grpc-status`, where it is said.
    pub grpc_status: Option<u8>,
    /// `grpc-message`, redacted.
    pub grpc_message: Option<String>,
    /// `grpc-timeout`, in nanoseconds.
    pub grpc_timeout: Option<u64>,
    /// All headers with lower-case names, secret values taken out; empty unless they are wanted.
    pub others: Vec<(String, String)>,
}

/// The headers that `Fields` reads.
const READ: [&[u8]; 13] = [
    b"content-type",
    b"content-length",
    b"content-encoding",
    b"user-agent",
    b"x-request-id",
    b"traceparent",
    b"b3",
    b"x-b3-traceid",
    b"x-b3-spanid",
    b"x-b3-sampled",
    b"grpc-status",
    b"grpc-message",
    b"grpc-timeout",
];

impl Fields {
    /// Whether a header is read even where not all are kept. The name is in lower case.
    pub fn reads(name: &[u8]) -> bool {
        READ.contains(&name)
    }

    /// Takes up one header. Case does not count in its name.
    pub fn note(&mut self, name: &[u8], value: &[u8], policy: &Policy) {
        let value = value.trim_ascii();
        let keep = || redact::text(&text(value, LONGEST)).into_owned();
        // Most headers are none of these, and their length says so.
        match name.len() {
            12 if name.eq_ignore_ascii_case(b"content-type") => {
                let plain = value.split(|&byte| byte == b';').next().unwrap_or_default();
                self.content_type = Some(text(plain.trim_ascii(), LONGEST));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                self.content_length = number(value);
            }
            16 if name.eq_ignore_ascii_case(b"content-encoding") => {
                self.encoded |= !value.eq_ignore_ascii_case(b"identity");
            }
            10 if name.eq_ignore_ascii_case(b"user-agent") => self.user_agent = Some(keep()),
            12 if name.eq_ignore_ascii_case(b"x-request-id") => {
                // An id is what this header is for, so long hex is not taken out of it.
                self.request_id = Some(text(value, 128));
            }
            11 if name.eq_ignore_ascii_case(b"traceparent") => {
                self.trace = Trace::from_traceparent(value).or(self.trace);
            }
            2 if name.eq_ignore_ascii_case(b"b3") => {
                self.trace = self.trace.or_else(|| Trace::from_b3(value));
            }
            12 if name.eq_ignore_ascii_case(b"x-b3-traceid") => {
                self.trace = self.trace.or_else(|| Trace::from_b3_parts(value, None, None));
            }
            // B3 in parts names the trace first in every client seen; a span before it is left out.
            11 if name.eq_ignore_ascii_case(b"x-b3-spanid") => self.b3(
                |trace, id| {
                    if let Some(part) = Trace::from_b3_parts(&[b'1'; 16], Some(id), None) {
                        trace.span_id = part.span_id;
                    }
                },
                value,
            ),
            12 if name.eq_ignore_ascii_case(b"x-b3-sampled") => self.b3(
                |trace, flag| {
                    let part = Trace::from_b3_parts(&[b'1'; 16], None, Some(flag));
                    trace.sampled = part.and_then(|part| part.sampled);
                },
                value,
            ),
            11 if name.eq_ignore_ascii_case(b"grpc-status") => {
                self.grpc_status = number(value).and_then(|code| u8::try_from(code).ok());
            }
            12 if name.eq_ignore_ascii_case(b"grpc-message") => {
                let message = grpc::message(&value[..value.len().min(3 * LONGEST)]);
                self.grpc_message = Some(redact::text(&text(&message, LONGEST)).into_owned());
            }
            12 if name.eq_ignore_ascii_case(b"grpc-timeout") => {
                self.grpc_timeout = grpc::timeout(value);
            }
            _ => {}
        }
        if policy.headers && self.others.len() < MOST {
            let kept = match redact::denied(name, policy) {
                true => redact::TAKEN_OUT.to_owned(),
                false => keep(),
            };
            self.others.push((text(name, LONGEST).to_ascii_lowercase(), kept));
        }
    }

    /// A part of a B3 trace that was not given by `traceparent`, which says whether it is sampled.
    fn b3(&mut self, set: impl Fn(&mut Trace, &[u8]), value: &[u8]) {
        if let Some(trace) = self.trace.as_mut().filter(|trace| trace.sampled.is_none()) {
            set(trace, value);
        }
    }
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_with_a_column() {
        let mut fields = Fields::default();
        let policy = Policy::default();
        for (name, value) in [
            ("Content-Type", "text/html; charset=utf-8"),
            ("content-length", " 17 "),
            ("X-B3-TraceId", "a3ce929d0e0e4736"),
            ("X-B3-SpanId", "00f067aa0ba902b7"),
            ("X-B3-Sampled", "1"),
            ("Authorization", "Bearer secret"),
        ] {
            fields.note(name.as_bytes(), value.as_bytes(), &policy);
        }
        assert_eq!(fields.content_type.as_deref(), Some("text/html"));
        assert_eq!(fields.content_length, Some(17));
        let trace = fields.trace.unwrap();
        assert_eq!((trace.span_id[7], trace.sampled), (0xb7, Some(true)));
        assert!(fields.others.is_empty());
    }

    #[test]
    fn every_header_that_has_a_column_is_read() {
        let values = [
            "7",
            "7S",
            "a3ce929d0e0e4736",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1",
            "1",
        ];
        for name in READ {
            let reads = |value: &&str| {
                let mut fields = Fields::default();
                // Parts of a B3 trace need one to be parts of.
                if name.ends_with(b"spanid") || name.ends_with(b"sampled") {
                    fields.note(b"x-b3-traceid", b"a3ce929d0e0e4736", &Policy::default());
                }
                let before = fields.clone();
                fields.note(name, value.as_bytes(), &Policy::default());
                fields != before
            };
            assert!(values.iter().any(reads), "{}", String::from_utf8_lossy(name));
        }
        assert!(Fields::reads(b"grpc-status") && !Fields::reads(b"cookie"));
    }

    #[test]
    fn a_grpc_message_is_redacted_after_it_is_decoded() {
        let mut fields = Fields::default();
        fields.note(b"grpc-message", b"no jo%40example.org, 100%", &Policy::default());
        assert_eq!(fields.grpc_message.as_deref(), Some("no ***, 100%"));
    }

    #[test]
    fn all_headers_if_wanted_without_their_secrets() {
        let mut fields = Fields::default();
        let policy = Policy { headers: true, ..Policy::default() };
        fields.note(b"Cookie", b"sid=1", &policy);
        fields.note(b"X-Note", b"to jo@example.org", &policy);
        let pairs = [("cookie", "***"), ("x-note", "to ***")];
        assert_eq!(fields.others, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
