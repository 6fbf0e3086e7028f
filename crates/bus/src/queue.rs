//! One subscriber's queue: a bound, a policy, and the books.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use schema::{Batch, Table};
use telemetry::{Account, Counter, Ledger};

/// What becomes of a batch for which a queue has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The publisher waits. The subscriber must not itself publish to the same bus.
    Block,
    /// The batch is dropped.
    DropNewest,
    /// The batches that wait longest are dropped until there is room.
    DropOldest,
}

/// How much a queue holds. A batch that alone exceeds it still goes through an empty queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Rows.
    pub rows: usize,
    /// Batches: on a quiet node a batch is one row.
    pub batches: usize,
}

/// Why there is no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoBatch {
    /// None has come yet.
    Yet,
    /// None will come any more: the bus is closed, and the queue is empty.
    Closed,
}

/// The queue between the bus and one subscription.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: &'static str,
    pub(crate) stage: &'static str,
    pub(crate) capacity: Capacity,
    pub(crate) policy: Policy,
    tables: Option<Vec<&'static Table>>,
    ledger: Ledger,
    state: Mutex<State>,
    arrived: Condvar,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<Arc<Batch>>,
    rows: usize,
    closed: bool,
    gone: bool,
    /// Nothing is for it any more, so nothing is counted either.
    ended: bool,
    books: Vec<Books>,
    /// Rows of all tables that were dropped because there was no room.
    slow: u64,
}

/// The counts of one table.
#[derive(Debug)]
struct Books {
    table: &'static str,
    account: Account,
    slow: Counter,
}

impl Default for Capacity {
    fn default() -> Capacity {
        Capacity { rows: 65_536, batches: 1_024 }
    }
}

impl Queue {
    pub(crate) fn new(
        name: &'static str,
        stage: &'static str,
        capacity: Capacity,
        policy: Policy,
        tables: Option<Vec<&'static Table>>,
        ledger: Ledger,
    ) -> Queue {
        let (state, arrived, freed) = (Mutex::default(), Condvar::new(), Condvar::new());
        Queue { name, stage, capacity, policy, tables, ledger, state, arrived, freed }
    }

    pub(crate) fn wants(&self, table: &Table) -> bool {
        let tables = self.tables.as_ref();
        tables.is_none_or(|tables| tables.iter().any(|wanted| wanted.name == table.name))
    }

    /// Takes a batch in, by the policy where there is no room.
    pub(crate) fn push(&self, batch: &Arc<Batch>) {
        let (rows, table) = (batch.len(), batch.table.name);
        let mut state = self.lock();
        if state.ended {
            return;
        }
        state.books(self, table).account.taken.add(rows as u64);
        while !state.has_room(self.capacity, rows) && !state.closed && !state.gone {
            match self.policy {
                Policy::Block => {
                    state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Policy::DropNewest => return state.lose(self, table, rows),
                Policy::DropOldest => {
                    if let Some(oldest) = state.take() {
                        state.lose(self, oldest.table.name, oldest.len());
                    }
                }
            }
        }
        if state.closed || state.gone {
            let reason = if state.gone { "gone" } else { "closed" };
            return state.books(self, table).account.drop(reason, rows as u64);
        }
        state.rows += rows;
        state.batches.push_back(batch.clone());
        drop(state);
        self.arrived.notify_one();
    }

    /// The batch that has waited longest; waits for one until `deadline`, without one forever.
    pub(crate) fn pop(&self, deadline: Option<Instant>) -> Result<Arc<Batch>, NoBatch> {
        let mut state = self.lock();
        loop {
            if let Some(batch) = state.take() {
                state.books(self, batch.table.name).account.passed.add(batch.len() as u64);
                drop(state);
                self.freed.notify_all();
                return Ok(batch);
            }
            if state.closed {
                return Err(NoBatch::Closed);
            }
            state = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Err(NoBatch::Yet),
                Some(left) => {
                    let waited = self.arrived.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Nothing comes in any more; what is queued can still be received.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
        self.freed.notify_all();
    }

    /// Nothing is for it any more; what is queued can still be received.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.close();
    }

    /// Nobody receives any more: what is queued is dropped, and no publisher waits.
    pub(crate) fn leave(&self) {
        let mut state = self.lock();
        (state.gone, state.ended) = (true, true);
        while let Some(batch) = state.take() {
            let account = &state.books(self, batch.table.name).account;
            account.drop("gone", batch.len() as u64);
        }
        drop(state);
        self.freed.notify_all();
    }

    pub(crate) fn gone(&self) -> bool {
        self.lock().gone
    }

    pub(crate) fn closed(&self) -> bool {
        self.lock().closed
    }

    /// Rows that were dropped because there was no room.
    pub(crate) fn lost(&self) -> u64 {
        self.lock().slow
    }

    /// Rows and batches that wait.
    pub(crate) fn fill(&self) -> (usize, usize) {
        let state = self.lock();
        (state.rows, state.batches.len())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self, capacity: Capacity, rows: usize) -> bool {
        self.batches.is_empty()
            || (self.batches.len() < capacity.batches && self.rows + rows <= capacity.rows)
    }

    fn take(&mut self) -> Option<Arc<Batch>> {
        let batch = self.batches.pop_front()?;
        self.rows -= batch.len();
        Some(batch)
    }

    /// Counts rows that were dropped because there was no room.
    fn lose(&mut self, queue: &Queue, table: &'static str, rows: usize) {
        self.slow += rows as u64;
        self.books(queue, table).slow.add(rows as u64);
    }

    fn books(&mut self, queue: &Queue, table: &'static str) -> &Books {
        let known = self.books.iter().position(|books| books.table == table);
        let place = known.unwrap_or_else(|| {
            let account = queue.ledger.account(queue.stage, table);
            let slow = account.dropped("slow");
            self.books.push(Books { table, account, slow });
            self.books.len() - 1
        });
        &self.books[place]
    }
}
