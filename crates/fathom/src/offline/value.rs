//! Values, read back from how JSON and SQL show them: the inverse of `schema::plain`.
//!
//! What was not UTF-8 stays as it is shown, `\xNN`: it cannot be told from a text that says so.

use schema::plain::words;
use schema::{Cell, Column, FlagNames, Kind, ProcessKey, Storage};
use serde_json::Value as Json;

/// Appends what JSON says; what is wrong with it is told as the end of a sentence about the column.
pub(super) fn push_json(column: &mut Column, kind: Kind, value: &Json) -> Result<(), String> {
    match (value, kind) {
        (Json::Null, _) => column.push_null(),
        (Json::Array(list), Kind::Flags(names)) => bits(names, strings(list)?)?.push(column),
        (Json::Array(list), Kind::Capabilities) => {
            bits(words::CAPABILITIES, strings(list)?)?.push(column);
        }
        (Json::Array(list), Kind::Args) => {
            let args: Vec<String> = strings(list)?.map(|arg| format!("{arg}\0")).collect();
            args.concat().as_str().push(column);
        }
        (_, Kind::Flags(_) | Kind::Capabilities | Kind::Args) => {
            return Err(format!("has to be a list, not {value}"));
        }
        (Json::Bool(value), Kind::Bool) => value.push(column),
        (Json::Number(number), Kind::Int) => {
            let number = number.as_i64();
            number.ok_or_else(|| format!("has to be a whole number, not {value}"))?.push(column);
        }
        (Json::Number(number), _) if is_number(kind) => {
            let number = number.as_u64();
            let wrong = || format!("has to be a whole number that is not negative, not {value}");
            number.ok_or_else(wrong)?.push(column);
        }
        (Json::String(text), _) if !is_number(kind) && !matches!(kind, Kind::Int | Kind::Bool) => {
            return push_text(column, kind, text);
        }
        _ => return Err(format!("has to be {}, not {value}", wanted(kind))),
    }
    Ok(())
}

/// Appends what a text says, as SQL shows values of the kind.
pub(super) fn push_text(column: &mut Column, kind: Kind, text: &str) -> Result<(), String> {
    let wrong = || format!("has to be {}, not `{text}`", wanted(kind));
    match kind {
        Kind::Text | Kind::Path | Kind::Peer(_) => text.push(column),
        Kind::Args => unquoted(text).as_slice().push(column),
        Kind::Time => time(text).ok_or_else(wrong)?.push(column),
        Kind::Ip => text.parse::<std::net::IpAddr>().map_err(|_| wrong())?.push(column),
        Kind::Process => text.parse::<ProcessKey>()?.push(column),
        Kind::Errno => {
            let known = (1..600).find(|&number| words::errno(number) == Some(text));
            known.or_else(|| numbered(text, "errno ")).ok_or_else(wrong)?.push(column);
        }
        Kind::Signal => {
            let known = (1..=64).find(|&number| words::signal(number) == Some(text));
            known.or_else(|| numbered(text, "signal ")).ok_or_else(wrong)?.push(column);
        }
        Kind::Flags(names) => bits(names, parts(text))?.push(column),
        Kind::Capabilities => bits(words::CAPABILITIES, parts(text))?.push(column),
        Kind::Mode => u64::from_str_radix(text, 8).map_err(|_| wrong())?.push(column),
        Kind::Device => device(text).ok_or_else(wrong)?.push(column),
        _ => return Err(wrong()),
    }
    Ok(())
}

/// `2026-11-21T22:10:05.123456789Z`, with as many digits of the second as one likes, as nanoseconds
/// since 1970.
pub(super) fn time(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let bytes = whole.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if bytes.len() != 19 || marks.iter().any(|&(at, mark)| bytes[at] != mark) {
        return None;
    }
    let digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse().ok());
    let number = |from: usize, to: usize| digits(whole.get(from..to)?)?;
    let (year, month, day): (i64, i64, i64) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !in_range || hour > 23 || minute > 59 || second > 60 || !(1..=9).contains(&fraction.len()) {
        return None;
    }
    let nanos: i64 = digits(&format!("{fraction:0<9}"))??;
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    i64::try_from(i128::from(seconds) * 1_000_000_000 + i128::from(nanos)).ok()
}

/// Days from 1970-01-01, years counted from March (Howard Hinnant's `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn is_number(kind: Kind) -> bool {
    let shown_otherwise =
        matches!(kind, Kind::Flags(_) | Kind::Capabilities | Kind::Mode | Kind::Device);
    kind.storage() == Storage::Uint && !shown_otherwise
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Time => "a time like 2026-11-21T22:10:05.123456789Z",
        Kind::Ip => "an address",
        Kind::Process => "a process key",
        Kind::Text | Kind::Path | Kind::Peer(_) => "a text",
        Kind::Errno => "an error like ENOENT",
        Kind::Signal => "a signal like SIGKILL",
        Kind::Mode => "permissions in octal like 0644",
        Kind::Device => "a device number like 259:3",
        Kind::Bool => "true or false",
        Kind::Args | Kind::Flags(_) | Kind::Capabilities => "a list of texts",
        _ => "a number",
    }
}

fn strings(list: &[Json]) -> Result<impl Iterator<Item = &str>, String> {
    match list.iter().find(|entry| !entry.is_string()) {
        Some(entry) => Err(format!("has to be a list of texts; {entry} is none")),
        None => Ok(list.iter().filter_map(Json::as_str)),
    }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split('|').filter(|part| !part.is_empty())
}

fn bits<'a>(names: FlagNames, parts: impl Iterator<Item = &'a str>) -> Result<u64, String> {
    let mut all = 0;
    for part in parts {
        let named = names.iter().find(|(_, name)| *name == part).map(|(mask, _)| *mask);
        let hex = || u64::from_str_radix(part.strip_prefix("0x")?, 16).ok();
        all |= named.or_else(hex).ok_or_else(|| format!("has no bit `{part}`"))?;
    }
    Ok(all)
}

fn numbered(text: &str, what: &str) -> Option<i64> {
    text.strip_prefix(what)?.parse().ok()
}

fn device(text: &str) -> Option<u64> {
    let (major, minor) = text.split_once(':')?;
    let (major, minor): (u64, u64) = (major.parse().ok()?, minor.parse().ok()?);
    Some(major << 20 | minor)
}

/// The argument vector of which a shell's line was made.
fn unquoted(line: &str) -> Vec<u8> {
    let mut args = Vec::new();
    let mut quoted = false;
    let mut letters = line.bytes().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            b'\'' => quoted = !quoted,
            b' ' if !quoted => args.push(0),
            b'\\' if !quoted && letters.next_if_eq(&b'\'').is_some() => args.push(b'\''),
            letter => args.push(letter),
        }
    }
    if !line.is_empty() {
        args.push(0);
    }
    args
}

#[cfg(test)]
mod tests {
    use schema::Value;
    use schema::plain::{self, Clock, rfc3339};

    use super::*;

    #[test]
    fn times_read_back() {
        for nanos in [0, -1, 951_782_400_000_000_000, 1_795_299_005_123_456_789, i64::MAX, i64::MIN]
        {
            assert_eq!(time(&rfc3339(nanos)), Some(nanos));
        }
        assert_eq!(time("1970-01-01T00:00:01Z"), Some(1_000_000_000));
        assert_eq!(time("1970-01-01T00:00:00.5Z"), Some(500_000_000));
        let wrong = ["", "1970-01-01T00:00:00", "1970-13-01T00:00:00Z", "1970-01-01 00:00:00Z"];
        assert!(wrong.iter().all(|text| time(text).is_none()));
    }

    #[test]
    fn a_value_is_what_its_text_was_made_of() {
        const NAMES: FlagNames = &[(0, "NOTHING"), (6, "SYNC"), (2, "DSYNC")];
        let values = [
            (Kind::Flags(NAMES), Value::Uint(6 | 32)),
            (Kind::Flags(NAMES), Value::Uint(0)),
            (Kind::Capabilities, Value::Uint(1 << 21 | 1 << 50)),
            (Kind::Mode, Value::Uint(0o4755)),
            (Kind::Device, Value::Uint(259 << 20 | 3)),
            (Kind::Errno, Value::Int(512)),
            (Kind::Errno, Value::Int(41)),
            (Kind::Signal, Value::Int(64)),
            (Kind::Signal, Value::Int(33)),
            (Kind::Args, Value::Text(b"sh\0-c\0echo 'hi' $x\\n\0\0")),
            (Kind::Args, Value::Text(b"")),
            (Kind::Ip, Value::Ip("::1".parse().unwrap())),
            (Kind::Ip, Value::Ip("10.0.0.1".parse().unwrap())),
            (Kind::Process, Value::Process(ProcessKey { start: 5, pid: 6, boot: 7 })),
        ];
        for (kind, value) in values {
            let mut text = Vec::new();
            plain::write(&mut text, &mut Clock::new(), kind, value);
            let mut column = Column::new(kind);
            push_text(&mut column, kind, std::str::from_utf8(&text).unwrap()).unwrap();
            assert_eq!(column.value(0), value);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = |kind, json: &str| {
            let json = serde_json::from_str(json).unwrap();
            push_json(&mut Column::new(kind), kind, &json).unwrap_err()
        };
        assert_eq!(said(Kind::Port, "\"x\""), "has to be a number, not \"x\"");
        assert!(said(Kind::Port, "-1").contains("not negative"));
        assert_eq!(said(Kind::Errno, "\"ENOPE\""), "has to be an error like ENOENT, not `ENOPE`");
        assert!(said(Kind::Args, "\"ls\"").starts_with("has to be a list"));
        assert_eq!(said(Kind::Capabilities, "[\"CAP\"]"), "has no bit `CAP`");
        assert_eq!(said(Kind::Text, "1"), "has to be a text, not 1");
    }
}
