//! PostgreSQL's protocol, version 3: simple and extended queries, prepared statements, pipelines,
//! COPY, cancelling, and what comes before TLS.
//!
//! A request is a simple query, or what leads up to one Execute; what is prepared without being run
//! is a request of its own. Statements are resolved to their text where it was seen.

mod client;
mod conversation;
mod frame;
mod message;
mod row;
mod server;
#[cfg(test)]
mod tests;

pub use message::{Kind, Message, Request, Response};
pub use row::PostgresRequest;

use schema::Event;

use crate::{Protocol, Side, Signature, Transport, Verdict};

/// PostgreSQL and what speaks like it.
pub static POSTGRES: Protocol = Protocol {
    name: "postgres",
    transports: &[Transport::Stream],
    ports: &[5432, 5433, 6432, 26257],
    signatures: &[
        // Lengths are below 2 to the 24th, so the byte behind a tag is zero.
        Signature::begins(Side::Client, b"Q\0"),
        Signature::begins(Side::Client, b"P\0"),
        Signature::begins(Side::Client, b"B\0"),
        Signature::begins(Side::Client, b"C\0"),
        Signature::begins(Side::Client, b"D\0"),
        Signature::begins(Side::Client, b"E\0"),
        Signature::begins(Side::Client, b"S\0\0\0\x04"),
        Signature::begins(Side::Client, b"H\0\0\0\x04"),
        Signature::begins(Side::Client, b"p\0"),
        Signature::begins(Side::Client, b"d\0"),
        Signature::begins(Side::Client, b"c\0\0\0\x04"),
        Signature::at(Side::Client, 4, b"\0\x03\0\0"),
        Signature::at(Side::Client, 4, b"\x04\xd2\x16"),
        Signature::begins(Side::Server, b"R\0\0"),
        Signature::begins(Side::Server, b"T\0"),
        Signature::begins(Side::Server, b"D\0"),
        Signature::begins(Side::Server, b"C\0\0\0"),
        Signature::begins(Side::Server, b"E\0\0"),
        Signature::begins(Side::Server, b"N"),
        Signature::begins(Side::Server, b"S"),
        Signature::begins(Side::Server, b"Z\0\0\0\x05"),
        Signature::begins(Side::Server, b"1\0\0\0\x04"),
        Signature::begins(Side::Server, b"2\0\0\0\x04"),
        Signature::begins(Side::Server, b"3\0\0\0\x04"),
        Signature::begins(Side::Server, b"I\0\0\0\x04"),
        Signature::begins(Side::Server, b"n\0\0\0\x04"),
        Signature::begins(Side::Server, b"t\0"),
        Signature::begins(Side::Server, b"G\0"),
        Signature::begins(Side::Server, b"H\0"),
        Signature::begins(Side::Server, b"A\0"),
    ],
    frames: None,
    probe,
    converse: |setting| Box::new(conversation::Postgres::new(setting)),
    summary: message::summary,
    tables: &[PostgresRequest::TABLE],
    write: row::write,
};

fn probe(side: Side, bytes: &[u8], _: Transport) -> Verdict {
    match side {
        Side::Client => frame::client_begins(bytes),
        Side::Server => frame::server_begins(bytes),
    }
}
