//! Bodies of forms: `user=jo&password=***`.

use super::json::hides;
use super::{TAKEN_OUT, is_secret, text};

/// The form without the values of secret keys, and without values that hide a card number, an address,
/// a token, or JSON with secrets.
pub fn form(body: &str) -> String {
    let mut kept = String::with_capacity(body.len());
    for (at, pair) in body.split('&').enumerate() {
        if at > 0 {
            kept.push('&');
        }
        let (key, value) = match pair.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (pair, None),
        };
        let name = decoded(key);
        kept.push_str(if text(&name) == name { key } else { TAKEN_OUT });
        let Some(value) = value else { continue };
        kept.push('=');
        let goes = !value.is_empty() && (is_secret_place(&name) || hides(&decoded(value)));
        kept.push_str(if goes { TAKEN_OUT } else { value });
    }
    kept
}

/// `card[cvv]` and `user.pin` are as secret as `cvv` and `pin`.
fn is_secret_place(name: &str) -> bool {
    is_secret(name.as_bytes()) || name.split(['[', ']', '.']).any(|it| is_secret(it.as_bytes()))
}

/// `a+b%40c` is `a b@c`.
fn decoded(said: &str) -> String {
    let mut plain = Vec::with_capacity(said.len());
    let mut rest = said.as_bytes();
    while let [first, behind @ ..] = rest {
        let digit = |at: usize| Some(char::from(*behind.get(at)?).to_digit(16)? as u8);
        let pair = (*first == b'%').then(|| digit(0).zip(digit(1))).flatten();
        rest = if pair.is_some() { &behind[2..] } else { behind };
        plain.push(match (pair, first) {
            (Some((high, low)), _) => high << 4 | low,
            (None, b'+') => b' ',
            (None, other) => *other,
        });
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_go_however_they_are_written() {
        for (said, kept) in [
            ("user=jo&password=hunter2&n=1", "user=jo&password=***&n=1"),
            ("p%61ssword=x&a=b+c", "p%61ssword=***&a=b+c"),
            ("card[cvv]=123&card[name]=jo", "card[cvv]=***&card[name]=jo"),
            ("to=jo%40example.org&a=%zz", "to=***&a=%zz"),
            ("note=4111+1111+1111+1111&x=", "note=***&x="),
            ("data=%7B%22pin%22%3A%221%22%7D&e=%7B%22a%22%3A1%7D", "data=***&e=%7B%22a%22%3A1%7D"),
            ("jo%40example.org&bare", "***&bare"),
            ("", ""),
        ] {
            assert_eq!(form(said), kept, "{said}");
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_redacted(said in "\\PC*") {
            form(&said);
        }
    }
}
