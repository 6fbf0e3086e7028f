//! What the files say so far: lists, macros and rules by their names, in the order in which they
//! are first defined.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::diagnostic::Place;
use super::exception::Exception;
use super::ruleset::Priority;
use super::traced::Traced;

/// Everything that is defined.
#[derive(Debug, Default)]
pub(super) struct Collection {
    pub(super) lists: Named<List>,
    pub(super) macros: Named<Macro>,
    pub(super) rules: Named<RawRule>,
    /// How many definitions and changes there were.
    clock: usize,
}

impl Collection {
    /// The time of the next definition or change: each has its own.
    pub(super) fn tick(&mut self) -> usize {
        self.clock += 1;
        self.clock
    }
}

/// Things with names.
#[derive(Debug)]
pub(super) struct Named<T> {
    entries: Vec<Entry<T>>,
    places: HashMap<String, usize>,
    /// The names of those that were refused: what refers to them is not told again.
    refused: HashSet<String>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) name: String,
    /// Where it is defined, or was defined last.
    pub(super) place: Place,
    /// When it was first defined.
    pub(super) first: usize,
    /// When it was last defined or changed: it sees what was first defined before.
    pub(super) last: usize,
    pub(super) value: T,
}

/// A list.
#[derive(Debug)]
pub(super) struct List {
    pub(super) items: Vec<String>,
}

/// A macro.
#[derive(Debug)]
pub(super) struct Macro {
    pub(super) condition: Traced,
}

/// A rule before anything is resolved.
#[derive(Debug)]
pub(super) struct RawRule {
    pub(super) description: String,
    pub(super) source: String,
    pub(super) condition: Traced,
    pub(super) output: Traced,
    pub(super) priority: Priority,
    pub(super) tags: BTreeSet<String>,
    pub(super) enabled: bool,
    pub(super) skip_if_unknown_filter: bool,
    pub(super) warn_evttypes: bool,
    pub(super) exceptions: Vec<Exception>,
}

impl<T> Default for Named<T> {
    fn default() -> Named<T> {
        Named { entries: Vec::new(), places: HashMap::new(), refused: HashSet::new() }
    }
}

impl<T> Named<T> {
    /// Defines `name`, anew or in the place of an older definition.
    pub(super) fn define(&mut self, name: &str, place: &Place, now: usize, value: T) {
        let (name, place) = (name.to_owned(), place.clone());
        match self.places.get(&name) {
            Some(&at) => {
                let first = self.entries[at].first;
                self.entries[at] = Entry { name, place, first, last: now, value };
            }
            None => {
                self.places.insert(name.clone(), self.entries.len());
                self.entries.push(Entry { name, place, first: now, last: now, value });
            }
        }
    }

    pub(super) fn refuse(&mut self, name: &str) {
        self.refused.insert(name.to_owned());
    }

    pub(super) fn was_refused(&self, name: &str) -> bool {
        self.refused.contains(name)
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Entry<T>> {
        self.find(name).map(|at| &self.entries[at])
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Entry<T>> {
        self.find(name).map(|at| &mut self.entries[at])
    }

    /// All of them, in the order of their first definitions.
    pub(super) fn all(&self) -> &[Entry<T>] {
        &self.entries
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }
}
