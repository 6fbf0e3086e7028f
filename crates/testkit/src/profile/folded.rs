//! Folded text: `comm;root;…;leaf N`, a line for each stack.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::symbols::Symbols;

/// The stacks of a profile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Folded {
    /// In the order of the text.
    pub stacks: Vec<Stack>,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// What the thread was called.
    pub comm: String,
    /// Outermost first.
    pub frames: Vec<String>,
    /// Samples, or the unit of time that the profiler wrote.
    pub weight: u64,
}

impl Folded {
    /// Reads folded text. Empty lines and those that begin with `#` are passed over.
    pub fn parse(text: &str) -> Result<Folded> {
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let read = lines.map(|(number, line)| {
            Stack::parse(line).with_context(|| format!("line {}: no stack: {line}", number + 1))
        });
        Ok(Folded { stacks: read.collect::<Result<_>>()? })
    }

    /// All weights together.
    pub fn total(&self) -> u64 {
        self.stacks.iter().map(|stack| stack.weight).sum()
    }

    /// The stacks of threads with one of these names; all stacks where none is given.
    pub fn of(&self, comms: &[&str]) -> Folded {
        let wanted = |stack: &&Stack| comms.is_empty() || comms.contains(&stack.comm.as_str());
        Folded { stacks: self.stacks.iter().filter(wanted).cloned().collect() }
    }

    /// The same with weights in units of `unit`, if all of them are whole ones: samples, where each
    /// was written as the time that it stands for.
    pub fn in_units(mut self, unit: u64) -> Folded {
        if self.stacks.iter().all(|stack| stack.weight.is_multiple_of(unit)) {
            self.stacks.iter_mut().for_each(|stack| stack.weight /= unit);
        }
        self
    }

    /// The same with the names that `symbols` knows for places in a file without any.
    pub fn named(&self, symbols: &Symbols) -> Folded {
        let mut named = self.clone();
        for frame in named.stacks.iter_mut().flat_map(|stack| &mut stack.frames) {
            if let Some(name) = symbols.name(frame) {
                *frame = name.to_string();
            }
        }
        named
    }

    /// How much of the whole each innermost frame has, the largest first.
    pub fn top(&self) -> Vec<(String, f64)> {
        let mut by_name: BTreeMap<&str, u64> = BTreeMap::new();
        for stack in &self.stacks {
            if let Some(leaf) = stack.frames.last() {
                *by_name.entry(super::frame::bare(leaf)).or_default() += stack.weight;
            }
        }
        let total = self.total().max(1) as f64;
        let shares = by_name.into_iter().map(|(name, own)| (name.to_string(), own as f64 / total));
        let mut shares: Vec<(String, f64)> = shares.collect();
        shares.sort_by(|one, other| other.1.total_cmp(&one.1));
        shares
    }

    /// The text, a line for each stack.
    pub fn text(&self) -> String {
        let line = |stack: &Stack| {
            let frames: String = stack.frames.iter().map(|it| format!(";{it}")).collect();
            format!("{}{frames} {}\n", stack.comm, stack.weight)
        };
        self.stacks.iter().map(line).collect()
    }
}

impl Stack {
    fn parse(line: &str) -> Option<Stack> {
        let (frames, weight) = line.trim_end().rsplit_once(' ')?;
        let mut frames = frames.split(';').map(str::to_string);
        Some(Stack { comm: frames.next()?, weight: weight.parse().ok()?, frames: frames.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_and_written() {
        let text = "my prog;_start;main;f(int, char) 12\nother;<a b> 3\n";
        let read = Folded::parse(text).unwrap();
        assert_eq!(read.stacks[0].comm, "my prog");
        assert_eq!(read.stacks[0].frames, ["_start", "main", "f(int, char)"]);
        assert_eq!((read.total(), read.of(&["other"]).total()), (15, 3));
        assert_eq!(read.text(), text);
        assert_eq!(read.top(), [("f".to_string(), 0.8), ("<a b>".to_string(), 0.2)]);
    }

    #[test]
    fn time_becomes_samples() {
        let read = Folded::parse("a;b 30\na;c 20\n").unwrap();
        assert_eq!(read.clone().in_units(10).total(), 5);
        assert_eq!(read.in_units(20).total(), 50);
    }

    #[test]
    fn what_is_no_stack_is_an_error() {
        for text in ["main", "a;b x", "a;b -1", "7"] {
            assert!(Folded::parse(text).is_err(), "{text}");
        }
        assert_eq!(Folded::parse("# a comment\n\n").unwrap(), Folded::default());
    }
}
