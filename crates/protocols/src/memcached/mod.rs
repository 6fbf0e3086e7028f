//! memcached: the text protocol with its meta commands, and the binary one.
//!
//! Values are passed over, never kept: of a command its name and its first key with ids folded. Quiet
//! commands are answered only if there is something to say; a run of quiet gets is one request,
//! with the command that ends it.

mod binary;
mod conversation;
mod message;
mod row;
#[cfg(test)]
mod tests;
mod text;

pub use message::{Command, Message, Reply};
pub use row::MemcachedRequest;

use schema::Event;

use crate::{Policy, Protocol, Side, Signature, Transport, Verdict};

/// memcached and what speaks like it.
pub static MEMCACHED: Protocol = Protocol {
    name: "memcached",
    transports: &[Transport::Stream],
    ports: &[11211, 11212],
    signatures: &[
        Signature::begins(Side::Client, b"get"),
        Signature::begins(Side::Client, b"gat"),
        Signature::begins(Side::Client, b"set "),
        Signature::begins(Side::Client, b"add "),
        Signature::begins(Side::Client, b"replace "),
        Signature::begins(Side::Client, b"append "),
        Signature::begins(Side::Client, b"prepend "),
        Signature::begins(Side::Client, b"cas "),
        Signature::begins(Side::Client, b"incr "),
        Signature::begins(Side::Client, b"decr "),
        Signature::begins(Side::Client, b"delete "),
        Signature::begins(Side::Client, b"touch "),
        Signature::begins(Side::Client, b"mg "),
        Signature::begins(Side::Client, b"ms "),
        Signature::begins(Side::Client, b"md "),
        Signature::begins(Side::Client, b"ma "),
        Signature::begins(Side::Client, b"me "),
        Signature::begins(Side::Client, b"mn\r\n"),
        Signature::begins(Side::Client, b"stats"),
        Signature::begins(Side::Client, b"version"),
        Signature::begins(Side::Client, b"verbosit"),
        Signature::begins(Side::Client, b"flush_al"),
        Signature::begins(Side::Client, b"quit\r\n"),
        Signature::begins(Side::Client, &[binary::ASKS]),
        Signature::begins(Side::Server, b"VA"),
        Signature::begins(Side::Server, b"EN"),
        Signature::begins(Side::Server, b"ST"),
        Signature::begins(Side::Server, b"NOT_"),
        Signature::begins(Side::Server, b"EX"),
        Signature::begins(Side::Server, b"DELETED"),
        Signature::begins(Side::Server, b"TOUCHED"),
        Signature::begins(Side::Server, b"OK\r\n"),
        Signature::begins(Side::Server, b"HD"),
        Signature::begins(Side::Server, b"NS"),
        Signature::begins(Side::Server, b"NF"),
        Signature::begins(Side::Server, b"MN\r\n"),
        Signature::begins(Side::Server, b"ME "),
        Signature::begins(Side::Server, b"VERSION "),
        Signature::begins(Side::Server, b"ERROR"),
        Signature::begins(Side::Server, b"CLIENT_E"),
        Signature::begins(Side::Server, b"SERVER_E"),
        Signature::begins(Side::Server, &[binary::REPLIES]),
        // A digit, and a few that are none.
        Signature { side: Side::Server, offset: 0, mask: 0xf0, value: 0x30 },
    ],
    frames: None,
    probe: |side, bytes, _| begins(side, bytes),
    converse: |setting| Box::new(conversation::Memcached::new(setting)),
    summary: message::summary,
    tables: &[MemcachedRequest::TABLE],
    write: row::write,
};

/// The longest line that a message is known by, in bytes.
const LONGEST_LINE: usize = 2048;

/// Whether a line or a frame of this side begins here.
fn begins(side: Side, bytes: &[u8]) -> Verdict {
    let client = side == Side::Client;
    let mark = if client { binary::ASKS } else { binary::REPLIES };
    if bytes.first().is_none_or(|first| *first == mark) {
        return binary::begins(mark, bytes);
    }
    match text::line(&bytes[..bytes.len().min(LONGEST_LINE)]) {
        Some((line, length)) => {
            let ends = length == line.len() + 2;
            let sound = match client {
                true => text::asked(line, true, &Policy::default()).is_some(),
                false => text::replied(line).is_some(),
            };
            if ends && sound { Verdict::Likely } else { Verdict::Unlikely }
        }
        None if bytes.len() < LONGEST_LINE && text::may_become(bytes, client) => Verdict::More,
        None => Verdict::Unlikely,
    }
}
