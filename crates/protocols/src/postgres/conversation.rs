//! One connection: frames of both sides, in turn.

use std::sync::Arc;

use super::client::Unit;
use super::frame::{self, Frame};
use super::message::Response;
use crate::statements::Statements;
use crate::{
    Conversation, Ends, Found, Outstanding, Pairing, Part, Policy, Role, Setting, Side, Step,
};

/// A connection's state.
#[derive(Debug)]
pub(super) struct Postgres {
    pub(super) policy: Arc<Policy>,
    /// What the client is in the middle of.
    pub(super) unit: Option<Unit>,
    /// Which run of messages up to a Sync this is.
    pub(super) batch: u32,
    /// Whether the client waits to be told if it may speak TLS.
    pub(super) asked_tls: bool,
    pub(super) statements: Statements,
    /// What portals were made of.
    pub(super) portals: Statements,
    /// How many statements were ever seen, to know the oldest.
    pub(super) seen: u64,
    /// What the server said so far to what it is answering.
    pub(super) answer: Option<Answer>,
    /// The run in which something failed: the rest of it is skipped.
    pub(super) failed: Option<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Answer {
    pub response: Response,
    /// How many messages that end a preparation it has.
    pub answers: u16,
}

/// So much of a message is waited for, in bytes.
pub(super) const WANTED: usize = 8192;

impl Postgres {
    pub(super) fn new(setting: &Setting) -> Postgres {
        Postgres {
            policy: setting.policy.clone(),
            unit: None,
            batch: 0,
            asked_tls: false,
            statements: Statements::default(),
            portals: Statements::default(),
            seen: 0,
            answer: None,
            failed: None,
        }
    }
}

impl Conversation for Postgres {
    fn read(&mut self, side: Side, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        if self.asked_tls && side == Side::Client {
            return match ends {
                Ends::Open => Step::More,
                Ends::Hole(_) | Ends::Closed => Step::Lost("tls_unanswered"),
            };
        }
        if self.asked_tls && side == Side::Server && !bytes.is_empty() {
            return self.tls_answered(bytes);
        }
        let Some(frame) = Frame::read(bytes) else {
            return match (bytes.first(), ends) {
                (_, Ends::Open) => Step::More,
                (None, _) => Step::Lost("gap_between_messages"),
                (Some(_), _) => Step::Lost("gap_in_message"),
            };
        };
        let tags = if side == Side::Client { frame::CLIENT } else { frame::SERVER };
        if !frame.is_sound(tags) || (frame.tag == 0 && side == Side::Server) {
            return Step::Lost("no_message");
        }
        // Rows and what is copied need not be seen; of all else only the beginning.
        let passed =
            matches!(frame.tag, b'D' | b'd') && (side == Side::Server || frame.tag == b'd');
        if !passed && !frame.whole && frame.body.len() < WANTED && ends == Ends::Open {
            return Step::More;
        }
        match side {
            Side::Client => self.client(frame),
            Side::Server => self.server(frame, asked),
        }
    }

    fn keep(&mut self, policy: &Arc<Policy>) {
        self.policy = policy.clone();
    }

    fn find(&mut self, side: Side, bytes: &[u8]) -> Found {
        match side {
            Side::Client => {
                self.unit = None;
                self.asked_tls = false;
                self.batch = self.batch.wrapping_add(1);
            }
            Side::Server => {
                self.answer = None;
                self.failed = None;
            }
        }
        // The end of an answer, and of a run of messages, is the surest thing that is said.
        let (sure, tags): (&[u8], _) = match side {
            Side::Client => (b"S\0\0\0\x04", frame::CLIENT),
            Side::Server => (b"Z\0\0\0\x05", frame::SERVER),
        };
        let sure = memchr::memmem::find(bytes, sure).filter(|&at| tiles(&bytes[at..], tags));
        let starts = (0..bytes.len().min(WANTED)).filter(|&at| tags.contains(&bytes[at]));
        let first = starts.take_while(|&at| sure.is_none_or(|sure| at < sure));
        match first.into_iter().find(|&at| begins(side, &bytes[at..]) && tiles(&bytes[at..], tags))
        {
            Some(at) => Found::At(at),
            None => match sure {
                Some(at) => Found::At(at),
                None => Found::Nowhere { keep: bytes.len().min(4) },
            },
        }
    }

    fn held(&self) -> usize {
        self.statements.bytes() + self.portals.bytes()
    }
}

/// A part of what `side` says; requests and responses are in order.
pub(super) fn part(side: Side) -> Part {
    Part::goes_on(Role::of(side), Pairing::InOrder)
}

fn begins(side: Side, bytes: &[u8]) -> bool {
    let verdict = match side {
        Side::Client => frame::client_begins(bytes),
        Side::Server => frame::server_begins(bytes),
    };
    verdict == crate::Verdict::Likely && Frame::read(bytes).is_some_and(|frame| frame.whole)
}

/// Whether these are messages, at least two of them or one that fills all, the last perhaps cut.
fn tiles(mut bytes: &[u8], tags: &[u8]) -> bool {
    for count in 0..32 {
        match Frame::read(bytes) {
            _ if bytes.is_empty() => return count > 0,
            Some(frame) if frame.tag == 0 || !frame.is_sound(tags) => return false,
            Some(frame) if frame.whole => bytes = &bytes[frame.length as usize..],
            _ => return count > 1 && tags.contains(&bytes[0]),
        }
    }
    true
}
