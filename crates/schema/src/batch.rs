//! Batches: what flows from decode to every consumer.

use std::sync::Arc;

use crate::{Column, Event, Process, ProcessKey, Table};

/// Where one row came from, as the kernel said it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin {
    /// Nanoseconds since 1970 UTC.
    pub time: i64,
    /// The process the row speaks of.
    pub process: ProcessKey,
    /// The thread that acted.
    pub tid: u32,
    /// The id of the thread's cgroup (the inode of its cgroup2 directory).
    pub cgroup: u64,
    /// The thread's name at that moment, padded with NULs.
    pub comm: [u8; 16],
}

/// Rows of one table as decoded, before it is known what their processes are.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// What the columns mean.
    pub table: &'static Table,
    /// Where each row came from.
    pub origin: Vec<Origin>,
    /// The table's own columns.
    pub columns: Vec<Column>,
}

/// Rows of one table, each with its process.
#[derive(Debug, Clone)]
pub struct Batch {
    /// What the columns mean.
    pub table: &'static Table,
    /// The name of the node that the rows come from.
    pub node: Arc<str>,
    /// Where each row came from.
    pub origin: Vec<Origin>,
    /// The process of each row, as it was at the row's time.
    pub process: Vec<Arc<Process>>,
    /// The table's own columns.
    pub columns: Vec<Column>,
}

impl Decoded {
    /// No rows yet.
    pub fn new(table: &'static Table) -> Decoded {
        let columns = table.fields.iter().map(|field| Column::new(field.kind)).collect();
        Decoded { table, origin: Vec::new(), columns }
    }

    /// Appends one row.
    #[inline]
    pub fn push<E: Event>(&mut self, origin: Origin, event: E) {
        debug_assert!(std::ptr::eq(self.table, E::TABLE));
        self.origin.push(origin);
        event.push(&mut self.columns);
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.origin.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.origin.is_empty()
    }

    /// The `rows` alone, in that order.
    pub fn select(&self, rows: &[usize]) -> Decoded {
        Decoded {
            table: self.table,
            origin: rows.iter().map(|&row| self.origin[row]).collect(),
            columns: self.columns.iter().map(|column| column.select(rows)).collect(),
        }
    }

    /// The same rows, each with its process.
    pub fn with_processes(self, node: Arc<str>, process: Vec<Arc<Process>>) -> Batch {
        debug_assert_eq!(process.len(), self.origin.len());
        Batch { table: self.table, node, origin: self.origin, process, columns: self.columns }
    }
}

impl Batch {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.origin.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.origin.is_empty()
    }
}
