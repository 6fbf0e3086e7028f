//! What an alert says: a text with `%field` in it, rendered as Falco renders it.

use crate::fields::Event;
use crate::language::{Argument, Field, Place};
use crate::transform::Taken;
use crate::value::Seen;

/// A text, cut where fields stand.
#[derive(Debug)]
pub(crate) struct Output {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Field { name: String, taken: Taken },
}

/// One value of an alert's output.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputValue {
    /// There is none: `<NA>` in text, null in JSON.
    Null,
    /// A number.
    Number(i128),
    /// Yes or no.
    Bool(bool),
    /// Text.
    Text(String),
}

/// What Falco puts behind every output where containers are known.
const WORKLOAD: &str = " container_id=%container.id container_name=%container.name \
                        container_image_repository=%container.image.repository \
                        container_image_tag=%container.image.tag \
                        k8s_pod_name=%k8s.pod.name k8s_ns_name=%k8s.ns.name";

impl Output {
    /// Reads `text`; what is wrong, and what to do, where a field is not known.
    pub(crate) fn parse(text: &str, append_workload: bool) -> Result<Output, (String, String)> {
        let mut text = text.trim().to_string();
        if append_workload {
            for field in WORKLOAD.split(' ').filter(|it| !it.is_empty()) {
                let name = field.split_once('%').map_or("", |it| it.1);
                if !text.contains(&format!("%{name}")) {
                    text.push(' ');
                    text.push_str(field);
                }
            }
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find('%') {
            plain.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                plain.push('%');
                rest = after;
                continue;
            }
            // `%container.info` is of old; it stands for what is appended now.
            if let Some(after) = rest.strip_prefix("container.info") {
                rest = after;
                continue;
            }
            let (name, after) = token(rest);
            if name.is_empty() {
                plain.push('%');
                continue;
            }
            rest = after;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            let (taken, ..) = Taken::of(&field(name))?;
            parts.push(Part::Field { name: name.to_string(), taken });
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Output { parts })
    }

    /// The text, and each field with its value, in order, each once.
    pub(crate) fn render(&self, event: &Event<'_>) -> (String, Vec<(String, OutputValue)>) {
        let mut text = String::new();
        let mut values: Vec<(String, OutputValue)> = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Field { name, taken } => taken.with(event, |seen| {
                    match seen.shown() {
                        Some(shown) => text.push_str(&shown),
                        None => text.push_str("<NA>"),
                    }
                    if !values.iter().any(|(known, _)| known == name) {
                        values.push((name.clone(), value(seen)));
                    }
                }),
            }
        }
        (text, values)
    }
}

fn value(seen: &Seen<'_>) -> OutputValue {
    match seen {
        Seen::Number(number) => OutputValue::Number(*number),
        Seen::Bool(value) => OutputValue::Bool(*value),
        seen => seen.shown().map_or(OutputValue::Null, |it| OutputValue::Text(it.into_owned())),
    }
}

/// The field's name at the start of `text`, with what is in brackets, and what comes after it.
fn token(text: &str) -> (&str, &str) {
    let of_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_');
    let end = text.find(|letter| !of_name(letter)).unwrap_or(text.len());
    // A full stop behind a name ends the sentence.
    let end = text[..end].trim_end_matches('.').len();
    if text[end..].starts_with('[')
        && let Some(close) = text[end..].find(']')
    {
        return text.split_at(end + close + 1);
    }
    text.split_at(end)
}

fn field(name: &str) -> Field {
    let (name, argument) = match name.split_once('[') {
        None => (name, None),
        Some((name, rest)) => {
            let inner = rest.trim_end_matches(']').trim_matches(['"', '\'']);
            let argument = match inner.parse() {
                Ok(index) => Argument::Index(index),
                Err(_) => Argument::Key(inner.to_string()),
            };
            (name, Some(argument))
        }
    };
    let place = Place { file: "".into(), line: 1, column: 1 };
    Field { name: name.to_string(), argument, transformers: Vec::new(), place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_where_the_name_does() {
        assert_eq!(token("proc.aname[2] x"), ("proc.aname[2]", " x"));
        assert_eq!(token("fd.name."), ("fd.name", "."));
        assert_eq!(token("fd.name, x"), ("fd.name", ", x"));
        assert_eq!(token(" x").0, "");
    }

    #[test]
    fn a_field_that_is_not_there_is_named() {
        let (message, help) = Output::parse("x=%proc.nam", false).unwrap_err();
        assert_eq!(message, "there is no field `proc.nam`");
        assert_eq!(help, "did you mean `proc.name`?");
        assert!(Output::parse("100%% of %proc.name", false).is_ok());
    }
}
