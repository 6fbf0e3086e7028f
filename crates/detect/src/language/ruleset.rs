//! Rules, as they are once everything is resolved.

use super::traced::Traced;
use super::{Condition, Place};

/// What the files say together. Rules stand in the order in which they are asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ruleset {
    /// The rules, the disabled ones too.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Where it is defined.
    pub place: Place,
    /// What it is about.
    pub description: String,
    /// The source of its events: `syscall` where it does not say.
    pub source: String,
    /// What it asks.
    pub condition: Condition,
    /// The condition as it was written, with what was appended, before anything was resolved.
    pub written: String,
    /// What an alert says: text with `%field` in it.
    pub output: Text,
    /// How bad it is.
    pub priority: Priority,
    /// Its tags.
    pub tags: Vec<String>,
    /// Whether it is asked at all.
    pub enabled: bool,
    /// Whether a field that is not known makes the rule be left out, with a warning, where it would
    /// be an error.
    pub skip_if_unknown_filter: bool,
    /// Whether a condition without event types is worth a warning.
    pub warn_evttypes: bool,
}

/// A text and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Where it begins.
    pub place: Place,
    /// The text, with the place of every character.
    traced: Traced,
}

impl Text {
    /// Where the character at `byte` of the text stands, which may be lines below its beginning.
    pub fn at(&self, byte: usize) -> Place {
        self.traced.origin(byte).place
    }
}

impl From<Traced> for Text {
    fn from(traced: Traced) -> Text {
        Text { text: traced.text().to_owned(), place: traced.home().clone(), traced }
    }
}

/// How bad it is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Priority {
    Emergency,
    Alert,
    Critical,
    Error,
    Warning,
    Notice,
    Informational,
    Debug,
}

impl Priority {
    /// All of them, worst first.
    pub const ALL: [Priority; 8] = [
        Priority::Emergency,
        Priority::Alert,
        Priority::Critical,
        Priority::Error,
        Priority::Warning,
        Priority::Notice,
        Priority::Informational,
        Priority::Debug,
    ];

    /// As Falco prints it.
    pub fn name(self) -> &'static str {
        match self {
            Priority::Emergency => "Emergency",
            Priority::Alert => "Alert",
            Priority::Critical => "Critical",
            Priority::Error => "Error",
            Priority::Warning => "Warning",
            Priority::Notice => "Notice",
            Priority::Informational => "Informational",
            Priority::Debug => "Debug",
        }
    }

    /// The one that is called so, in any case; `INFO` is informational.
    pub fn named(name: &str) -> Option<Priority> {
        if name.eq_ignore_ascii_case("info") {
            return Some(Priority::Informational);
        }
        Priority::ALL.into_iter().find(|it| it.name().eq_ignore_ascii_case(name))
    }
}
