//! Values of RESP, measured: where they end, seen or not.

use crate::Verdict;

/// The deepest nesting, and the most elements of one value, that are believed.
const DEEPEST: usize = 16;
const MOST: u64 = 1 << 32;

/// What is left of a value: how many elements on each level, outermost first.
pub(super) type Left = Vec<u64>;

/// Where measuring stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measured {
    /// At the value's end.
    Whole(usize),
    /// In a string that ends there, beyond what is seen. What is left stands behind it.
    Beyond(u64),
    /// Before an element whose first line is not all there.
    Line(usize),
    /// It is no value.
    Unsound,
}

/// Measures from the front of `bytes` what `left` says is left, and updates it.
pub(super) fn measure(bytes: &[u8], left: &mut Left) -> Measured {
    let mut at = 0;
    loop {
        while left.last() == Some(&0) {
            left.pop();
        }
        let Some(level) = left.last_mut() else {
            return Measured::Whole(at);
        };
        let Some((line, length)) = line(&bytes[at..]) else {
            let sound = may_begin(&bytes[at..]);
            return if sound { Measured::Line(at) } else { Measured::Unsound };
        };
        if !is_head(line) {
            return Measured::Unsound;
        }
        // An attribute stands before a value and is none itself.
        *level -= u64::from(line[0] != b'|');
        at += length;
        let count = number(&line[1..]).unwrap_or(0);
        match line[0] {
            b'$' | b'!' | b'=' if count >= 0 => {
                let end = at as u64 + count as u64 + 2;
                let seen = usize::try_from(end).ok().filter(|&end| end <= bytes.len());
                let Some(end) = seen else {
                    while left.last() == Some(&0) {
                        left.pop();
                    }
                    return Measured::Beyond(end);
                };
                if &bytes[end - 2..end] != b"\r\n" {
                    return Measured::Unsound;
                }
                at = end;
            }
            b'*' | b'~' | b'>' | b'%' | b'|' if count > 0 => {
                let each = if matches!(line[0], b'%' | b'|') { 2 } else { 1 };
                if left.len() >= DEEPEST || count as u64 > MOST {
                    return Measured::Unsound;
                }
                left.push(count as u64 * each);
            }
            _ => {}
        }
    }
}

/// The strings of the array that begins here, up to `most`, as far as they are there whole.
pub(super) fn strings(bytes: &[u8], most: usize) -> Vec<&[u8]> {
    let mut found = Vec::with_capacity(most);
    let Some((_, mut at)) = line(bytes) else {
        return found;
    };
    while found.len() < most
        && let Some((head, length)) = line(&bytes[at..])
        && head.first() == Some(&b'$')
        && let Some(count) = number(&head[1..]).and_then(|count| usize::try_from(count).ok())
        && let Some(text) = bytes.get(at + length..).and_then(|rest| rest.get(..count))
    {
        found.push(text);
        at = (at + length + count + 2).min(bytes.len());
    }
    found
}

/// Whether a client's bytes begin with `*N`, `$N` and a word.
pub(super) fn command_begins(bytes: &[u8]) -> Verdict {
    if bytes.starts_with(b"PING\r\n") {
        return Verdict::Likely;
    }
    let mut rest = bytes;
    for (mark, most) in [(b'*', 1 << 20), (b'$', 64)] {
        match line(rest) {
            Some((head, length)) => {
                let count = number(head.get(1..).unwrap_or_default());
                if head.first() != Some(&mark) || !count.is_some_and(|n| (1..=most).contains(&n)) {
                    return Verdict::Unlikely;
                }
                rest = &rest[length..];
            }
            None => {
                let sound = rest.iter().enumerate().all(|(at, byte)| match at {
                    0 => *byte == mark,
                    _ => byte.is_ascii_digit() || *byte == b'\r',
                });
                let inline = b"PING\r\n".starts_with(bytes);
                let open = (sound && rest.len() < 16) || inline;
                return if open { Verdict::More } else { Verdict::Unlikely };
            }
        }
    }
    match rest.first() {
        Some(byte) if byte.is_ascii_alphabetic() => Verdict::Likely,
        Some(_) => Verdict::Unlikely,
        None => Verdict::More,
    }
}

/// Whether a line begins a value: its type, and what has to be a number is one.
pub(super) fn is_head(line: &[u8]) -> bool {
    let Some((kind, rest)) = line.split_first() else {
        return false;
    };
    match kind {
        b'+' => rest.iter().all(|&byte| byte >= b' ' || byte == b'\t'),
        b'-' => rest.first().is_some_and(u8::is_ascii_alphabetic),
        b':' => number(rest).is_some(),
        b'$' | b'*' => number(rest).is_some_and(|count| count >= -1),
        b'!' | b'=' | b'%' | b'~' | b'>' | b'|' => number(rest).is_some_and(|count| count >= 0),
        b'_' => rest.is_empty(),
        b'#' => matches!(rest, b"t" | b"f"),
        b',' => {
            !rest.is_empty() && rest.iter().all(|byte| b"0123456789+-.einfaEINFA".contains(byte))
        }
        b'(' => !rest.is_empty() && rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-'),
        _ => false,
    }
}

/// Whether bytes without a line break may begin a value.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    match bytes.first() {
        None => true,
        Some(b'+' | b'-') => true,
        Some(b':' | b'$' | b'*' | b'!' | b'=' | b'%' | b'~' | b'>' | b'|' | b'#' | b'_') => {
            bytes.len() < 24
        }
        Some(b',' | b'(') => bytes.len() < 512,
        Some(_) => false,
    }
}

/// The first line without its end, and its length with it.
pub(super) fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = memchr::memmem::find(bytes, b"\r\n")?;
    Some((&bytes[..end], end + 2))
}

fn number(digits: &[u8]) -> Option<i64> {
    let sound = !digits.is_empty() && digits.len() <= 20 && digits[0] != b'+';
    std::str::from_utf8(digits).ok().filter(|_| sound)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(bytes: &[u8]) -> (Measured, Left) {
        let mut left = vec![1];
        (measure(bytes, &mut left), left)
    }

    #[test]
    fn values_of_all_kinds() {
        for value in [
            &b"+OK\r\n"[..],
            b"-ERR no\r\n",
            b":-7\r\n",
            b"$-1\r\n",
            b"$0\r\n\r\n",
            b"*0\r\n",
            b"*-1\r\n",
            b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
            b"%1\r\n+a\r\n:1\r\n",
            b"_\r\n",
            b"#t\r\n",
            b",3.14\r\n",
            b"(349\r\n",
            b"!5\r\nERR x\r\n",
            b"=7\r\ntxt:abc\r\n",
            b"~1\r\n:1\r\n",
            b">1\r\n+x\r\n",
            b"|1\r\n+ttl\r\n:9\r\n:1\r\n",
        ] {
            assert_eq!(measured(value), (Measured::Whole(value.len()), vec![]), "{value:?}");
        }
    }

    #[test]
    fn a_string_is_passed_over_unseen() {
        assert_eq!(measured(b"$1000\r\nab"), (Measured::Beyond(1009), vec![]));
        assert_eq!(measured(b"*3\r\n$1000\r\nab"), (Measured::Beyond(1013), vec![0, 2]));
        assert_eq!(measured(b"*2\r\n:1\r\n:2"), (Measured::Line(8), vec![0, 1]));
        assert_eq!(measured(b"what\r\n").0, Measured::Unsound);
        assert_eq!(measured(b"$2\r\nabc\r\n").0, Measured::Unsound);
    }

    #[test]
    fn strings_of_a_command() {
        assert_eq!(strings(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", 4), [&b"GET"[..], b"k"]);
        assert_eq!(strings(b"*2\r\n$3\r\nGET\r\n$9\r\nk", 4), [&b"GET"[..]]);
    }
}
