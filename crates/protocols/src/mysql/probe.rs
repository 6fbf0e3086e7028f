//! What packets look like that begin what a side says.

use super::packet::{DEFINITION, HEAD, Packet, long, number, word};
use super::{PROTOCOL_41, TLS, command};
use crate::Verdict;

/// The longest login, in bytes: it has a user, a database, and attributes.
const LONGEST_LOGIN: usize = 16 << 10;

/// Words that a statement begins with.
const VERBS: [&str; 56] = [
    "ALTER",
    "ANALYZE",
    "BACKUP",
    "BEGIN",
    "CACHE",
    "CALL",
    "CHANGE",
    "CHECK",
    "CHECKSUM",
    "COMMIT",
    "CREATE",
    "DEALLOCATE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DO",
    "DROP",
    "EXECUTE",
    "EXPLAIN",
    "FLUSH",
    "GRANT",
    "HANDLER",
    "HELP",
    "INSERT",
    "INSTALL",
    "KILL",
    "LOAD",
    "LOCK",
    "OPTIMIZE",
    "PREPARE",
    "PURGE",
    "RELEASE",
    "RENAME",
    "REPAIR",
    "REPLACE",
    "RESET",
    "RESIGNAL",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "SHOW",
    "SHUTDOWN",
    "SIGNAL",
    "START",
    "STOP",
    "TABLE",
    "TRUNCATE",
    "UNINSTALL",
    "UNLOCK",
    "UPDATE",
    "USE",
    "VALUES",
    "WITH",
    "XA",
];

/// A command, a login, or the question for TLS.
pub(super) fn client(bytes: &[u8]) -> Verdict {
    let Some(packet) = Packet::read(bytes) else {
        return if bytes == [0, 0, 0] { Verdict::Unlikely } else { Verdict::More };
    };
    match packet.number {
        0 if packet.size > 0 => is_command(bytes, packet),
        // Inside TLS it is the second packet.
        1 | 2 => is_login(packet),
        _ => Verdict::Unlikely,
    }
}

/// The greeting, or what begins the answer to a command.
pub(super) fn server(bytes: &[u8]) -> Verdict {
    let Some(packet) = Packet::read(bytes) else {
        return if bytes == [0, 0, 0] { Verdict::Unlikely } else { Verdict::More };
    };
    let Some(&first) = packet.body.first() else {
        return if packet.size > 0 { Verdict::More } else { Verdict::Unlikely };
    };
    match (packet.number, first) {
        (0, 0x0a) => is_greeting(packet),
        (0, 0xff) => is_error(packet, false),
        (1..=3, 0xff) => is_error(packet, true),
        (1..=3, 0) => is_ok(packet),
        (1, 0xfe) if packet.size == 5 => seen(word(packet.body, 3).map(|status| status < 0x8000)),
        (2 | 3, 0xfe) => is_plugin(packet),
        (2 | 3, 1) if packet.size == 2 => seen(packet.body.get(1).map(|&b| matches!(b, 3 | 4))),
        (1, 0xfb) => is_name(&packet.body[1..], packet.size - 1, 512),
        (1, 3) if packet.size > 16 && packet.body.len() < 4 => Verdict::More,
        (1, 3) if packet.size > 16 => likely(packet.is_definition()),
        (1, b'U') if packet.size > 16 => begins_with(packet.body, b"Uptime: "),
        (1, 1..=0xfa) if packet.size <= 2 => has_definitions(bytes, packet),
        (1, 0xfc) if packet.size <= 4 => has_definitions(bytes, packet),
        _ => Verdict::Unlikely,
    }
}

/// Whether these bytes begin a login or a question for TLS.
pub(super) fn is_login(packet: Packet) -> Verdict {
    let Some(flags) = long(packet.body, 0) else {
        return if (32..LONGEST_LOGIN).contains(&packet.size) {
            Verdict::More
        } else {
            Verdict::Unlikely
        };
    };
    let sized = match packet.size {
        32 => flags & TLS != 0,
        size => (33..LONGEST_LOGIN).contains(&size),
    };
    // Its filler; the last four bytes of it are MariaDB's.
    let filler = packet.body.get(9..).unwrap_or_default();
    let filler = &filler[..filler.len().min(19)];
    match sized && flags & PROTOCOL_41 != 0 && filler.iter().all(|byte| *byte == 0) {
        false => Verdict::Unlikely,
        true if filler.len() == 19 => Verdict::Likely,
        true => Verdict::More,
    }
}

fn is_command(bytes: &[u8], packet: Packet) -> Verdict {
    let Some((&command, rest)) = packet.body.split_first() else {
        return Verdict::More;
    };
    let size = packet.size - 1;
    match command {
        // PostgreSQL's query of this very length looks the same up to its NUL.
        command::PREPARE if bytes.starts_with(b"Q\0\0\0") => match bytes.get(22) {
            None => Verdict::More,
            Some(0) => Verdict::Unlikely,
            Some(_) => begins_sql(rest, size),
        },
        command::QUERY | command::PREPARE => begins_sql(rest, size),
        command::QUIT | command::STATISTICS | command::PING | command::RESET_CONNECTION => {
            likely(size == 0)
        }
        command::INIT_DB => is_name(rest, size, 64),
        command::CHANGE_USER | command::FIELD_LIST => {
            let end = memchr::memchr(0, rest);
            let name = end.map(|end| is_name(&rest[..end], end, 64));
            // Without its end, it is a longer one's beginning.
            name.unwrap_or_else(|| match is_name(rest, 64, 64) {
                Verdict::More if rest.len() < size => Verdict::More,
                _ => Verdict::Unlikely,
            })
        }
        command::EXECUTE if size >= 9 => {
            let once = rest.get(..9).map(|head| head[4] <= 0x0f && head[5..] == [1, 0, 0, 0]);
            seen(once)
        }
        command::BULK_EXECUTE if size >= 6 => seen(word(rest, 4).map(|flags| flags & !0xc0 == 0)),
        command::CLOSE | command::RESET if size == 4 => seen(rest.get(3).map(|high| *high == 0)),
        command::FETCH if size == 8 => seen(rest.get(7).map(|high| *high == 0 && rest[3] == 0)),
        command::SET_OPTION if size == 2 => seen(word(rest, 0).map(|option| option <= 1)),
        command::LONG_DATA if size >= 6 => {
            seen(rest.get(5).map(|high| *high < 16 && rest[2..4] == [0, 0]))
        }
        _ => Verdict::Unlikely,
    }
}

/// Whether a statement begins here; attributes may stand before it.
fn begins_sql(text: &[u8], size: usize) -> Verdict {
    let text = match text {
        [0, 1, text @ ..] => text,
        [1..=8, 1, _, 1, ..] => return Verdict::Likely,
        [1..=8, 1] | [1..=8, 1, _] | [0..=8] if text.len() < size => return Verdict::More,
        _ => text,
    };
    let blank = text.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == b'(').count();
    let rest = &text[blank..];
    let more = if text.len() < size && blank < 256 { Verdict::More } else { Verdict::Unlikely };
    match rest {
        [] => return more,
        [b'/', b'*', ..] | [b'-', b'-', ..] | [b'#', ..] => return Verdict::Likely,
        [b'/' | b'-'] => return more,
        _ => {}
    }
    let letters = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let word = &rest[..letters];
    let begins = |verb: &str| {
        verb.as_bytes().get(..letters).is_some_and(|begin| begin.eq_ignore_ascii_case(word))
    };
    let is = |verb: &str| verb.as_bytes().eq_ignore_ascii_case(word);
    let ended = letters < rest.len() || text.len() >= size;
    match letters {
        0 => Verdict::Unlikely,
        _ if ended => likely(VERBS.iter().any(|verb| is(verb))),
        _ if VERBS.iter().any(|verb| begins(verb)) => Verdict::More,
        _ => Verdict::Unlikely,
    }
}

/// Whether these are so many bytes of a name.
fn is_name(name: &[u8], size: usize, longest: usize) -> Verdict {
    let sound = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$-./ \\:".contains(byte);
    match (1..=longest).contains(&size) && name.iter().all(sound) {
        false => Verdict::Unlikely,
        true if name.len() < size => Verdict::More,
        true => Verdict::Likely,
    }
}

/// The server's version, a number, and the first part of a salt.
fn is_greeting(packet: Packet) -> Verdict {
    let text = &packet.body[1..];
    let end = memchr::memchr(0, text);
    let version = &text[..end.unwrap_or(text.len())];
    let sound = (40..512).contains(&packet.size)
        && version.len() <= 64
        && version.first().is_none_or(u8::is_ascii_digit)
        && version.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    match (sound, end) {
        (false, _) | (_, Some(0)) => Verdict::Unlikely,
        (true, Some(end)) => seen(text.get(end + 13).map(|filler| *filler == 0)),
        (true, None) => Verdict::More,
    }
}

fn is_error(packet: Packet, marked: bool) -> Verdict {
    let Some([low, high, mark]) = packet.body.get(1..4) else {
        return if (4..1024).contains(&packet.size) { Verdict::More } else { Verdict::Unlikely };
    };
    let code = u16::from_le_bytes([*low, *high]);
    let sound = if marked { *mark == b'#' } else { mark.is_ascii_graphic() };
    likely(packet.size < 1024 && (1000..20_000).contains(&code) && sound)
}

/// An OK, or what says that a statement is prepared.
fn is_ok(packet: Packet) -> Verdict {
    if !(7..2048).contains(&packet.size) {
        return Verdict::Unlikely;
    }
    if packet.size == 12 && packet.body.len() < 10 {
        return Verdict::More;
    }
    if packet.size == 12 && packet.body[9] == 0 {
        return likely(packet.body[6] < 16 && packet.body[8] < 16);
    }
    let mut rest = &packet.body[1..];
    let more = if packet.is_whole() { Verdict::Unlikely } else { Verdict::More };
    if rest.starts_with(b"\xfb") || rest.starts_with(b"\xff") {
        return Verdict::Unlikely;
    }
    let (Some(_), Some(_)) = (number(&mut rest), number(&mut rest)) else {
        return if packet.body.len() > 20 { Verdict::Unlikely } else { more };
    };
    let Some((head, info)) = rest.split_at_checked(4) else {
        return more;
    };
    let status = u16::from_le_bytes([head[0], head[1]]);
    let left = packet.size - (packet.body.len() - info.len());
    match info.first() {
        _ if status >= 0x8000 => Verdict::Unlikely,
        None if left == 0 => Verdict::Likely,
        None => more,
        // Text up to the end, or behind its length, or what changed in the session.
        Some(0x20..0x7f) => Verdict::Likely,
        Some(0) => likely(left == 1 || status & 0x4000 != 0),
        Some(&length) if usize::from(length) < left => Verdict::Likely,
        Some(_) => Verdict::Unlikely,
    }
}

/// The name of another way to log in.
fn is_plugin(packet: Packet) -> Verdict {
    let text = &packet.body[1..];
    let end = memchr::memchr(0, text);
    let name = &text[..end.unwrap_or(text.len())];
    let sound = packet.size < 512
        && name.len() < 64
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    match end {
        _ if !sound => Verdict::Unlikely,
        Some(end) => likely(end > 3),
        None if packet.is_whole() => Verdict::Unlikely,
        None => Verdict::More,
    }
}

/// Whether a number of columns is followed by the first of them, or by a row where it says that they
/// are left out.
fn has_definitions(bytes: &[u8], packet: Packet) -> Verdict {
    if !packet.is_whole() {
        return Verdict::More;
    }
    let next = bytes.get(packet.size + HEAD..).unwrap_or_default();
    let (head, body) = next.split_at(next.len().min(HEAD));
    if head.get(3).is_some_and(|number| *number != 2) {
        return Verdict::Unlikely;
    }
    match packet.body {
        [_, 0] => seen(body.first().map(|first| matches!(first, 0 | 0xfe))),
        _ => begins_with(body, DEFINITION),
    }
}

fn begins_with(bytes: &[u8], beginning: &[u8]) -> Verdict {
    let seen = bytes.len().min(beginning.len());
    match bytes[..seen] == beginning[..seen] {
        true if seen == beginning.len() => Verdict::Likely,
        true => Verdict::More,
        false => Verdict::Unlikely,
    }
}

fn seen(fits: Option<bool>) -> Verdict {
    fits.map_or(Verdict::More, likely)
}

fn likely(is: bool) -> Verdict {
    if is { Verdict::Likely } else { Verdict::Unlikely }
}
