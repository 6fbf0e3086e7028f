//! What comes out: a request with its response.

use std::net::SocketAddr;

use protocols::{Message, Protocol, Side, Summary};
use schema::ProcessKey;

use crate::{Ends, Key};

/// A request and what became of it, or a message that nobody asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The connection.
    pub key: Key,
    /// Who has the socket on which it was seen.
    pub process: ProcessKey,
    /// What that process is: it asked, or it answered.
    pub side: Side,
    /// The connection's ends, as far as they are known.
    pub ends: Ends,
    /// The peer of a datagram, where the socket does not say.
    pub peer: Option<SocketAddr>,
    /// Whether the connection is older than the agent.
    pub from_middle: bool,
    /// What is spoken on the connection.
    pub spoken: &'static Protocol,
    /// The protocol: `http`, `grpc`.
    pub protocol: &'static str,
    /// What it says in the words of all protocols.
    pub summary: Summary,
    /// What became of it.
    pub outcome: Outcome,
    /// When it was asked and answered.
    pub times: Times,
    /// How long the request was, in bytes, as far as it was seen or is known.
    pub request_bytes: u64,
    /// The same of the response.
    pub response_bytes: u64,
    /// Whether something of either was not seen that would have been read.
    pub truncated: bool,
    /// What the request said. `None` where nobody asked.
    pub asked: Option<Message>,
    /// What the response said.
    pub answered: Option<Message>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its response was seen.
    Answered,
    /// It is of a kind that is never answered.
    OneWay,
    /// There was no request: the server said this on its own.
    Push,
    /// There was no response for as long as one is waited for.
    NoAnswer,
    /// The connection was closed before the response was there.
    Closed,
    /// The response fell into a gap, or it cannot be told which one it is.
    Unseen,
    /// There were more requests waiting than are kept.
    Crowded,
}

/// Four stamps, in nanoseconds of the kernel's clock: when the system calls ended that moved a
/// message's first and its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// The request's first byte.
    pub request_first: Option<u64>,
    /// The request's last byte; `None` where it was not seen.
    pub request_last: Option<u64>,
    /// The response's first byte.
    pub response_first: Option<u64>,
    /// The response's last byte; `None` where it was not seen.
    pub response_last: Option<u64>,
}

impl Times {
    /// From the request's first byte to the response's last, in nanoseconds.
    pub fn latency(&self) -> Option<u64> {
        Some(self.response_last?.saturating_sub(self.request_first?))
    }

    /// When all of it was over, as far as is known.
    pub fn end(&self) -> Option<u64> {
        self.response_last.or(self.response_first).or(self.request_last).or(self.request_first)
    }
}

impl Outcome {
    /// The word for it in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::OneWay => "one_way",
            Outcome::Push => "push",
            Outcome::NoAnswer => "no_answer",
            Outcome::Closed => "closed",
            Outcome::Unseen => "response_unseen",
            Outcome::Crowded => "crowded",
        }
    }
}
