//! Cassandra's CQL protocol, versions 3 to 6: statements as text, prepared and in batches, events.
//!
//! Statements are resolved to their text where that was seen on the same connection. What is
//! compressed is counted: in the older versions message by message, from version 5 on not read at all.

mod body;
mod conversation;
mod frame;
mod message;
mod row;
mod statements;
#[cfg(test)]
mod tests;

pub use message::{Kind, Message, Request, Response};
pub use row::CassandraRequest;

use schema::Event;

use crate::{Protocol, Side, Signature, Transport};

/// Cassandra and what speaks like it.
pub static CASSANDRA: Protocol = Protocol {
    name: "cassandra",
    transports: &[Transport::Stream],
    ports: &[9042, 9142, 19042],
    signatures: &[
        message(Side::Client, 3),
        message(Side::Client, 4),
        message(Side::Client, 5),
        message(Side::Client, 6),
        message(Side::Client, 0x41),
        message(Side::Client, 0x42),
        message(Side::Server, 0x83),
        message(Side::Server, 0x84),
        message(Side::Server, 0x85),
        message(Side::Server, 0x86),
        message(Side::Server, 0xc1),
        message(Side::Server, 0xc2),
        segment(Side::Client, 5),
        segment(Side::Client, 6),
        segment(Side::Server, 0x85),
        segment(Side::Server, 0x86),
    ],
    frames: None,
    probe: |side, bytes, _| frame::begins(side, bytes),
    converse: |setting| Box::new(conversation::Cassandra::new(setting)),
    summary: message::summary,
    tables: &[CassandraRequest::TABLE],
    write: row::write,
};

/// A version, then flags of which the upper three are not used, and at the fifth byte a kind.
const fn message(side: Side, version: u8) -> Signature {
    Signature {
        side,
        offset: 0,
        mask: u64::from_le_bytes([0xff, 0xe0, 0, 0, 0xe0, 0, 0, 0]),
        value: version as u64,
    }
}

/// A segment's head, of which six bits are not used, and a message behind it.
const fn segment(side: Side, version: u8) -> Signature {
    Signature {
        side,
        offset: 2,
        mask: u64::from_le_bytes([0xfc, 0, 0, 0, 0xff, 0xe0, 0, 0]),
        value: (version as u64) << 32,
    }
}
