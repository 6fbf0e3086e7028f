//! How a conversation is read: what it is shown, and what it answers.

use std::fmt::Debug;
use std::sync::Arc;

use crate::{Message, Policy, Side};

/// One connection's state in one protocol.
///
/// It is shown the bytes of each side in their order and makes messages of them. It must never
/// panic, whatever it is shown, and hold a bounded amount of memory.
pub trait Conversation: Debug + Send {
    /// Reads the front of what `side` said and was not taken yet.
    ///
    /// `ends` says what comes behind `bytes`. `asked` are the requests that wait for an answer.
    /// [`Step::More`] is an answer only to [`Ends::Open`]; elsewhere it counts as [`Step::Lost`].
    fn read(&mut self, side: Side, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step;

    /// Looks for a place where a message of `side` begins, after bytes that were not seen or not
    /// understood, and forgets what this side was in the middle of.
    fn find(&mut self, side: Side, bytes: &[u8]) -> Found;

    /// From here on so much may be kept of what is said: more than before. What was left out stays so.
    fn keep(&mut self, _policy: &Arc<Policy>) {}

    /// Roughly how many bytes of memory the conversation holds besides itself.
    fn held(&self) -> usize {
        0
    }
}

/// What comes behind the bytes that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// More may come.
    Open,
    /// So many bytes, at least one, that were not seen: they were not copied, or lost. More may come
    /// behind them. What is known of a message that reaches into them has to be said now.
    Hole(u64),
    /// Nothing: the connection was closed, or this is the end of a datagram.
    Closed,
}

/// What a conversation made of the bytes.
#[derive(Debug)]
pub enum Step {
    /// It needs more of them to say.
    More,
    /// It took them.
    Take {
        /// How many. It may be more than were shown: what a message is known to cover is passed
        /// over unseen, holes included. May be zero only where a message ends.
        length: u64,
        /// What they are to the pairing; `None` for what belongs to no message.
        part: Option<Part>,
    },
    /// It took them, and both sides speak something else from here on.
    Switch {
        /// As in `Take`.
        length: u64,
        /// As in `Take`.
        part: Option<Part>,
        /// What is spoken then.
        to: Next,
    },
    /// It does not understand them, for this reason. The engine looks for a place to go on.
    Lost(&'static str),
}

/// What is spoken after a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Anything: it is looked at anew.
    Anything,
    /// TLS.
    Tls,
    /// Something that is known and not read, by name: `websocket`.
    Unread(&'static str),
}

/// A run of bytes of a message, as the engine pairs messages.
#[derive(Debug)]
pub struct Part {
    /// Whether the message asks or answers.
    pub role: Role,
    /// How its counterpart is found.
    pub pairing: Pairing,
    /// Whether these are its first bytes. Bytes that are not belong to the newest message of the
    /// same role and pairing, even if that had its last part before.
    pub first: bool,
    /// Whether these are its last bytes.
    pub last: bool,
    /// Whether something of the message was not seen that would have been read.
    pub truncated: bool,
    /// What is known of the message now; takes the place of what was said of it before.
    pub message: Option<Message>,
}

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It asks.
    Request,
    /// It answers, or tells without being asked ([`Pairing::Alone`]).
    Response,
}

/// How a message finds its counterpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pairing {
    /// Answers come in the order of the requests.
    InOrder,
    /// Answers carry the number of their request.
    Tag(u64),
    /// There is none: a request that is never answered, or a message nobody asked for.
    Alone,
}

/// Where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// At this offset, with no doubt worth mentioning.
    At(usize),
    /// Nowhere in these bytes; the last `keep` may be the beginning of something.
    Nowhere {
        /// How many bytes to show again, with more behind them.
        keep: usize,
    },
}

/// The requests of a connection that were not answered yet, oldest first.
pub trait Outstanding {
    /// The one whose answer comes next, where answers come in order. `None` where there is none,
    /// where nothing is known of it yet, or where it is not sure which it is (after a gap).
    fn oldest(&self) -> Option<&Message>;
    /// The one with this number.
    fn tagged(&self, tag: u64) -> Option<&Message>;
}

/// Nobody asked anything.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Part {
    /// A whole message at once.
    pub fn whole(role: Role, pairing: Pairing, message: Message) -> Part {
        Part { last: true, ..Part::begins(role, pairing, message) }
    }

    /// The first bytes of a message.
    pub fn begins(role: Role, pairing: Pairing, message: Message) -> Part {
        Part { first: true, message: Some(message), ..Part::goes_on(role, pairing) }
    }

    /// Bytes in the middle of a message.
    pub fn goes_on(role: Role, pairing: Pairing) -> Part {
        Part { role, pairing, first: false, last: false, truncated: false, message: None }
    }

    /// The last bytes of a message.
    pub fn ends(role: Role, pairing: Pairing) -> Part {
        Part { last: true, ..Part::goes_on(role, pairing) }
    }

    /// The same, of a message that was not seen whole.
    pub fn truncated(self) -> Part {
        Part { truncated: true, ..self }
    }
}

impl Step {
    /// Takes bytes that are `part`.
    pub fn take(length: usize, part: Part) -> Step {
        Step::Take { length: length as u64, part: Some(part) }
    }

    /// Takes bytes that belong to no message.
    pub fn pass(length: usize) -> Step {
        Step::Take { length: length as u64, part: None }
    }
}

impl Role {
    /// What `side` does where clients ask and servers answer.
    pub fn of(side: Side) -> Role {
        match side {
            Side::Client => Role::Request,
            Side::Server => Role::Response,
        }
    }
}

impl Outstanding for Nobody {
    fn oldest(&self) -> Option<&Message> {
        None
    }

    fn tagged(&self, _: u64) -> Option<&Message> {
        None
    }
}
