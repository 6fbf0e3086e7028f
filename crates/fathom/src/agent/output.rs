//! Outputs: a thread each between the bus and a file or standard output.
//!
//! An output never holds up the stream: its queue is bounded, and where it is full the newest
//! rows are dropped and counted (`bus:file`, `slow`). Blocking would move the loss into the
//! rings, where it hits every other consumer as well. What cannot be written is counted too
//! (`output:file`, `disk_full`), and the next rows are tried anew: no state has to be reset
//! when there is room again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bus::{Bus, Capacity, NoBatch, Policy, Subscription};
use export::{Format, Json, Options};
use schema::{Batch, Table};
use telemetry::Ledger;

use super::log::Log;
use super::sink::{Failure, Sink};
use crate::config::{self, OutputKind};

/// An output that runs.
pub(super) struct Output {
    /// As it is configured now.
    pub(super) config: config::Output,
    rows: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    orders: Sender<config::Output>,
    /// Closed when the thread ends.
    running: Receiver<()>,
}

/// Rows that wait for a slow disk; about 30 MB at most.
const QUEUE: Capacity = Capacity { rows: 65_536, batches: 4_096 };
/// How often an idle output looks whether it is to change or to end.
const TICK: Duration = Duration::from_millis(200);
/// Rows that are written at once.
const AT_ONCE: usize = 8_192;

impl Output {
    /// Subscribes to `bus` and starts writing the rows of `tables` to `sink`.
    pub(super) fn start(
        config: config::Output,
        sink: Sink,
        bus: &Bus,
        ledger: &Ledger,
        log: &Log,
        tables: Vec<&'static Table>,
    ) -> Result<Output> {
        let (name, stage) = match config.kind {
            OutputKind::Stdout => ("stdout", "output:stdout"),
            OutputKind::File => ("file", "output:file"),
        };
        let (orders, ordered) = mpsc::channel();
        let (alive, running) = mpsc::channel();
        let (rows, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let writer = Writer {
            place: config.name().to_string(),
            format: format(&config),
            sink,
            // More than are wanted now: the stream publishes only those, and that may change.
            subscription: bus.subscribe(name, QUEUE, Policy::DropNewest, Some(tables)),
            stage,
            ledger: ledger.clone(),
            log: log.clone(),
            rows: rows.clone(),
            stop: stop.clone(),
            ordered,
            failing: None,
            _alive: alive,
        };
        let thread = thread::Builder::new().name(format!("fathom-{name}"));
        thread.spawn(move || writer.run()).context("cannot start an output")?;
        Ok(Output { config, rows, stop, orders, running })
    }

    /// From now on so; the place is the same.
    pub(super) fn change(&mut self, config: config::Output) {
        self.config = config.clone();
        // A thread that is gone is told by `alive`.
        let _ = self.orders.send(config);
    }

    /// Whether the thread runs.
    pub(super) fn alive(&self) -> bool {
        self.running.try_recv() == Err(mpsc::TryRecvError::Empty)
    }

    /// Asks it to write what waits and to end.
    pub(super) fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for its end until `deadline`; returns the rows written, or none where it still writes.
    pub(super) fn finish(self, deadline: Instant) -> Option<u64> {
        let left = deadline.saturating_duration_since(Instant::now());
        let ended = self.running.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Disconnected);
        ended.then(|| self.rows.load(Ordering::Relaxed))
    }
}

/// The thread's side.
struct Writer {
    place: String,
    format: Json,
    sink: Sink,
    subscription: Subscription,
    stage: &'static str,
    ledger: Ledger,
    log: Log,
    rows: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    ordered: Receiver<config::Output>,
    /// The reason of the failure that lasts, and how many rows it has cost.
    failing: Option<(&'static str, u64)>,
    _alive: Sender<()>,
}

impl Writer {
    fn run(mut self) {
        loop {
            while let Ok(config) = self.ordered.try_recv() {
                self.sink.change(&config);
                self.format = format(&config);
            }
            match self.subscription.recv_timeout(TICK) {
                Ok(first) => self.take(first),
                Err(NoBatch::Yet) => {}
                Err(NoBatch::Closed) => return,
            }
            if self.stop.load(Ordering::Relaxed) {
                // What waits is still written; then the subscription says that it is closed.
                self.subscription.end();
            }
        }
    }

    /// `first`, and what has come together since, in the order of time.
    fn take(&mut self, first: Arc<Batch>) {
        let mut rows = first.len();
        let mut batches = vec![first];
        while rows < AT_ONCE
            && let Ok(next) = self.subscription.try_recv()
        {
            rows += next.len();
            batches.push(next);
        }
        self.write(&batches);
    }

    fn write(&mut self, batches: &[Arc<Batch>]) {
        let mut text = Vec::new();
        let rows = export::by_time(batches.iter().map(AsRef::as_ref));
        for &row in &rows {
            self.format.row(row, &mut text);
        }
        let result = self.sink.write(&text);
        // The rows that are missing are the last ones.
        let unwritten = result.as_ref().err().map_or(0, |failure| failure.unwritten as usize);
        let written = rows.len().saturating_sub(unwritten);
        self.rows.fetch_add(written as u64, Ordering::Relaxed);
        for batch in batches {
            let account = self.ledger.account(self.stage, batch.table.name);
            account.taken.add(batch.len() as u64);
            let Err(failure) = &result else {
                account.passed.add(batch.len() as u64);
                continue;
            };
            let of_batch = |row: &&schema::Row<'_>| std::ptr::eq(row.batch, batch.as_ref());
            let passed = rows[..written].iter().filter(of_batch).count();
            account.passed.add(passed as u64);
            account.drop(failure.reason, (batch.len() - passed) as u64);
        }
        self.tell(result);
    }

    /// Says when writing begins to fail and when it works again, not what is in between.
    fn tell(&mut self, result: Result<(), Failure>) {
        match (result, &mut self.failing) {
            (Ok(()), None) => {}
            (Ok(()), Some((reason, lost))) => {
                self.log.info(format_args!(
                    "{}: rows are written again; {lost} were left out ({reason})",
                    self.place
                ));
                self.failing = None;
            }
            (Err(failure), Some((reason, lost))) if failure.reason == *reason => {
                *lost += failure.unwritten;
            }
            (Err(Failure { reason, unwritten, words }), _) => {
                self.log.error(format_args!(
                    "{words}; rows are left out and counted as {reason} until they can be written"
                ));
                self.failing = Some((reason, unwritten));
            }
        }
    }
}

fn format(config: &config::Output) -> Json {
    Json::new(Options { hide_personal: config.hide_personal })
}
