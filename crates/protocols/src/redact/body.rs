//! Bodies that are text, whole or cut: what they are says how they are redacted.

use super::{TAKEN_OUT, form, is_secret, json, markup, text};

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// JSON, or a line of it after the other.
    Json,
    /// `a=b&c=d`.
    Form,
    /// XML and HTML.
    Markup,
    /// Any other text.
    Plain,
}

/// What stands behind what was cut.
const CUT: char = '…';

impl Kind {
    /// What a content type without parameters says; `None` where it is no text.
    pub fn of(content_type: &str) -> Option<Kind> {
        let named = content_type.to_ascii_lowercase();
        let (kind, subtype) = named.split_once('/')?;
        match (kind, subtype) {
            (_, "json" | "x-json" | "ndjson" | "x-ndjson" | "jsonl") => Some(Kind::Json),
            (_, "xml" | "html") => Some(Kind::Markup),
            ("application", "x-www-form-urlencoded") => Some(Kind::Form),
            (_, subtype) if subtype.ends_with("+json") => Some(Kind::Json),
            ("application" | "text", subtype) if subtype.ends_with("+xml") => Some(Kind::Markup),
            ("text", _) => Some(Kind::Plain),
            _ => None,
        }
    }
}

/// What may be kept of a body, or of its beginning where it is `cut`. `None` where it says nothing, or is
/// no text after all.
pub fn body(said: &[u8], kind: Kind, cut: bool) -> Option<String> {
    let said = match std::str::from_utf8(said) {
        Ok(said) => said,
        // A character that is cut in two.
        Err(error) if cut && error.error_len().is_none() => {
            std::str::from_utf8(&said[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let is_strange = |it: char| it.is_control() && !matches!(it, '\t' | '\r' | '\n');
    if said.contains(is_strange) || (said.is_empty() && !cut) {
        return None;
    }
    let said = if cut { without_last_word(said) } else { said };
    let mut kept = match kind {
        Kind::Json => json(said),
        Kind::Form => form(said),
        Kind::Markup => markup(said),
        Kind::Plain => plain(said),
    };
    if cut {
        kept.push(CUT);
    }
    Some(kept)
}

/// What is cut may be half a card number, an address or a token, which nobody would know as one: so the
/// last word goes, and digits that stand in groups.
fn without_last_word(said: &str) -> &str {
    let is_word =
        |it: char| it.is_alphanumeric() || matches!(it, '_' | '-' | '.' | '@' | '+' | '%');
    let said = said.trim_end_matches(is_word);
    let front = said.trim_end_matches(|it: char| it.is_ascii_digit() || matches!(it, ' ' | '-'));
    let has_groups = said[front.len()..].contains(|it: char| it.is_ascii_digit());
    if has_groups { front } else { said }
}

/// Text that may be anything: JSON, markup, or lines with `key=value` and `Key: value` in them.
fn plain(said: &str) -> String {
    let begins = said.trim_start();
    if let Some(rest) = begins.strip_prefix('[')
        && rest.trim_start().starts_with(['{', '[', '"'])
    {
        return json(said);
    }
    match begins.chars().next() {
        Some('{') => json(said),
        Some('<') => markup(said),
        _ => said.split_inclusive('\n').map(line).collect(),
    }
}

/// A line: what stands behind a secret key goes, up to its end. JSON in it is read as such.
fn line(said: &str) -> String {
    let ends = said.trim_end_matches(['\r', '\n']).len();
    let (line, end) = said.split_at(ends);
    let begins = ["{\"", "[{", "[\""].iter().filter_map(|it| line.find(it)).min();
    let (front, inside) = line.split_at(begins.unwrap_or(line.len()));
    let mut signs = front.match_indices(['=', ':']).map(|(at, _)| at);
    let is_key = |at: &usize| {
        let before = front[..*at].trim_end_matches([' ', '"', '\'']);
        let word = |it: char| !(it.is_alphanumeric() || matches!(it, '_' | '-' | '.'));
        is_secret(before.rsplit(word).next().unwrap_or_default().as_bytes())
    };
    match signs.find(is_key) {
        Some(at) if at + 1 < line.len() => {
            format!("{} {TAKEN_OUT}{end}", text(&front[..=at]))
        }
        _ => format!("{}{}{end}", text(front), json(inside)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [Kind; 4] = [Kind::Json, Kind::Form, Kind::Markup, Kind::Plain];

    #[test]
    fn types_that_are_text() {
        for (said, kind) in [
            ("application/json", Some(Kind::Json)),
            ("Application/Problem+JSON", Some(Kind::Json)),
            ("application/x-www-form-urlencoded", Some(Kind::Form)),
            ("text/html", Some(Kind::Markup)),
            ("application/soap+xml", Some(Kind::Markup)),
            ("text/event-stream", Some(Kind::Plain)),
            ("image/svg+xml", None),
            ("application/grpc", None),
            ("application/octet-stream", None),
            ("multipart/form-data", None),
            ("", None),
        ] {
            assert_eq!(Kind::of(said), kind, "{said}");
        }
    }

    #[test]
    fn what_is_no_text_is_not_kept() {
        assert_eq!(body(b"\x1f\x8b\x08\0", Kind::Json, true), None);
        assert_eq!(body(b"a\0b", Kind::Plain, false), None);
        assert_eq!(body(b"gr\xfc\xdfe", Kind::Plain, false), None);
        assert_eq!(body("grü".as_bytes().get(..3).unwrap(), Kind::Plain, false), None);
        assert_eq!(body(b"", Kind::Plain, false), None);
    }

    #[test]
    fn lines_with_keys() {
        for (said, kept) in [
            ("user=jo password=correct horse\nn: 1\n", "user=jo password= ***\nn: 1\n"),
            ("Authorization: Bearer x\r\nHost: a", "Authorization: ***\r\nHost: a"),
            ("data: {\"pin\": 1, \"a\": 2}\n\n", "data: {\"pin\": \"***\", \"a\": 2}\n\n"),
            ("[12:30] it went well", "[12:30] it went well"),
            (" {\"password\": \"x\"}", " {\"password\": \"***\"}"),
            ("<pin>1</pin>", "<pin>***</pin>"),
            ("token:", "token:"),
        ] {
            assert_eq!(body(said.as_bytes(), Kind::Plain, false).as_deref(), Some(kept), "{said}");
        }
    }

    #[test]
    fn what_is_cut_shows_no_half_of_anything() {
        for (said, kept) in [
            ("pay 4111 1111 1111 1", "pay…"),
            ("pay 4111-1111-1111-1", "pay …"),
            ("mail jo@exam", "mail …"),
            ("it was bla", "it was …"),
            ("a, b, gr\u{fc}", "a, b, …"),
        ] {
            assert_eq!(body(said.as_bytes(), Kind::Plain, true).as_deref(), Some(kept), "{said}");
        }
        let cut = "{\"a\": \"grü".as_bytes();
        let kept = body(&cut[..cut.len() - 1], Kind::Json, true);
        assert_eq!(kept.as_deref(), Some("{\"a\": \"…"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn anything_is_taken(said in prop::collection::vec(any::<u8>(), 0..200), cut: bool) {
            for kind in KINDS {
                body(&said, kind, cut);
            }
        }

        #[test]
        fn any_words_are_taken(said in r#"(\PC|\{"|"pin":|\\u|\\"|<pin|>|</|="|&|%4|=|:|\n){0,80}"#) {
            for kind in KINDS {
                let end = said.floor_char_boundary(said.len() / 2);
                body(&said.as_bytes()[..end], kind, true);
                body(said.as_bytes(), kind, false);
            }
        }

        /// Wherever it is cut, and whatever kind it is thought to be by its own type.
        #[test]
        fn a_cut_secret_never_shows(cut in 0usize..200) {
            for (kind, said) in [
                (Kind::Json, r#"{"a":[{"password":"hunter2"},{"b":{"secret":["hunter2",{"c":"hunter2"}]}}],"card":"4111 1111 1111 1111","m":"jo@hunter.org"}"#),
                (Kind::Form, "a=b&password=hunter2&c=4111+1111+1111+1111&m=jo%40hunter.org&d[secret]=hunter2"),
                (Kind::Plain, "a=b password=hunter2\nnote 4111 1111 1111 1111 and jo@hunter.org\nsecret: hunter2"),
                (Kind::Markup, "<a><pin>hunter2</pin>4111 1111 1111 1111 jo@hunter.org <b secret='hunter2'/></a>"),
            ] {
                let cut = cut.min(said.len());
                let kept = body(&said.as_bytes()[..cut], kind, cut < said.len()).unwrap_or_default();
                prop_assert!(!kept.contains("hun") && !kept.contains("4111"), "{kept}");
            }
        }
    }
}
