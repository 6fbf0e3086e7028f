//! Filling a store from rows that are not live: what `replay` does.

use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use bus::{Bus, Capacity, Policy, Subscription};
use store::{Bounds, Moment, Options, Store, Word};
use telemetry::Ledger;

use crate::node::Node;
use crate::signals;

/// A store that takes all rows of a bus, until that is closed.
pub(crate) struct Filling {
    thread: JoinHandle<Vec<Word>>,
    ledger: Ledger,
}

/// Rows that wait; whoever publishes more waits, too.
const QUEUE: Capacity = Capacity { rows: 65_536, batches: 4_096 };
/// How much is in memory at once.
const HOT: u64 = 64 << 20;

impl Filling {
    /// Opens the store in `folder` and takes what `bus` has. Nothing is ever dropped from it.
    pub(crate) fn start(folder: &Path, node: &Node, bus: &Bus, ledger: &Ledger) -> Result<Filling> {
        let options = Options {
            folder: folder.to_path_buf(),
            node: node.name.to_string(),
            hot: HOT,
            bounds: Bounds { total: u64::MAX, share: 1.0, age: Duration::MAX, free: 0 },
            sync_every: Duration::from_secs(2),
            seal_after: Duration::from_secs(60),
            key: None,
        };
        let begun = Instant::now();
        let store = Store::open(options, &signals::tables(), ledger, now(begun))?;
        let subscription = bus.subscribe("store", QUEUE, Policy::Block, None);
        let thread = thread::Builder::new().name("fathom-store".into());
        let thread = thread.spawn(move || fill(store, &subscription, begun));
        let thread = thread.context("cannot start the store")?;
        Ok(Filling { thread, ledger: ledger.clone() })
    }

    /// Waits until all is on disk; the bus has to be closed.
    pub(crate) fn finish(self) -> Result<()> {
        let words = self.thread.join().map_err(|_| anyhow!("the store's thread is gone"))?;
        for Word::Info(word) | Word::Warn(word) in words {
            eprintln!("fathom: {word}");
        }
        let dropped = self.ledger.dropped();
        let lost: u64 =
            dropped.iter().filter(|it| it.stage == "store").map(|entry| entry.count).sum();
        ensure!(lost == 0, "{lost} rows could not be stored");
        Ok(())
    }
}

fn fill(mut store: Store, subscription: &Subscription, begun: Instant) -> Vec<Word> {
    while let Some(batch) = subscription.recv() {
        store.append(batch, now(begun));
        store.turn(now(begun));
    }
    store.close(now(begun)).0
}

fn now(begun: Instant) -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    Moment { time, steady: 1 + begun.elapsed().as_nanos() as u64 }
}
