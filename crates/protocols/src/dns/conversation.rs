//! Where messages begin: datagrams are messages, streams have a length before each.

use super::message::{self, Message};
use crate::{Conversation, Ends, Found, Outstanding, Pairing, Part, Role, Side, Step, Transport};

/// There is nothing to remember: each message says what it answers.
#[derive(Debug)]
pub(super) struct Dns {
    pub transport: Transport,
}

impl Dns {
    fn message(side: Side, bytes: &[u8], length: u64, cut: bool) -> Step {
        let Some(message) = Message::read(bytes, cut) else {
            return Step::Lost("no_message");
        };
        let role = if message.is_response { Role::Response } else { Role::Request };
        if role != Role::of(side) {
            return Step::Lost("wrong_side");
        }
        let part = Part::whole(role, Pairing::Tag(message.tag()), message.into());
        let part = if cut { part.truncated() } else { part };
        Step::Take { length, part: Some(part) }
    }
}

impl Conversation for Dns {
    fn read(&mut self, side: Side, bytes: &[u8], ends: Ends, _: &dyn Outstanding) -> Step {
        if self.transport == Transport::Datagram {
            let unseen = if let Ends::Hole(unseen) = ends { unseen } else { 0 };
            return Dns::message(side, bytes, bytes.len() as u64 + unseen, unseen > 0);
        }
        let Some((length, message)) = framed(bytes) else {
            return match ends {
                Ends::Open => Step::More,
                Ends::Hole(_) | Ends::Closed => Step::Lost("gap_between_messages"),
            };
        };
        match message.get(..length) {
            Some(message) => Dns::message(side, message, length as u64 + 2, false),
            None if ends == Ends::Open => Step::More,
            None => Dns::message(side, message, length as u64 + 2, true),
        }
    }

    fn find(&mut self, side: Side, bytes: &[u8]) -> Found {
        let whole = |at: usize| {
            let (length, message) = framed(&bytes[at..])?;
            let message = message.get(..length)?;
            (message::begins(side, message)? && Message::read(message, false)?.is_whole)
                .then_some(at)
        };
        match (0..bytes.len().min(4096)).find_map(whole) {
            Some(at) => Found::At(at),
            None => Found::Nowhere { keep: 0 },
        }
    }
}

/// The length that stands before a message in a stream, and what there is behind it.
pub(super) fn framed(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    Some((usize::from(u16::from_be_bytes(*length)), rest))
}
