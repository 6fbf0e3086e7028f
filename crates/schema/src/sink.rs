//! Where decoding puts what it finds.

use crate::{Change, Decoded, Event, Origin, SocketNews, StackNews};

/// Rows by table, what changed about processes, and what has to be worked on before it is rows.
#[derive(Debug, Default)]
pub struct Sink {
    /// One entry for each table that has rows.
    pub tables: Vec<Decoded>,
    /// In the order in which they were told.
    pub changes: Vec<Change>,
    /// Stacks, which have to be given their names before they are rows.
    pub stacks: Vec<StackNews>,
    /// What sockets carry, which has to be read before it is rows.
    pub sockets: Vec<SocketNews>,
    /// The bytes that were copied of it.
    pub bytes: Vec<u8>,
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

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        let rows = self.len() == 0 && self.changes.is_empty();
        rows && self.stacks.is_empty() && self.sockets.is_empty()
    }
}
