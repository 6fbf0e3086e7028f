//! Rows of one table that are in memory only.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use schema::{Batch, Table};

use crate::columns::to_arrow;

/// Rows of one table that are in no segment yet.
#[derive(Debug)]
pub(crate) struct Hot {
    pub(crate) table: &'static Table,
    /// As they came; made into arrays together.
    pending: Vec<Arc<Batch>>,
    pending_rows: usize,
    /// As arrays, oldest first.
    pub(crate) batches: Vec<RecordBatch>,
    /// How many of `batches` are in the journal.
    pub(crate) journaled: usize,
    /// Bytes of `batches`.
    pub(crate) bytes: u64,
    /// When the oldest row came, on the steady clock.
    pub(crate) since: u64,
}

impl Hot {
    pub(crate) fn new(table: &'static Table) -> Hot {
        let (pending, batches) = (Vec::new(), Vec::new());
        Hot { table, pending, pending_rows: 0, batches, journaled: 0, bytes: 0, since: 0 }
    }

    pub(crate) fn append(&mut self, batch: Arc<Batch>, now: u64) {
        if self.is_empty() {
            self.since = now;
        }
        self.pending_rows += batch.len();
        self.pending.push(batch);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.batches.is_empty()
    }

    /// Rows that nobody can read yet.
    pub(crate) fn pending_rows(&self) -> usize {
        self.pending_rows
    }

    /// Makes arrays of what came; whether there was anything.
    pub(crate) fn ripen(&mut self) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        self.push(to_arrow(self.table, &self.pending));
        (self.pending, self.pending_rows) = (Vec::new(), 0);
        true
    }

    pub(crate) fn push(&mut self, batch: RecordBatch) {
        self.bytes += batch.get_array_memory_size() as u64;
        self.batches.push(batch);
    }

    /// The bytes of what is not in the journal.
    pub(crate) fn unsynced(&self) -> u64 {
        self.batches[self.journaled..].iter().map(|it| it.get_array_memory_size() as u64).sum()
    }

    /// All rows are in segments.
    pub(crate) fn clear(&mut self) {
        (self.batches, self.journaled, self.bytes) = (Vec::new(), 0, 0);
    }

    /// Lets the oldest rows go; how many there were.
    pub(crate) fn drop_oldest(&mut self) -> u64 {
        if self.batches.is_empty() {
            return 0;
        }
        let batch = self.batches.remove(0);
        self.journaled = self.journaled.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(batch.get_array_memory_size() as u64);
        batch.num_rows() as u64
    }
}
