//! The drop ledger: what each stage took in, passed on, and dropped for which reason.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// All counts of the stream. Cloning gives another handle on the same ledger.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    counters: Arc<Mutex<BTreeMap<Place, Counter>>>,
}

/// One count; cheap to bump from any thread.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

/// The books of one stage for one table.
#[derive(Debug, Clone)]
pub struct Account {
    ledger: Ledger,
    stage: &'static str,
    table: &'static str,
    /// Rows that came in.
    pub taken: Counter,
    /// Rows that went on.
    pub passed: Counter,
}

/// What a count says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Came in.
    Taken,
    /// Went on.
    Passed,
    /// Was dropped, and why.
    Dropped(&'static str),
    /// Went on, but not as it should be: it lacks something.
    Lacking(&'static str),
}

/// One line of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The stage of the stream.
    pub stage: &'static str,
    /// The table, or the signal where the table is not known.
    pub table: &'static str,
    /// Taken, passed or dropped.
    pub side: Side,
    /// How many.
    pub count: u64,
}

type Place = (&'static str, &'static str, Side);

/// Reasons that are somebody's wish: what is dropped for them is not lost.
const WISHES: [&str; 9] = [
    "not_asked_for",
    "not_of_these_pods",
    "repeated",
    // A process that has ended before its libraries were looked at.
    "process_gone",
    // Bytes of connections that are not read: what is spoken is not known, or not for us.
    "unknown_protocol",
    "in_tls",
    "tls_opened",
    "unread_protocol",
    // What the configuration says is not to be read.
    "refused_by_policy",
];

impl Side {
    /// Whether what is counted here was lost: dropped against anybody's wish.
    pub fn is_loss(self) -> bool {
        matches!(self, Side::Dropped(reason) if !WISHES.contains(&reason))
    }
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Ledger {
        Ledger::default()
    }

    /// The books of `stage` for `table`.
    pub fn account(&self, stage: &'static str, table: &'static str) -> Account {
        Account {
            ledger: self.clone(),
            stage,
            table,
            taken: self.counter((stage, table, Side::Taken)),
            passed: self.counter((stage, table, Side::Passed)),
        }
    }

    /// Every count that is not zero, in the order of stage, table and side.
    pub fn entries(&self) -> Vec<Entry> {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = counters.iter().map(|(&(stage, table, side), counter)| Entry {
            stage,
            table,
            side,
            count: counter.get(),
        });
        entries.filter(|entry| entry.count > 0).collect()
    }

    /// All that was dropped, at any stage.
    pub fn dropped(&self) -> Vec<Entry> {
        let mut entries = self.entries();
        entries.retain(|entry| matches!(entry.side, Side::Dropped(_)));
        entries
    }

    /// All that was lost, at any stage.
    pub fn lost(&self) -> Vec<Entry> {
        let mut entries = self.entries();
        entries.retain(|entry| entry.side.is_loss());
        entries
    }

    fn counter(&self, place: Place) -> Counter {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.entry(place).or_default().clone()
    }
}

impl Account {
    /// Counts `count` rows as dropped for `reason`.
    pub fn drop(&self, reason: &'static str, count: u64) {
        if count > 0 {
            self.dropped(reason).add(count);
        }
    }

    /// Counts `count` rows as passed on without `what`.
    pub fn lacking(&self, what: &'static str, count: u64) {
        if count > 0 {
            self.ledger.counter((self.stage, self.table, Side::Lacking(what))).add(count);
        }
    }

    /// The count of rows dropped for `reason`.
    pub fn dropped(&self, reason: &'static str) -> Counter {
        self.ledger.counter((self.stage, self.table, Side::Dropped(reason)))
    }
}

impl Counter {
    /// Adds `count`.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Raises the count to `total`, for counts that are kept elsewhere (in the kernel).
    pub fn raise_to(&self, total: u64) {
        self.0.fetch_max(total, Ordering::Relaxed);
    }

    /// The count now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_is_the_same_count() {
        let ledger = Ledger::new();
        let one = ledger.account("decode", "file_open");
        let other = ledger.account("decode", "file_open");
        one.taken.add(3);
        other.taken.add(4);
        other.drop("malformed", 2);
        assert_eq!(one.taken.get(), 7);
        assert_eq!(ledger.dropped().len(), 1);
        assert_eq!(ledger.entries().iter().map(|entry| entry.count).sum::<u64>(), 9);
    }
}
