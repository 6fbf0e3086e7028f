//! Kafka's protocol: what is asked, in which version, about which topics or group, and the first error
//! of the response.
//!
//! Of records nothing is read. What SASL says is passed over.

mod apis;
mod conversation;
mod errors;
mod frame;
mod layout;
mod message;
mod row;
#[cfg(test)]
mod tests;

pub use message::{Message, Request, Response};
pub use row::KafkaRequest;

use schema::Event;

use crate::{Protocol, Side, Signature, Transport, Verdict, http2};

/// Kafka and what speaks like it.
pub static KAFKA: Protocol = Protocol {
    name: "kafka",
    transports: &[Transport::Stream],
    ports: &[9092, 9093, 9094, 9095, 29092, 19092],
    signatures: &[
        // Messages are shorter than 256 MB; numbers of what is asked, and versions, below 256.
        Signature {
            side: Side::Client,
            offset: 0,
            mask: u64::from_le_bytes([0xf0, 0, 0, 0, 0xff, 0, 0xff, 0]),
            value: 0,
        },
        // The length may have been read by a call of its own.
        Signature {
            side: Side::Client,
            offset: 0,
            mask: u64::from_le_bytes([0xff, 0, 0xff, 0, 0x80, 0, 0, 0]),
            value: 0,
        },
        Signature { side: Side::Server, offset: 0, mask: 0xf0, value: 0 },
    ],
    frames: None,
    probe,
    converse: |_| Box::new(conversation::Kafka::default()),
    summary: message::summary,
    tables: &[KafkaRequest::TABLE],
    write: row::write,
};

fn probe(side: Side, bytes: &[u8], _: Transport) -> Verdict {
    let verdict = match side {
        Side::Client => frame::request_begins(bytes),
        Side::Server => frame::response_begins(bytes),
    };
    // A frame of HTTP/2 begins with its length as well.
    match (verdict, http2::begins_whole(side, bytes)) {
        (Verdict::Likely, Some(true)) => Verdict::Unlikely,
        (Verdict::Likely, None) => Verdict::More,
        (verdict, _) => verdict,
    }
}
