//! Exceptions of rules: what is in them, and the condition that they come to.

use std::collections::HashSet;

use super::diagnostic::{Place, code};
use super::grammar::takes_list;
use super::keys::Keys;
use super::report::Report;
use super::traced::Traced;
use super::yaml::{Content, Node};

/// The keys of an exception.
const KEYS: [&str; 4] = ["name", "fields", "comps", "values"];

/// One exception.
#[derive(Debug, Clone)]
pub(super) struct Exception {
    name: String,
    place: Place,
    subject: String,
    fields: Option<Entry>,
    comparisons: Option<Entry>,
    values: Vec<Entry>,
}

/// A text, or several.
#[derive(Debug, Clone)]
enum Entry {
    One(Traced),
    Many(Place, Vec<Entry>),
}

impl Entry {
    fn place(&self) -> &Place {
        match self {
            Entry::One(text) => text.home(),
            Entry::Many(place, _) => place,
        }
    }
}

/// Reads the key `exceptions` of a rule. `appended` says that they may be for exceptions that the
/// rule has already.
pub(super) fn read(rule: &Keys<'_>, appended: bool, report: &mut Report) -> Option<Vec<Exception>> {
    let Some(node) = rule.get("exceptions").filter(|node| !node.is_null()) else {
        return Some(Vec::new());
    };
    let Content::List(items) = &node.content else {
        let message = format!("`exceptions` takes a list, not {}", node.kind());
        report.error(code::YAML_VALIDATE, &node.place, &rule.subject, message);
        return None;
    };
    let mut exceptions: Vec<Exception> = Vec::new();
    let mut names = HashSet::new();
    for item in items {
        let mut keys = Keys::of(item, &rule.subject, report)?;
        let name = keys.text("name", report)?;
        keys.subject = format!("{}, exception \"{}\"", rule.subject, name.text());
        keys.check(&KEYS, report);
        if !names.insert(name.text()) {
            let message = "two exceptions of this rule have this name";
            report.error(code::YAML_VALIDATE, name.home(), &keys.subject, message);
            return None;
        }
        if !appended && !keys.has("fields") {
            let message = "the key `fields` is missing";
            report.error(code::YAML_VALIDATE, keys.place, &keys.subject, message);
            return None;
        }
        let mut exception = Exception {
            name: name.text().to_owned(),
            place: item.place.clone(),
            fields: optional(&keys, "fields", report)?,
            comparisons: optional(&keys, "comps", report)?,
            values: Vec::new(),
            subject: std::mem::take(&mut keys.subject),
        };
        match keys.get("values").map(|values| (values, &values.content)) {
            Some((_, Content::List(values))) => {
                for value in values {
                    exception.values.push(entry(value, &exception.subject, 0, report)?);
                }
            }
            Some((values, _)) => {
                let message = format!("`values` takes a list, not {}", values.kind());
                report.error(code::YAML_VALIDATE, &values.place, &exception.subject, message);
                return None;
            }
            None if appended => {
                let message = "the exception adds no values";
                report.warning(code::APPEND_NO_VALUES, &item.place, &exception.subject, message);
            }
            None => {}
        }
        exceptions.push(exception);
    }
    Some(exceptions)
}

/// Adds exceptions to those that a rule has: values to one of the same name, or a new one.
pub(super) fn append(
    exceptions: &mut Vec<Exception>,
    added: Vec<Exception>,
    report: &mut Report,
) -> bool {
    let mut good = true;
    for exception in added {
        let Some(own) = exceptions.iter_mut().find(|own| own.name == exception.name) else {
            let missing = match (&exception.fields, exception.values.is_empty()) {
                (None, _) => "the rule has no such exception, and a new one needs `fields`",
                (_, true) => "the rule has no such exception, and a new one needs `values`",
                _ => {
                    good &= exception.clone().valid(report).is_some();
                    exceptions.push(exception);
                    continue;
                }
            };
            report.error(code::VALIDATE, &exception.place, &exception.subject, missing);
            good = false;
            continue;
        };
        let given = exception.fields.as_ref().map(|it| ("fields", it));
        let given = given.or(exception.comparisons.as_ref().map(|it| ("comps", it)));
        if let Some((key, entry)) = given {
            let message = format!("the rule has this exception: only its values grow, not `{key}`");
            report.error(code::VALIDATE, entry.place(), &exception.subject, message);
            good = false;
            continue;
        }
        own.values.extend(exception.values);
    }
    good
}

/// The condition with `and not (…)` for every exception that has values.
pub(super) fn condition(
    condition: &Traced,
    exceptions: &[Exception],
    report: &mut Report,
) -> Option<Traced> {
    if exceptions.is_empty() {
        return Some(condition.clone());
    }
    let mut whole = Traced::new(condition.home().clone());
    whole.add("(", condition.home(), None);
    whole.append(condition);
    whole.add(")", condition.home(), None);
    let mut good = true;
    for exception in exceptions {
        match exception.clone().valid(report).and_then(|it| it.condition(report)) {
            Some(text) if text.text().is_empty() => {}
            Some(text) => {
                whole.add(" and not ", &exception.place, None);
                whole.append(&text);
            }
            None => good = false,
        }
    }
    good.then_some(whole)
}

/// An exception whose parts fit together.
struct Valid {
    exception: Exception,
    fields: Vec<Traced>,
    comparisons: Vec<Traced>,
    /// One field, and values that are not lists.
    single: bool,
}

impl Exception {
    fn valid(mut self, report: &mut Report) -> Option<Valid> {
        let Some(fields) = self.fields.take() else {
            let message = "the exception has no `fields`";
            report.error(code::VALIDATE, &self.place, &self.subject, message);
            return None;
        };
        let subject = self.subject.clone();
        let mut refuse = |place: &Place, message: String| {
            report.error(code::VALIDATE, place, &subject, message);
        };
        let at = fields.place().clone();
        let (fields, single) = match fields {
            Entry::One(field) => (vec![field], true),
            Entry::Many(_, fields) => (ones(fields, "fields", &mut refuse)?, false),
        };
        let equal = |text| Traced::line(text, at.clone());
        let comparisons = match (self.comparisons.take(), single) {
            (None, true) => vec![equal("in")],
            (None, false) => vec![equal("="); fields.len()],
            (Some(Entry::One(comparison)), true) => vec![comparison],
            (Some(Entry::Many(_, comparisons)), false) => ones(comparisons, "comps", &mut refuse)?,
            (Some(Entry::Many(place, _)), true) => {
                refuse(&place, "`fields` is one text, so `comps` is one, too".into());
                return None;
            }
            (Some(Entry::One(text)), false) => {
                refuse(text.home(), "`fields` is a list, so `comps` is one, too".into());
                return None;
            }
        };
        if comparisons.len() != fields.len() {
            let (comparisons, fields) = (comparisons.len(), fields.len());
            let message = format!("there are {fields} fields and {comparisons} comparisons");
            refuse(&at, message);
            return None;
        }
        for comparison in &comparisons {
            let text = comparison.text();
            let wrong = match takes_list(text) {
                None => format!("`{text}` is not an operator"),
                Some(false) if single => {
                    format!("`{text}` takes no list: with one field, use `in` or `{text} anyof`")
                }
                Some(_) => continue,
            };
            refuse(comparison.home(), wrong);
            return None;
        }
        Some(Valid { exception: self, fields, comparisons, single })
    }
}

impl Valid {
    fn condition(self, report: &mut Report) -> Option<Traced> {
        let Exception { place, subject, values, .. } = &self.exception;
        let mut refuse = |place: &Place, message: String| {
            report.error(code::VALIDATE, place, subject, message);
        };
        let mut text = Traced::new(place.clone());
        if self.single {
            for (at, value) in values.iter().enumerate() {
                let Entry::One(value) = value else {
                    let message = "with one field, `values` is a list of single values".into();
                    refuse(value.place(), message);
                    return None;
                };
                match at {
                    0 => self.left(0, "(", " (", &mut text),
                    _ => text.add(", ", value.home(), None),
                }
                quoted(value, &mut text);
            }
            if !values.is_empty() {
                text.add("))", place, None);
            }
            return Some(text);
        }
        for (at, row) in values.iter().enumerate() {
            let Entry::Many(place, row) = row else {
                let message = "with several fields, `values` is a list of lists".into();
                refuse(row.place(), message);
                return None;
            };
            if row.len() != self.fields.len() {
                let message =
                    format!("there are {} fields and {} values", self.fields.len(), row.len());
                refuse(place, message);
                return None;
            }
            text.add(if at == 0 { "((" } else { " or (" }, place, None);
            for (at, value) in row.iter().enumerate() {
                self.left(at, if at == 0 { "" } else { " and " }, " ", &mut text);
                let list = takes_list(self.comparisons[at].text()) == Some(true);
                match value {
                    Entry::Many(place, values) => {
                        let values = ones(values.clone(), "values", &mut refuse)?;
                        text.add("(", place, None);
                        for (at, value) in values.iter().enumerate() {
                            if at > 0 {
                                text.add(", ", value.home(), None);
                            }
                            quoted(value, &mut text);
                        }
                        text.add(")", place, None);
                    }
                    Entry::One(value) if list && !value.text().starts_with('(') => {
                        text.add("(", value.home(), None);
                        text.append(value);
                        text.add(")", value.home(), None);
                    }
                    Entry::One(value) if list => text.append(value),
                    Entry::One(value) => quoted(value, &mut text),
                }
            }
            text.add(")", place, None);
        }
        if !values.is_empty() {
            text.add(")", place, None);
        }
        Some(text)
    }

    /// Adds a field and its operator.
    fn left(&self, at: usize, before: &str, behind: &str, text: &mut Traced) {
        let (field, comparison) = (&self.fields[at], &self.comparisons[at]);
        text.add(before, field.home(), None);
        text.append(field);
        text.add(" ", field.home(), None);
        text.append(comparison);
        text.add(behind, comparison.home(), None);
    }
}

/// Adds a value, in quotes where it has blanks and none.
fn quoted(value: &Traced, text: &mut Traced) {
    let bare = value.text().contains(' ') && !value.text().starts_with(['"', '\'']);
    let quote = if bare { "\"" } else { "" };
    text.add(quote, value.home(), None);
    text.append(value);
    text.add(quote, value.home(), None);
}

fn ones(
    entries: Vec<Entry>,
    key: &str,
    refuse: &mut impl FnMut(&Place, String),
) -> Option<Vec<Traced>> {
    let mut texts = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry {
            Entry::One(text) => texts.push(text),
            Entry::Many(place, _) => {
                refuse(&place, format!("the lists in `{key}` nest too deep"));
                return None;
            }
        }
    }
    Some(texts)
}

fn optional(keys: &Keys<'_>, key: &str, report: &mut Report) -> Option<Option<Entry>> {
    match keys.get(key) {
        None => Some(None),
        Some(node) => entry(node, &keys.subject, 0, report).map(Some),
    }
}

fn entry(node: &Node, subject: &str, depth: usize, report: &mut Report) -> Option<Entry> {
    let wrong = match &node.content {
        Content::Scalar { text, .. } if !text.text().is_empty() => {
            return Some(Entry::One(text.clone()));
        }
        Content::Scalar { .. } => "a value of an exception is empty".to_owned(),
        Content::List(_) if depth > 2 => "the lists of an exception nest too deep".to_owned(),
        Content::List(nodes) => {
            let nodes = nodes.iter().map(|node| entry(node, subject, depth + 1, report));
            return Some(Entry::Many(node.place.clone(), nodes.collect::<Option<_>>()?));
        }
        Content::Map(_) => "an exception takes texts and lists of them, not mappings".to_owned(),
    };
    report.error(code::YAML_VALIDATE, &node.place, subject, wrong);
    None
}
