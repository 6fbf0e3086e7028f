//! A workload that really does what it says: seeded operations on files, processes and sockets,
//! each kept in a log of its own.
//!
//! Everything happens below one temporary directory and on loopback addresses. A thread's
//! operations lie between two markers (see [`crate::log::Recorder::mark`]); what the workload
//! does for itself (making its directory, writing the log) lies outside of them. The umask is
//! 0, so that a mode is the one that was passed.

mod files;
mod fixture;
mod mounts;
mod names;
mod processes;
mod sockets;
mod tree;
mod worker;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::log::LogEntry;
use crate::rng::Rng;
pub use fixture::Scratch;
pub use sockets::peer;

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Where the random choices begin; the same seed makes the same choices.
    #[serde(default)]
    pub seed: u64,
    /// How many rows to make, at least.
    pub ops: usize,
    /// Rows of which kind.
    #[serde(default)]
    pub mix: Mix,
    /// How many threads do it at once.
    #[serde(default = "one")]
    pub threads: usize,
}

fn one() -> usize {
    1
}

/// Which operations a workload does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mix {
    /// File operations.
    Files,
    /// Processes.
    Processes,
    /// Sockets.
    Sockets,
    /// All of them.
    #[default]
    All,
}

/// Does what `plan` says and returns the log, in order.
pub fn run(plan: &Plan) -> anyhow::Result<Vec<LogEntry>> {
    let scratch = Scratch::new("testkit")?;
    run_in(plan, scratch.path())
}

/// Does what `plan` says in a child of another workload: one thread, files alone, below `home`,
/// which it makes and removes.
pub fn run_child(seed: u64, ops: usize, home: &Path) -> anyhow::Result<Vec<LogEntry>> {
    std::fs::create_dir(home).with_context(|| format!("making {}", home.display()))?;
    let plan = Plan { seed, ops, mix: Mix::Files, threads: 1 };
    let log = run_in(&plan, home);
    std::fs::remove_dir_all(home)?;
    log
}

fn run_in(plan: &Plan, home: &Path) -> anyhow::Result<Vec<LogEntry>> {
    rustix::process::umask(rustix::fs::Mode::empty());
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let fixture_home = home.join("fixture");
    std::fs::create_dir(&fixture_home)?;
    let fixture = fixture::Fixture::new(&fixture_home)?;
    let next = Arc::new(AtomicU64::new(0));
    let mut rng = Rng::new(plan.seed);
    let mut log = Vec::new();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let mut threads = Vec::new();
        for number in 0..plan.threads.max(1) {
            let part = worker::Part {
                seed: plan.seed,
                rng: rng.split(number as u64),
                ops: plan.ops.div_ceil(plan.threads.max(1)),
                mix: plan.mix,
                home: home.join(format!("w{number}")),
            };
            let (fixture, next) = (&fixture, next.clone());
            threads.push(scope.spawn(move || worker::work(part, fixture, next)));
        }
        for thread in threads {
            let part = thread.join().map_err(|_| anyhow::anyhow!("a thread gave up"))?;
            log.extend(part?);
        }
        Ok(())
    })?;
    log.sort_by_key(|entry: &LogEntry| entry.seq);
    Ok(log)
}
