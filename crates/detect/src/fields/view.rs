//! Which of a thing's names is believed.

/// A rule is asked once for each name that a thing goes by: first the one that the process gave, as
/// Falco has it, then, where the kernel knows better, the kernel's. What fires through a link, a
/// mount or a race therefore is what fires the plain way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// As the process gave it.
    Given,
    /// As the kernel found it.
    Resolved,
    /// What another name of the same file was before: a hard link, a bind mount.
    Alias,
}

impl View {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            View::Given => "given",
            View::Resolved => "resolved",
            View::Alias => "alias",
        }
    }
}
