//! One comparison, compiled: what is on its right has its type, its set, its automaton already.

use std::collections::HashSet;
use std::net::IpAddr;

use aho_corasick::AhoCorasick;
use memchr::memmem::Finder;
use regex::bytes::Regex;

use crate::fields::{Event, FieldKind};
use crate::language::{Modifier, Operator};
use crate::transform::Taken;
use crate::value::Seen;

/// A comparison with what stands on its right.
#[derive(Debug)]
pub(crate) enum Comparison {
    Exists,
    /// Any of these; for `=` and `in`.
    OneOf(HashSet<Box<[u8]>>),
    /// None of these; for `!=`.
    NoneOf(HashSet<Box<[u8]>>),
    /// All comma-separated parts stand in the set, or any, for `in` and `intersects` on text.
    Contains(Finder<'static>),
    ContainsAny(AhoCorasick),
    ContainsAll(Vec<Finder<'static>>),
    /// The text lowered contains this, lowered.
    IContains(Finder<'static>),
    IContainsAny(AhoCorasick),
    StartsWith(Vec<Box<[u8]>>),
    EndsWith(Vec<Box<[u8]>>),
    Glob {
        patterns: Vec<Box<[u8]>>,
        ignore_case: bool,
    },
    Regex(Vec<Regex>),
    /// The text is one of these paths or below one.
    Path(Vec<Box<[u8]>>),
    Number(Operator, i128),
    NumberIn(Vec<i128>, bool),
    Bool(bool, bool),
    Nets(Vec<Net>, bool),
    /// With another field.
    Field(Operator, Box<Taken>),
}

/// A network, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Net {
    address: u128,
    mask: u128,
    four: bool,
}

/// What is wrong with a comparison.
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Comparison {
    /// Compiles `operator` for a field of `kind` with the values on the right.
    pub(crate) fn of(
        kind: FieldKind,
        operator: Operator,
        modifier: Option<Modifier>,
        values: &[String],
    ) -> Result<Comparison, Wrong> {
        if operator == Operator::Exists {
            return Ok(Comparison::Exists);
        }
        match kind {
            FieldKind::Text => text(operator, modifier, values),
            FieldKind::Number => number(operator, values),
            FieldKind::Bool => yes_or_no(operator, values),
            FieldKind::Ip | FieldKind::Net => network(operator, values),
        }
    }

    /// Whether `seen` compares so. What has no value never does.
    pub(crate) fn holds(&self, seen: &Seen<'_>, event: &Event<'_>) -> bool {
        match (self, seen) {
            (Comparison::Exists, Seen::Several(all)) => all.iter().any(|one| !one.is_nothing()),
            (Comparison::Exists, seen) => !seen.is_nothing(),
            (_, Seen::Nothing) => false,
            // Not either end: `fd.ip != x` is not asked of each end by itself.
            (Comparison::Nets(nets, true), Seen::Several(all)) => {
                let known = all.iter().any(|one| !one.is_nothing());
                known && !all.iter().any(|one| in_nets(nets, one))
            }
            (Comparison::NumberIn(_, true), Seen::Several(all)) => {
                let known = all.iter().any(|one| !one.is_nothing());
                known && all.iter().all(|one| one.is_nothing() || self.holds(one, event))
            }
            (_, Seen::Several(all)) => all.iter().any(|one| self.holds(one, event)),
            (Comparison::Field(operator, other), seen) => {
                other.with(event, |other| same(*operator, seen, other))
            }
            (_, Seen::Text(text)) => self.holds_for_text(text),
            (Comparison::Number(operator, with), Seen::Number(number)) => {
                ordered(*operator, number.cmp(with))
            }
            (Comparison::NumberIn(all, not), Seen::Number(number)) => all.contains(number) != *not,
            (Comparison::Bool(with, not), Seen::Bool(value)) => (value == with) != *not,
            (Comparison::Nets(nets, not), Seen::Ip(_)) => in_nets(nets, seen) != *not,
            _ => false,
        }
    }

    fn holds_for_text(&self, text: &[u8]) -> bool {
        match self {
            Comparison::OneOf(set) => set.contains(text),
            Comparison::NoneOf(set) => !set.contains(text),
            Comparison::Contains(finder) => finder.find(text).is_some(),
            Comparison::ContainsAny(all) => all.is_match(text),
            Comparison::ContainsAll(all) => all.iter().all(|it| it.find(text).is_some()),
            Comparison::IContains(finder) => finder.find(&text.to_ascii_lowercase()).is_some(),
            Comparison::IContainsAny(all) => all.is_match(&text.to_ascii_lowercase()),
            Comparison::StartsWith(all) => all.iter().any(|it| text.starts_with(it)),
            Comparison::EndsWith(all) => all.iter().any(|it| text.ends_with(it)),
            Comparison::Glob { patterns, ignore_case: false } => {
                patterns.iter().any(|pattern| glob(pattern, text))
            }
            Comparison::Glob { patterns, ignore_case: true } => {
                let text = text.to_ascii_lowercase();
                patterns.iter().any(|pattern| glob(pattern, &text))
            }
            Comparison::Regex(all) => all.iter().any(|it| it.is_match(text)),
            Comparison::Path(all) => all.iter().any(|path| {
                let path = path.strip_suffix(b"/").unwrap_or(path);
                text.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
            }),
            _ => false,
        }
    }
}

fn text(
    operator: Operator,
    modifier: Option<Modifier>,
    values: &[String],
) -> Result<Comparison, Wrong> {
    let all = || values.iter().map(|value| Box::from(value.as_bytes())).collect::<Vec<Box<[u8]>>>();
    let set = || values.iter().map(|value| Box::from(value.as_bytes())).collect();
    let lowered = || values.iter().map(|value| value.to_ascii_lowercase()).collect::<Vec<_>>();
    let every = modifier == Some(Modifier::AllOf);
    // Only what may match a part can match all of several; of the rest one text is one text.
    if every && !matches!(operator, Operator::Contains | Operator::BContains) && values.len() > 1 {
        return Err(Wrong {
            message: format!("`{} allof` can be true of no text", operator.name()),
            help: "use `contains allof`, or several comparisons with `and`".into(),
        });
    }
    Ok(match operator {
        Operator::Equal | Operator::In | Operator::Intersects => Comparison::OneOf(set()),
        Operator::NotEqual => Comparison::NoneOf(set()),
        Operator::Contains if every => {
            Comparison::ContainsAll(values.iter().map(|it| Finder::new(it).into_owned()).collect())
        }
        Operator::Contains if values.len() == 1 => {
            Comparison::Contains(Finder::new(&values[0]).into_owned())
        }
        Operator::Contains => Comparison::ContainsAny(automaton(values)?),
        Operator::IContains if values.len() == 1 => {
            Comparison::IContains(Finder::new(&lowered()[0]).into_owned())
        }
        Operator::IContains => Comparison::IContainsAny(automaton(&lowered())?),
        Operator::StartsWith => Comparison::StartsWith(all()),
        Operator::EndsWith => Comparison::EndsWith(all()),
        Operator::Glob => Comparison::Glob { patterns: all(), ignore_case: false },
        Operator::IGlob => Comparison::Glob {
            patterns: lowered().iter().map(|it| Box::from(it.as_bytes())).collect(),
            ignore_case: true,
        },
        Operator::Regex => {
            let compiled = values.iter().map(|value| {
                // Falco's expressions have to match the whole text.
                Regex::new(&format!("^(?:{value})$")).map_err(|error| Wrong {
                    message: format!("`{value}` is no regular expression: {}", last_line(&error)),
                    help: String::new(),
                })
            });
            Comparison::Regex(compiled.collect::<Result<_, _>>()?)
        }
        Operator::PMatch => Comparison::Path(all()),
        Operator::BContains | Operator::BStartsWith => {
            let bytes =
                values.iter().map(|value| hexadecimal(value)).collect::<Result<Vec<_>, _>>()?;
            match operator {
                Operator::BContains if every => Comparison::ContainsAll(
                    bytes.iter().map(|it| Finder::new(it).into_owned()).collect(),
                ),
                Operator::BContains => Comparison::ContainsAny(automaton(&bytes)?),
                _ => Comparison::StartsWith(bytes.into_iter().map(Vec::into_boxed_slice).collect()),
            }
        }
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            return Err(Wrong {
                message: format!("`{}` compares numbers, and the field is text", operator.name()),
                help: "use `=`, `startswith`, `contains` …".into(),
            });
        }
        Operator::Exists => Comparison::Exists,
    })
}

fn number(operator: Operator, values: &[String]) -> Result<Comparison, Wrong> {
    let numbers = values.iter().map(|value| whole(value)).collect::<Result<Vec<_>, _>>()?;
    Ok(match operator {
        Operator::Equal | Operator::In | Operator::Intersects => {
            Comparison::NumberIn(numbers, false)
        }
        Operator::NotEqual => Comparison::NumberIn(numbers, true),
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            match numbers[..] {
                [number] => Comparison::Number(operator, number),
                _ => return Err(not_for("a list of numbers", operator)),
            }
        }
        _ => return Err(not_for("a number", operator)),
    })
}

fn yes_or_no(operator: Operator, values: &[String]) -> Result<Comparison, Wrong> {
    let not = match operator {
        Operator::Equal | Operator::In => false,
        Operator::NotEqual => true,
        _ => return Err(not_for("`true` or `false`", operator)),
    };
    match values {
        [value] => match value.as_str() {
            "true" | "1" => Ok(Comparison::Bool(true, not)),
            "false" | "0" => Ok(Comparison::Bool(false, not)),
            other => Err(Wrong {
                message: format!("`{other}` is neither `true` nor `false`"),
                help: String::new(),
            }),
        },
        _ => Err(not_for("`true` or `false`", operator)),
    }
}

fn network(operator: Operator, values: &[String]) -> Result<Comparison, Wrong> {
    let nets = values.iter().map(|value| Net::parse(value)).collect::<Result<Vec<_>, _>>()?;
    match operator {
        Operator::Equal | Operator::In | Operator::Intersects => Ok(Comparison::Nets(nets, false)),
        Operator::NotEqual => Ok(Comparison::Nets(nets, true)),
        _ => Err(not_for("an address", operator)),
    }
}

fn not_for(what: &str, operator: Operator) -> Wrong {
    Wrong { message: format!("`{}` cannot compare {what}", operator.name()), help: String::new() }
}

fn whole(value: &str) -> Result<i128, Wrong> {
    let parsed = match value.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16),
        None => value.parse(),
    };
    parsed.map_err(|_| Wrong {
        message: format!("`{value}` is no whole number"),
        help: String::new(),
    })
}

fn hexadecimal(value: &str) -> Result<Vec<u8>, Wrong> {
    let pairs = value.as_bytes().chunks(2).map(|pair| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
        u8::from_str_radix(text, 16).ok()
    });
    pairs.collect::<Option<_>>().ok_or_else(|| Wrong {
        message: format!("`{value}` is not an even number of hexadecimal digits"),
        help: "write the bytes as in `cafebabe`".into(),
    })
}

fn automaton(values: &[impl AsRef<[u8]>]) -> Result<AhoCorasick, Wrong> {
    AhoCorasick::new(values)
        .map_err(|error| Wrong { message: error.to_string(), help: String::new() })
}

fn last_line(error: &regex::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim().to_string()
}

fn ordered(operator: Operator, order: std::cmp::Ordering) -> bool {
    match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        _ => false,
    }
}

/// Two fields compared: as numbers where both are, else by their text.
fn same(operator: Operator, one: &Seen<'_>, other: &Seen<'_>) -> bool {
    match (one, other) {
        (Seen::Nothing, _) | (_, Seen::Nothing) => false,
        (one, Seen::Several(all)) => all.iter().any(|other| same(operator, one, other)),
        (Seen::Number(one), Seen::Number(other)) => ordered(operator, one.cmp(other)),
        (one, other) => {
            let bytes = |seen: &Seen<'_>| match seen {
                Seen::Text(text) => text.to_vec(),
                seen => seen.shown().unwrap_or_default().into_owned().into_bytes(),
            };
            let (one, other) = (bytes(one), bytes(other));
            let other = String::from_utf8_lossy(&other).into_owned();
            let compiled = text(operator, None, &[other]);
            compiled.is_ok_and(|compiled| compiled.holds_for_text(&one))
        }
    }
}

fn in_nets(nets: &[Net], seen: &Seen<'_>) -> bool {
    let Seen::Ip(address) = seen else { return false };
    nets.iter().any(|net| net.has(*address))
}

impl Net {
    fn parse(text: &str) -> Result<Net, Wrong> {
        let wrong = || Wrong {
            message: format!("`{text}` is neither an address nor a network"),
            help: "write `10.0.0.1`, `10.0.0.0/8` or `fd00::/8`".into(),
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (value, width, four) = number_of(address);
        let bits = bits.unwrap_or(width);
        if bits > width {
            return Err(wrong());
        }
        let mask = if bits == 0 { 0 } else { u128::MAX << (width - bits) };
        Ok(Net { address: value & mask, mask, four })
    }

    fn has(self, address: IpAddr) -> bool {
        let (value, _, four) = number_of(address);
        four == self.four && value & self.mask == self.address
    }
}

fn number_of(address: IpAddr) -> (u128, u32, bool) {
    match address.to_canonical() {
        IpAddr::V4(four) => (u128::from(u32::from(four)), 32, true),
        IpAddr::V6(six) => (u128::from(six), 128, false),
    }
}

/// Whether the whole of `text` is as fnmatch(3) has it: `*` and `?` match slashes too.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    // Where to go on if this star has to take one byte more.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, place));
                at += 1;
                continue;
            }
            None if place == text.len() => return true,
            None => None,
            Some(_) => text.get(place).and_then(|&byte| one(&pattern[at..], byte)),
        };
        match (step, star) {
            (Some(length), _) => {
                at += length;
                place += 1;
            }
            (None, Some((after, from))) if from < text.len() => {
                star = Some((after, from + 1));
                (at, place) = (after, from + 1);
            }
            _ => return false,
        }
    }
}

/// How long the part of the pattern is that matches this byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', rest @ ..] => match set(rest, byte) {
            Some((length, fits)) => fits.then_some(length + 1),
            // A bracket that is never closed stands for itself.
            None => (byte == b'[').then_some(1),
        },
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// A set in brackets: its length with the closing bracket, and whether the byte is in it.
fn set(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let not = matches!(pattern.first(), Some(b'!' | b'^'));
    let mut at = usize::from(not);
    let (first, mut fits) = (at, false);
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((at + 1, fits != not));
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                fits |= (low..=high).contains(&byte);
                at += 3;
            }
            _ => {
                fits |= low == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_fnmatch_does() {
        let cases: [(&str, &str, bool); 14] = [
            ("*../*../*", "/a/../../etc/x", true),
            ("*../*../*", "/a/../etc/x", false),
            ("/home/*/.ssh/*", "/home/a/b/.ssh/id", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]x", "]x", true),
            ("[x", "[x", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("", "", true),
            ("*", "", true),
            ("a*b*c", "aXbYbZ", false),
        ];
        for (pattern, text, fits) in cases {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_star_does_not_take_for_ever() {
        let (pattern, text) = ("*a".repeat(64) + "b", "a".repeat(4096));
        assert!(!glob(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn networks_have_their_addresses() {
        let has =
            |net: &str, address: &str| Net::parse(net).ok().unwrap().has(address.parse().unwrap());
        assert!(has("127.0.0.0/8", "127.9.9.9") && !has("127.0.0.0/8", "128.0.0.1"));
        assert!(has("0.0.0.0/0", "1.2.3.4") && !has("0.0.0.0/0", "::1"));
        assert!(has("fd00::/8", "fd12::1") && has("10.0.0.1", "::ffff:10.0.0.1"));
        assert!(Net::parse("10.0.0.0/33").is_err() && Net::parse("x").is_err());
    }

    #[test]
    fn a_path_matches_itself_and_what_is_below() {
        let path = Comparison::Path(vec![b"/etc".as_slice().into()]);
        assert!(path.holds_for_text(b"/etc") && path.holds_for_text(b"/etc/x"));
        assert!(!path.holds_for_text(b"/etcetera"));
    }
}
