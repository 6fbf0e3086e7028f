//! One connection: packets of both sides, in turn.

use std::sync::Arc;

use super::message::{Message, Request, Response};
use super::packet::{HEAD, Packet};
use super::probe;
use crate::normal::Dialect;
use crate::statements::{Statement, Statements};
use crate::{
    Conversation, Ends, Found, Message as Any, Outstanding, Pairing, Part, Policy, Role, Setting,
    Side, Step, Verdict,
};

/// A connection's state.
#[derive(Debug)]
pub(super) struct MySql {
    pub(super) policy: Arc<Policy>,
    /// What the sides said at the login that they can do.
    pub(super) client_can: Option<u32>,
    pub(super) server_can: Option<u32>,
    /// What the server calls itself.
    pub(super) version: String,
    /// What was prepared, by number.
    pub(super) statements: Statements,
    /// What was prepared last: it may be run before its number is known.
    pub(super) prepared: Option<Statement>,
    /// How many statements were ever seen, to know the oldest.
    pub(super) seen: u64,
    /// How the server reads what is in quotes.
    pub(super) dialect: Dialect,
    /// What the client says that belongs to a request before.
    pub(super) more: More,
    /// Whether the client's, and the server's, next packet is the rest of the one before.
    pub(super) client_goes_on: bool,
    pub(super) server_goes_on: bool,
    /// What the server said so far to what it is answering.
    pub(super) answer: Option<Answer>,
    /// The number of the last packet of the last answer.
    pub(super) tail: Option<u8>,
}

/// What a client says that is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    Nothing,
    /// Who it is, in as many turns as it takes.
    Proof,
    /// A file, in packets with these numbers on, until one is empty.
    File {
        next: u8,
    },
}

/// An answer, so far.
#[derive(Debug)]
pub(super) struct Answer {
    pub response: Response,
    pub state: State,
    /// The number of its last packet.
    pub number: u8,
}

/// What comes next in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The beginning of a result.
    First,
    /// So many columns, and then rows.
    Columns(u64),
    /// Rows, but for an EOF behind the columns.
    FirstRow,
    Rows,
    /// What became of a preparation.
    Preparation,
    /// So many definitions of a statement's parameters, then of its columns, and so many EOFs.
    Definitions {
        parameters: u32,
        columns: u32,
        ends: u8,
    },
    /// Columns without their number.
    Fields,
    /// What became of a file, once the client sent it.
    File,
    /// A login goes on, in as many turns as it takes.
    Login,
    /// One packet of whatever.
    Anything,
}

/// So much of a packet is waited for, in bytes: of a client's, and of a server's.
pub(super) const WANTED: usize = 8192;
const WANTED_ANSWER: usize = 1024;

impl MySql {
    pub(super) fn new(setting: &Setting) -> MySql {
        MySql {
            policy: setting.policy.clone(),
            client_can: None,
            server_can: None,
            version: String::new(),
            statements: Statements::default(),
            prepared: None,
            seen: 0,
            dialect: Dialect::MySql,
            more: More::Nothing,
            client_goes_on: false,
            server_goes_on: false,
            answer: None,
            tail: None,
        }
    }

    /// How much of a packet's body has to be there before it is read.
    fn wanted(&self, side: Side, packet: &Packet) -> usize {
        let rest = match side {
            Side::Client => {
                let proof = packet.number > 2 && self.more == More::Proof;
                self.client_goes_on || proof || matches!(self.more, More::File { .. })
            }
            Side::Server => self.server_goes_on && self.answer.is_some(),
        };
        let state = self.answer.as_ref().map(|answer| answer.state);
        match (side, state) {
            _ if rest => 0,
            (Side::Client, _) => packet.size.min(WANTED),
            // A row says with its first byte that it is one.
            (Side::Server, Some(State::Rows | State::FirstRow))
                if packet.goes_on() || !matches!(packet.body.first(), Some(0xfe | 0xff)) =>
            {
                packet.size.min(1)
            }
            (Side::Server, Some(State::Columns(_) | State::Definitions { .. } | State::Fields))
                if !matches!(packet.body.first(), Some(0xfe | 0xff)) =>
            {
                packet.size.min(HEAD)
            }
            (Side::Server, _) => packet.size.min(WANTED_ANSWER),
        }
    }
}

impl Conversation for MySql {
    fn read(&mut self, side: Side, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        let Some(packet) = Packet::read(bytes) else {
            return match (bytes.is_empty(), ends) {
                (_, Ends::Open) => Step::More,
                (true, _) => Step::Lost("gap_between_messages"),
                (false, _) => Step::Lost("gap_in_message"),
            };
        };
        // What is out of turn is not waited for.
        let in_turn = match side {
            Side::Client => self.may_ask(&packet),
            Side::Server => self.may_answer(&packet, request(asked)),
        };
        if !in_turn {
            return Step::Lost("out_of_sequence");
        }
        if side == Side::Server
            && let Some(step) = self.rows(bytes)
        {
            return step;
        }
        let wanted = self.wanted(side, &packet);
        let cut = packet.body.len() < wanted;
        match ends {
            Ends::Open if cut => Step::More,
            _ if cut && packet.body.is_empty() => Step::Lost("gap_in_message"),
            _ if side == Side::Client => self.client(packet, cut),
            _ => self.server(packet, cut, asked),
        }
    }

    fn keep(&mut self, policy: &Arc<Policy>) {
        self.policy = policy.clone();
    }

    fn find(&mut self, side: Side, bytes: &[u8]) -> Found {
        match side {
            Side::Client => {
                self.client_goes_on = false;
                self.more = More::Nothing;
            }
            Side::Server => {
                self.server_goes_on = false;
                self.answer = None;
                self.tail = None;
            }
        }
        let verdict = |at: usize| begins(side, &bytes[at..]);
        let mut starts = 0..bytes.len().saturating_sub(HEAD);
        if let Some(at) =
            starts.find(|&at| verdict(at) == Verdict::Likely && tiles(side, &bytes[at..]))
        {
            return Found::At(at);
        }
        // What is not there whole may be a beginning.
        let from = bytes.len().saturating_sub(64);
        let begun = (from..bytes.len()).find(|&at| verdict(at) != Verdict::Unlikely);
        Found::Nowhere { keep: begun.map_or(0, |at| bytes.len() - at) }
    }

    fn held(&self) -> usize {
        self.statements.bytes() + self.prepared.as_ref().map_or(0, Statement::size)
    }
}

/// A part of what `side` says; requests and responses are in order.
pub(super) fn part(side: Side) -> Part {
    Part::goes_on(Role::of(side), Pairing::InOrder)
}

/// What was asked that is answered next.
pub(super) fn request(asked: &dyn Outstanding) -> Option<&Request> {
    match asked.oldest()? {
        Any::MySql(message) => match &**message {
            Message::Request(request) => Some(request),
            Message::Response(_) => None,
        },
        _ => None,
    }
}

/// Whether a command, or an answer to one, begins here.
fn begins(side: Side, bytes: &[u8]) -> Verdict {
    let first = match side {
        Side::Client => 0,
        Side::Server => 1,
    };
    match (bytes.get(3), side) {
        (Some(number), _) if *number != first => Verdict::Unlikely,
        (_, Side::Client) => probe::client(bytes),
        (_, Side::Server) => probe::server(bytes),
    }
}

/// Whether these are packets, one behind the other, the last perhaps cut.
fn tiles(side: Side, mut bytes: &[u8]) -> bool {
    let mut next = None;
    for _ in 0..32 {
        let Some(packet) = Packet::read(bytes) else {
            return true;
        };
        let follows = next.is_none_or(|next| packet.number == next);
        if !follows && begins(side, bytes) == Verdict::Unlikely {
            return false;
        }
        if !packet.is_whole() {
            return true;
        }
        next = Some(packet.number.wrapping_add(1));
        bytes = &bytes[packet.length() as usize..];
    }
    true
}
