//! What is kept of commands and replies, of the text protocol and of the binary one.

use crate::message::text;
use crate::{Message as Any, Policy, Summary, normal, redact};

/// A command or a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// What the client said.
    Command(Command),
    /// What the server said.
    Reply(Reply),
}

/// A command, or a run of quiet ones up to the one that ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// `get`, `set`; also of the binary protocol.
    pub name: &'static str,
    /// The first key with ids folded; empty where there is none.
    pub pattern: String,
    /// The key itself, redacted; `None` unless the policy keeps literals.
    pub key: Option<String>,
    /// How many keys are asked for.
    pub keys: u32,
    /// How long the value is that is stored, in bytes.
    pub value_bytes: Option<u64>,
    /// What answers it.
    pub(super) kind: Kind,
    /// Whether it is a run of quiet commands.
    pub(super) is_run: bool,
    /// Whose reply is the last to a run; `None` while that is not known.
    pub(super) closing: Option<Closing>,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The quiet command that failed: nobody waits for this reply. Empty elsewhere.
    pub of: &'static str,
    /// `HIT`, `MISS`, `STORED`, `NOT_FOUND`; `OK` where there is no better word.
    pub status: &'static str,
    /// What an error says, redacted; `None` where it is none. That there is no such key is none.
    pub error: Option<String>,
    /// How many values were found.
    pub hits: u32,
    /// How long they are together, in bytes.
    pub value_bytes: u64,
}

/// What answers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `VALUE` as often as there are hits, then `END`.
    Get,
    /// `STORED` and what else may become of a value.
    Store,
    /// A number.
    Count,
    Delete,
    Touch,
    /// Two letters.
    Meta,
    /// `MN`.
    MetaNoop,
    /// Lines up to `END`.
    Stats,
    Version,
    /// Any line.
    Other,
    /// A frame with this command's number.
    Binary,
}

/// Whose reply ends that of a run of quiet commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    MetaNoop,
    /// That of the last command, by what it has to repeat.
    Meta {
        opaque: Option<u64>,
        key: u64,
    },
    Binary {
        opcode: u8,
        opaque: u32,
    },
}

impl Command {
    pub(super) fn new(name: &'static str, kind: Kind) -> Command {
        let (pattern, key) = Default::default();
        Command {
            name,
            pattern,
            key,
            keys: 0,
            value_bytes: None,
            kind,
            is_run: false,
            closing: None,
        }
    }

    /// Takes up one more key; the first is what the command is said to be about.
    pub(super) fn add_key(&mut self, key: &[u8], policy: &Policy) {
        if self.keys == 0 {
            let key = text(key, 256);
            self.pattern = normal::key(&key);
            self.key = policy.literals.then(|| redact::text(&key).into_owned());
        }
        self.keys = self.keys.saturating_add(1);
    }
}

impl Reply {
    /// One that says how it went.
    pub(super) fn of(status: &'static str) -> Reply {
        Reply { status, ..Reply::default() }
    }

    /// One that says what went wrong.
    pub(super) fn error(status: &'static str, said: &[u8]) -> Reply {
        let error = Some(redact::text(&text(said, 256)).into_owned());
        Reply { error, ..Reply::of(status) }
    }
}

/// What a command and its reply say.
pub(super) fn summary(request: Option<&Any>, response: Option<&Any>) -> Summary {
    let mut summary = Summary::default();
    if let Some(Any::Memcached(message)) = request
        && let Message::Command(command) = &**message
    {
        summary.operation = command.name.into();
        summary.resource = command.pattern.clone();
    }
    if let Some(Any::Memcached(message)) = response
        && let Message::Reply(reply) = &**message
    {
        summary.status = Some(reply.status.into());
        summary.error = reply.error.clone();
        if request.is_none() {
            summary.operation = reply.of.into();
        }
    }
    summary
}

impl From<Command> for Any {
    fn from(command: Command) -> Any {
        Any::Memcached(Box::new(Message::Command(command)))
    }
}

impl From<Reply> for Any {
    fn from(reply: Reply) -> Any {
        Any::Memcached(Box::new(Message::Reply(reply)))
    }
}
