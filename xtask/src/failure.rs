//! What a command returns when it cannot go on: a message with its context, and an exit code.

use std::fmt;

/// The result of everything here that can fail.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a command stopped, outermost context first.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    context: Vec<String>,
}

impl Failure {
    /// The work was tried and did not succeed: exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { code: 1, context: vec![message.into()] }
    }

    /// The command line makes no sense: exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, context: vec![message.into()] }
    }

    /// A command that was run for the user ended with this exit code of its own.
    pub(crate) fn with_code(code: u8, message: impl Into<String>) -> Self {
        Self { code, context: vec![message.into()] }
    }

    /// The exit code that the process should end with.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    fn within(mut self, context: String) -> Self {
        self.context.insert(0, context);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context.join(": "))
    }
}

/// Says what was being done when something failed.
pub(crate) trait Context<T> {
    /// Puts `context` in front of the message, if there is one.
    fn context(self, context: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn context(self, context: impl FnOnce() -> String) -> Self {
        self.map_err(|failure| failure.within(context()))
    }
}

impl<T> Context<T> for std::io::Result<T> {
    fn context(self, context: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure::new(error.to_string()).within(context()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_stands_before_the_cause() {
        let failure: Result<()> = Err(Failure::usage("no such file"));
        let failure = failure.context(|| "reading a.txt".into()).unwrap_err();
        assert_eq!(failure.to_string(), "reading a.txt: no such file");
        assert_eq!(failure.code(), 2);
    }
}
