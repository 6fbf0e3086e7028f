//! Whether one value of a row is what the log expects.

use serde_json::Value;

use crate::bytes::{Bytes, escape_controls};
use crate::columns as c;
use crate::log::Expect;

/// Text of a row in the form that [`Bytes::shown`] has.
pub(super) fn shown(text: &str) -> String {
    escape_controls(text)
}

/// An expected value in the form in which identities are compared.
pub(super) fn shown_expect(expect: &Expect) -> String {
    match expect {
        Expect::Null => "null".into(),
        Expect::Bool(value) => value.to_string(),
        Expect::Int(value) => value.to_string(),
        Expect::Text(bytes) => bytes.shown(),
        Expect::List(list) => format!("{list:?}"),
        Expect::OneOf { one_of } => one_of.first().map(shown_expect).unwrap_or_default(),
        Expect::Begins { begins, .. } => format!("{begins:?}"),
        Expect::AtLeast { at_least } => at_least.to_string(),
        Expect::Depends { then, .. } => shown_expect(then),
    }
}

/// A row's value in the form in which identities are compared.
pub(super) fn shown_value(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        other => other.to_string(),
    }
}

/// Whether `found` is what `expect` asks of `column`.
pub(super) fn agrees(column: &str, expect: &Expect, found: &Value) -> bool {
    match expect {
        Expect::OneOf { one_of } => one_of.iter().any(|expect| agrees(column, expect, found)),
        Expect::Begins { begins, least } => begins_with(begins, *least, found),
        Expect::List(list) if column == c::FLAGS => flags(list) == found_flags(found),
        Expect::List(list) => found.as_array().is_some_and(|found| {
            found.len() == list.len()
                && list.iter().zip(found).all(|(expect, found)| text_agrees(expect, found))
        }),
        Expect::Null => found.is_null(),
        Expect::Bool(value) => found.as_bool() == Some(*value),
        Expect::Int(value) => number(column, found) == Some(*value),
        Expect::Text(bytes) => text_agrees(bytes, found),
        Expect::AtLeast { at_least } => number(column, found).is_some_and(|it| it >= *at_least),
        // The log was read for the hooks that there are, so nothing is left to depend on.
        Expect::Depends { .. } => false,
    }
}

fn text_agrees(expect: &Bytes, found: &Value) -> bool {
    found.as_str().is_some_and(|found| shown(found) == expect.shown())
}

/// Modes may be printed in octal, as text; cookies as text.
fn number(column: &str, found: &Value) -> Option<i64> {
    let text = |text: &str| match column {
        c::MODE => i64::from_str_radix(text.trim_start_matches("0o"), 8).ok(),
        _ => text.parse().ok(),
    };
    found.as_i64().or_else(|| found.as_str().and_then(text))
}

fn begins_with(full: &[Bytes], least: usize, found: &Value) -> bool {
    let Some(found) = found.as_array() else { return false };
    let Some((last, whole)) = found.split_last() else { return least == 0 };
    let told: usize = full.iter().take(found.len()).map(|arg| arg.0.len() + 1).sum();
    found.len() <= full.len()
        && told >= least
        && whole.iter().zip(full).all(|(found, expect)| text_agrees(expect, found))
        && last.as_str().is_some_and(|last| full[whole.len()].shown().starts_with(&shown(last)))
}

fn flags(list: &[Bytes]) -> Vec<String> {
    normal(list.iter().map(Bytes::shown).collect())
}

fn found_flags(found: &Value) -> Vec<String> {
    let names = match found {
        Value::Array(list) => {
            list.iter().map(|name| name.as_str().unwrap_or("?").to_owned()).collect()
        }
        Value::String(text) => text.split('|').map(str::to_owned).collect(),
        Value::Null => Vec::new(),
        other => vec![other.to_string()],
    };
    normal(names)
}

fn normal(mut names: Vec<String>) -> Vec<String> {
    for (whole, part) in c::INCLUDED_FLAGS {
        if names.iter().any(|name| name == whole) {
            names.retain(|name| name != part);
        }
    }
    names.retain(|name| !name.is_empty() && !c::SILENT_FLAGS.contains(&name.as_str()));
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list(texts: &[&str]) -> Vec<Bytes> {
        texts.iter().map(Bytes::from).collect()
    }

    #[test]
    fn flags_are_sets() {
        let expect = Expect::List(list(&["O_RDWR", "O_CREAT"]));
        assert!(agrees(c::FLAGS, &expect, &json!(["O_CREAT", "O_LARGEFILE", "O_RDWR"])));
        assert!(agrees(c::FLAGS, &expect, &json!("O_RDWR|O_CREAT")));
        assert!(!agrees(c::FLAGS, &expect, &json!(["O_RDWR"])));
        assert!(agrees(c::FLAGS, &Expect::List(list(&["O_RDONLY"])), &json!([])));
        assert!(agrees(
            c::FLAGS,
            &Expect::List(list(&["O_TMPFILE", "O_DIRECTORY"])),
            &json!(["O_TMPFILE"])
        ));
    }

    #[test]
    fn arguments_keep_their_order_and_may_be_cut() {
        let full = Expect::List(list(&["a", "bc"]));
        assert!(agrees(c::ARGS, &full, &json!(["a", "bc"])));
        assert!(!agrees(c::ARGS, &full, &json!(["bc", "a"])));
        let cut = Expect::Begins { begins: list(&["a", "bcd", "e"]), least: 3 };
        assert!(agrees(c::ARGS, &cut, &json!(["a", "bc"])));
        assert!(!agrees(c::ARGS, &cut, &json!(["a", "x"])));
        assert!(!agrees(c::ARGS, &cut, &json!(["a"])));
        assert!(!agrees(c::ARGS, &cut, &json!(["a", "bcd", "e", "f"])));
    }

    #[test]
    fn odd_text_agrees_in_either_form() {
        let expect = Expect::text(b"a\n\xff");
        assert!(agrees(c::PATH, &expect, &json!("a\n\\xff")));
        assert!(agrees(c::PATH, &expect, &json!("a\\n\\xff")));
        assert!(agrees(c::MODE, &Expect::Int(0o644), &json!("0644")));
        assert!(agrees(c::MODE, &Expect::Int(0o644), &json!(420)));
    }
}
