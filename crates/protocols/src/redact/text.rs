//! Text of any kind: what looks like a card number, an e-mail address or a token is taken out.

use std::borrow::Cow;

use super::TAKEN_OUT;

/// The text without card numbers, e-mail addresses and tokens.
///
/// Cards are 13 to 19 digits, perhaps in groups, with a right check digit. Tokens are known by how
/// they begin (`eyJ`, `ghp_`, `AKIA` …), by `Bearer` or `Basic` before them, or by being 32 or more
/// letters and digits without a break in which both occur; a UUID is none.
pub fn text(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut kept = String::new();
    let (mut copied, mut at) = (0, 0);
    let mut after_scheme = false;
    while at < bytes.len() {
        if !is_word(bytes[at]) {
            after_scheme &= bytes[at] == b' ';
            at += 1;
            continue;
        }
        let length = bytes[at..].iter().take_while(|&&byte| is_word(byte)).count();
        let word = &bytes[at..at + length];
        let taken = card(&bytes[at..]).or_else(|| {
            let secret = after_scheme || is_token(word) || is_address(word);
            secret.then_some(length)
        });
        after_scheme = [&b"bearer"[..], b"basic"].iter().any(|s| s.eq_ignore_ascii_case(word));
        match taken {
            Some(length) => {
                kept.push_str(&text[copied..at]);
                kept.push_str(TAKEN_OUT);
                at += length;
                copied = at;
            }
            None => at += length,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(&text[copied..]);
    Cow::Owned(kept)
}

/// What tokens and addresses are made of. Every byte of a longer character is one.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'-' | b'.' | b'@' | b'+' | b'%')
        || byte >= 0x80
}

fn is_address(word: &[u8]) -> bool {
    let at = memchr::memchr(b'@', word).map(|at| (at, 1));
    let Some((at, length)) = at.or_else(|| memchr::memmem::find(word, b"%40").map(|at| (at, 3)))
    else {
        return false;
    };
    let (user, host) = (&word[..at], &word[at + length..]);
    let dot = memchr::memchr(b'.', host);
    !user.is_empty() && dot.is_some_and(|dot| dot > 0 && dot + 2 < host.len())
}

fn is_token(word: &[u8]) -> bool {
    const BEGINNINGS: [&str; 14] = [
        "eyJ",
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxp-",
        "sk-",
        "sk_live_",
        "rk_live_",
        "AKIA",
        "ASIA",
        "AIza",
    ];
    let begins =
        |start: &&str| word.len() >= start.len() + 12 && word.starts_with(start.as_bytes());
    if BEGINNINGS.iter().any(begins) {
        return true;
    }
    let runs = word.split(|byte| !byte.is_ascii_alphanumeric());
    runs.filter(|run| run.len() >= 32)
        .any(|run| run.iter().any(u8::is_ascii_digit) && run.iter().any(u8::is_ascii_alphabetic))
}

/// The length of the card number that begins here. What is before it is no digit.
fn card(bytes: &[u8]) -> Option<usize> {
    let (mut digits, mut count, mut length) = ([0; 19], 0, 0);
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' if count == digits.len() => return None,
            b'0'..=b'9' => {
                digits[count] = byte - b'0';
                count += 1;
                length = at + 1;
            }
            // One break between groups.
            b' ' | b'-' if length == at && count > 0 => {}
            _ => break,
        }
    }
    let digits = &digits[..count];
    let whole = bytes.get(length).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let plausible = whole && count >= 13 && digits.iter().any(|digit| *digit != digits[0]);
    (plausible && luhn(digits)).then_some(length)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, &digit)| {
            let doubled = u32::from(digit) << (at & 1);
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn people_and_secrets_are_taken_out() {
        for (said, kept) in [
            ("mail jo.doe+x@example.org now", "mail *** now"),
            ("/users/jo%40example.org/x", "/users/***/x"),
            ("card 4111 1111 1111 1111, thanks", "card ***, thanks"),
            ("4111-1111-1111-1111", "***"),
            ("pan=5500005555555559;", "pan=***;"),
            ("Authorization: Bearer abc", "Authorization: Bearer ***"),
            ("basic dXNlcjpwYXNz", "basic ***"),
            ("t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx", "t=***"),
            ("key AKIAIOSFODNN7EXAMPLE", "key ***"),
            ("session:0123456789abcdef0123456789abcdef", "session:***"),
        ] {
            assert_eq!(text(said), kept);
        }
    }

    #[test]
    fn other_text_stays() {
        for said in [
            "",
            "GET /orders/17",
            "order 1234567890123456",
            "a@b",
            "@",
            "1763817600000",
            "basic",
            "4f9c1b2e-8d3a-4c5b-9e6f-7a8b9c0d1e2f",
            "0000 0000 0000 0000",
            "grüße",
        ] {
            assert!(matches!(text(said), Cow::Borrowed(same) if same == said), "{said}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_redacted(said in "\\PC*") {
            let once = text(&said).into_owned();
            prop_assert_eq!(text(&once), once.as_str());
        }
    }
}
