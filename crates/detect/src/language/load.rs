//! Files in, rules out.

use super::collection::Collection;
use super::condition::Condition;
use super::diagnostic::{Diagnostic, Place, Severity};
use super::report::Report;
use super::ruleset::Ruleset;
use super::traced::Traced;
use super::{Source, item, resolve, yaml};

/// What files come to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// The rules that nothing is wrong with. Falco takes none where anything is: ask [`failed`].
    ///
    /// [`failed`]: Loaded::failed
    pub ruleset: Ruleset,
    /// How many macros the files define.
    pub macros: usize,
    /// How many lists.
    pub lists: usize,
    /// What is wrong, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether there is an error: Falco refuses all files for one.
    pub fn failed(&self) -> bool {
        self.diagnostics.iter().any(|it| it.severity == Severity::Error)
    }
}

/// Reads files of rules, which see each other in this order.
pub fn load(sources: &[Source]) -> Loaded {
    let mut report = Report::default();
    let mut collection = Collection::default();
    for source in sources {
        match yaml::read(source) {
            Ok(documents) => item::read(&documents, &mut collection, &mut report),
            Err(broken) => report.found.push(*broken),
        }
    }
    let rules = resolve::rules(&collection, &mut report);
    let mut diagnostics = report.found;
    let file = |it: &Diagnostic| sources.iter().position(|source| *source.name == *it.place.file);
    diagnostics.sort_by_cached_key(|it| (file(it), it.place.line, it.place.column));
    // What stands in a macro is found by every rule that uses it.
    diagnostics.dedup_by(|it, other| {
        it.place == other.place && it.code == other.code && it.message == other.message
    });
    let (macros, lists) = (collection.macros.all().len(), collection.lists.all().len());
    Loaded { ruleset: Ruleset { rules }, macros, lists, diagnostics }
}

/// Reads a condition that refers to no lists and no macros; places are in the file `name`.
pub fn parse_condition(name: &str, text: &str) -> Result<Condition, Box<Diagnostic>> {
    let mut written = Traced::new(Place { file: name.into(), line: 1, column: 1 });
    let (mut line, mut column) = (1, 1);
    for letter in text.chars() {
        written.push(letter, line, column);
        (line, column) = if letter == '\n' { (line + 1, 1) } else { (line, column + 1) };
    }
    let mut report = Report::default();
    let condition = resolve::alone(&written, &mut report);
    condition.ok_or_else(|| Box::new(report.found.remove(0)))
}
