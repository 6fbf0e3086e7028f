//! The publishers' side.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schema::{Batch, Table};
use telemetry::Ledger;

use crate::queue::Queue;
use crate::{Capacity, Policy, Subscription};

/// Hands batches to all who want them. Shared by reference among publishers; dropping it closes
/// it, and the subscribers receive what is still queued.
#[derive(Debug)]
pub struct Bus {
    ledger: Ledger,
    state: Mutex<State>,
}

/// How full one subscriber's queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// The subscriber.
    pub name: &'static str,
    /// Rows that wait.
    pub rows: usize,
    /// Batches that wait.
    pub batches: usize,
    /// The bound.
    pub capacity: Capacity,
}

#[derive(Debug, Default)]
struct State {
    /// Those whose policy is to block come last, so that nobody else waits for them.
    queues: Arc<[Arc<Queue>]>,
    closed: bool,
    stages: BTreeMap<&'static str, &'static str>,
}

impl Bus {
    /// A bus without subscribers, which keeps its books in `ledger`.
    pub fn new(ledger: &Ledger) -> Bus {
        Bus { ledger: ledger.clone(), state: Mutex::default() }
    }

    /// A new subscriber, of `tables` or of all. Several may have the same name: their books are
    /// one. What was published before is not received.
    pub fn subscribe(
        &self,
        name: &'static str,
        capacity: Capacity,
        policy: Policy,
        tables: Option<Vec<&'static Table>>,
    ) -> Subscription {
        let mut state = self.lock();
        let stage = state.stage(name);
        let ledger = self.ledger.clone();
        let queue = Arc::new(Queue::new(name, stage, capacity, policy, tables, ledger));
        if state.closed {
            queue.close();
        }
        let old = state.queues.iter().filter(|queue| !queue.gone()).cloned();
        let mut queues: Vec<_> = old.chain([queue.clone()]).collect();
        queues.sort_by_key(|queue| queue.policy == Policy::Block);
        state.queues = queues.into();
        Subscription::new(queue)
    }

    /// Hands `batch` to everyone who wants its table. Waits only for subscribers whose policy is
    /// [`Policy::Block`], and only as long as they are there.
    pub fn publish(&self, batch: Arc<Batch>) {
        if batch.is_empty() {
            return;
        }
        let queues = self.lock().queues.clone();
        for queue in queues.iter().filter(|queue| queue.wants(batch.table)) {
            queue.push(&batch);
        }
    }

    /// No more batches: subscribers receive what is queued and then [`crate::NoBatch::Closed`].
    /// What is published after this is dropped and counted.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.queues.iter().for_each(|queue| queue.close());
    }

    /// How full each subscriber's queue is.
    pub fn fill(&self) -> Vec<Fill> {
        let queues = self.lock().queues.clone();
        let there = queues.iter().filter(|queue| !queue.gone());
        there
            .map(|queue| {
                let (rows, batches) = queue.fill();
                Fill { name: queue.name, rows, batches, capacity: queue.capacity }
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    /// The ledger's name for a subscriber. It is kept for ever, once for each name in the code.
    fn stage(&mut self, name: &'static str) -> &'static str {
        self.stages.entry(name).or_insert_with(|| format!("bus:{name}").leak())
    }
}
