//! Commands and replies, measured as they come.

use std::sync::Arc;

use super::message::{Command, Message, Reply};
use super::value::{self, Left, Measured};
use crate::{
    Conversation, Ends, Found, Message as Any, Next, Outstanding, Pairing, Part, Policy, Role,
    Setting, Side, Step, Verdict,
};

/// A connection's state.
#[derive(Debug)]
pub(super) struct Redis {
    policy: Arc<Policy>,
    /// What is left of the value that the client is in the middle of, and how it is paired.
    command: (Left, Pairing),
    /// The same of the server.
    reply: (Left, Pairing),
    /// What the client was promised no answers to.
    silence: Silence,
    /// Whether the client subscribed to something, or watches all commands.
    listens: bool,
}

/// Which commands are not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    None,
    /// The next one.
    Next,
    /// All, until it is told otherwise.
    All,
}

/// A value that is not there whole is waited for as long as it is shorter than this.
const PATIENCE: usize = 4096;

impl Redis {
    pub(super) fn new(setting: &Setting) -> Redis {
        Redis {
            policy: setting.policy.clone(),
            command: (Vec::new(), Pairing::InOrder),
            reply: (Vec::new(), Pairing::InOrder),
            silence: Silence::None,
            listens: false,
        }
    }

    fn state(&mut self, side: Side) -> &mut (Left, Pairing) {
        match side {
            Side::Client => &mut self.command,
            Side::Server => &mut self.reply,
        }
    }

    /// Goes on in a value that began before.
    fn go_on(&mut self, side: Side, bytes: &[u8], ends: Ends) -> Step {
        let (left, pairing) = self.state(side);
        let goes_on = Part::goes_on(Role::of(side), *pairing);
        match value::measure(bytes, left) {
            Measured::Whole(length) => Step::take(length, Part { last: true, ..goes_on }),
            Measured::Beyond(length) => {
                Step::Take { length, part: Some(Part { last: left.is_empty(), ..goes_on }) }
            }
            Measured::Line(0) if ends == Ends::Open => Step::More,
            Measured::Line(0) => Step::Lost("gap_in_value"),
            Measured::Line(length) => Step::take(length, goes_on),
            Measured::Unsound => Step::Lost("no_value"),
        }
    }

    /// A command that is one line of words.
    fn inline(&mut self, bytes: &[u8], ends: Ends) -> Step {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            let sound = bytes.len() < PATIENCE && bytes.iter().all(is_printable);
            return match ends {
                Ends::Open if sound => Step::More,
                _ => Step::Lost("no_command"),
            };
        };
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        let words: Vec<&[u8]> =
            line.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
        match words.first() {
            None => Step::pass(end + 1),
            Some(name) if is_name(name) && line.iter().all(is_printable) => {
                let pairing = self.pairing(&words);
                let command = Command::new(&words, words.len() as u64, &self.policy);
                Step::take(end + 1, Part::whole(Role::Request, pairing, command.into()))
            }
            Some(_) => Step::Lost("no_command"),
        }
    }

    fn command(&mut self, bytes: &[u8], ends: Ends) -> Step {
        let mut left = vec![1];
        let measured = value::measure(bytes, &mut left);
        let words = value::strings(bytes, 4);
        let count = value::line(bytes)
            .and_then(|(line, _)| std::str::from_utf8(line.get(1..)?).ok()?.parse::<u64>().ok());
        let count = count.unwrap_or(0);
        // Scripts have their keys behind the script and their number.
        let scripted =
            words.first().is_some_and(|name| matches!(name[..], [b'E' | b'e' | b'F' | b'f', ..]));
        let enough = words.len() as u64 >= count.min(if scripted { 4 } else { 2 });
        if measured == Measured::Unsound || words.first().is_some_and(|name| !is_name(name)) {
            return Step::Lost("no_command");
        }
        if count == 0
            && let Measured::Whole(length) = measured
        {
            return Step::pass(length);
        }
        if !enough && ends == Ends::Open && bytes.len() < PATIENCE {
            return Step::More;
        }
        if words.is_empty() {
            return match ends {
                Ends::Open if bytes.len() < PATIENCE => Step::More,
                _ => Step::Lost("gap_in_value"),
            };
        }
        let pairing = self.pairing(&words);
        let command = Command::new(&words, count, &self.policy);
        let begins = Part::begins(Role::Request, pairing, command.into());
        let begins = Part { truncated: !enough, ..begins };
        self.begin(Side::Client, measured, left, begins)
    }

    fn reply(&mut self, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        let mut left = vec![1];
        let measured = value::measure(bytes, &mut left);
        let Some((line, _)) = value::line(bytes).filter(|_| measured != Measured::Unsound) else {
            return match (measured, ends) {
                (Measured::Line(_), Ends::Open) if !bytes.is_empty() => Step::More,
                (Measured::Line(_), _) if bytes.is_empty() => Step::Lost("gap_between_messages"),
                _ => Step::Lost("no_value"),
            };
        };
        // What a list or an error is about stands in its first strings.
        let telling = matches!(line[0], b'*' | b'>' | b'!');
        let partly = matches!(measured, Measured::Line(_))
            || (telling && matches!(measured, Measured::Beyond(_)));
        if partly && ends == Ends::Open && bytes.len() < PATIENCE {
            return Step::More;
        }
        let command = match asked.oldest() {
            Some(Any::Redis(message)) => match &**message {
                Message::Command(command) => Some(command),
                Message::Reply(_) => None,
            },
            _ => None,
        };
        let asked_for = command.map_or("", |command| &*command.name);
        let is_list = matches!(line[0], b'*' | b'>');
        let words = if is_list { value::strings(bytes, 2) } else { Vec::new() };
        let what = words.first().copied().unwrap_or_default();
        let confirms = is_list && what.ends_with(b"subscribe") && what.len() <= 12;
        self.listens |= confirms;
        let reply = match line[0] {
            b'-' => Reply::error(&line[1..]),
            b'!' => Reply::error(value::line(&bytes[line.len() + 2..]).map_or(b"ERR", |(l, _)| l)),
            _ => Reply::default(),
        };
        if confirms && !is_subscription(asked_for) {
            // One command is confirmed once for each channel; the first confirmation answers it.
            return self.pass_value(measured, left);
        }
        let published = is_list
            && !confirms
            && (line[0] == b'>' || (self.listens && what.ends_with(b"message")));
        let watched = line[0] == b'+' && self.listens && command.is_none();
        if published || watched {
            let words = if watched { vec![&b"monitor"[..]] } else { words };
            let part = Part::begins(Role::Response, Pairing::Alone, Reply::push(&words).into());
            return self.begin(Side::Server, measured, left, part);
        }
        self.listens |= asked_for == "MONITOR" && line == b"+OK";
        if asked_for == "PSYNC" && (line.starts_with(b"+FULL") || line.starts_with(b"+CONT")) {
            let length = line.len() as u64 + 2;
            let part = Part::whole(Role::Response, Pairing::InOrder, reply.into());
            let to = Next::Unread("redis-replication");
            return Step::Switch { length, part: Some(part), to };
        }
        let part = Part::begins(Role::Response, Pairing::InOrder, reply.into());
        self.begin(Side::Server, measured, left, part)
    }

    /// Takes a value's first bytes, as far as they were measured.
    fn begin(&mut self, side: Side, measured: Measured, left: Left, part: Part) -> Step {
        let length = match measured {
            Measured::Whole(length) | Measured::Line(length) => length as u64,
            Measured::Beyond(length) => length,
            Measured::Unsound => return Step::Lost("no_value"),
        };
        let last = left.is_empty();
        *self.state(side) = (left, part.pairing);
        if length == 0 {
            return Step::Lost("gap_in_value");
        }
        Step::Take { length, part: Some(Part { last, ..part }) }
    }

    /// Takes a value that is part of no message; what is left of it has to be there.
    fn pass_value(&mut self, measured: Measured, left: Left) -> Step {
        match measured {
            Measured::Whole(length) => Step::pass(length),
            Measured::Beyond(length) if left.is_empty() => Step::Take { length, part: None },
            _ => Step::Lost("gap_in_value"),
        }
    }

    /// Whether a command will be answered.
    fn pairing(&mut self, words: &[&[u8]]) -> Pairing {
        let is = |at: usize, word: &str| {
            words.get(at).is_some_and(|said| said.eq_ignore_ascii_case(word.as_bytes()))
        };
        let told = is(0, "CLIENT") && is(1, "REPLY");
        let before = self.silence;
        self.silence = match before {
            _ if told && is(2, "ON") => Silence::None,
            _ if told && is(2, "OFF") => Silence::All,
            Silence::None if told && is(2, "SKIP") => Silence::Next,
            Silence::All => Silence::All,
            Silence::None | Silence::Next => Silence::None,
        };
        match before {
            _ if self.silence != Silence::None => Pairing::Alone,
            Silence::Next => Pairing::Alone,
            _ => Pairing::InOrder,
        }
    }
}

impl Conversation for Redis {
    fn read(&mut self, side: Side, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        if !self.state(side).0.is_empty() {
            return self.go_on(side, bytes, ends);
        }
        match (side, bytes.first()) {
            (_, None) if ends == Ends::Open => Step::More,
            (_, None) => Step::Lost("gap_between_messages"),
            (Side::Client, Some(b'*')) => self.command(bytes, ends),
            (Side::Client, Some(_)) => self.inline(bytes, ends),
            (Side::Server, Some(_)) => self.reply(bytes, ends, asked),
        }
    }

    fn keep(&mut self, policy: &Arc<Policy>) {
        self.policy = policy.clone();
    }

    fn find(&mut self, side: Side, bytes: &[u8]) -> Found {
        self.state(side).0.clear();
        let behind_line = |at: usize| at == 0 || bytes[..at].ends_with(b"\r\n");
        match side {
            Side::Client => {
                let mut stars = memchr::memchr_iter(b'*', bytes);
                if let Some(at) =
                    stars.find(|&at| value::command_begins(&bytes[at..]) == Verdict::Likely)
                {
                    return Found::At(at);
                }
                let begun = memchr::memrchr(b'*', bytes)
                    .filter(|&at| value::command_begins(&bytes[at..]) == Verdict::More);
                Found::Nowhere { keep: begun.map_or(0, |at| bytes.len() - at) }
            }
            // Values look like parts of other values: all that follows has to be values.
            Side::Server => {
                let mut starts = (0..bytes.len().min(PATIENCE)).filter(|&at| behind_line(at));
                match starts.find(|&at| are_values(&bytes[at..])) {
                    Some(at) => Found::At(at),
                    None => Found::Nowhere { keep: 0 },
                }
            }
        }
    }

    fn held(&self) -> usize {
        (self.command.0.capacity() + self.reply.0.capacity()) * 8
    }
}

/// Whether these are whole values, the last one perhaps not.
fn are_values(mut bytes: &[u8]) -> bool {
    for count in 0..64 {
        match value::measure(bytes, &mut vec![1]) {
            Measured::Whole(length) => bytes = &bytes[length..],
            Measured::Beyond(_) | Measured::Line(_) => return count > 0,
            Measured::Unsound => return false,
        }
        if bytes.is_empty() {
            return true;
        }
    }
    true
}

fn is_subscription(command: &str) -> bool {
    command.ends_with("SUBSCRIBE")
}

fn is_name(word: &[u8]) -> bool {
    !word.is_empty()
        && word.len() <= 64
        && word[0].is_ascii_alphabetic()
        && word
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

fn is_printable(byte: &u8) -> bool {
    *byte >= b' ' || matches!(byte, b'\r' | b'\t')
}
