//! MongoDB: OP_MSG, and of what came before it what handshakes and old clients still say.
//!
//! Of commands their name, database and collection are kept, of replies how they went. What is
//! compressed is counted and not read.

mod bson;
mod conversation;
mod frame;
mod message;
mod row;
#[cfg(test)]
mod tests;

pub use message::{Message, Request, Response};
pub use row::MongodbRequest;

use schema::Event;

use crate::{Protocol, Side, Signature, Transport, Verdict};

/// MongoDB and what speaks like it.
pub static MONGODB: Protocol = Protocol {
    name: "mongodb",
    transports: &[Transport::Stream],
    ports: &[27017, 27018, 27019, 27020],
    signatures: &[
        // The kind of message, at the end of its head.
        Signature::at(Side::Client, 12, &[0xdd, 7, 0, 0]),
        Signature::at(Side::Client, 12, &[0xdc, 7, 0, 0]),
        Signature::at(Side::Client, 12, &[0xd4, 7, 0, 0]),
        Signature::at(Side::Client, 12, &[0xd5, 7, 0, 0]),
        Signature::at(Side::Client, 12, &[0xd1, 7, 0, 0]),
        Signature::at(Side::Client, 12, &[0xd2, 7, 0, 0]),
        Signature::at(Side::Client, 12, &[0xd6, 7, 0, 0]),
        Signature::at(Side::Client, 12, &[0xd7, 7, 0, 0]),
        Signature::at(Side::Server, 12, &[0xdd, 7, 0, 0]),
        Signature::at(Side::Server, 12, &[0xdc, 7, 0, 0]),
        Signature::at(Side::Server, 12, &[1, 0, 0, 0]),
        // Heads are often read by a call of their own; behind them are flags and a section.
        FLAGS,
        Signature { side: Side::Server, ..FLAGS },
    ],
    frames: None,
    probe: |side, bytes, _| probe(side, bytes),
    converse: |_| Box::new(conversation::Mongodb::default()),
    summary: message::summary,
    tables: &[MongodbRequest::TABLE],
    write: row::write,
};

const FLAGS: Signature = Signature {
    side: Side::Client,
    offset: 0,
    mask: u64::from_le_bytes([0xfc, 0xff, 0xfe, 0xff, 0xfe, 0, 0, 0]),
    value: 0,
};

fn probe(side: Side, bytes: &[u8]) -> Verdict {
    frame::begins(side, bytes)
}
