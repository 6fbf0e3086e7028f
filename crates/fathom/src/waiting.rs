//! Rows that wait: until their pod's name is known, or whether their pod was asked for.

use std::sync::Arc;
use std::time::Duration;

use schema::{Decoded, Process};

use crate::follow::Follow;
use crate::node::Node;

/// What rows wait for, and those that do.
#[derive(Default)]
pub struct Waiting {
    /// The pods asked for, where pods were.
    follow: Option<Arc<Follow>>,
    /// How long a row may wait. Without a cluster that could name a pod, not at all.
    patience: Duration,
    held: Vec<Held>,
    rows: usize,
}

/// So many rows wait at most; those that come then are told, or not, by what is known.
const MOST: usize = 1 << 16;

/// Whether a pod was asked for is waited for so long, at least: nobody can be told rows of which
/// that is not known.
const VERDICT: Duration = Duration::from_secs(2);

/// Rows of one table, and until when (boot clock) they may wait.
pub struct Held {
    /// The rows.
    pub rows: Decoded,
    /// Until when they may wait.
    pub until: u64,
}

/// What is to become of the rows of a batch.
#[derive(Default)]
pub struct Sorted {
    /// These go on.
    pub ready: Vec<usize>,
    /// These wait.
    pub wait: Vec<usize>,
    /// Not of a pod that was asked for.
    pub foreign: u64,
    /// Nobody said in time whether they were asked for.
    pub undecided: u64,
    /// They go on without their pod's name, which nobody said in time.
    pub nameless: u64,
}

impl Waiting {
    /// Nothing waits yet.
    pub fn new(follow: Option<Arc<Follow>>, patience: Duration) -> Waiting {
        Waiting { follow, patience, held: Vec::new(), rows: 0 }
    }

    /// Whether any row could have to wait, or to be left out.
    pub fn concerns(&self) -> bool {
        self.follow.is_some() || !self.patience.is_zero() || !self.held.is_empty()
    }

    /// Until when rows that come now may wait.
    pub fn deadline(&self, now: u64) -> u64 {
        let longest = match self.follow {
            Some(_) => self.patience.max(VERDICT),
            None => self.patience,
        };
        now.saturating_add(u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Sorts rows whose processes are known, and which may wait until `until`.
    pub fn sort(
        &self,
        rows: &Decoded,
        processes: &[Arc<Process>],
        node: &Node,
        (now, until): (u64, u64),
    ) -> Sorted {
        let mut sorted = Sorted::default();
        let may_wait = now < until && self.rows < MOST;
        let may_wait_for_name = may_wait && !self.patience.is_zero();
        for (row, (origin, process)) in rows.origin.iter().zip(processes).enumerate() {
            let asked = match &self.follow {
                // The agent's own rows have no cgroup.
                Some(follow) if origin.cgroup != 0 => {
                    follow.asks_for(origin.cgroup, node.boot_time(origin.time))
                }
                _ => Some(true),
            };
            let nameless = process.container.as_ref().is_some_and(|it| it.is_nameless());
            match asked {
                Some(false) => sorted.foreign += 1,
                None if may_wait => sorted.wait.push(row),
                None => sorted.undecided += 1,
                Some(true) if nameless && may_wait_for_name => sorted.wait.push(row),
                Some(true) => {
                    sorted.nameless += u64::from(nameless && !self.patience.is_zero());
                    sorted.ready.push(row);
                }
            }
        }
        sorted
    }

    /// Keeps rows for the next time.
    pub fn hold(&mut self, rows: Decoded, until: u64) {
        self.rows += rows.len();
        self.held.push(Held { rows, until });
    }

    /// All that waits, the oldest first.
    pub fn take(&mut self) -> Vec<Held> {
        self.rows = 0;
        std::mem::take(&mut self.held)
    }
}
