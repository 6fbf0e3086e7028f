//! What is wrong with a rule file, and where.

use std::fmt;
use std::sync::Arc;

use super::Source;

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

/// The codes: Falco's own, but for the last.
pub mod code {
    /// A file cannot be read, or is not text.
    pub const FILE_READ: &str = "LOAD_ERR_FILE_READ";
    /// A file is not YAML.
    pub const YAML_PARSE: &str = "LOAD_ERR_YAML_PARSE";
    /// A file is not made of rules, macros and lists as they have to be.
    pub const YAML_VALIDATE: &str = "LOAD_ERR_YAML_VALIDATE";
    /// A condition is not one.
    pub const COMPILE_CONDITION: &str = "LOAD_ERR_COMPILE_CONDITION";
    /// An output is not one.
    pub const COMPILE_OUTPUT: &str = "LOAD_ERR_COMPILE_OUTPUT";
    /// Things do not fit together.
    pub const VALIDATE: &str = "LOAD_ERR_VALIDATE";
    /// A rule is for events that nobody has here.
    pub const UNKNOWN_SOURCE: &str = "LOAD_UNKNOWN_SOURCE";
    /// A condition compares with `<NA>`.
    pub const UNSAFE_NA_CHECK: &str = "LOAD_UNSAFE_NA_CHECK";
    /// A condition does not say which events it is about.
    pub const NO_EVTTYPE: &str = "LOAD_NO_EVTTYPE";
    /// A rule was left out because of a field that is not known.
    pub const UNKNOWN_FILTER: &str = "LOAD_UNKNOWN_FILTER";
    /// A macro that nothing refers to.
    pub const UNUSED_MACRO: &str = "LOAD_UNUSED_MACRO";
    /// A list that nothing refers to.
    pub const UNUSED_LIST: &str = "LOAD_UNUSED_LIST";
    /// An item that is none of those that are known.
    pub const UNKNOWN_ITEM: &str = "LOAD_UNKNOWN_ITEM";
    /// Something that will go away.
    pub const DEPRECATED_ITEM: &str = "LOAD_DEPRECATED_ITEM";
    /// An exception is appended to without values.
    pub const APPEND_NO_VALUES: &str = "LOAD_APPEND_NO_VALUES";
    /// A condition is odd.
    pub const ODD_CONDITION: &str = "LOAD_COMPILE_CONDITION";
    /// A key that is not one of those that are known.
    pub const UNKNOWN_KEY: &str = "LOAD_UNKNOWN_KEY";
    /// A key that stands twice in one item. (Falco says nothing and takes the first.)
    pub const DUPLICATE_KEY: &str = "LOAD_DUPLICATE_KEY";
}

impl Severity {
    /// How it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl Diagnostic {
    /// All of it, for people: several lines of plain text, with the line of the file, if it is one
    /// of `sources`, and a mark below the place.
    pub fn render(&self, sources: &[Source]) -> String {
        let mut text = format!("{}[{}]: ", self.severity.name(), self.code);
        if !self.subject.is_empty() {
            text += &format!("{}: ", self.subject);
        }
        text += &format!("{}\n  --> {}\n", self.message, self.place);
        let source = sources.iter().find(|source| *source.name == *self.place.file);
        let line = source.and_then(|it| line(&it.text, self.place.line));
        if let Some(line) = line {
            let number = self.place.line.to_string();
            let edge = " ".repeat(number.len());
            let (line, before) = window(line, self.place.column.saturating_sub(1));
            text += &format!("{edge} |\n{number} | {line}\n{edge} | {before}^\n");
        }
        if !self.help.is_empty() {
            text += &format!("  = help: {}\n", self.help);
        }
        text
    }
}

/// A line of a text, from 1; lines end as YAML's do.
fn line(text: &str, number: usize) -> Option<&str> {
    let mut rest = text;
    for _ in 1..number {
        let end = rest.find(['\n', '\r'])?;
        rest = rest[end..].strip_prefix("\r\n").unwrap_or(&rest[end + 1..]);
    }
    rest.split(['\n', '\r']).next().filter(|line| !(line.is_empty() && rest.is_empty()))
}

/// The part of a line around a column (from 0), and the blanks that lead to it.
fn window(line: &str, column: usize) -> (String, String) {
    const WIDTH: usize = 120;
    let skipped = if column > WIDTH - 20 { column - WIDTH / 2 } else { 0 };
    // What a terminal would act on is shown as a blank; tabs stay, so that the mark fits.
    let shown = |letter: char| match letter {
        '\t' => '\t',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    let mut part: String = line.chars().skip(skipped).take(WIDTH).map(shown).collect();
    let cut = line.chars().count() > skipped + WIDTH;
    let mut before: String = line
        .chars()
        .skip(skipped)
        .chain(std::iter::repeat(' '))
        .take(column - skipped)
        .map(|letter| if letter == '\t' { '\t' } else { ' ' })
        .collect();
    if skipped > 0 {
        part.insert_str(0, "… ");
        before.insert_str(0, "  ");
    }
    if cut {
        part.push_str(" …");
    }
    (part, before)
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { severity, code, place, subject, message, help } = self;
        write!(f, "{place}: {}: {code}: ", severity.name())?;
        if !subject.is_empty() {
            write!(f, "{subject}: ")?;
        }
        write!(f, "{message}")?;
        if !help.is_empty() {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, column: usize) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: code::COMPILE_CONDITION,
            place: Place { file: "a.yaml".into(), line, column },
            subject: "rule \"x\"".into(),
            message: "this is odd".into(),
            help: "leave it out".into(),
        }
    }

    #[test]
    fn the_mark_stands_below_the_place() {
        let long = format!("- b: {}X{}", "ä".repeat(300), "b".repeat(300));
        let text = format!("- a\n\t- odd: y\r\n{long}\n");
        let sources = [Source { name: "a.yaml".into(), text }];
        assert_eq!(
            at(2, 4).render(&sources),
            "error[LOAD_ERR_COMPILE_CONDITION]: rule \"x\": this is odd\n  --> a.yaml:2:4\n  |\n\
             2 | \t- odd: y\n  | \t  ^\n  = help: leave it out\n"
        );
        let rendered = at(3, 306).render(&sources);
        let lines: Vec<Vec<char>> = rendered.lines().map(|line| line.chars().collect()).collect();
        let mark = lines[4].iter().position(|&letter| letter == '^').unwrap();
        assert_eq!(lines[3][mark], 'X', "{rendered}");
        assert!(lines[3].len() < 140);
        // Places that are not there, and files that nobody has, do no harm.
        assert!(at(2, 90).render(&sources).contains('^'));
        assert!(!at(9, 0).render(&sources).contains('^'));
        assert!(!at(1, 1).render(&[]).contains('^'));
        assert_eq!([1, 2, 3, 4].map(|it| line("a\rb\r\n\nc", it)), ["a", "b", "", "c"].map(Some));
        assert_eq!([1, 2, 3].map(|it| line("a\n", it)), [Some("a"), None, None]);
    }
}
