//! Asking: each comparison once an event and view, whatever rules make it.

use std::borrow::Cow;

use crate::fields::{self, Event};
use crate::program::{Atom, Node};
use crate::value::Seen;

/// What was asked about one event already.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// For each atom the number of the asking and the answer in the lowest bit.
    answers: Vec<u64>,
    asking: u64,
}

impl Memo {
    /// From here on another event, or another view of it, is asked about.
    pub(crate) fn next(&mut self, atoms: usize) {
        self.asking += 1;
        self.answers.resize(atoms, 0);
    }

    pub(crate) fn holds(&mut self, node: &Node, event: &Event<'_>, atoms: &[Atom]) -> bool {
        match node {
            Node::Always(value) => *value,
            Node::Not(inner) => !self.holds(inner, event, atoms),
            Node::All(parts) => parts.iter().all(|part| self.holds(part, event, atoms)),
            Node::Any(parts) => parts.iter().any(|part| self.holds(part, event, atoms)),
            Node::Atom(at) => {
                let answer = self.answers[*at as usize];
                if answer >> 1 == self.asking {
                    return answer & 1 == 1;
                }
                let atom = &atoms[*at as usize];
                let holds = atom.left.with(event, |seen| atom.comparison.holds(seen, event));
                self.answers[*at as usize] = self.asking << 1 | u64::from(holds);
                holds
            }
        }
    }

    /// The comparisons that made a condition true, each with the value it saw.
    pub(crate) fn why(
        &mut self,
        node: &Node,
        event: &Event<'_>,
        atoms: &[Atom],
        why: &mut Vec<(String, String)>,
    ) {
        match node {
            // What was excluded is most of a rule, and says little.
            Node::Always(_) | Node::Not(_) => {}
            Node::All(parts) => parts.iter().for_each(|part| self.why(part, event, atoms, why)),
            Node::Any(parts) => {
                let first = parts.iter().find(|part| self.holds(part, event, atoms));
                if let Some(part) = first {
                    self.why(part, event, atoms, why);
                }
            }
            Node::Atom(at) => {
                let atom = &atoms[*at as usize];
                if why.iter().any(|(text, _)| *text == atom.text) {
                    return;
                }
                // To ask what is new is to learn it, so it cannot be asked again: what it was, is told.
                let of = fields::asked_by_novelty(&atom.left.field);
                let shown = |seen: &Seen<'_>| seen.shown().map(Cow::into_owned);
                let value = match &of {
                    Some(of) => shown(&fields::read(of, event)),
                    None => atom.left.with(event, shown),
                };
                why.push((atom.text.clone(), value.unwrap_or_else(|| "<NA>".into())));
            }
        }
    }
}
