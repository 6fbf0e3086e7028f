//! Keys, as the bytes that a terminal sends for them.

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A letter, or anything else that is typed.
    Char(char),
    /// A letter with the control key held, lower case.
    Control(char),
    /// The arrow up.
    Up,
    /// The arrow down.
    Down,
    /// The arrow to the left.
    Left,
    /// The arrow to the right.
    Right,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// Return.
    Enter,
    /// Escape.
    Esc,
    /// Tabulator.
    Tab,
    /// Tabulator with shift.
    BackTab,
    /// Backspace.
    Backspace,
}

/// A sequence with parameters that does not end by then is none.
const LONGEST: usize = 32;

/// The keys in `bytes` and how many of these they took. What is left is the beginning of a key: read
/// more and ask again with both. Where nothing comes for some 30 ms, ask with `more` false, since an
/// escape alone looks like the beginning of any other key; then nothing is left.
pub fn keys(bytes: &[u8], more: bool) -> (Vec<Key>, usize) {
    let mut keys = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match key(&bytes[at..]) {
            Some((key, taken)) => {
                keys.extend(key);
                at += taken;
            }
            None if more => break,
            None => {
                // What began and did not go on: an escape that was meant, or half a letter.
                keys.extend((bytes[at] == ESCAPE).then_some(Key::Esc));
                at += 1;
            }
        }
    }
    (keys, at)
}

const ESCAPE: u8 = 0x1b;

/// The first key, where it is one that we know, and its length; none where it is not complete.
fn key(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    let one = |key| Some((Some(key), 1));
    match *bytes.first()? {
        b'\r' | b'\n' => one(Key::Enter),
        b'\t' => one(Key::Tab),
        0x7f | 0x08 => one(Key::Backspace),
        ESCAPE => escape(bytes),
        control @ 1..=26 => one(Key::Control((b'a' + control - 1) as char)),
        0..=31 => Some((None, 1)),
        _ => letter(bytes),
    }
}

fn escape(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    match *bytes.get(1)? {
        b'[' => {
            let end = bytes[2..].iter().take(LONGEST).position(|byte| !(0x20..0x40).contains(byte));
            let Some(end) = end else {
                return (bytes.len() > LONGEST + 2).then_some((None, LONGEST + 2));
            };
            let (parameters, last) = (&bytes[2..2 + end], bytes[2 + end]);
            // A byte that cannot be in a sequence begins something else.
            let taken = if (0x40..0x7f).contains(&last) { end + 3 } else { end + 2 };
            Some((named(parameters, last), taken))
        }
        b'O' => Some((named(b"", *bytes.get(2)?), 3)),
        _ => Some((Some(Key::Esc), 1)),
    }
}

/// The key of a sequence by its last byte; keys held with it do not matter.
fn named(parameters: &[u8], last: u8) -> Option<Key> {
    let number = parameters.split(|&byte| byte == b';').next().unwrap_or_default();
    Some(match (last, number) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', b"1" | b"7") => Key::Home,
        (b'F', _) | (b'~', b"4" | b"8") => Key::End,
        (b'~', b"5") => Key::PageUp,
        (b'~', b"6") => Key::PageDown,
        (b'Z', _) => Key::BackTab,
        (b'M', b"") => Key::Enter,
        _ => return None,
    })
}

fn letter(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    let length = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let all = &bytes[..bytes.len().min(length)];
    match std::str::from_utf8(all) {
        Ok(text) => {
            let key = text.chars().next().filter(|char| !char.is_control()).map(Key::Char);
            Some((key, length))
        }
        // Cut off, so far without a fault.
        Err(error) if error.error_len().is_none() && bytes.len() < length => None,
        Err(_) => Some((None, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_known_in_all_its_forms() {
        for (bytes, key) in [
            (&b"a"[..], Key::Char('a')),
            ("é".as_bytes(), Key::Char('é')),
            ("🦀".as_bytes(), Key::Char('🦀')),
            (b"\r", Key::Enter),
            (b"\x1bOM", Key::Enter),
            (b"\t", Key::Tab),
            (b"\x1b[Z", Key::BackTab),
            (b"\x7f", Key::Backspace),
            (b"\x08", Key::Backspace),
            (b"\x03", Key::Control('c')),
            (b"\x1b[A", Key::Up),
            (b"\x1bOB", Key::Down),
            (b"\x1b[1;5C", Key::Right),
            (b"\x1b[D", Key::Left),
            (b"\x1b[5~", Key::PageUp),
            (b"\x1b[6;2~", Key::PageDown),
            (b"\x1b[H", Key::Home),
            (b"\x1b[1~", Key::Home),
            (b"\x1bOF", Key::End),
            (b"\x1b[8~", Key::End),
        ] {
            assert_eq!(keys(bytes, true), (vec![key], bytes.len()), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_complete_waits() {
        for bytes in [&b"\x1b"[..], b"\x1b[", b"\x1b[1;", b"\x1bO", "é".as_bytes().split_at(1).0] {
            assert_eq!(keys(bytes, true), (vec![], 0), "{bytes:?}");
            assert_eq!(keys(bytes, false).1, bytes.len());
        }
        assert_eq!(keys(b"\x1b", false).0, [Key::Esc]);
        assert_eq!(keys(b"x\x1b[", true), (vec![Key::Char('x')], 1));
        assert_eq!(keys(b"\x1bq", true).0, [Key::Esc, Key::Char('q')]);
        assert_eq!(keys(b"\x1b\x1b[A", true).0, [Key::Esc, Key::Up]);
    }

    #[test]
    fn what_is_no_key_is_passed_over() {
        assert_eq!(keys(b"\x1b[<0;10;5Ma", true).0, [Key::Char('a')]);
        assert_eq!(keys(b"\x1b[200~a\xff\xc3(b", true).0.len(), 3);
        let endless = [b"\x1b[".as_slice(), &[b'1'; 100], b"q"].concat();
        let (found, taken) = keys(&endless, true);
        assert_eq!((found.last(), taken), (Some(&Key::Char('q')), endless.len()));
    }

    proptest::proptest! {
        #[test]
        fn all_bytes_are_taken_in_the_end(bytes: Vec<u8>) {
            let (_, taken) = keys(&bytes, true);
            assert!(bytes.len() - taken <= LONGEST + 2);
            assert_eq!(keys(&bytes, false).1, bytes.len());
        }

        #[test]
        fn it_does_not_matter_how_they_come(text in "[a-z\\x1b\\[O0-9;~A-Zé🦀]{0,40}", at in 0usize..40) {
            let bytes = text.as_bytes();
            let (mut parts, mut rest) = (Vec::new(), Vec::new());
            for part in [&bytes[..at.min(bytes.len())], &bytes[at.min(bytes.len())..]] {
                rest.extend_from_slice(part);
                let (found, taken) = keys(&rest, true);
                parts.extend(found);
                rest.drain(..taken);
            }
            assert_eq!((parts, bytes.len() - rest.len()), keys(bytes, true));
        }
    }
}
