//! What is wrong with a configuration: where, which key, and the nearest right word.

use std::fmt;

use serde_saphyr::Error;

use crate::cli::tables::distance;

/// What is wrong, in one line; [`Problem::excerpt`] shows the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the environment variable.
    pub place: String,
    /// Line and column, from 1, where it is in a file.
    pub at: Option<(u64, u64)>,
    /// The key, as far as it is known.
    pub key: Option<String>,
    /// What is wrong and what would be right.
    pub words: String,
    /// The line itself.
    line: String,
}

impl Problem {
    /// A problem that has no line.
    pub(crate) fn of(place: impl Into<String>, words: impl Into<String>) -> Problem {
        let (place, words) = (place.into(), words.into());
        Problem { place, at: None, key: None, words, line: String::new() }
    }

    /// What the YAML reader found in `text`, in words that help.
    pub(crate) fn in_file(place: &str, text: &str, error: &Error, keys: &[String]) -> Problem {
        let error = error.without_snippet();
        let at = error.location().map(|at| (at.line(), at.column()));
        let line = at.map_or(0, |(line, _)| line as usize);
        let mut key = key_at(text, line);
        let words = match error {
            Error::SerdeUnknownField { field, expected, .. } => {
                let section = key.as_deref().and_then(|key| key.rsplit_once('.'));
                let section = section.map(|(section, _)| section.to_string());
                key = None;
                unknown_key(field, section.as_deref(), expected, keys)
            }
            _ => {
                key = key.filter(|_| !matches!(error, Error::MultipleDocuments { .. }));
                said(error)
            }
        };
        let line = text.lines().nth(line.wrapping_sub(1)).unwrap_or_default().to_string();
        Problem { place: place.to_string(), at, key, words, line }
    }

    /// A problem of `key`, which may or may not stand in `text`.
    pub(crate) fn of_key(place: &str, text: &str, key: &str, words: &str) -> Problem {
        let problem = Problem { key: Some(key.to_string()), ..Problem::of(place, words) };
        let mut lines = text.lines().enumerate();
        let found = lines.find(|(at, line)| {
            key_of(line).is_some() && key_at(text, at + 1).as_deref() == Some(key)
        });
        let Some((at, line)) = found else { return problem };
        let column = key_of(line).map_or(0, |(indent, _)| indent as u64) + 1;
        Problem { at: Some((at as u64 + 1, column)), line: line.to_string(), ..problem }
    }

    /// The line with a mark under the place; empty where there is none.
    pub fn excerpt(&self) -> String {
        let Some((line, column)) = self.at.filter(|_| !self.line.is_empty()) else {
            return String::new();
        };
        let number = line.to_string();
        let blank = " ".repeat(number.len());
        let shown: String =
            self.line.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
        let before = " ".repeat(column.saturating_sub(1) as usize);
        format!("{blank} |\n{number} | {shown}\n{blank} | {before}^\n")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        if let Some((line, column)) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.words)
    }
}

impl std::error::Error for Problem {}

/// What the YAML reader says of a value that stands by itself, as in an environment variable.
pub(crate) fn words(error: Error) -> String {
    let error = error.without_snippet();
    match error {
        Error::SerdeUnknownField { field, expected, .. } => unknown_key(field, None, expected, &[]),
        _ => said(error),
    }
}

/// `; did you mean …?`, or nothing where no candidate is near.
pub(crate) fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let near =
        candidates.into_iter().map(|it| (distance(&word.to_lowercase(), &it.to_lowercase()), it));
    match near.min() {
        Some((distance, near)) if distance <= 1 + word.chars().count() / 3 => {
            format!("; did you mean `{near}`?")
        }
        _ => String::new(),
    }
}

fn unknown_key(field: &str, section: Option<&str>, expected: &[&str], keys: &[String]) -> String {
    let mut suggestion = suggest(field, expected.iter().copied());
    // A right key in the wrong section.
    let last = |key: &&String| key.rsplit('.').next() == Some(field);
    if suggestion.is_empty()
        && let Some(key) = keys.iter().find(last)
    {
        suggestion = format!("; did you mean `{key}`?");
    }
    let place = section.map_or(String::new(), |section| format!(" in `{section}`"));
    match suggestion.is_empty() {
        true => format!("there is no key `{field}`{place}; there are {}", expected.join(", ")),
        false => format!("there is no key `{field}`{place}{suggestion}"),
    }
}

fn said(error: &Error) -> String {
    match error {
        Error::Message { msg, .. } => msg.clone(),
        Error::DuplicateMappingKey { key, .. } => {
            format!("the key `{}` is there twice", key.as_deref().unwrap_or_default())
        }
        Error::NullIntoString { .. } => "there is no value".to_string(),
        Error::MultipleDocuments { .. } => "there is more than one document".to_string(),
        Error::Unexpected { expected: "mapping start", .. } => {
            "here keys with values have to stand (key: value)".to_string()
        }
        Error::Unexpected { expected: "sequence start", .. } => {
            "here a list has to stand: [one, other]".to_string()
        }
        Error::Unexpected { expected: "string scalar", .. } => {
            "here a single value has to stand, neither a list nor keys".to_string()
        }
        other => {
            // Our own line says where it is.
            let text = other.to_string();
            text.split(" at line ").next().unwrap_or(&text).to_string()
        }
    }
}

/// The key on a line, with its sections, by the indentation; none where there is no key.
fn key_at(text: &str, number: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().take(number).collect();
    let last = lines.get(number.checked_sub(1)?)?;
    let mut path = Vec::new();
    let mut limit = match key_of(last) {
        Some(_) => usize::MAX,
        // An element of a list may stand as far left as the list's key.
        None => last.find('-')? + 1,
    };
    for (indent, key) in lines.iter().rev().filter_map(|line| key_of(line)) {
        if indent < limit {
            path.push(key);
            limit = indent;
        }
    }
    path.reverse();
    (!path.is_empty()).then(|| path.join("."))
}

fn key_of(line: &str) -> Option<(usize, &str)> {
    let start = line.trim_start_matches([' ', '-']);
    let (key, _) = start.split_once(':')?;
    // Names of namespaces stand where keys do.
    let is_key = key.starts_with(|it: char| it.is_ascii_lowercase())
        && key
            .bytes()
            .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || b"_-".contains(&it));
    is_key.then_some((line.len() - start.len(), key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_told_with_its_sections() {
        let text =
            "node: a\nrings:\n  # how many\n  workers: 3\noutputs:\n- kind: file\n  keep: x\n- 7\n";
        assert_eq!(key_at(text, 1).as_deref(), Some("node"));
        assert_eq!(key_at(text, 4).as_deref(), Some("rings.workers"));
        assert_eq!(key_at(text, 7).as_deref(), Some("outputs.keep"));
        assert_eq!(key_at(text, 3), None);
        assert_eq!(key_at(text, 8).as_deref(), Some("outputs"));
        assert_eq!((key_at(text, 0), key_at(text, 99)), (None, None));
    }
}
