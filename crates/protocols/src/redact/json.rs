//! JSON, perhaps cut anywhere: values of keys that name secrets are taken out.

use std::borrow::Cow;

use super::{TAKEN_OUT, is_secret, text};

/// How deep JSON that stands in strings of JSON is looked into.
const DEEPEST: usize = 4;

/// The JSON without the values of secret keys, and all its other strings redacted as text.
///
/// It works on tokens, not on a tree: what is cut, or is no JSON, is redacted as far as it goes. A
/// secret that is an object or an array is taken out whole, and so is a string whose escapes hide
/// something: JSON again, or an address.
pub fn json(body: &str) -> String {
    inside(body, 0)
}

/// Whether text that was written in another way (with escapes, in percents) has something in it that
/// must not leave: then all of it has to go, for its places are not known.
pub(super) fn hides(plain: &str) -> bool {
    hides_inside(plain, 0)
}

fn hides_inside(plain: &str, depth: usize) -> bool {
    match plain.trim_start().starts_with(['{', '[']) {
        true => depth >= DEEPEST || inside(plain, depth + 1) != plain,
        false => text(plain) != plain,
    }
}

fn inside(body: &str, depth: usize) -> String {
    let bytes = body.as_bytes();
    let mut kept = String::with_capacity(body.len());
    let mut at = 0;
    let mut secret = false;
    while at < bytes.len() {
        let length = match bytes[at] {
            b'"' => string(&bytes[at..]),
            b'{' | b'[' if secret => nested(&bytes[at..]),
            byte if is_plain(byte) => {
                bytes[at..].iter().take_while(|&&byte| is_plain(byte)).count()
            }
            _ => 1,
        };
        let token = &body[at..at + length];
        let is_value =
            !token.starts_with([':', ',', ' ', '\n', '\r', '\t', '{', '}', '[', ']']) || length > 1;
        at += length;
        if !is_value {
            kept.push_str(token);
            continue;
        }
        let is_key = bytes[at..].trim_ascii_start().first() == Some(&b':');
        let plain = unescaped(token);
        let hidden = || matches!(plain, Cow::Owned(_)) && hides_inside(&plain, depth);
        if (secret && !is_key) || hidden() {
            kept.push('"');
            kept.push_str(TAKEN_OUT);
            kept.push('"');
        } else {
            kept.push_str(&text(token));
        }
        secret = is_key && is_secret(plain.as_bytes());
    }
    kept
}

/// What numbers and words are made of, and anything that is no JSON.
fn is_plain(byte: u8) -> bool {
    !matches!(byte, b'"' | b'{' | b'}' | b'[' | b']' | b':' | b',' | b' ' | b'\n' | b'\r' | b'\t')
}

/// What a token says without its quotes; owned where it has escapes.
fn unescaped(token: &str) -> Cow<'_, str> {
    let said = token.strip_prefix('"').unwrap_or(token);
    let said = said.strip_suffix('"').unwrap_or(said);
    if !said.contains('\\') {
        return Cow::Borrowed(said);
    }
    let mut plain = String::with_capacity(said.len());
    let mut rest = said.chars();
    while let Some(letter) = rest.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        match rest.next() {
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('t') => plain.push('\t'),
            Some('b' | 'f') => plain.push(' '),
            Some('u') => {
                let digits = rest.as_str().get(..4);
                let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                if number.is_some() {
                    rest.nth(3);
                }
                plain.push(number.and_then(char::from_u32).unwrap_or('\u{fffd}'));
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Cow::Owned(plain)
}

/// The length of a string with its quotes, or of what is left of it.
fn string(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The length of an object or array, or of what is left of it.
fn nested(bytes: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += string(&bytes[at..]);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_secret_keys_go() {
        for (said, kept) in [
            (r#"{"user":"jo","password":"x\"y"}"#, r#"{"user":"jo","password":"***"}"#),
            (r#"{"token": 17, "n": 2}"#, r#"{"token": "***", "n": 2}"#),
            (r#"{"secret":{"a":[1,"]"]},"b":1}"#, r#"{"secret":"***","b":1}"#),
            (r#"{"to":"jo@example.org"}"#, r#"{"to":"***"}"#),
            (r#"[{"api_key":"abc"#, r#"[{"api_key":"***""#),
            (r#"{"password":"half"#, r#"{"password":"***""#),
            (r#"{"pass\u0077ord":"x","a":"b"}"#, r#"{"pass\u0077ord":"***","a":"b"}"#),
            (r#"{"to":"jo\u0040example.org","a":"b\nc"}"#, r#"{"to":"***","a":"b\nc"}"#),
            (r#"{"m":"{\"pin\":\"1234\"}","n":"{\"a\":1}"}"#, r#"{"m":"***","n":"{\"a\":1}"}"#),
            (r#"{"m":"{\"password\":\"hal"#, r#"{"m":"***""#),
            ("", ""),
        ] {
            assert_eq!(json(said), kept, "{said}");
        }
    }

    proptest! {
        #[test]
        fn a_cut_secret_never_shows(cut in 0usize..40) {
            let said = r#"{"a":1,"password":"hunter2hunter2"}"#;
            let cut = cut.min(said.len());
            prop_assert!(!json(&said[..cut]).contains("hun"));
        }

        #[test]
        fn anything_can_be_redacted(said in "\\PC*") {
            json(&said);
        }
    }
}
