//! What is wrong with a rule file, and where.

use std::fmt;
use std::sync::Arc;

/// A place in a file of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as the user called it.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The rules are used all the same.
    Warning,
    /// They are not.
    Error,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Falco's code for it, such as `LOAD_ERR_COMPILE_CONDITION` or `LOAD_UNUSED_LIST`.
    pub code: &'static str,
    /// Where.
    pub place: Place,
    /// The rule, macro or list that it is about: `rule "Clear Log Activities"`; empty for none.
    pub subject: String,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// What to do about it; empty where there is nothing to say.
    pub help: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
