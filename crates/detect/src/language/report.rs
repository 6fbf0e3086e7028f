//! What is found wrong while files are read.

use super::diagnostic::{Diagnostic, Place, Severity};
use super::near::did_you_mean;

/// How many names are looked at to guess what was meant: nobody reads the guess behind these.
const MOST_GUESSES: usize = 100_000;

/// Everything that is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) found: Vec<Diagnostic>,
    /// How many names were looked at to guess what was meant.
    guessed: usize,
}

impl Report {
    /// Something for which the rules are refused.
    pub(super) fn error(
        &mut self,
        code: &'static str,
        place: &Place,
        subject: &str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Severity::Error, code, place, subject, message.into())
    }

    /// Something that may not be meant.
    pub(super) fn warning(
        &mut self,
        code: &'static str,
        place: &Place,
        subject: &str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Severity::Warning, code, place, subject, message.into())
    }

    /// "did you mean `x`?" for one of `names`, or nothing.
    pub(super) fn guess<'a>(
        &mut self,
        name: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> String {
        let guessed = &mut self.guessed;
        let counted = names.into_iter().take_while(|_| {
            *guessed += 1;
            *guessed <= MOST_GUESSES
        });
        did_you_mean(name, counted)
    }

    /// Whether there was an error since there were `before`.
    pub(super) fn errs_since(&self, before: usize) -> bool {
        self.found[before..].iter().any(|it| it.severity == Severity::Error)
    }

    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        place: &Place,
        subject: &str,
        message: String,
    ) -> &mut Diagnostic {
        let (place, subject, help) = (place.clone(), subject.to_owned(), String::new());
        self.found.push(Diagnostic { severity, code, place, subject, message, help });
        self.found.last_mut().expect("one was just put there")
    }
}

impl Diagnostic {
    /// What to do about it.
    pub(super) fn help(&mut self, help: impl Into<String>) {
        self.help = help.into();
    }
}
