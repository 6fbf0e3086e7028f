//! What the kernel side tells of sockets.

use std::net::SocketAddr;

use protocols::{Side, Transport};
use schema::ProcessKey;

/// Names one connection as one socket sees it. Two watched ends of a connection are two of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The socket.
    pub socket: u64,
    /// Which use of the socket it is.
    pub generation: u32,
    /// Whether it is what was said inside TLS, read where it was plain. Its positions are its own.
    pub tls: bool,
}

/// Which way bytes go, as the process sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It sent them.
    Out,
    /// It received them.
    In,
}

/// The addresses of a connection's two ends, as far as they are known: unix sockets have none, and a
/// socket of datagrams need not be connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    /// The process's own end.
    pub local: Option<SocketAddr>,
    /// The other one.
    pub peer: Option<SocketAddr>,
}

/// A socket that was opened, or that was there before the agent.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    /// The connection.
    pub key: Key,
    /// Who has it.
    pub process: ProcessKey,
    /// How it carries bytes.
    pub transport: Transport,
    /// What the process is on it: it asked for it, or took it. `None` where nobody knows.
    pub side: Option<Side>,
    /// Its ends.
    pub ends: Ends,
    /// Whether it is older than the agent: its first bytes were not seen.
    pub from_middle: bool,
    /// When, in nanoseconds of the kernel's clock.
    pub time: u64,
}

/// Bytes that a system call moved.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a> {
    /// The connection. One that was not opened before is taken up in the middle.
    pub key: Key,
    /// Who moved them.
    pub process: ProcessKey,
    /// How the connection carries bytes.
    pub transport: Transport,
    /// Which way they went.
    pub direction: Direction,
    /// How many bytes went this way before.
    pub position: u64,
    /// How many bytes the call moved.
    pub size: u64,
    /// The first of them, as many as were copied; never more than `size`.
    pub data: &'a [u8],
    /// When the call ended, in nanoseconds of the kernel's clock.
    pub time: u64,
    /// Whom a datagram was sent to or came from, where the socket itself does not say.
    pub peer: Option<SocketAddr>,
}

/// A socket that was closed.
#[derive(Debug, Clone, Copy)]
pub struct Closed {
    /// The connection.
    pub key: Key,
    /// When, in nanoseconds of the kernel's clock.
    pub time: u64,
    /// How many bytes it sent and received in all, where that is known: what nobody told of is then
    /// counted as lost.
    pub reached: Option<[u64; 2]>,
}

impl Ends {
    /// What is known, and what `others` know besides.
    pub(crate) fn or(self, others: Ends) -> Ends {
        Ends { local: self.local.or(others.local), peer: self.peer.or(others.peer) }
    }
}

impl Direction {
    /// The other one.
    pub fn other(self) -> Direction {
        match self {
            Direction::Out => Direction::In,
            Direction::In => Direction::Out,
        }
    }

    /// Who speaks this way, on a socket whose process is `side`.
    pub(crate) fn speaker(self, side: Side) -> Side {
        match self {
            Direction::Out => side,
            Direction::In => side.other(),
        }
    }
}
