//! Heads: the first line, the headers, and what they say of the body.

use crate::http::{self, Request, Response, Version};
use crate::{Policy, Side};

/// A head, as far as it was seen.
#[derive(Debug)]
pub(super) struct Head<T> {
    pub message: T,
    /// How long it is with the empty line behind it, or as far as it was seen.
    pub length: usize,
    /// Whether its end was seen.
    pub whole: bool,
    pub framing: Framing,
}

/// What headers say of where the body ends and of what comes behind.
#[derive(Debug, Default)]
pub(super) struct Framing {
    pub content_length: Option<u64>,
    pub chunked: bool,
    /// Whether it is compressed on its way.
    pub coded: bool,
    /// What `Upgrade` names.
    pub upgrade: Option<Upgrade>,
}

/// What a connection is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upgrade {
    WebSocket,
    Http2,
    Other,
}

const METHODS: [&[u8]; 9] =
    [b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"PATCH", b"OPTIONS", b"CONNECT", b"TRACE"];

/// Whether a first line may begin like this. Enough bytes make it sure.
pub(super) fn may_begin(side: Side, bytes: &[u8]) -> bool {
    let fits = |start: &[u8]| {
        let length = start.len().min(bytes.len());
        bytes[..length] == start[..length]
    };
    match side {
        Side::Client => METHODS.iter().any(|method| {
            let length = method.len();
            fits(method) && bytes.get(length).is_none_or(|&byte| byte == b' ')
        }),
        Side::Server => fits(b"HTTP/1."),
    }
}

/// The head that begins here, as far as it is there. `None` where there is none: not even the first
/// line is there, or it is not one.
pub(super) fn request(bytes: &[u8], policy: &Policy) -> Option<Head<Request>> {
    let (line, rest) = line(bytes)?;
    let (method, target, version) = request_line(line)?;
    let mut message = Request { method: http::method(method), version, ..Request::default() };
    let mut framing = Framing::default();
    let (end, whole) = headers(rest, |name, value| {
        if name.eq_ignore_ascii_case(b"host") {
            let host = crate::message::text(value.trim_ascii(), 256);
            message.host = Some(host);
        }
        framing.note(name, value);
        message.fields.note(name, value, policy);
    });
    message.set_target(target, policy);
    Some(Head { message, length: bytes.len() - rest.len() + end, whole, framing })
}

/// The same of a response.
pub(super) fn response(bytes: &[u8], policy: &Policy) -> Option<Head<Response>> {
    let (line, rest) = line(bytes)?;
    let (version, status) = status_line(line)?;
    let mut message = Response { status, version, ..Response::default() };
    let mut framing = Framing::default();
    let (end, whole) = headers(rest, |name, value| {
        framing.note(name, value);
        message.fields.note(name, value, policy);
    });
    Some(Head { message, length: bytes.len() - rest.len() + end, whole, framing })
}

/// Whether the head's end is there; cheaper than reading it again with every byte.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"\r\n\r\n").is_some()
        || memchr::memmem::find(bytes, b"\n\n").is_some()
        || memchr::memmem::find(bytes, b"\n\r\n").is_some()
}

/// Method, target and version of a request's first line.
pub(super) fn request_line(line: &[u8]) -> Option<(&[u8], &[u8], Version)> {
    let space = memchr::memchr(b' ', line)?;
    let (method, rest) = (&line[..space], &line[space + 1..]);
    let space = memchr::memrchr(b' ', rest)?;
    let (target, version) = (&rest[..space], &rest[space + 1..]);
    let sound = METHODS.contains(&method)
        && !target.is_empty()
        && target.iter().all(|byte| byte.is_ascii_graphic() || *byte >= 0x80);
    sound.then_some(())?;
    Some((method, target, word_version(version)?))
}

/// Version and status of a response's first line.
pub(super) fn status_line(line: &[u8]) -> Option<(Version, u16)> {
    let version = word_version(line.get(..8)?)?;
    let [b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', reason @ ..] = &line[8..] else {
        return None;
    };
    if reason.first().is_some_and(|&byte| byte != b' ') {
        return None;
    }
    let digit = |byte: &u8| u16::from(byte - b'0');
    Some((version, digit(a) * 100 + digit(b) * 10 + digit(c)))
}

fn word_version(word: &[u8]) -> Option<Version> {
    match word {
        b"HTTP/1.1" => Some(Version::Http11),
        b"HTTP/1.0" => Some(Version::Http10),
        _ => None,
    }
}

/// Splits off a line, which ends in `\n` or `\r\n`.
pub(super) fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), &bytes[end + 1..]))
}

/// Reads headers up to the empty line behind them; says how many bytes that was and whether the
/// empty line was there. A line that is no header is passed over.
fn headers<'b>(bytes: &'b [u8], mut each: impl FnMut(&'b [u8], &'b [u8])) -> (usize, bool) {
    let mut rest = bytes;
    while let Some((line, behind)) = line(rest) {
        rest = behind;
        if line.is_empty() {
            return (bytes.len() - rest.len(), true);
        }
        if let Some(colon) = memchr::memchr(b':', line) {
            each(&line[..colon], &line[colon + 1..]);
        }
    }
    (bytes.len(), false)
}

impl Framing {
    fn note(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let said = std::str::from_utf8(value.trim_ascii()).ok();
                self.content_length = said.and_then(|said| said.parse().ok());
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let last = value.rsplit(|&byte| byte == b',').next().unwrap_or_default();
                self.chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
                self.coded = !self.chunked || memchr::memchr(b',', value).is_some();
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                let is = |name: &[u8]| value.trim_ascii().eq_ignore_ascii_case(name);
                self.upgrade = Some(match () {
                    () if is(b"websocket") => Upgrade::WebSocket,
                    () if is(b"h2c") => Upgrade::Http2,
                    () => Upgrade::Other,
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_in_whole_and_in_part() {
        let bytes = b"POST /a?b=1 HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nhello";
        let head = request(bytes, &Policy::default()).unwrap();
        assert_eq!((head.length, head.whole), (bytes.len() - 5, true));
        assert_eq!(head.message.host.as_deref(), Some("shop"));
        assert_eq!(head.framing.content_length, Some(5));
        for cut in 22..bytes.len() - 5 {
            let head = request(&bytes[..cut], &Policy::default()).unwrap();
            assert_eq!((head.length, head.whole), (cut, false));
            assert_eq!(head.message.target, "/a?b=***");
            assert!(!is_whole(&bytes[..cut]));
        }
        assert!(request(&bytes[..20], &Policy::default()).is_none());
        assert!(is_whole(bytes));
    }

    #[test]
    fn lines_that_are_none() {
        for line in ["GET /", "get / HTTP/1.1", "GET / HTTP/2", "GET  HTTP/1.1", "GET /\0 HTTP/1.1"]
        {
            assert!(request_line(line.as_bytes()).is_none(), "{line}");
        }
        for line in ["HTTP/1.1", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 abc", "HTTP/3.0 200 OK"]
        {
            assert!(status_line(line.as_bytes()).is_none(), "{line}");
        }
    }
}
