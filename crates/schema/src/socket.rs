//! What sockets carry, as the kernel tells it: before it is known what is spoken.

use std::net::SocketAddr;
use std::ops::Range;

use crate::Origin;

/// What the kernel says of a socket that moves bytes.
#[derive(Debug, Clone)]
pub enum SocketNews {
    /// It moves its first bytes, or the first that are seen.
    Opened(Origin, OpenedSocket),
    /// A system call moved bytes.
    Moved(Origin, Moved),
    /// It was closed.
    Closed(Origin, ClosedSocket),
    /// A library was mapped to be run, with the name of its file, cut at 31 bytes: what is said inside
    /// TLS may be read in it.
    Mapped(Origin, String),
}

/// A socket as it was when it was first seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedSocket {
    /// Its cookie, or its inode number with the top bit set.
    pub socket: u64,
    /// Its own end; none for unix sockets, and where it has none.
    pub local: Option<SocketAddr>,
    /// The other end; none for unix sockets, and where it has none.
    pub peer: Option<SocketAddr>,
    /// Whether each call moves a message of its own.
    pub datagrams: bool,
    /// Whether bytes went before that were not seen.
    pub from_middle: bool,
    /// Whether the process asked for the connection; else it took it. None where that was not seen.
    pub asked: Option<bool>,
}

/// Bytes that a system call moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The socket, as in [`OpenedSocket::socket`].
    pub socket: u64,
    /// Whether the process sent them; else it received them.
    pub sent: bool,
    /// Whether they are a message of their own.
    pub datagram: bool,
    /// Whether bytes went before the first that were seen, or may have.
    pub from_middle: bool,
    /// Whether they were said inside TLS, and read where they are plain. Their positions are of that.
    pub tls: bool,
    /// How many bytes went this way before.
    pub position: u64,
    /// How many there were.
    pub size: u64,
    /// Where the first of them stand in [`crate::Sink::bytes`], as many as were copied.
    pub bytes: Range<usize>,
    /// Whom a datagram was for or came from, where the call says it.
    pub peer: Option<SocketAddr>,
}

/// A socket that was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedSocket {
    /// The socket, as in [`OpenedSocket::socket`].
    pub socket: u64,
    /// How many bytes it sent in all.
    pub sent: u64,
    /// How many it received.
    pub received: u64,
}
