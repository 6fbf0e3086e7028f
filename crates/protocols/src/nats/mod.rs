//! NATS: what clients and servers say to each other, JetStream included.
//!
//! A publication that names a reply subject is a request, and the message that comes on that subject is
//! its response; all other messages are pushes. Payloads are passed over, never kept, and
//! neither is anything of what a client proves itself with.

mod conversation;
mod line;
mod message;
mod row;
#[cfg(test)]
mod tests;

pub use message::{Event, Message, Request};
pub use row::NatsRequest;

use line::Line;

use schema::Event as _;

use crate::{Protocol, Side, Signature, Transport, Verdict};

/// NATS, between clients and servers.
pub static NATS: Protocol = Protocol {
    name: "nats",
    transports: &[Transport::Stream],
    ports: &[4222, 4223],
    signatures: &[
        Signature::begins(Side::Client, b"CONNECT "),
        Signature::begins(Side::Client, b"PUB "),
        Signature::begins(Side::Client, b"HPUB "),
        Signature::begins(Side::Client, b"SUB "),
        Signature::begins(Side::Client, b"UNSUB "),
        Signature::begins(Side::Client, b"PING\r\n"),
        Signature::begins(Side::Client, b"PONG\r\n"),
        Signature::begins(Side::Server, b"INFO "),
        Signature::begins(Side::Server, b"MSG "),
        Signature::begins(Side::Server, b"HMSG "),
        Signature::begins(Side::Server, b"PING\r\n"),
        Signature::begins(Side::Server, b"PONG\r\n"),
        Signature::begins(Side::Server, b"+OK\r\n"),
        Signature::begins(Side::Server, b"-ERR "),
    ],
    frames: None,
    probe: |side, bytes, _| begins(side, bytes),
    converse: |setting| Box::new(conversation::Nats::new(setting)),
    summary: message::summary,
    tables: &[NatsRequest::TABLE],
    write: row::write,
};

/// The longest line that a message is known by, in bytes. What is said of clients and servers may be
/// longer, and is known by its beginning.
const LONGEST_LINE: usize = 4096;

/// Whether a message of this side begins here.
fn begins(side: Side, bytes: &[u8]) -> Verdict {
    for (of, beginning) in [(Side::Client, &b"CONNECT {"[..]), (Side::Server, b"INFO {")] {
        let seen = bytes.len().min(beginning.len());
        if of == side && bytes[..seen].eq_ignore_ascii_case(&beginning[..seen]) {
            return if seen == beginning.len() { Verdict::Likely } else { Verdict::More };
        }
    }
    match line::split(&bytes[..bytes.len().min(LONGEST_LINE)]) {
        Some((line, length)) => {
            let ends = length == line.len() + 2;
            match Line::read(side, line) {
                Some(Line::Connect | Line::Info) | None => Verdict::Unlikely,
                Some(_) if ends => Verdict::Likely,
                Some(_) => Verdict::Unlikely,
            }
        }
        None if bytes.len() < LONGEST_LINE && line::may_become(side, bytes) => Verdict::More,
        None => Verdict::Unlikely,
    }
}
