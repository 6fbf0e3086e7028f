//! The table of functions, the dearest first.

use super::Key;
use super::paint::Sheet;
use super::rows::{Columns, Entry, first_shown};
use super::search::Search;
use super::snapshot::Snapshot;
use crate::frame::Name;

/// Where one is in the table.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// None is whatever is first.
    selected: Option<Name>,
    pub(super) by_total: bool,
}

impl Table {
    /// The function that is selected.
    pub(super) fn name<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Name> {
        snapshot.row(self.at(snapshot), self.by_total).map(|row| &row.name)
    }

    pub(super) fn go(&mut self, key: Key, snapshot: &Snapshot, page: usize) {
        let at = self.at(snapshot);
        let last = snapshot.rows().saturating_sub(1);
        let to = match key {
            Key::Up => at.saturating_sub(1),
            Key::Down => at + 1,
            Key::PageUp => at.saturating_sub(page),
            Key::PageDown => at + page,
            Key::Home => 0,
            Key::End => last,
            _ => at,
        };
        self.select(snapshot, to.min(last));
    }

    /// Selects the next function that is searched for, or the one before.
    pub(super) fn seek(&mut self, snapshot: &Snapshot, back: bool, search: &Search) {
        let (at, count) = (self.at(snapshot), snapshot.rows());
        let order = (1..=count).map(|step| if back { at + count - step } else { at + step });
        let mut order = order.map(|at| at % count);
        let met = |&at: &usize| {
            snapshot.row(at, self.by_total).is_some_and(|row| search.meets(&row.name))
        };
        if let Some(found) = order.find(met) {
            self.select(snapshot, found);
        }
    }

    pub(super) fn draw(
        &self,
        snapshot: &Snapshot,
        search: &Search,
        height: usize,
        focused: bool,
        sheet: &mut Sheet,
    ) {
        let columns = Columns::of(sheet.width);
        let (own, total) = if self.by_total { ("self", "total▾") } else { ("self▾", "total") };
        let mut line = sheet.line();
        columns.head(own, total, snapshot.top.value, &mut line);
        if height > 0 {
            sheet.push(line);
        }
        let lines = height.saturating_sub(1);
        let at = self.at(snapshot);
        let from = first_shown(at, snapshot.rows(), lines);
        for shown in from..(from + lines).min(snapshot.rows()) {
            let Some(row) = snapshot.row(shown, self.by_total) else { break };
            let entry = Entry {
                name: &row.name,
                own: Some(row.own),
                total: row.total,
                whole: snapshot.top.whole,
                selected: focused && shown == at,
                found: search.meets(&row.name),
                central: false,
            };
            columns.row(&entry, snapshot.top.value, sheet);
        }
    }

    fn at(&self, snapshot: &Snapshot) -> usize {
        let name = self.selected.as_ref();
        name.and_then(|name| snapshot.row_of(name, self.by_total)).unwrap_or(0)
    }

    fn select(&mut self, snapshot: &Snapshot, at: usize) {
        // At the top one stays at the top, whoever comes there.
        let row = snapshot.row(at, self.by_total).filter(|_| at > 0);
        self.selected = row.map(|row| row.name.clone());
    }
}
