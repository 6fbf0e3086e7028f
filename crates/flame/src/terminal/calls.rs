//! One function: who calls it, and what it calls.

use std::collections::HashMap;

use super::Key;
use super::paint::{PLAIN, Sheet};
use super::rows::{Columns, Entry, first_shown, heading};
use super::search::Search;
use super::snapshot::Snapshot;
use crate::frame::Name;

/// Which function is shown, and where one is among its neighbours.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls {
    centre: Option<Name>,
    before: Vec<Name>,
    /// 0 is the function, -1 the caller above it, 1 the first that it calls.
    at: isize,
}

/// A function's neighbours, the heaviest first. Each sample that it is in counts once: for the
/// caller of its outermost call and for what its innermost call calls.
pub(super) struct Neighbours<'a> {
    callers: Vec<(&'a Name, u64)>,
    callees: Vec<(&'a Name, u64)>,
    own: u64,
    total: u64,
}

/// Functions that one can come back to.
const REMEMBERED: usize = 100;

impl Calls {
    pub(super) fn centre(&self) -> Option<&Name> {
        self.centre.as_ref()
    }

    pub(super) fn show(&mut self, name: Name) {
        if self.before.len() >= REMEMBERED {
            self.before.remove(0);
        }
        self.before.extend(self.centre.replace(name));
        self.at = 0;
    }

    /// Back to the function before; whether there was one.
    pub(super) fn back(&mut self) -> bool {
        self.centre = self.before.pop();
        self.at = 0;
        self.centre.is_some()
    }

    /// Forgets where one was.
    pub(super) fn leave(&mut self) {
        *self = Calls::default();
    }

    /// The function that is selected.
    pub(super) fn name(&self, snapshot: &Snapshot) -> Option<Name> {
        let centre = self.centre.as_ref()?;
        let neighbours = Neighbours::of(centre, snapshot);
        Some(neighbours.at(neighbours.clamped(self.at)).unwrap_or(centre).clone())
    }

    pub(super) fn go(&mut self, key: Key, snapshot: &Snapshot, page: usize) {
        let Some(centre) = &self.centre else { return };
        let neighbours = Neighbours::of(centre, snapshot);
        let at = neighbours.clamped(self.at);
        self.at = neighbours.clamped(match key {
            Key::Up => at - 1,
            Key::Down => at + 1,
            Key::PageUp => at.saturating_sub_unsigned(page),
            Key::PageDown => at.saturating_add_unsigned(page),
            Key::Home => isize::MIN,
            Key::End => isize::MAX,
            _ => at,
        });
    }

    /// Selects the next neighbour that is searched for, or the one before.
    pub(super) fn seek(&mut self, snapshot: &Snapshot, back: bool, search: &Search) {
        let Some(centre) = &self.centre else { return };
        let neighbours = Neighbours::of(centre, snapshot);
        let (first, last) = (neighbours.clamped(isize::MIN), neighbours.clamped(isize::MAX));
        let count = last - first + 1;
        let at = neighbours.clamped(self.at) - first;
        let order = (1..=count).map(|step| if back { at - step } else { at + step });
        let mut order = order.map(|at| first + at.rem_euclid(count));
        let met = |at: &isize| neighbours.at(*at).is_some_and(|name| search.meets(name));
        self.at = order.find(met).unwrap_or(self.at);
    }

    pub(super) fn draw(
        &self,
        snapshot: &Snapshot,
        search: &Search,
        height: usize,
        sheet: &mut Sheet,
    ) {
        let Some(centre) = &self.centre else { return };
        let neighbours = Neighbours::of(centre, snapshot);
        let Neighbours { callers, callees, own, total } = &neighbours;
        let at = neighbours.clamped(self.at);
        let columns = Columns::of(sheet.width);
        let value = snapshot.top.value;
        let entry = |name, own, weight, whole, place: isize, sheet: &mut Sheet| {
            let (selected, found) = (place == at, search.meets(name));
            let central = place == 0;
            let entry = Entry { name, own, total: weight, whole, selected, found, central };
            columns.row(&entry, value, sheet);
        };
        // Two headings and the function itself; both sides share the rest, what one leaves the
        // other takes.
        let room = height.saturating_sub(3);
        let below = callees.len().min((room / 2).max(room.saturating_sub(callers.len())));
        let above = callers.len().min(room - below);
        let end = height.min(3) + above + below;
        heading("callers, by share of", &centre.text(), sheet);
        // The heaviest caller is the nearest.
        let from = first_shown((-at - 1).max(0) as usize, callers.len(), above);
        for place in (from..from + above).rev() {
            let (name, weight) = callers[place];
            entry(name, None, weight, *total, -1 - place as isize, sheet);
        }
        if height > 1 {
            entry(centre, Some(*own), *total, snapshot.whole(), 0, sheet);
        }
        if height > 2 {
            heading("calls", "", sheet);
        }
        let from = first_shown((at - 1).max(0) as usize, callees.len(), below);
        for (place, (name, weight)) in callees.iter().enumerate().skip(from).take(below) {
            entry(name, None, *weight, *total, 1 + place as isize, sheet);
        }
        if *total == 0 && end < height {
            let mut line = sheet.line();
            line.put(PLAIN, "  It is in no sample of this view.");
            sheet.push(line);
        }
    }
}

impl<'a> Neighbours<'a> {
    pub(super) fn of(centre: &Name, snapshot: &'a Snapshot) -> Neighbours<'a> {
        let tree = &snapshot.tree;
        let mut neighbours = Neighbours { callers: vec![], callees: vec![], own: 0, total: 0 };
        let Some(id) = tree.names().position(|name| name == centre) else { return neighbours };
        const OUTSIDE: u32 = u32::MAX;
        // For each node the child of the nearest call of the function above it, or itself.
        let mut under = vec![OUTSIDE; tree.nodes().len()];
        let (mut callers, mut callees) = (HashMap::new(), HashMap::new());
        for node in 1..tree.nodes().len() {
            let parent = tree.nodes()[node].parent;
            let inside = parent != 0 && tree.name_id(parent) == id;
            under[node] = if inside { node as u32 } else { under[parent] };
            let total = snapshot.total(node);
            if inside {
                let sum: &mut u64 = callees.entry(tree.name_id(node)).or_default();
                *sum = sum.saturating_add(total);
            }
            if tree.name_id(node) != id {
                continue;
            }
            neighbours.own = neighbours.own.saturating_add(snapshot.own(node));
            match under[node] {
                OUTSIDE => {
                    neighbours.total = neighbours.total.saturating_add(total);
                    let sum: &mut u64 = callers.entry(tree.name_id(parent)).or_default();
                    *sum = sum.saturating_add(total);
                }
                // These samples belong to what this call calls.
                through => {
                    let sum = callees.entry(tree.name_id(through as usize)).or_default();
                    *sum = sum.saturating_sub(total);
                }
            }
        }
        let listed = |sums: HashMap<usize, u64>| {
            let sums = sums.into_iter().filter(|(_, sum)| *sum > 0);
            let mut list: Vec<(usize, u64)> = sums.collect();
            list.sort_by_key(|&(name, sum)| (std::cmp::Reverse(sum), name));
            let names: Vec<&Name> = tree.names().collect();
            list.into_iter().map(|(name, sum)| (names[name], sum)).collect()
        };
        if snapshot.is_inverted() {
            // The root stands for nothing that would be called: it begins at the leaves.
            neighbours.own = callers.remove(&tree.name_id(0)).unwrap_or(0);
            (callers, callees) = (callees, callers);
        }
        neighbours.callers = listed(callers);
        neighbours.callees = listed(callees);
        neighbours
    }

    fn at(&self, at: isize) -> Option<&'a Name> {
        let list = if at < 0 { &self.callers } else { &self.callees };
        list.get(at.unsigned_abs().checked_sub(1)?).map(|(name, _)| *name)
    }

    fn clamped(&self, at: isize) -> isize {
        at.clamp(-(self.callers.len() as isize), self.callees.len() as isize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::sketch;
    use crate::tree::View;

    fn neighbours(lines: &str, function: &str, inverted: bool) -> String {
        let view = View { inverted, ..View::default() };
        let snapshot = Snapshot::of(&sketch(lines), &view);
        let centre = snapshot.tree.names().find(|name| &*name.function == function).unwrap();
        let told = Neighbours::of(centre, &snapshot);
        let list = |list: &[(&Name, u64)]| {
            let texts = list.iter().map(|(name, sum)| format!("{}={sum}", name.function));
            texts.collect::<Vec<_>>().join(" ")
        };
        let (own, total) = (told.own, told.total);
        format!("{} > {own}/{total} > {}", list(&told.callers), list(&told.callees))
    }

    #[test]
    fn recursion_counts_each_sample_once() {
        let lines = "app;main;rec;rec;rec;leaf 5\napp;main;rec;other;rec 3\napp;rec;other 2\n";
        assert_eq!(neighbours(lines, "rec", false), "main=8 app=2 > 3/10 > leaf=5 other=2");
        assert_eq!(neighbours(lines, "leaf", false), "rec=5 > 5/5 > ");
        assert_eq!(neighbours(lines, "app", false), "=10 > 0/10 > main=8 rec=2");
    }

    #[test]
    fn inverted_it_says_the_same() {
        let lines = "app;main;a;x 5\napp;main;a;a 3\napp;main 1\n";
        assert_eq!(neighbours(lines, "a", true), "main=8 > 3/8 > x=5");
        assert_eq!(neighbours(lines, "main", true), neighbours(lines, "main", false));
    }
}
