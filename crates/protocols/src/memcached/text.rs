//! The text protocol: lines, and data whose length they say.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::message::{Closing, Command, Kind, Reply};
use crate::Policy;

/// A command's line, understood.
#[derive(Debug)]
pub(super) struct Asked {
    pub command: Command,
    /// How much data comes behind the line, its line break included.
    pub data: u64,
    /// Whether it is answered only if something is to be said.
    pub quiet: bool,
    /// Whether it is never answered.
    pub silent: bool,
    /// What its reply repeats, of a meta command.
    pub marks: Option<Closing>,
}

/// A reply's line, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A value of so many bytes comes behind it, and another line behind that.
    Value(u64),
    /// A value of so many bytes comes behind it, and that is all.
    MetaValue(u64),
    /// One of several lines that `END` ends.
    Item,
    End,
    /// Two letters of a meta command.
    Meta(&'static str),
    Number,
    Version,
    Word(&'static str),
    Error(&'static str),
}

/// The longest key, and the longest value that is believed, in bytes.
const LONGEST_KEY: usize = 250;
const LONGEST_VALUE: u64 = 1 << 30;

/// The first words of commands, what answers them, and where their key is: 0 where they have none.
const VERBS: [(&str, Kind, usize); 32] = [
    ("get", Kind::Get, 1),
    ("gets", Kind::Get, 1),
    ("gat", Kind::Get, 2),
    ("gats", Kind::Get, 2),
    ("set", Kind::Store, 1),
    ("add", Kind::Store, 1),
    ("replace", Kind::Store, 1),
    ("append", Kind::Store, 1),
    ("prepend", Kind::Store, 1),
    ("cas", Kind::Store, 1),
    ("incr", Kind::Count, 1),
    ("decr", Kind::Count, 1),
    ("delete", Kind::Delete, 1),
    ("touch", Kind::Touch, 1),
    ("mg", Kind::Meta, 1),
    ("ms", Kind::Meta, 1),
    ("md", Kind::Meta, 1),
    ("ma", Kind::Meta, 1),
    ("me", Kind::Meta, 1),
    ("mn", Kind::MetaNoop, 0),
    ("stats", Kind::Stats, 0),
    ("version", Kind::Version, 0),
    ("verbosity", Kind::Other, 0),
    ("flush_all", Kind::Other, 0),
    ("cache_memlimit", Kind::Other, 0),
    ("shutdown", Kind::Other, 0),
    ("slabs", Kind::Other, 0),
    ("lru", Kind::Other, 0),
    ("lru_crawler", Kind::Stats, 0),
    ("watch", Kind::Other, 0),
    ("refresh_certs", Kind::Other, 0),
    ("quit", Kind::Other, 0),
];

/// Replies that are a word, and those that are two letters.
const WORDS: [&str; 10] = [
    "STORED",
    "NOT_STORED",
    "EXISTS",
    "NOT_FOUND",
    "DELETED",
    "TOUCHED",
    "OK",
    "RESET",
    "BUSY",
    "NOTFULL",
];
const META: [&str; 7] = ["HD", "EN", "NS", "EX", "NF", "MN", "ME"];
const ERRORS: [&str; 3] = ["ERROR", "CLIENT_ERROR", "SERVER_ERROR"];
const ITEMS: [&str; 4] = ["STAT", "ITEM", "PREFIX", "VALUE"];

/// The first line without its end, and its length with it.
pub(super) fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// What a line of a client says. `None` if it is none; of one that is not there whole, as much as
/// can be told.
pub(super) fn asked(line: &[u8], whole: bool, policy: &Policy) -> Option<Asked> {
    if line.starts_with(b" ") || !line.iter().all(is_text) {
        return None;
    }
    let words: Vec<&[u8]> =
        line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
    // The last word of a line that is cut may be cut itself.
    let known = if whole { &words[..] } else { &words[..words.len().saturating_sub(1)] };
    let (&first, rest) = known.split_first()?;
    let &(name, kind, key) = VERBS.iter().find(|(verb, ..)| verb.as_bytes() == first)?;
    let mut command = Command::new(name, kind);
    let noreply = rest.last().is_some_and(|last| *last == b"noreply");
    let (mut quiet, mut marks) = (false, None);
    let number = |at: usize| known.get(at).copied().and_then(digits);
    let plain = known.len() - usize::from(noreply);
    let sound = match kind {
        Kind::Get => {
            let keys = known.get(key..).unwrap_or_default();
            keys.iter().for_each(|key| command.add_key(key, policy));
            !keys.is_empty()
                && keys.iter().all(|key| key.len() <= LONGEST_KEY)
                && (key == 1 || known.get(1).is_some_and(|time| is_time(time)))
        }
        Kind::Store => {
            let sizes = if name == "cas" { 6 } else { 5 };
            command.value_bytes = number(4);
            let numbers = number(2).is_some()
                && known.get(3).is_some_and(|time| is_time(time))
                && number(4).is_some_and(|size| size <= LONGEST_VALUE);
            numbers && plain == sizes
        }
        Kind::Count => plain == 3 && number(2).is_some(),
        Kind::Touch => plain == 3 && known.get(2).is_some_and(|time| is_time(time)),
        Kind::Delete => plain == 2 || (plain == 3 && known[2] == b"0"),
        Kind::Meta => {
            let from = if name == "ms" { 3 } else { 2 };
            let flags = known.get(from..).unwrap_or_default();
            quiet = flags.contains(&&b"q"[..]);
            let opaque = flags.iter().find(|flag| flag[0] == b'O').map(|flag| hash(flag));
            marks = known.get(1).map(|key| Closing::Meta { opaque, key: hash(key) });
            command.value_bytes = number(2).filter(|_| name == "ms");
            let sized = name != "ms" || number(2).is_some_and(|size| size <= LONGEST_VALUE);
            sized && flags.iter().all(|flag| flag[0].is_ascii_alphabetic())
        }
        Kind::MetaNoop | Kind::Version => plain == 1,
        Kind::Stats | Kind::Other | Kind::Binary => plain <= 8,
    };
    let has_key = key == 0 || known.get(key).is_some_and(|key| key.len() <= LONGEST_KEY);
    if !has_key || (whole && !sound) {
        return None;
    }
    if kind != Kind::Get && key > 0 {
        command.add_key(known[key], policy);
    }
    let data = command.value_bytes.filter(|_| whole).map_or(0, |size| size + 2);
    let silent = noreply || matches!(name, "quit" | "shutdown");
    Some(Asked { command, data, quiet, silent, marks })
}

/// What a line of a server says.
pub(super) fn replied(line: &[u8]) -> Option<Line> {
    if line.starts_with(b" ") || !line.iter().all(is_text) {
        return None;
    }
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let first = words.next()?;
    let find = |names: &[&'static str]| names.iter().copied().find(|name| name.as_bytes() == first);
    let number = |word: Option<&[u8]>| word.and_then(digits);
    if first == b"VALUE" {
        let (key, flags, size) = (words.next()?, number(words.next()), number(words.next())?);
        let sound = key.len() <= LONGEST_KEY && flags.is_some() && size <= LONGEST_VALUE;
        return sound.then_some(Line::Value(size + 2));
    }
    if first == b"VA" {
        let size = number(words.next()).filter(|size| *size <= LONGEST_VALUE)?;
        return Some(Line::MetaValue(size + 2));
    }
    if let Some(word) = find(&META) {
        return Some(Line::Meta(word));
    }
    if find(&ITEMS).is_some() || first.starts_with(b"key=") {
        return words.next().map(|_| Line::Item);
    }
    if let Some(word) = find(&ERRORS) {
        return Some(Line::Error(word));
    }
    match first {
        b"VERSION" => words.next().map(|_| Line::Version),
        _ if words.next().is_some() => None,
        b"END" => Some(Line::End),
        _ if digits(first).is_some() => Some(Line::Number),
        _ => find(&WORDS).map(Line::Word),
    }
}

/// Whether a line that is not there whole may become one of this side's.
pub(super) fn may_become(begin: &[u8], client: bool) -> bool {
    let word = begin.split(|byte| *byte == b' ').next().unwrap_or_default();
    let begins = |name: &&str| match word.len() == begin.len() {
        true => name.as_bytes().starts_with(word.strip_suffix(b"\r").unwrap_or(word)),
        false => name.as_bytes() == word,
    };
    let known = match client {
        true => VERBS.iter().any(|(verb, ..)| begins(verb)),
        false => {
            let words = WORDS.iter().chain(&META).chain(&ERRORS).chain(&ITEMS);
            words.chain(&["END", "VA", "VERSION", "key="]).any(begins)
                || word.iter().all(|byte| byte.is_ascii_digit() || *byte == b'\r')
                || word.starts_with(b"key=")
        }
    };
    known && begin.iter().all(|byte| is_text(byte) || *byte == b'\r')
}

impl Line {
    /// How much data comes behind it, its line break included.
    pub(super) fn data(&self) -> u64 {
        match self {
            Line::Value(data) | Line::MetaValue(data) => *data,
            _ => 0,
        }
    }

    /// Whether it may answer this.
    pub(super) fn fits(&self, kind: Kind) -> bool {
        match (kind, self) {
            (_, Line::Error(_)) | (Kind::Other, _) => true,
            (Kind::Get, Line::Value(_) | Line::End) => true,
            (Kind::Store, Line::Word(word)) => {
                matches!(*word, "STORED" | "NOT_STORED" | "EXISTS" | "NOT_FOUND")
            }
            (Kind::Count, Line::Number | Line::Word("NOT_FOUND")) => true,
            (Kind::Delete, Line::Word("DELETED" | "NOT_FOUND")) => true,
            (Kind::Touch, Line::Word("TOUCHED" | "NOT_FOUND")) => true,
            (Kind::Meta, Line::MetaValue(_)) => true,
            (Kind::Meta, Line::Meta(word)) => *word != "MN",
            (Kind::MetaNoop, Line::Meta("MN")) => true,
            (Kind::Stats, Line::Item | Line::End | Line::Word(_)) => true,
            (Kind::Version, Line::Version) => true,
            _ => false,
        }
    }

    /// What it says of how a command went.
    pub(super) fn status(&self, command: &str) -> &'static str {
        match self {
            Line::Value(_) | Line::MetaValue(_) if command != "ma" => "HIT",
            Line::Meta("HD") => match command {
                "mg" => "HIT",
                "ms" => "STORED",
                "md" => "DELETED",
                _ => "OK",
            },
            Line::Meta("EN") => "MISS",
            Line::Meta("NS") => "NOT_STORED",
            Line::Meta("EX") => "EXISTS",
            Line::Meta("NF") => "NOT_FOUND",
            Line::Meta("ME") => "HIT",
            Line::Word("RESET") => "OK",
            Line::Word(word) | Line::Error(word) => word,
            _ => "OK",
        }
    }

    /// The reply that it is, if it is an error.
    pub(super) fn failure(&self, line: &[u8]) -> Option<Reply> {
        match self {
            Line::Error(word) => {
                let said = line.get(word.len()..).unwrap_or_default();
                Some(Reply::error(word, said.trim_ascii()))
            }
            _ => None,
        }
    }
}

/// Whether a meta command's line repeats what the last of a run has to.
pub(super) fn closes(line: &[u8], opaque: Option<u64>, key: u64) -> bool {
    let mut flags = line.split(|byte| *byte == b' ').skip(1).filter(|flag| flag.len() > 1);
    let said = |mark: u8, flag: &[u8]| flag[0] == mark;
    match opaque {
        Some(opaque) => flags.any(|flag| said(b'O', flag) && hash(flag) == opaque),
        None => flags.find(|flag| said(b'k', flag)).is_none_or(|flag| hash(&flag[1..]) == key),
    }
}

/// A word's hash, the same in every process.
fn hash(word: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish()
}

fn digits(word: &[u8]) -> Option<u64> {
    let sound = word.len() <= 20 && word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word).ok().filter(|_| sound)?.parse().ok()
}

/// A time may be before now: then it is over already.
fn is_time(word: &[u8]) -> bool {
    digits(word.strip_prefix(b"-").unwrap_or(word)).is_some()
}

fn is_text(byte: &u8) -> bool {
    *byte >= b' ' && *byte != 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Option<(String, u32, u64, bool)> {
        let asked = asked(line.as_bytes(), true, &Policy::default())?;
        let Command { name, pattern, keys, .. } = asked.command;
        Some((format!("{name} {pattern}"), keys, asked.data, asked.silent))
    }

    #[test]
    fn lines_of_clients() {
        for (line, said, keys, data, silent) in [
            ("get user:17", "get user:{id}", 1, 0, false),
            ("gets a b c", "gets a", 3, 0, false),
            ("gat 60 a b", "gat a", 2, 0, false),
            ("set k 0 -1 5", "set k", 1, 7, false),
            ("set k 0 0 5 noreply", "set k", 1, 7, true),
            ("cas k 0 0 5 99", "cas k", 1, 7, false),
            ("incr n 1 noreply", "incr n", 1, 0, true),
            ("delete k 0", "delete k", 1, 0, false),
            ("touch k 30", "touch k", 1, 0, false),
            ("ms k 2 T0 q", "ms k", 1, 4, false),
            ("mg k v q O17", "mg k", 1, 0, false),
            ("mn", "mn ", 0, 0, false),
            ("stats items", "stats ", 0, 0, false),
            ("flush_all 10 noreply", "flush_all ", 0, 0, true),
            ("quit", "quit ", 0, 0, true),
        ] {
            assert_eq!(command(line), Some((said.to_owned(), keys, data, silent)), "{line}");
        }
        for line in
            ["", "get", "GET a", "set k 0 0", "set k x 0 1", "incr n", "get a\x01", "mn x", "me"]
        {
            assert_eq!(command(line), None, "{line}");
        }
    }

    #[test]
    fn lines_of_servers() {
        for (line, said) in [
            ("VALUE k 0 5", Line::Value(7)),
            ("VALUE k 0 5 99", Line::Value(7)),
            ("VA 2 t0", Line::MetaValue(4)),
            ("END", Line::End),
            ("STAT pid 1", Line::Item),
            ("17 ", Line::Number),
            ("NOT_FOUND", Line::Word("NOT_FOUND")),
            ("HD c9", Line::Meta("HD")),
            ("CLIENT_ERROR bad", Line::Error("CLIENT_ERROR")),
            ("VERSION 1.6", Line::Version),
        ] {
            assert_eq!(replied(line.as_bytes()), Some(said), "{line}");
        }
        for line in ["", "VALUE k", "END x", "HELLO", "OK there", "1.5"] {
            assert_eq!(replied(line.as_bytes()), None, "{line}");
        }
    }
}
