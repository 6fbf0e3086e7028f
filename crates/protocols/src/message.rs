//! What is said, whatever the protocol.

use std::borrow::Cow;

use crate::{
    Trace, amqp, cassandra, dns, http, kafka, memcached, mongodb, mysql, nats, postgres, redis,
};

/// One message of some protocol, redacted. Small enough to be moved around.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// HTTP of any version.
    Http(Box<http::Message>),
    /// AMQP 0-9-1.
    Amqp(Box<amqp::Message>),
    /// Cassandra.
    Cassandra(Box<cassandra::Message>),
    /// DNS.
    Dns(Box<dns::Message>),
    /// Kafka.
    Kafka(Box<kafka::Message>),
    /// MongoDB.
    Mongodb(Box<mongodb::Message>),
    /// PostgreSQL.
    Postgres(Box<postgres::Message>),
    /// MySQL and MariaDB.
    MySql(Box<mysql::Message>),
    /// memcached.
    Memcached(Box<memcached::Message>),
    /// NATS.
    Nats(Box<nats::Message>),
    /// Redis.
    Redis(Box<redis::Message>),
}

/// What the view `request` says of a request and its response, in words that all protocols share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// The protocol's name in rows, where it is not that of what the connection speaks: `grpc`, which
    /// is spoken in HTTP/2, and `http` for all its versions.
    pub protocol: Option<&'static str>,
    /// What was done: `GET`, `SELECT`, `HGETALL`, `A`. Of few different values.
    pub operation: Cow<'static, str>,
    /// What it was done to, without what differs from call to call: a path with ids folded, SQL
    /// without literals, a name. Empty where there is nothing of the kind.
    pub resource: String,
    /// How it went, in the protocol's words: `200`, `NXDOMAIN`, `42P01`, `OK`. `None` where no
    /// response was seen, or none is sent.
    pub status: Option<Cow<'static, str>>,
    /// What the response says of its failure, redacted; empty where it says nothing. `None` where
    /// it did not fail.
    pub error: Option<String>,
    /// The trace that the request says it belongs to.
    pub trace: Option<Trace>,
}

/// Text out of bytes that may be anything, at most `limit` bytes of it.
pub(crate) fn text(bytes: &[u8], limit: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(limit)]);
    // A character that the limit cut in two is not worth a mark.
    let cut = if bytes.len() > limit { text.trim_end_matches('\u{fffd}') } else { &text };
    cut.to_owned()
}
