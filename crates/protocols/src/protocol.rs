//! What a protocol is, as data.

use std::sync::Arc;

use schema::Table;

use crate::{Conversation, Message, Policy, Summary, Write};

/// A protocol: what the kernel looks for, how it is told from others, how it is read.
#[derive(Debug)]
pub struct Protocol {
    /// Its name in rows: `http`, `redis`. Lower case.
    pub name: &'static str,
    /// What it is carried by.
    pub transports: &'static [Transport],
    /// Where its servers usually listen: a hint that is never enough to name it.
    pub ports: &'static [u16],
    /// What the kernel compares the first bytes of a system call with; where none fits, it copies
    /// only a few bytes. They may fit too often, but must fit every message that begins a call.
    pub signatures: &'static [Signature],
    /// Where the messages of many requests may stand in one system call, between each other's bodies:
    /// how to get from one to the next, so that it is not only how the call begins that is copied.
    pub frames: Option<Frames>,
    /// Whether these first bytes are what `side` says in this protocol.
    ///
    /// They begin where a message is thought to begin: at a connection's first byte, or at a system
    /// call's. An answer other than [`Verdict::More`] stays when bytes are added. The engine names
    /// a protocol only when both sides speak it.
    pub probe: fn(side: Side, bytes: &[u8], transport: Transport) -> Verdict,
    /// A conversation about which nothing is known yet.
    pub converse: fn(&Setting) -> Box<dyn Conversation>,
    /// What a request and its response say, if there was one. `None` for the request of a message
    /// that the server sent on its own.
    pub summary: fn(request: Option<&Message>, response: Option<&Message>) -> Summary,
    /// The tables of its requests: each has its row in one of them.
    pub tables: &'static [&'static Table],
    /// Writes a row.
    pub write: Write,
}

/// Frames whose first three bytes are the length of what is behind the first nine, big endian, and whose
/// fourth is their kind, below 32.
#[derive(Debug, Clone, Copy)]
pub struct Frames {
    /// How many bytes the client says before its first frame.
    pub preface: u32,
    /// Bits that are never set in the first eight bytes, read as little endian.
    pub never: u64,
    /// Which kinds there are, a bit each.
    pub kinds: u32,
    /// Of which kinds all matters; of others it is how they begin.
    pub copied: u32,
}

/// How bytes are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// As one stream for each direction: TCP, unix stream sockets.
    Stream,
    /// As datagrams, each whole: UDP.
    Datagram,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who asked for the connection, and asks on it.
    Client,
    /// Who was connected to, and answers.
    Server,
}

/// What a probe makes of some first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They are what this side says in this protocol.
    Likely,
    /// They are not.
    Unlikely,
    /// They are too few to say.
    More,
}

/// Eight bytes that the kernel compares: `load(offset) & mask == value`.
///
/// Both words are as the bytes lie in memory, read as little endian: byte 0 is the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Who says it.
    pub side: Side,
    /// Where the eight bytes begin in what the system call moved.
    pub offset: u8,
    /// Which bits count. Bytes past the end of a short call read as zero.
    pub mask: u64,
    /// What they have to be.
    pub value: u64,
}

/// What a conversation is told when it begins.
#[derive(Debug, Clone)]
pub struct Setting {
    /// How its bytes are carried.
    pub transport: Transport,
    /// Whether what was said before is not known: the connection is older than the agent.
    pub from_middle: bool,
    /// What may be kept of what is said.
    pub policy: Arc<Policy>,
}

impl PartialEq for Protocol {
    /// Names are used once.
    fn eq(&self, other: &Protocol) -> bool {
        self.name == other.name
    }
}

impl Side {
    /// The word for it in rows.
    pub fn name(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Server => "server",
        }
    }

    /// The other one.
    pub fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

impl Signature {
    /// The first bytes of a call, at most eight of them.
    pub const fn begins(side: Side, bytes: &[u8]) -> Signature {
        Signature::at(side, 0, bytes)
    }

    /// Up to eight bytes at an offset.
    pub const fn at(side: Side, offset: u8, bytes: &[u8]) -> Signature {
        assert!(bytes.len() <= 8);
        let (mut mask, mut value, mut at) = (0, 0, 0);
        while at < bytes.len() {
            mask |= 0xff << (8 * at);
            value |= (bytes[at] as u64) << (8 * at);
            at += 1;
        }
        Signature { side, offset, mask, value }
    }

    /// Whether it fits what a call moved.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        let mut word = [0; 8];
        let seen = bytes.get(usize::from(self.offset)..).unwrap_or_default();
        let count = seen.len().min(8);
        word[..count].copy_from_slice(&seen[..count]);
        u64::from_le_bytes(word) & self.mask == self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_fits_what_begins_so() {
        let get = Signature::begins(Side::Client, b"GET ");
        assert!(get.fits(b"GET / HTTP/1.1") && get.fits(b"GET "));
        assert!(!get.fits(b"GE") && !get.fits(b"") && !get.fits(b"PUT /"));
        assert!(Signature::at(Side::Client, 2, b"xy").fits(b"..xy"));
    }

    #[test]
    fn names_are_lower_case_and_used_once() {
        for (at, protocol) in crate::ALL.iter().enumerate() {
            assert!(
                protocol
                    .name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            );
            assert!(crate::ALL[..at].iter().all(|other| other.name != protocol.name));
            assert!(!protocol.transports.is_empty() && !protocol.signatures.is_empty());
        }
    }
}
