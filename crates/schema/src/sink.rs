//! Where decoding puts what it finds.

use crate::{Change, Decoded, Event, Origin};

/// Rows by table, and what changed about processes.
#[derive(Debug, Default)]
pub struct Sink {
    /// One entry for each table that has rows.
    pub tables: Vec<Decoded>,
    /// In the order in which they were told.
    pub changes: Vec<Change>,
}

impl Sink {
    /// Appends one row to its table.
    #[inline]
    pub fn row<E: Event>(&mut self, origin: Origin, event: E) {
        let place = self.tables.iter().position(|decoded| std::ptr::eq(decoded.table, E::TABLE));
        let place = place.unwrap_or_else(|| {
            self.tables.push(Decoded::new(E::TABLE));
            self.tables.len() - 1
        });
        self.tables[place].push(origin, event);
    }

    /// Notes what happened to a process.
    pub fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// The number of rows in all tables.
    pub fn len(&self) -> usize {
        self.tables.iter().map(Decoded::len).sum()
    }

    /// Whether there is neither a row nor a change.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.changes.is_empty()
    }
}
