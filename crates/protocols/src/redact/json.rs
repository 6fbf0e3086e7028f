//! JSON, perhaps cut anywhere: values of keys that name secrets are taken out.

use super::{TAKEN_OUT, is_secret, text};

/// The JSON without the values of secret keys, and all its other strings redacted as text.
///
/// It works on tokens, not on a tree: what is cut, or is no JSON, is redacted as far as it goes. A
/// secret that is an object or an array is taken out whole.
pub fn json(body: &str) -> String {
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
        if secret && !is_key {
            kept.push('"');
            kept.push_str(TAKEN_OUT);
            kept.push('"');
        } else {
            kept.push_str(&text(token));
        }
        secret = is_key && is_secret(token.trim_matches('"').as_bytes());
    }
    kept
}

/// What numbers and words are made of, and anything that is no JSON.
fn is_plain(byte: u8) -> bool {
    !matches!(byte, b'"' | b'{' | b'}' | b'[' | b']' | b':' | b',' | b' ' | b'\n' | b'\r' | b'\t')
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
