//! AMQP 0-9-1, as RabbitMQ speaks it: messages that are published, delivered and fetched, and what is
//! asked for on channels.
//!
//! Of messages their way and their length are kept. Who a client says that it is is not read.

mod channels;
mod conversation;
mod dispatch;
mod frame;
mod message;
mod methods;
mod row;
#[cfg(test)]
mod tests;

pub use message::{Message, Request, Response};
pub use row::AmqpRequest;

use schema::Event;

use crate::{Protocol, Side, Signature, Transport};

/// AMQP 0-9-1.
pub static AMQP: Protocol = Protocol {
    name: "amqp",
    transports: &[Transport::Stream],
    ports: &[5672, 5673],
    signatures: &[
        Signature::begins(Side::Client, frame::GREETING),
        carrying(Side::Client, frame::METHOD),
        carrying(Side::Client, frame::HEADER),
        carrying(Side::Client, frame::BODY),
        Signature::begins(Side::Client, ALIVE),
        carrying(Side::Server, frame::METHOD),
        carrying(Side::Server, frame::HEADER),
        carrying(Side::Server, frame::BODY),
        Signature::begins(Side::Server, ALIVE),
    ],
    frames: None,
    probe: |side, bytes, _| frame::begins(side, bytes),
    converse: |_| Box::new(conversation::Amqp::default()),
    summary: message::summary,
    tables: &[AmqpRequest::TABLE],
    write: row::write,
};

/// A frame that says nothing.
const ALIVE: &[u8] = &[frame::HEARTBEAT, 0, 0, 0, 0, 0, 0, frame::END];

/// A kind of frame, shorter than 16 MB.
const fn carrying(side: Side, kind: u8) -> Signature {
    Signature {
        side,
        offset: 0,
        mask: u64::from_le_bytes([0xff, 0, 0, 0xff, 0, 0, 0, 0]),
        value: kind as u64,
    }
}
