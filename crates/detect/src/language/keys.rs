//! A mapping of a rule file: its keys, and values of the types that are asked for.

use std::collections::HashSet;

use super::diagnostic::{Place, code};
use super::report::Report;
use super::traced::Traced;
use super::yaml::{Content, Node};

/// A mapping, and what it is about.
pub(super) struct Keys<'a> {
    pairs: &'a [(Node, Node)],
    pub(super) place: &'a Place,
    pub(super) subject: String,
}

impl<'a> Keys<'a> {
    /// The keys of `node`, which has to be a mapping; `subject` says what it is about.
    pub(super) fn of(node: &'a Node, subject: &str, report: &mut Report) -> Option<Keys<'a>> {
        let Content::Map(pairs) = &node.content else {
            let message = format!("expected a mapping of keys to values, not {}", node.kind());
            report.error(code::YAML_VALIDATE, &node.place, subject, message);
            return None;
        };
        Some(Keys { pairs, place: &node.place, subject: subject.to_owned() })
    }

    /// The value of `key`; of the first, where it stands twice.
    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        self.pair(key).map(|(_, value)| value)
    }

    /// Whether `key` is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Where `key` stands; the mapping itself, where it does not.
    pub(super) fn at(&self, key: &str) -> &'a Place {
        self.pair(key).map_or(self.place, |(key, _)| &key.place)
    }

    /// All of it, in the order of the file, without keys that are no texts.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'a Traced, &'a Node)> + use<'a> {
        self.pairs.iter().filter_map(|(key, value)| Some((key.scalar()?, value)))
    }

    /// Warns of keys that are not among `known`, and of keys that stand twice.
    pub(super) fn check(&self, known: &[&str], report: &mut Report) {
        let mut before = HashSet::new();
        for (key, _) in self.pairs {
            let Some(name) = key.scalar().map(Traced::text) else {
                let message = format!("a key is a text, not {}", key.kind());
                report.error(code::YAML_VALIDATE, &key.place, &self.subject, message);
                continue;
            };
            if !known.contains(&name) {
                let message = format!("the key `{name}` is not known here and does nothing");
                let guess = report.guess(name, known.iter().copied());
                report.warning(code::UNKNOWN_KEY, &key.place, &self.subject, message).help(guess);
            }
            if !before.insert(name) {
                let message = format!("the key `{name}` stands here twice: the first one counts");
                report.warning(code::DUPLICATE_KEY, &key.place, &self.subject, message);
            }
        }
    }

    /// The text of `key`, which has to be there.
    pub(super) fn text(&self, key: &str, report: &mut Report) -> Option<&'a Traced> {
        let Some(value) = self.get(key) else {
            let message = format!("the key `{key}` is missing");
            report.error(code::YAML_VALIDATE, self.place, &self.subject, message);
            return None;
        };
        let wrong = match value.scalar() {
            _ if value.is_null() => format!("the key `{key}` has no value"),
            None => format!("`{key}` takes a single value, not {}", value.kind()),
            Some(text) if text.text().is_empty() => format!("`{key}` is empty"),
            Some(text) => return Some(text),
        };
        report.error(code::YAML_VALIDATE, &value.place, &self.subject, wrong);
        None
    }

    /// Whether `key` is on: `otherwise` where it is not there; None where it is neither.
    pub(super) fn flag(&self, key: &str, otherwise: bool, report: &mut Report) -> Option<bool> {
        if !self.has(key) {
            return Some(otherwise);
        }
        let text = self.text(key, report)?;
        let on = boolean(text.text());
        if on.is_none() {
            let message = format!("`{key}` is `true` or `false`, not `{}`", text.text());
            report.error(code::YAML_VALIDATE, text.home(), &self.subject, message);
        }
        on
    }

    /// Checks that `key`, if it is there, is a whole number.
    pub(super) fn whole_number(&self, key: &str, report: &mut Report) -> Option<()> {
        if !self.has(key) {
            return Some(());
        }
        let text = self.text(key, report)?;
        if text.text().parse::<u32>().is_ok() {
            return Some(());
        }
        let message = format!("`{key}` is a whole number, not `{}`", text.text());
        report.error(code::YAML_VALIDATE, text.home(), &self.subject, message);
        None
    }

    /// The texts in the list of `key`, if it is there.
    pub(super) fn texts(&self, key: &str, report: &mut Report) -> Option<Vec<&'a Traced>> {
        let value = self.get(key)?;
        let Content::List(values) = &value.content else {
            let message = format!("`{key}` takes a list, not {}", value.kind());
            report.error(code::YAML_VALIDATE, &value.place, &self.subject, message);
            return None;
        };
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            match value.scalar().filter(|_| !value.is_null()) {
                Some(text) => texts.push(text),
                None => {
                    let message =
                        format!("`{key}` is a list of single values, not of {}", many(value));
                    report.error(code::YAML_VALIDATE, &value.place, &self.subject, message);
                    return None;
                }
            }
        }
        Some(texts)
    }

    fn pair(&self, key: &str) -> Option<&'a (Node, Node)> {
        self.pairs.iter().find(|(it, _)| it.scalar().is_some_and(|text| text.text() == key))
    }
}

fn many(node: &Node) -> &'static str {
    match &node.content {
        Content::Map(_) => "mappings",
        Content::List(_) => "lists",
        Content::Scalar { .. } => "nothing",
    }
}

/// What YAML 1.1 takes for true and false, as Falco does.
fn boolean(text: &str) -> Option<bool> {
    let small = text.to_ascii_lowercase();
    let rest = text.get(1..)?;
    let spelled = text == small || rest == &small[1..] || text.chars().all(|it| it.is_uppercase());
    match small.as_str() {
        "y" | "yes" | "true" | "on" if spelled => Some(true),
        "n" | "no" | "false" | "off" if spelled => Some(false),
        _ => None,
    }
}
