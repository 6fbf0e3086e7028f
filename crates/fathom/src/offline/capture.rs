//! Captures, a turn of rows at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use bus::{Bus, Capacity, Policy};
use identity::{Identity, Limits};
use kernel::Signal;
use schema::Batch;
use scope::SCOPE;
use telemetry::Ledger;

use crate::capture::{Ending, Player};
use crate::signals::{self, SIGNALS};
use crate::stream::Stream;

/// A capture that is ready to be played.
pub(crate) struct Capture {
    path: PathBuf,
    player: Player,
    signals: Vec<&'static Signal>,
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Played {
    path: PathBuf,
    /// Records that could not be read.
    pub(crate) unreadable: u64,
    ending: Ending,
}

/// We take what is published as soon as it is: nobody could make room while we publish.
const QUEUE: Capacity = Capacity { rows: usize::MAX, batches: usize::MAX };

impl Capture {
    /// Opens it; an error where this build cannot read it.
    pub(crate) fn open(path: &Path) -> Result<Capture> {
        let player = Player::open(path)?;
        let known: Vec<_> = [&SCOPE].into_iter().chain(SIGNALS.iter().copied()).collect();
        let signals = player.signals(&known)?;
        Ok(Capture { path: path.to_path_buf(), player, signals })
    }

    /// Nanoseconds from 1970 to the node's boot.
    pub(crate) fn boot(&self) -> i64 {
        self.player.head.clock_offset
    }

    /// Hands the rows of each turn to `take`, until it fails.
    pub(crate) fn play(
        mut self,
        mut take: impl FnMut(&[Arc<Batch>]) -> Result<()>,
    ) -> Result<Played> {
        let ledger = Ledger::new();
        let bus = Arc::new(Bus::new(&ledger));
        let rows = bus.subscribe("rules", QUEUE, Policy::Block, None);
        let identity = Arc::new(Identity::new(Limits::default()));
        let (node, tables) = (self.player.node(), signals::node_tables());
        let mut stream = Stream::new(node, self.signals, tables, identity, bus.clone(), &ledger);
        let mut ended = Ok(());
        let ending = self.player.play(&mut stream, |_| {
            let turn: Vec<Arc<Batch>> = std::iter::from_fn(|| rows.try_recv().ok()).collect();
            if ended.is_ok() {
                ended = take(&turn);
            }
        })?;
        ended?;
        let dropped = ledger.dropped();
        let of_decode = dropped.iter().filter(|entry| entry.stage == "decode");
        let unreadable = of_decode.map(|entry| entry.count).sum();
        Ok(Played { path: self.path, unreadable, ending })
    }
}

impl Played {
    /// What is missing, a sentence each; nothing where all was read.
    pub(crate) fn notes(&self) -> Vec<String> {
        let place = self.path.display();
        let mut notes = Vec::new();
        if self.unreadable > 0 {
            notes.push(format!("{} records of {place} could not be read", self.unreadable));
        }
        match self.ending {
            Ending::Complete => {}
            Ending::Truncated { at } => notes.push(format!(
                "{place} ends in the middle of a frame, {at} bytes behind its first line"
            )),
            Ending::Corrupt { at } => notes.push(format!(
                "{place} is damaged {at} bytes behind its first line; nothing after it was read"
            )),
        }
        notes
    }
}
