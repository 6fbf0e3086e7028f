//! What is kept of commands and replies.

use std::borrow::Cow;

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

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Command {
    /// `GET`; with its second word where the first says little: `CONFIG GET`.
    pub name: Cow<'static, str>,
    /// The first key, channel or group with ids folded; empty where there is none.
    pub pattern: String,
    /// The key itself, redacted; `None` unless the policy keeps literals.
    pub key: Option<String>,
    /// How many words it has, its name included.
    pub words: u64,
}

/// A reply, or a message that was published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The first word of an error: `ERR`, `WRONGTYPE`, `MOVED`. `None` where it is none.
    pub error: Option<String>,
    /// What the error says, redacted.
    pub text: String,
    /// Of what was published: `message`, `invalidate`, and the channel with ids folded.
    pub push: Option<(String, String)>,
}

/// Commands whose first words are looked up without a copy; the most usual ones.
const USUAL: [&str; 32] = [
    "GET",
    "SET",
    "DEL",
    "INCR",
    "EXPIRE",
    "HGET",
    "HSET",
    "HGETALL",
    "HMGET",
    "LPUSH",
    "RPUSH",
    "LPOP",
    "RPOP",
    "LRANGE",
    "SADD",
    "SMEMBERS",
    "SISMEMBER",
    "ZADD",
    "ZRANGE",
    "MGET",
    "MSET",
    "EXISTS",
    "TTL",
    "PING",
    "MULTI",
    "EXEC",
    "PUBLISH",
    "SUBSCRIBE",
    "EVALSHA",
    "SETEX",
    "XADD",
    "XREADGROUP",
];

/// Commands that are several.
const PARTED: [&str; 14] = [
    "CONFIG", "CLIENT", "CLUSTER", "ACL", "COMMAND", "DEBUG", "FUNCTION", "LATENCY", "MEMORY",
    "MODULE", "OBJECT", "PUBSUB", "SCRIPT", "XGROUP",
];

/// Commands whose second word is no key, and may be a secret.
const KEYLESS: [&str; 24] = [
    "AUTH", "HELLO", "PING", "ECHO", "SELECT", "INFO", "MULTI", "EXEC", "DISCARD", "UNWATCH",
    "QUIT", "RESET", "SCAN", "DBSIZE", "FLUSHALL", "FLUSHDB", "TIME", "WAIT", "MONITOR", "SYNC",
    "PSYNC", "REPLCONF", "SHUTDOWN", "SAVE",
];

impl Command {
    /// From the first words of a command.
    pub(super) fn new(words: &[&[u8]], count: u64, policy: &Policy) -> Command {
        let mut name = name(words.first().copied().unwrap_or_default());
        let key = if PARTED.contains(&&*name) {
            if let Some(second) = words.get(1).filter(|second| second.len() <= 24) {
                name = format!("{name} {}", text(second, 24).to_ascii_uppercase()).into();
            }
            None
        } else if KEYLESS.contains(&&*name) {
            None
        } else if matches!(&*name, "EVAL" | "EVALSHA" | "FCALL" | "EVAL_RO" | "EVALSHA_RO") {
            words.get(3).filter(|_| words.get(2).is_some_and(|keys| *keys != b"0"))
        } else if matches!(&*name, "XREAD" | "XREADGROUP" | "OBJECT" | "BITOP") {
            None
        } else {
            words.get(1)
        };
        let key = key.map(|key| text(key, 256));
        Command {
            name,
            pattern: key.as_deref().map(normal::key).unwrap_or_default(),
            key: key.filter(|_| policy.literals).map(|key| redact::text(&key).into_owned()),
            words: count,
        }
    }
}

impl Reply {
    /// From the line that an error is, without its mark.
    pub(super) fn error(line: &[u8]) -> Reply {
        let said = text(line, 256);
        let (word, rest) = said.split_once(' ').unwrap_or((&said, ""));
        // `unknown command 'x', with args beginning with: 'y' …` repeats what was asked.
        let rest = rest.split(", with args beginning with").next().unwrap_or_default();
        let error = Some(word.to_owned());
        Reply { error, text: redact::text(rest).into_owned(), push: None }
    }

    /// From the first strings of a message nobody asked for.
    pub(super) fn push(words: &[&[u8]]) -> Reply {
        let word = |at: usize| words.get(at).map(|word| text(word, 128)).unwrap_or_default();
        Reply { push: Some((word(0), normal::key(&word(1)))), ..Reply::default() }
    }
}

/// What a command and its reply say.
pub(super) fn summary(request: Option<&Any>, response: Option<&Any>) -> Summary {
    let mut summary = Summary::default();
    if let Some(Any::Redis(message)) = request
        && let Message::Command(command) = &**message
    {
        summary.operation = command.name.clone();
        summary.resource = command.pattern.clone();
    }
    if let Some(Any::Redis(message)) = response
        && let Message::Reply(reply) = &**message
    {
        summary.status = Some(match &reply.error {
            Some(error) => error.clone().into(),
            None => "OK".into(),
        });
        summary.error = reply.error.is_some().then(|| reply.text.clone());
        if let Some((what, channel)) = &reply.push
            && request.is_none()
        {
            summary.operation = what.clone().into();
            summary.resource = channel.clone();
        }
    }
    summary
}

fn name(word: &[u8]) -> Cow<'static, str> {
    let usual = USUAL.iter().find(|usual| usual.as_bytes().eq_ignore_ascii_case(word));
    match usual {
        Some(usual) => Cow::Borrowed(usual),
        None => Cow::Owned(text(word, 32).to_ascii_uppercase()),
    }
}

impl From<Command> for Any {
    fn from(command: Command) -> Any {
        Any::Redis(Box::new(Message::Command(command)))
    }
}

impl From<Reply> for Any {
    fn from(reply: Reply) -> Any {
        Any::Redis(Box::new(Message::Reply(reply)))
    }
}
