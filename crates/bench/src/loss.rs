//! Loss may happen; silent loss may not. Far more is offered than small rings with a slow reader
//! can carry, and every record has to be found again: delivered, or dropped for a reason.
//!
//! Three counts are kept by three parties that know nothing of each other: the workload counts
//! its opens, the kernel side counts what became of each record, and the agent counts what it
//! read. They have to agree to the unit.

use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bus::{Capacity, Policy, Subscription};
use fathom::session::{Plan, Session};
use fathom::signals;
use kernel::Cgroup;
use scope::Scope;
use telemetry::{Ledger, Side};

use crate::cli::Arguments;
use crate::figure::{Report, Target};
use crate::run;
use crate::work::{Took, Work};

const RING: u32 = 64 << 10;
const THREADS: usize = 4;
const TABLE: &str = "file_open";
/// At least so much more is offered than is carried.
const TIMES: f64 = 10.0;
/// The reader waits so long for each batch: it is what makes the rings run over.
const SLOW: Duration = Duration::from_millis(20);

/// What the books say of one table.
#[derive(Debug, Clone, Copy, Default)]
struct Books {
    taken: u64,
    passed: u64,
    dropped: u64,
}

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let cgroup = Cgroup::create()?;
    let table = signals::tables().into_iter().find(|table| table.name == TABLE);
    let scopes = vec![Scope::Cgroup(cgroup.path().to_path_buf())];
    let mut plan = Plan::new(vec![table.context("there is no table file_open")?], scopes);
    plan.rings = kernel::Options { facts_bytes: RING, bulk_bytes: RING, ..plan.rings };
    let mut session = Session::start(&plan, None)?;
    let capacity = Capacity { rows: 1, batches: 1 };
    let subscription = session.bus.subscribe("bench", capacity, Policy::Block, None);
    let reader = thread::spawn(move || slowly(&subscription));
    session.run()?;
    let iterated = books(&session.ledger, "decode", "record").taken;

    // What a storm opens beside its own loop is the same however long it is.
    let few = storm(&cgroup, THREADS)?;
    let before = kernel_books(&session);
    let many = storm(&cgroup, arguments.count(2_000_000))?;
    let after = kernel_books(&session);
    session.stop();
    let read = reader.join().ok().context("the reader panicked")?;

    let offered = (after.taken - before.taken) as f64;
    let own = before.taken as f64 - few;
    let dropped: Vec<String> = session
        .ledger
        .dropped()
        .iter()
        .filter(|entry| entry.stage == "kernel")
        .map(|entry| format!("{} {:?}", entry.count, entry.side))
        .collect();
    report.note(format!(
        "{offered} offered to rings of {} KiB: {} delivered, {} dropped ({})",
        RING >> 10,
        after.passed - before.passed,
        after.dropped - before.dropped,
        dropped.join(", ")
    ));
    let times = offered / (after.passed - before.passed) as f64;
    report.figure("offered-to-delivered", times, "ratio", Target::AtLeast(TIMES));
    let differs = |one: f64, other: f64| (one - other).abs();
    let workload = differs(offered - own, many);
    report.figure("workload-to-kernel", workload, "records", Target::Exactly(0.0));
    let kernel = after.taken as f64 - (after.passed + after.dropped) as f64;
    report.figure("kernel-unaccounted", kernel.abs(), "records", Target::Exactly(0.0));
    let decode = books(&session.ledger, "decode", "record").taken - iterated;
    let all = all_kernel(&session) as f64;
    report.figure("kernel-to-agent", differs(all, decode as f64), "records", Target::Exactly(0.0));
    let enriched = books(&session.ledger, "enrich", TABLE).passed as f64;
    report.figure("agent-to-reader", differs(enriched, read as f64), "rows", Target::Exactly(0.0));
    Ok(())
}

/// How many opens its loop did, by its own account.
fn storm(cgroup: &Cgroup, count: usize) -> Result<f64> {
    let work = Work::Storm { storm: "open", count, threads: THREADS };
    let words = work.words()?;
    let (program, words) = words.split_first().context("no storm")?;
    let mut command = Command::new(program);
    command.args(words).stdout(std::process::Stdio::piped());
    let child = cgroup.spawn(&mut command)?;
    let said = child.wait_with_output()?;
    ensure!(said.status.success(), "the storm ended with {}", said.status);
    let out = String::from_utf8_lossy(&said.stdout);
    Ok(Took::parse(&out).with_context(|| run::tail(&out))?.count)
}

fn slowly(subscription: &Subscription) -> u64 {
    let mut rows = 0;
    while let Some(batch) = subscription.recv() {
        rows += batch.len() as u64;
        // Not a wait for something: this is the slow reader.
        thread::sleep(SLOW);
    }
    rows
}

fn kernel_books(session: &Session) -> Books {
    session.count_kernel();
    books(&session.ledger, "kernel", TABLE)
}

fn books(ledger: &Ledger, stage: &str, table: &str) -> Books {
    let mut books = Books::default();
    for entry in ledger.entries().iter().filter(|it| it.stage == stage && it.table == table) {
        match entry.side {
            Side::Taken => books.taken += entry.count,
            Side::Passed => books.passed += entry.count,
            Side::Dropped(_) => books.dropped += entry.count,
            Side::Lacking(_) => {}
        }
    }
    books
}

/// What the kernel side delivered, of every table.
fn all_kernel(session: &Session) -> u64 {
    let entries = session.ledger.entries();
    let passed = entries.iter().filter(|it| it.stage == "kernel" && it.side == Side::Passed);
    passed.map(|entry| entry.count).sum()
}
