//! Messages: one question, its answers, how it went.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{Message as Any, Side, Summary};

/// A question or the response to one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// The number that a response repeats.
    pub id: u16,
    /// Whether it is a response.
    pub is_response: bool,
    /// Bit 6: the response did not fit, and is to be asked for again over TCP.
    pub cut_by_server: bool,
    /// How it went, 0 to 15; the lower bits only, without what EDNS adds.
    pub code: u8,
    /// The name asked for, in lower case and without a dot at its end; `.` for the root.
    pub name: String,
    /// The type asked for: 1 for A.
    pub kind: u16,
    /// The answers that were read.
    pub answers: Vec<Answer>,
    /// How many answers the header promises.
    pub answer_count: u16,
    /// Whether all answers were there and sound.
    pub(super) is_whole: bool,
}

/// One record of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its type: 1 for A.
    pub kind: u16,
    /// How long it may be kept, in seconds.
    pub ttl: u32,
    /// An address or a name; empty for other types.
    pub value: String,
}

/// How many answers are kept.
const MOST_ANSWERS: usize = 32;

/// Whether these bytes begin a message of `side`. `None` where there are too few.
pub(super) fn begins(side: Side, bytes: &[u8]) -> Option<bool> {
    let head = bytes.first_chunk::<12>()?;
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let (flags, asked) = (word(2), word(4));
    let response = flags & 0x8000 != 0;
    let code = flags & 0xf;
    let plain = flags & 0x7840 == 0 && (code <= 10);
    let counts = match side {
        Side::Client => !response && code == 0 && word(6) == 0 && word(8) == 0 && word(10) <= 2,
        Side::Server => response && word(6) <= 256 && word(8) <= 64 && word(10) <= 256,
    };
    if !(plain && counts && asked == 1) {
        return Some(false);
    }
    let Some((name, rest)) = name(bytes, 12) else {
        return if bytes.len() < 12 + 256 && may_be_name(&bytes[12..]) {
            None
        } else {
            Some(false)
        };
    };
    let question = bytes.get(rest..rest + 4);
    question.map(|question| {
        let class = u16::from_be_bytes([question[2], question[3]]) & 0x7fff;
        let sound = |byte: u8| byte.is_ascii_graphic();
        kind_name(u16::from_be_bytes([question[0], question[1]])).is_some()
            && matches!(class, 1 | 3 | 255)
            && name.bytes().all(sound)
    })
}

impl Message {
    /// Reads a message; of one that was cut, what is there. `None` if there is not even a question.
    pub(super) fn read(bytes: &[u8], cut: bool) -> Option<Message> {
        let head = bytes.first_chunk::<12>()?;
        let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        if word(4) != 1 && !(word(4) == 0 && word(2) & 0x8000 != 0) {
            return None;
        }
        let mut message = Message {
            id: word(0),
            is_response: word(2) & 0x8000 != 0,
            cut_by_server: word(2) & 0x0200 != 0,
            code: (word(2) & 0xf) as u8,
            answer_count: word(6),
            ..Message::default()
        };
        let mut at = 12;
        if word(4) == 1 {
            match name(bytes, at) {
                Some((name, end)) => {
                    let kind = bytes.get(end..end + 4);
                    message.kind = kind.map_or(0, |kind| u16::from_be_bytes([kind[0], kind[1]]));
                    message.name = name;
                    at = end + 4;
                    kind.is_some().then_some(()).or(cut.then_some(()))?;
                }
                None => {
                    cut.then_some(())?;
                    at = bytes.len();
                }
            }
        }
        message.is_whole = true;
        for _ in 0..message.answer_count {
            match answer(bytes, at) {
                Some((answer, end)) if message.answers.len() < MOST_ANSWERS => {
                    message.answers.push(answer);
                    at = end;
                }
                Some(_) => break,
                None => {
                    message.is_whole = false;
                    break;
                }
            }
        }
        Some(message)
    }

    /// What pairs a response with its question: number, name and type.
    pub(super) fn tag(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.name, self.kind).hash(&mut hasher);
        hasher.finish() << 16 | u64::from(self.id)
    }
}

/// What a question and its response say.
pub(super) fn summary(request: Option<&Any>, response: Option<&Any>) -> Summary {
    let mut summary = Summary::default();
    if let Some(Any::Dns(question)) = request.or(response) {
        summary.operation = match kind_name(question.kind) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("TYPE{}", question.kind)),
        };
        summary.resource = question.name.clone();
    }
    if let Some(Any::Dns(response)) = response {
        let status = match code_name(response.code) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("RCODE{}", response.code)),
        };
        summary.error = (response.code != 0).then(String::new);
        summary.status = Some(status);
    }
    summary
}

/// The type's name, of those that are asked for.
fn kind_name(kind: u16) -> Option<&'static str> {
    Some(match kind {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        13 => "HINFO",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        29 => "LOC",
        33 => "SRV",
        35 => "NAPTR",
        39 => "DNAME",
        43 => "DS",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        50 => "NSEC3",
        52 => "TLSA",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        256 => "URI",
        257 => "CAA",
        _ => return None,
    })
}

fn code_name(code: u8) -> Option<&'static str> {
    const NAMES: [&str; 11] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
        "NXRRSET", "NOTAUTH", "NOTZONE",
    ];
    NAMES.get(usize::from(code)).copied()
}

/// The name at `at`, and where what stands behind it begins.
fn name(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let (mut at, mut end, mut jumps) = (at, None, 0);
    loop {
        let length = usize::from(*bytes.get(at)?);
        match length {
            0 => break,
            1..64 => {
                let label = bytes.get(at + 1..at + 1 + length)?;
                if !name.is_empty() {
                    name.push('.');
                }
                for &byte in label {
                    // A dot in a label, and what is no text, is written as it is in zone files.
                    match byte.to_ascii_lowercase() {
                        b'.' => name.push_str("\\."),
                        plain if plain.is_ascii_graphic() => name.push(char::from(plain)),
                        other => name.push_str(&format!("\\{other:03}")),
                    }
                }
                at += 1 + length;
            }
            // A pointer to where the rest stands; never forward, and not for ever.
            192.. => {
                let low = usize::from(*bytes.get(at + 1)?);
                let to = (length & 0x3f) << 8 | low;
                end.get_or_insert(at + 2);
                jumps += 1;
                if to >= at || jumps > 32 {
                    return None;
                }
                at = to;
            }
            _ => return None,
        }
        if name.len() > 1024 {
            return None;
        }
    }
    if name.is_empty() {
        name.push('.');
    }
    Some((name, end.unwrap_or(at + 1)))
}

/// Whether these bytes may be a name whose end is not there.
fn may_be_name(mut bytes: &[u8]) -> bool {
    while let Some((&length, rest)) = bytes.split_first() {
        if length == 0 || length >= 64 {
            return false;
        }
        let there = rest.len().min(usize::from(length));
        if !rest[..there].iter().all(u8::is_ascii_graphic) {
            return false;
        }
        bytes = &rest[there..];
    }
    true
}

fn answer(bytes: &[u8], at: usize) -> Option<(Answer, usize)> {
    let (_, at) = name(bytes, at)?;
    let head = bytes.get(at..)?.first_chunk::<10>()?;
    let kind = u16::from_be_bytes([head[0], head[1]]);
    let ttl = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    let length = usize::from(u16::from_be_bytes([head[8], head[9]]));
    let (from, end) = (at + 10, at + 10 + length);
    let data = bytes.get(from..end)?;
    let value = match (kind, data) {
        (1, data) => <[u8; 4]>::try_from(data)
            .map_or_else(|_| String::new(), |address| Ipv4Addr::from(address).to_string()),
        (28, data) => <[u8; 16]>::try_from(data)
            .map_or_else(|_| String::new(), |address| Ipv6Addr::from(address).to_string()),
        (2 | 5 | 12 | 39, _) => name(bytes, from).map(|(name, _)| name).unwrap_or_default(),
        (15, _) => name(bytes, from + 2).map(|(name, _)| name).unwrap_or_default(),
        (33, _) => name(bytes, from + 6).map(|(name, _)| name).unwrap_or_default(),
        _ => String::new(),
    };
    Some((Answer { kind, ttl, value }, end))
}

impl From<Message> for Any {
    fn from(message: Message) -> Any {
        Any::Dns(Box::new(message))
    }
}
