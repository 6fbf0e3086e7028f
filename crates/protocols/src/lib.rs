//! The protocols that Fathom reads: bytes in, messages out.
//!
//! A protocol is to the engine (`l7`) a [`Protocol`]: data, a `probe`, and a [`Conversation`] for each
//! connection. A conversation does no I/O, keeps no time and pairs nothing: it is shown the bytes
//! that one side said and answers with a [`Step`]: these bytes are such a part of such a message.
//! Putting bytes in order, gaps, time-outs, and which response belongs to which request are the
//! engine's. Nothing leaves a conversation that was not redacted, see [`redact`].
//!
//! How a protocol is added is written in this crate's `README.md`.
#![forbid(unsafe_code)]

mod conversation;
#[cfg(test)]
mod dialogue;
mod message;
pub mod normal;
mod prefix;
mod protocol;
pub mod redact;
mod row;
mod statements;
mod trace;

pub mod amqp;
pub mod cassandra;
pub mod dns;
pub mod grpc;
pub mod http;
pub mod http1;
pub mod http2;
pub mod kafka;
pub mod memcached;
pub mod mongodb;
pub mod mysql;
pub mod nats;
pub mod postgres;
pub mod redis;

pub use conversation::{
    Conversation, Ends, Found, Next, Nobody, Outstanding, Pairing, Part, Role, Step,
};
pub use message::{Message, Summary};
pub use protocol::{Frames, Protocol, Setting, Side, Signature, Transport, Verdict};
pub use redact::Policy;
pub use row::{REQUEST, Request, Told, Write, write};
pub use trace::Trace;

/// Every protocol, in the order in which they are tried: those that are hardest to mistake first.
pub static ALL: &[&Protocol] = &[
    &http1::HTTP1,
    &http2::HTTP2,
    &mongodb::MONGODB,
    &amqp::AMQP,
    &cassandra::CASSANDRA,
    &dns::DNS,
    &postgres::POSTGRES,
    &mysql::MYSQL,
    &kafka::KAFKA,
    &nats::NATS,
    &redis::REDIS,
    &memcached::MEMCACHED,
];

/// All that the kernel side looks for, each signature once.
pub fn signatures() -> Vec<Signature> {
    let mut all: Vec<Signature> = Vec::new();
    for signature in ALL.iter().flat_map(|protocol| protocol.signatures) {
        if !all.contains(signature) {
            all.push(*signature);
        }
    }
    all
}
