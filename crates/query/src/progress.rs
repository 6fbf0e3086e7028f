//! How far a query is: counters that the scan and the readers turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Progress;

/// The counters of one query.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    rows: AtomicU64,
    rows_read: AtomicU64,
    bytes_read: AtomicU64,
    segments: AtomicU64,
    segments_pruned: AtomicU64,
}

/// What became of the rows of one piece of a scan: those of a row group count as read with the
/// first byte of it, and those of which nothing was read count no more when the piece is done.
#[derive(Debug)]
pub(crate) struct Tally {
    counters: Arc<Counters>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Rows of which it is not known yet whether they are read.
    open: u64,
    /// The row groups of which something was read.
    seen: Vec<usize>,
    readers: usize,
}

impl Counters {
    pub(crate) fn progress(&self) -> Progress {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Progress {
            rows: value(&self.rows),
            rows_read: value(&self.rows_read),
            bytes_read: value(&self.bytes_read),
            segments: value(&self.segments),
            segments_pruned: value(&self.segments_pruned),
        }
    }

    pub(crate) fn add_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    fn give_up(&self, rows: u64) {
        self.rows.fetch_sub(rows, Ordering::Relaxed);
    }

    pub(crate) fn add_rows_read(&self, rows: u64) {
        self.rows_read.fetch_add(rows, Ordering::Relaxed);
    }

    pub(crate) fn add_bytes_read(&self, bytes: u64) {
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_segments(&self, read: u64, pruned: u64) {
        self.segments.fetch_add(read, Ordering::Relaxed);
        self.segments_pruned.fetch_add(pruned, Ordering::Relaxed);
    }
}

impl Tally {
    /// A piece of `rows` rows, which are added to those that the query has to look at.
    pub(crate) fn new(counters: Arc<Counters>, rows: u64) -> Tally {
        counters.add_rows(rows);
        let state = State { open: rows, seen: Vec::new(), readers: 0 };
        Tally { counters, state: Mutex::new(state) }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Somebody begins to read the piece.
    pub(crate) fn begin(&self) {
        self.state().readers += 1;
    }

    /// The row group `number` with so many rows is read.
    pub(crate) fn read(&self, number: usize, rows: u64) {
        let mut state = self.state();
        if !state.seen.contains(&number) {
            state.seen.push(number);
            state.open = state.open.saturating_sub(rows);
            self.counters.add_rows_read(rows);
        }
    }

    /// One who read the piece is done with it.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.readers -= 1;
        if state.readers == 0 {
            self.counters.give_up(std::mem::take(&mut state.open));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tally {
    /// A piece that nobody began with: what was known of it was enough, or a limit was reached.
    fn drop(&mut self) {
        let open = self.state().open;
        self.counters.give_up(open);
    }
}
