//! What is searched for.

use super::snapshot::Snapshot;
use crate::frame::Name;

/// A text that names may have in them.
#[derive(Debug, Clone, Default)]
pub(super) struct Search {
    pub(super) text: String,
    /// Whether keys go into it.
    pub(super) typing: bool,
}

/// Which names have it, and how much of everything is in calls of these.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By the numbers of names in the tree.
    names: Vec<bool>,
    pub(super) functions: usize,
    /// What is spent in them and below, each sample once.
    pub(super) weight: u64,
}

/// More is not typed.
const LONGEST: usize = 200;

impl Search {
    pub(super) fn is_active(&self) -> bool {
        !self.text.is_empty()
    }

    pub(super) fn push(&mut self, char: char) {
        if self.text.len() < LONGEST {
            self.text.push(char);
        }
    }

    pub(super) fn pop(&mut self) {
        self.text.pop();
    }

    /// Whether a function is meant, by its name or its binary. Case matters once a capital was
    /// typed.
    pub(super) fn meets(&self, name: &Name) -> bool {
        let exact = self.text.chars().any(char::is_uppercase);
        let has = |text: &str| match exact {
            true => text.contains(&self.text),
            false => text.to_lowercase().contains(&self.text),
        };
        self.is_active() && (has(&name.text()) || name.binary.as_deref().is_some_and(has))
    }

    pub(super) fn found(&self, snapshot: &Snapshot) -> Found {
        if !self.is_active() {
            return Found::default();
        }
        let tree = &snapshot.tree;
        let names: Vec<bool> = tree.names().map(|name| self.meets(name)).collect();
        let mut within = vec![false; tree.nodes().len()];
        let mut weight = 0u64;
        // Parents come first, so what is below one that was counted is known in time.
        for node in 1..tree.nodes().len() {
            let above = within[tree.nodes()[node].parent];
            within[node] = above || names[tree.name_id(node)];
            if within[node] && !above {
                weight = weight.saturating_add(snapshot.total(node));
            }
        }
        let functions = names.iter().filter(|&&met| met).count();
        Found { names, functions, weight }
    }
}

impl Found {
    /// Whether a name is one of them, by its number.
    pub(super) fn has(&self, name: usize) -> bool {
        self.names.get(name).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::sketch;
    use crate::tree::View;

    fn found(text: &str, lines: &str) -> (usize, u64) {
        let search = Search { text: text.into(), typing: false };
        let found = search.found(&Snapshot::of(&sketch(lines), &View::default()));
        (found.functions, found.weight)
    }

    #[test]
    fn each_sample_counts_once() {
        let lines = "app;main;alloc;Alloc_slow;free 5\napp;main;alloc 3\napp;main;other 90\n";
        assert_eq!(found("alloc", lines), (2, 8));
        assert_eq!(found("Alloc", lines), (1, 5));
        assert_eq!(found("app", lines), (1, 98));
        assert_eq!(found("nothing", lines), (0, 0));
        assert_eq!(found("", lines), (0, 0));
    }
}
