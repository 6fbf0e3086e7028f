//! What the agent remembers: the thread between the bus and the store.
//!
//! It takes every row that is published, and makes rows itself that say what was watched and what
//! was lost: without them no answer could say how complete it is. A store that cannot keep up, or
//! cannot be written, costs counted rows and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use bus::{Bus, Capacity, NoBatch, Policy, Subscription};
use schema::{Batch, Decoded, Event, Process};
use store::{AgentCoverage, Bounds, Catalogue, Head, Key, Moment, Options, Size, Store, Word};
use telemetry::{Ledger, Side};

use super::log::Log;
use super::witness::Witness;
use crate::config::{self, Folder};
use crate::node::Node;
use crate::signals;

/// A store that is being filled.
pub(super) struct Memory {
    /// What there is to read.
    pub(super) catalogue: Catalogue,
    status: Arc<Mutex<Status>>,
    stop: Arc<AtomicBool>,
    notes: Sender<Arc<Batch>>,
    thread: JoinHandle<()>,
}

/// How the store is, as of the last second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Status {
    pub(super) size: Size,
    pub(super) head: Head,
}

/// Rows that wait while a segment is written; about 100 MB at most.
const QUEUE: Capacity = Capacity { rows: 262_144, batches: 16_384 };
/// How often the store is asked what is due.
const TICK: Duration = Duration::from_millis(50);
/// Batches that are taken before the store is asked again.
const AT_ONCE: usize = 512;
/// A row says this often that the agent watched, and others what it lost meanwhile.
const WATCH: Duration = Duration::from_secs(1);

impl Memory {
    /// Opens the store that `config` describes; none where it is off.
    pub(super) fn open(
        config: &config::Memory,
        node: &Node,
        ledger: &Ledger,
    ) -> Result<Option<Store>> {
        let Folder::At(folder) = &config.directory else { return Ok(None) };
        let key = match config.key.0.as_str() {
            "" => None,
            path => Some(Key::read(path.as_ref()).context("store.key")?),
        };
        let options = Options {
            folder: folder.into(),
            node: node.name.to_string(),
            hot: config.memory.0,
            bounds: Bounds {
                total: config.total.0,
                share: f64::from(config.share) / 100.0,
                age: config.keep.0,
                free: config.free.0,
            },
            sync_every: config.sync_every.0,
            seal_after: config.seal_after.0,
            key,
        };
        let store = Store::open(options, &signals::tables(), ledger, now(node))?;
        Ok(Some(store))
    }

    /// Subscribes to `bus` and starts to fill `store`.
    pub(super) fn start(
        store: Store,
        config: &config::Memory,
        node: Node,
        bus: &Bus,
        ledger: &Ledger,
        log: &Log,
    ) -> Result<Memory> {
        let (catalogue, name) = (store.catalogue().clone(), node.name.clone());
        let (notes, noted) = mpsc::channel();
        let (status, stop) = (Arc::<Mutex<Status>>::default(), Arc::<AtomicBool>::default());
        let filler = Filler {
            store,
            subscription: bus.subscribe("store", QUEUE, Policy::DropNewest, None),
            noted,
            watch: Watch::begin(&node, ledger),
            node,
            log: log.clone(),
            status: status.clone(),
            stop: stop.clone(),
            tell_head: config.tell_head.0,
            witness: Witness::start(config, &name, log)?,
        };
        filler.show();
        let thread = thread::Builder::new().name("fathom-store".into());
        let thread = thread.spawn(move || filler.run()).context("cannot start the store")?;
        Ok(Memory { catalogue, status, stop, notes, thread })
    }

    /// How the store is.
    pub(super) fn status(&self) -> Status {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores rows about the agent itself.
    pub(super) fn note(&self, batch: Arc<Batch>) {
        // A thread that is gone is told by `alive`.
        let _ = self.notes.send(batch);
    }

    /// Whether the thread runs.
    pub(super) fn alive(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Waits until all rows are on disk; false where it is not done by `deadline`. The bus has to
    /// be closed before.
    pub(super) fn finish(&self, deadline: Instant) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        while self.alive() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        !self.alive()
    }
}

/// The thread's side.
struct Filler {
    store: Store,
    subscription: Subscription,
    noted: Receiver<Arc<Batch>>,
    watch: Watch,
    node: Node,
    log: Log,
    status: Arc<Mutex<Status>>,
    stop: Arc<AtomicBool>,
    tell_head: Duration,
    witness: Option<Witness>,
}

impl Filler {
    fn run(mut self) {
        let (mut shown, mut told) = (Instant::now(), Instant::now());
        loop {
            let mut came = self.subscription.recv_timeout(TICK);
            for _ in 0..AT_ONCE {
                let Ok(batch) = came else { break };
                self.store.append(batch, now(&self.node));
                came = self.subscription.try_recv();
            }
            let closed = matches!(came, Err(NoBatch::Closed));
            if let Ok(batch) = came {
                self.store.append(batch, now(&self.node));
            }
            while let Ok(batch) = self.noted.try_recv() {
                self.store.append(batch, now(&self.node));
            }
            let ends = closed && self.stop.load(Ordering::Relaxed);
            if let Some(batch) = self.watch.look(&self.node, ends) {
                self.store.append(batch, now(&self.node));
            }
            self.store.turn(now(&self.node));
            self.say();
            if shown.elapsed() >= WATCH || ends {
                shown = Instant::now();
                self.show();
            }
            if told.elapsed() >= self.tell_head {
                told = Instant::now();
                self.say_head();
            }
            if ends {
                return self.end();
            }
            if closed {
                // The bus is closed and the session's last counts are not in the books yet.
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn end(self) {
        let now = now(&self.node);
        let Filler { store, log, witness, .. } = self;
        let (words, head) = store.close(now);
        if let Some(witness) = &witness {
            witness.tell(head);
        }
        for word in words {
            say(&log, word);
        }
        log.info(format_args!("the store is closed; the chain's head was {head}"));
    }

    fn say(&mut self) {
        for word in self.store.words() {
            say(&self.log, word);
        }
    }

    fn say_head(&self) {
        let head = self.store.head();
        self.log.info(format_args!("the head of the store's chain is {head}"));
        if let Some(witness) = &self.witness {
            witness.tell(head);
        }
    }

    fn show(&self) {
        let status = Status { size: self.store.size(), head: self.store.head() };
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}

/// What the books said when they were last looked at.
struct Watch {
    ledger: Ledger,
    process: Arc<Process>,
    lost: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    /// Since when the agent watches without a row that says so.
    begun: i64,
}

impl Watch {
    fn begin(node: &Node, ledger: &Ledger) -> Watch {
        let origin = node.own_origin();
        let process = Arc::new(Process::unknown(origin.process, "fathom", origin.cgroup));
        let (begun, ledger) = (origin.time, ledger.clone());
        Watch { ledger, process, lost: BTreeMap::new(), begun }
    }

    /// Rows for what has passed, where it is time for them or `last` time.
    fn look(&mut self, node: &Node, last: bool) -> Option<Arc<Batch>> {
        let now = node.wall(node.now());
        let passed = Duration::from_nanos(now.saturating_sub(self.begun).max(0) as u64);
        if passed < WATCH && !last {
            return None;
        }
        let mut origin = node.own_origin();
        origin.time = now;
        let mut rows = Decoded::new(AgentCoverage::TABLE);
        let begun = std::mem::replace(&mut self.begun, now);
        let watched = AgentCoverage { begun, stage: None, subject: None, reason: None, lost: 0 };
        rows.push(origin, watched);
        for entry in self.ledger.lost() {
            let Side::Dropped(reason) = entry.side else { continue };
            if !concerns_the_store(entry.stage) {
                continue;
            }
            let before = self.lost.entry((entry.stage, entry.table, reason)).or_default();
            let lost = entry.count.saturating_sub(std::mem::replace(before, entry.count));
            if lost > 0 {
                let (stage, subject) = (Some(entry.stage), Some(entry.table));
                let reason = Some(reason);
                rows.push(origin, AgentCoverage { begun, stage, subject, reason, lost });
            }
        }
        let processes = vec![self.process.clone(); rows.len()];
        Some(Arc::new(rows.with_processes(node.name.clone(), processes)))
    }
}

/// What other consumers lose is theirs alone.
fn concerns_the_store(stage: &str) -> bool {
    stage == "bus:store" || !(stage.starts_with("bus:") || stage.starts_with("output:"))
}

fn say(log: &Log, word: Word) {
    match word {
        Word::Info(words) => log.info(words),
        Word::Warn(words) => log.warn(words),
    }
}

fn now(node: &Node) -> Moment {
    // By the calendar as it is now: the node's own offset is that of the agent's start.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment { time: i64::try_from(since.as_nanos()).unwrap_or(i64::MAX), steady: node.now() }
}
