//! Lines, and the payloads whose lengths they say.

use crate::Side;

/// A line, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Who the client is.
    Connect,
    /// Who the server is.
    Info,
    Publish(Payload<'a>),
    Message(Payload<'a>),
    Subscribe {
        subject: &'a [u8],
        queue: Option<&'a [u8]>,
    },
    Unsubscribe,
    Ping,
    Pong,
    Ok,
    /// With what went wrong.
    Error(&'a [u8]),
}

/// What is published, or delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Payload<'a> {
    pub subject: &'a [u8],
    pub reply: Option<&'a [u8]>,
    /// How long its headers are, in bytes.
    pub headers: u64,
    /// How long it is with them.
    pub size: u64,
}

/// The longest payload that is believed, in bytes: 64 MB is the most that servers allow.
const LONGEST: u64 = 64 << 20;

/// The first words of each side.
const CLIENT: [&str; 7] = ["CONNECT", "PUB", "HPUB", "SUB", "UNSUB", "PING", "PONG"];
const SERVER: [&str; 7] = ["INFO", "MSG", "HMSG", "PING", "PONG", "+OK", "-ERR"];

/// The first line without its end, and its length with it.
pub(super) fn split(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// Whether a line that is not there whole may become one of this side's.
pub(super) fn may_become(side: Side, begin: &[u8]) -> bool {
    let end = begin.iter().position(|byte| is_blank(*byte));
    let word = &begin[..end.unwrap_or(begin.len())];
    let bare = word.strip_suffix(b"\r").unwrap_or(word);
    words(side).iter().any(|known| match (end, known.as_bytes().get(..bare.len())) {
        (Some(_), _) => known.as_bytes().eq_ignore_ascii_case(word),
        (None, seen) => seen.is_some_and(|seen| seen.eq_ignore_ascii_case(bare)),
    })
}

impl<'a> Line<'a> {
    /// What a whole line of this side says. `None` if it is none.
    pub(super) fn read(side: Side, line: &'a [u8]) -> Option<Line<'a>> {
        let (word, mut rest) = first(side, line)?;
        let is = |name: &str| word == name;
        if is("CONNECT") || is("INFO") {
            return rest.next().filter(|json| json.starts_with(b"{")).map(|_| match side {
                Side::Client => Line::Connect,
                Side::Server => Line::Info,
            });
        }
        if is("-ERR") {
            // Redis does not quote what went wrong.
            let said = line.get(5..).map(<[u8]>::trim_ascii);
            return said.filter(|said| said.starts_with(b"'")).map(Line::Error);
        }
        // More words than these have no meaning.
        let mut words = [&b""[..]; 5];
        let mut count = 0;
        for said in rest {
            *words.get_mut(count)? = said;
            count += 1;
        }
        let words = &words[..count];
        let line = match word {
            "PUB" | "HPUB" => Line::Publish(Payload::read(words, 1, is("HPUB"))?),
            "MSG" | "HMSG" => {
                number(words.get(1)?)?;
                Line::Message(Payload::read(words, 2, is("HMSG"))?)
            }
            "SUB" => match words {
                [subject, _sid] => Line::Subscribe { subject, queue: None },
                [subject, queue, _sid] => Line::Subscribe { subject, queue: Some(queue) },
                _ => return None,
            },
            "UNSUB" if count == 1 || (count == 2 && number(words[1]).is_some()) => {
                Line::Unsubscribe
            }
            "PING" if count == 0 => Line::Ping,
            "PONG" if count == 0 => Line::Pong,
            "+OK" if count == 0 => Line::Ok,
            _ => return None,
        };
        match line {
            Line::Subscribe { subject, .. } if !is_subject(subject) => None,
            line => Some(line),
        }
    }

    /// What is known of a line that is not there whole: only its subject.
    pub(super) fn cut(side: Side, begin: &'a [u8]) -> Option<Line<'a>> {
        let (word, rest) = first(side, begin)?;
        // The last word may be cut itself.
        let ended = begin.last().is_some_and(|byte| is_blank(*byte));
        let mut words: Vec<_> = rest.take(3).collect();
        if !ended {
            words.pop();
        }
        let subject = words.first().copied().filter(|subject| is_subject(subject));
        let payload = |from: usize| {
            // A word behind the subject is a reply subject unless it is a number.
            let reply = words.get(from).copied().filter(|word| number(word).is_none());
            subject.map(|subject| Payload { subject, reply, headers: 0, size: 0 })
        };
        match word {
            "CONNECT" => Some(Line::Connect),
            "INFO" => Some(Line::Info),
            "PUB" | "HPUB" => payload(1).map(Line::Publish),
            "MSG" | "HMSG" => payload(2).map(Line::Message),
            "SUB" => subject.map(|subject| Line::Subscribe { subject, queue: None }),
            "-ERR" => begin.get(5..).map(Line::Error),
            _ => None,
        }
    }

    /// How many bytes come behind the line, a line break included.
    pub(super) fn data(&self) -> u64 {
        match self {
            Line::Publish(payload) | Line::Message(payload) => payload.size + 2,
            _ => 0,
        }
    }
}

impl<'a> Payload<'a> {
    /// From the words behind the first: a subject, perhaps a reply subject from `at` on, lengths.
    fn read(words: &[&'a [u8]], at: usize, headers: bool) -> Option<Payload<'a>> {
        let numbers = 1 + usize::from(headers);
        let (reply, numbers) = match words.len().checked_sub(at + numbers)? {
            0 => (None, &words[at..]),
            1 => (Some(words[at]), &words[at + 1..]),
            _ => return None,
        };
        let subject = *words.first()?;
        let size = number(numbers.last()?)?;
        let headers = if headers { number(numbers.first()?)? } else { 0 };
        let sound = is_subject(subject) && reply.is_none_or(is_subject);
        (sound && headers <= size && size <= LONGEST).then_some(Payload {
            subject,
            reply,
            headers,
            size,
        })
    }
}

/// The first word as it is known, and the others.
fn first(side: Side, line: &[u8]) -> Option<(&'static str, impl Iterator<Item = &[u8]>)> {
    if line.first().is_none_or(|byte| is_blank(*byte)) || line.contains(&b'\r') {
        return None;
    }
    let mut rest = line.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty());
    let word = rest.next()?;
    let known = words(side).iter().find(|known| known.as_bytes().eq_ignore_ascii_case(word))?;
    Some((*known, rest))
}

fn words(side: Side) -> &'static [&'static str] {
    match side {
        Side::Client => &CLIENT,
        Side::Server => &SERVER,
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_subject(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
}

fn number(word: &[u8]) -> Option<u64> {
    let sound = word.len() <= 19 && word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word).ok().filter(|_| sound)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_sides() {
        let payload = |subject, reply, headers, size| Payload { subject, reply, headers, size };
        for (side, line, said) in [
            (Side::Client, "CONNECT {\"a\":1}", Some(Line::Connect)),
            (Side::Client, "pub a 5", Some(Line::Publish(payload(b"a", None, 0, 5)))),
            (Side::Client, "PUB a r 5", Some(Line::Publish(payload(b"a", Some(b"r"), 0, 5)))),
            (
                Side::Client,
                "HPUB a r 12 17",
                Some(Line::Publish(payload(b"a", Some(b"r"), 12, 17))),
            ),
            (
                Side::Client,
                "SUB a.* q 1",
                Some(Line::Subscribe { subject: b"a.*", queue: Some(b"q") }),
            ),
            (Side::Client, "UNSUB 1 5", Some(Line::Unsubscribe)),
            (Side::Client, "PING", Some(Line::Ping)),
            (Side::Server, "MSG a 1 5", Some(Line::Message(payload(b"a", None, 0, 5)))),
            (
                Side::Server,
                "HMSG a 1 r 12 17",
                Some(Line::Message(payload(b"a", Some(b"r"), 12, 17))),
            ),
            (Side::Server, "-ERR 'no'", Some(Line::Error(b"'no'"))),
            (Side::Server, "+OK", Some(Line::Ok)),
            (Side::Client, "MSG a 1 5", None),
            (Side::Client, "PUB a", None),
            (Side::Client, "PUB a b c 5", None),
            (Side::Client, "HPUB a 17 5", None),
            (Side::Client, "PUB a 99999999999", None),
            (Side::Client, "PING x", None),
            (Side::Server, "MSG a x 5", None),
            (Side::Server, "INFO x", None),
        ] {
            assert_eq!(Line::read(side, line.as_bytes()), said, "{line}");
        }
    }

    #[test]
    fn what_is_known_of_a_cut_line() {
        let cut = |line: &'static str| Line::cut(Side::Client, line.as_bytes());
        assert!(cut("PUB orders.17").is_none());
        assert!(matches!(cut("PUB orders _INB"), Some(Line::Publish(p)) if p.reply.is_none()));
        assert!(matches!(cut("PUB orders r "), Some(Line::Publish(p)) if p.reply == Some(b"r")));
    }
}
