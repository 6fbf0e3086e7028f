//! Datagrams: each is a message, whole or cut; there is nothing to put in order.

use std::collections::VecDeque;
use std::net::SocketAddr;

use protocols::{Conversation, Ends, Side, Step};

use crate::coverage::{Class, Coverage, Why};
use crate::pairs::{Led, Placed};
use crate::stream::Bench;
use crate::{Chunk, Direction};

/// A datagram that waits for the protocol to be known.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub direction: Direction,
    pub data: Vec<u8>,
    pub size: u64,
    pub time: u64,
    pub peer: Option<SocketAddr>,
}

/// What is held of a socket that sends datagrams.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    pub held: VecDeque<Datagram>,
    bytes: usize,
    /// The next position of each direction.
    next: [Option<u64>; 2],
}

/// How many datagrams wait at most.
const MOST: usize = 32;

impl Datagrams {
    /// Of a socket whose first datagram has position 0 in each direction.
    pub(crate) fn from_start() -> Datagrams {
        Datagrams { next: [Some(0); 2], ..Datagrams::default() }
    }

    /// Takes up a datagram; if too many wait, the oldest is given back.
    pub(crate) fn add(&mut self, chunk: &Chunk, books: &mut Coverage) -> Option<Datagram> {
        let next = &mut self.next[chunk.direction as usize];
        let expected = next.unwrap_or(chunk.position);
        if chunk.position > expected {
            books.moved += chunk.position - expected;
            books.lost += chunk.position - expected;
        } else if chunk.position < expected {
            // It was thought lost, and comes late.
            let found = chunk.size.min(books.lost);
            books.lost -= found;
            books.moved -= found;
        }
        *next = Some(expected.max(chunk.position.saturating_add(chunk.size)));
        books.moved += chunk.size;
        let data = &chunk.data[..chunk.data.len().min(chunk.size as usize)];
        self.bytes += data.len();
        self.held.push_back(Datagram {
            direction: chunk.direction,
            data: data.to_vec(),
            size: chunk.size,
            time: chunk.time,
            peer: chunk.peer,
        });
        if self.held.len() > MOST { self.pop() } else { None }
    }

    pub(crate) fn pop(&mut self) -> Option<Datagram> {
        let datagram = self.held.pop_front()?;
        self.bytes -= datagram.data.len();
        Some(datagram)
    }

    /// How many bytes wait, as they were moved.
    pub(crate) fn pending(&self) -> u64 {
        self.held.iter().map(|datagram| datagram.size).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Datagram {
    /// Reads it in a protocol.
    pub(crate) fn read(self, conversation: &mut dyn Conversation, side: Side, bench: &mut Bench) {
        let speaker = self.direction.speaker(side);
        let unseen = self.size - self.data.len() as u64;
        let ends = if unseen > 0 { Ends::Hole(unseen) } else { Ends::Closed };
        let mut rest = &self.data[..];
        let mut class = Class::Skipped;
        // A protocol may put several messages into one datagram; no more than it has bytes.
        for _ in 0..=self.data.len() {
            let (length, part) = match conversation.read(speaker, rest, ends, bench.pairs) {
                Step::Take { length, part } | Step::Switch { length, part, .. } => (length, part),
                Step::More | Step::Lost(_) => break,
            };
            class = Class::Read;
            if let Some(part) = part {
                let (first, last) = (self.time, Some(self.time));
                let placed = Placed { part, length, first, last, peer: self.peer };
                match bench.pairs.place(placed, bench.done) {
                    Led::Nothing => {}
                    Led::Out(outcome, exchange) => bench.done.push((outcome, exchange)),
                    Led::Orphan => bench.books.responses_without_request += 1,
                }
            }
            match usize::try_from(length).ok().and_then(|length| rest.get(length..)) {
                Some(behind) if !behind.is_empty() && length > 0 => rest = behind,
                _ => break,
            }
        }
        self.count(class, bench.books);
    }

    /// Counts it as what it turned out to be.
    pub(crate) fn count(&self, class: Class, books: &mut Coverage) {
        books.seen(class, self.data.len() as u64);
        books.unseen(class, Why::Cut, self.size - self.data.len() as u64);
    }
}
