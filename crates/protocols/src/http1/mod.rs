//! HTTP/1.0 and 1.1.
//!
//! Heads are read, bodies are passed over: by `Content-Length` without being seen, by chunks, or to
//! the end of the connection. After `Upgrade` or `CONNECT` both sides speak something else. If that
//! is HTTP/2, it is read on here, for the answer to the request that asked for it is said in it.

mod conversation;
mod head;
#[cfg(test)]
mod tests;

use crate::{Protocol, Side, Signature, Transport, Verdict, http};

/// HTTP/1.0 and 1.1.
pub static HTTP1: Protocol = Protocol {
    name: "http",
    transports: &[Transport::Stream],
    ports: &[80, 8000, 8080, 8081, 3000, 5000, 9090],
    signatures: &[
        Signature::begins(Side::Client, b"GET "),
        Signature::begins(Side::Client, b"POST "),
        Signature::begins(Side::Client, b"PUT "),
        Signature::begins(Side::Client, b"HEAD "),
        Signature::begins(Side::Client, b"DELETE "),
        Signature::begins(Side::Client, b"PATCH "),
        Signature::begins(Side::Client, b"OPTIONS "),
        Signature::begins(Side::Client, b"CONNECT "),
        Signature::begins(Side::Client, b"TRACE "),
        Signature::begins(Side::Server, b"HTTP/1."),
    ],
    frames: None,
    probe,
    converse: |setting| Box::new(conversation::Http1::new(setting)),
    summary: http::summary,
    tables: http::TABLES,
    write: http::write,
};

/// A whole first line is enough: it has a method and a version, or a version and a status.
fn probe(side: Side, bytes: &[u8], _: Transport) -> Verdict {
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        return match head::may_begin(side, bytes) && bytes.len() < LONGEST_LINE {
            true => Verdict::More,
            false => Verdict::Unlikely,
        };
    };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    let fits = match side {
        Side::Client => head::request_line(line).is_some(),
        Side::Server => head::status_line(line).is_some(),
    };
    if fits { Verdict::Likely } else { Verdict::Unlikely }
}

/// A first line longer than this is none, in bytes.
const LONGEST_LINE: usize = 16 * 1024;

#[cfg(test)]
mod probes {
    use super::*;

    fn says(side: Side, bytes: &[u8]) -> Verdict {
        probe(side, bytes, Transport::Stream)
    }

    #[test]
    fn first_lines() {
        assert_eq!(says(Side::Client, b"GET / HTTP/1.1\r\n"), Verdict::Likely);
        assert_eq!(says(Side::Client, b"GET / HTTP/1.0\n"), Verdict::Likely);
        assert_eq!(says(Side::Client, b"GE"), Verdict::More);
        assert_eq!(says(Side::Client, b""), Verdict::More);
        assert_eq!(says(Side::Client, b"GET key\r\n"), Verdict::Unlikely);
        assert_eq!(says(Side::Client, b"PRI * HTTP/2.0\r\n"), Verdict::Unlikely);
        assert_eq!(says(Side::Server, b"HTTP/1.1 200 OK\r\n"), Verdict::Likely);
        assert_eq!(says(Side::Server, b"HTTP/1.1 200\r\n"), Verdict::Likely);
        assert_eq!(says(Side::Server, b"HTTP/1.1 20"), Verdict::More);
        assert_eq!(says(Side::Server, b"HTTP/2 200\r\n"), Verdict::Unlikely);
        assert_eq!(says(Side::Server, b"+OK\r\n"), Verdict::Unlikely);
    }

    #[test]
    fn every_request_fits_a_signature() {
        for line in ["GET / HTTP/1.1", "OPTIONS * HTTP/1.1", "PATCH /x HTTP/1.1"] {
            assert!(HTTP1.signatures.iter().any(|signature| signature.fits(line.as_bytes())));
        }
        assert!(!HTTP1.signatures.iter().any(|signature| signature.fits(b"*1\r\n$4\r\nPING\r\n")));
    }
}
