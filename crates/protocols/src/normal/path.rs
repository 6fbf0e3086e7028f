//! Paths and keys with their ids folded: `/users/17/orders/4f9c…` is `/users/{id}/orders/{id}`.

use std::borrow::Cow;

use crate::redact;

/// What stands in place of what differs.
const ID: &str = "{id}";

/// How many segments are told apart; what is below them is folded into `…`.
const SEGMENTS: usize = 12;

/// The path without its query, with ids folded. At most a few hundred bytes.
///
/// An id is a segment of digits, a UUID, hex of 8 or more digits, or long and of letters and
/// digits mixed. Words, versions (`v1`) and file names stay.
pub fn path(target: &str) -> String {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let mut folded = String::with_capacity(path.len().min(256));
    for (at, segment) in path.split('/').enumerate() {
        if at > 0 {
            folded.push('/');
        }
        if at > SEGMENTS {
            folded.push('…');
            break;
        }
        if is_id(segment.as_bytes()) || segment.len() > 64 {
            folded.push_str(ID);
        } else {
            let kept = redact::text(segment);
            folded.push_str(if matches!(kept, Cow::Owned(_)) { ID } else { segment });
        }
    }
    folded
}

/// A key of a store with ids folded: `user:17:cart` is `user:{id}:cart`. Keys are parted at `:`, `/`,
/// `|`, `.`, and at braces.
pub fn key(key: &str) -> String {
    const MARKS: [char; 6] = [':', '/', '|', '.', '{', '}'];
    let key = redact::text(key);
    let mut folded = String::with_capacity(key.len().min(128));
    for segment in key.split_inclusive(MARKS).take(SEGMENTS) {
        let word = segment.trim_end_matches(MARKS);
        if is_id(word.as_bytes()) || word.len() > 64 || word.contains(redact::TAKEN_OUT) {
            folded.push_str(ID);
        } else {
            folded.push_str(word);
        }
        folded.push_str(&segment[word.len()..]);
    }
    folded
}

fn is_id(segment: &[u8]) -> bool {
    let digits = segment.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return false;
    }
    let of = |is: fn(&u8) -> bool| segment.iter().all(is);
    let numeric =
        of(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.' | b':' | b','));
    let hex = segment.len() >= 8 && of(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let mixed = segment.len() >= 16
        && digits >= 3
        && of(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=' | b'%'));
    numeric || hex || mixed
}

#[cfg(test)]
mod tests {
    use super::{key, path};

    #[test]
    fn keys_are_folded() {
        for (said, folded) in [
            ("user:17:cart", "user:{id}:cart"),
            ("session:4f9c1b2e8d3a4c5b", "session:{id}"),
            ("{shop}.orders", "{shop}.orders"),
            ("jo@example.org", "{id}"),
            ("", ""),
        ] {
            assert_eq!(key(said), folded);
        }
    }

    #[test]
    fn ids_are_folded_and_words_are_not() {
        for (said, folded) in [
            ("/", "/"),
            ("", ""),
            ("/users/17/orders/99?x=1", "/users/{id}/orders/{id}"),
            ("/u/4f9c1b2e-8d3a-4c5b-9e6f-7a8b9c0d1e2f", "/u/{id}"),
            ("/c/deadbeef01", "/c/{id}"),
            ("/m/jo@example.org/x", "/m/{id}/x"),
            ("/api/v1/health", "/api/v1/health"),
            ("/static/app.min.js", "/static/app.min.js"),
            ("/jquery-3.7.1.js", "/jquery-3.7.1.js"),
            ("/facade", "/facade"),
            ("/a/b/c/d/e/f/g/h/i/j/k/l/m/n", "/a/b/c/d/e/f/g/h/i/j/k/l/…"),
            ("*", "*"),
        ] {
            assert_eq!(path(said), folded);
        }
    }
}
