//! From batches to synced segments: how many rows a second of one core, how small they become, how
//! soon they can be read, and what a query at full tilt takes away from it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use export::Format;
use fathom::signals;
use query::{Ask, Engine};
use schema::Batch;
use store::{Bounds, Catalogue, Moment, Options, Store};
use telemetry::{Ledger, Usage};

use super::made;
use crate::cli::Arguments;
use crate::figure::{Report, Target};
use crate::pipeline;
use crate::run;
use testkit::workload::Scratch;

/// Rows a second, of one core.
const LEAST: f64 = 500_000.0;
/// Bytes of JSON lines for each byte on disk.
const SMALLER: f64 = 8.0;
/// Memory for rows, and how much more the process may have.
const HOT: u64 = 64 << 20;
const BESIDE: f64 = 60.0;

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let batches = pipeline::batches(arguments)?;
    let rows: usize = batches.iter().map(|batch| batch.len()).sum();
    ensure!(rows > 0, "the capture has no rows");
    let json = json_bytes(&batches);
    let seconds = Duration::from_secs(if arguments.quick { 3 } else { 15 });
    let (mut alone, mut asked, mut per_core) = (Vec::new(), Vec::new(), Vec::new());
    let mut beside = Vec::new();
    for _ in 0..arguments.rounds() {
        let quiet = fill(&batches, seconds, false)?;
        let busy = fill(&batches, seconds, true)?;
        alone.push(quiet.rows as f64 / quiet.wall);
        per_core.push(quiet.rows as f64 / quiet.cpu);
        asked.push(busy.rows as f64 / busy.wall);
        ensure!(quiet.dropped + busy.dropped == 0, "rows were dropped");
        report.note(format!("while asked: {} queries", busy.queries));
        beside.push(quiet.beside / 1e6);
    }
    report.median("ingest", &alone, "rows/s", Target::AtLeast(LEAST));
    report.median("ingest-per-core", &per_core, "rows/s", Target::AtLeast(LEAST));
    let shares: Vec<f64> = asked.iter().zip(&alone).map(|(asked, alone)| asked / alone).collect();
    report.median("ingest-while-asked", &shares, "ratio", Target::AtLeast(0.5));
    // Once and not over and over: what repeats is small anyway.
    let stored = stored_once(&batches)? as f64 / rows as f64;
    let plain = json as f64 / rows as f64;
    report.figure("json-over-disk", plain / stored, "ratio", Target::AtLeast(SMALLER));
    report.note(format!("a row: {plain:.0} bytes as JSON, {stored:.1} on disk"));
    report.median("resident-beside-hot", &beside, "MB", Target::AtMost(BESIDE));
    visible(report)
}

struct Filled {
    rows: u64,
    wall: f64,
    cpu: f64,
    dropped: u64,
    queries: u64,
    /// The most resident memory, less what was there before and less [`HOT`].
    beside: f64,
}

/// Appends `batches` over and over for so long, and waits until all of it is on disk.
fn fill(batches: &[Arc<Batch>], period: Duration, asked: bool) -> Result<Filled> {
    let scratch = Scratch::new("bench-ingest")?;
    let ledger = Ledger::new();
    let begun = Instant::now();
    let mut store = Store::open(options(scratch.path()), &signals::tables(), &ledger, now(begun))?;
    let (stop, queries) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let asker = asked.then(|| {
        let (catalogue, stop, queries) = (store.catalogue().clone(), stop.clone(), queries.clone());
        thread::spawn(move || ask(catalogue, &stop, &queries))
    });
    let me = std::process::id();
    let before = run::resident(me)?;
    let (usage, mut rows, mut most) = (Usage::now(), 0, before);
    'filling: loop {
        for batch in batches {
            store.append(batch.clone(), now(begun));
            rows += batch.len() as u64;
            if rows % 4096 < batch.len() as u64 {
                store.turn(now(begun));
                if begun.elapsed() >= period {
                    break 'filling;
                }
                most = most.max(run::resident(me)?);
            }
        }
    }
    store.close(now(begun));
    let (wall, spent) = (begun.elapsed().as_secs_f64(), Usage::now());
    let cpu = (spent.user + spent.system - usage.user - usage.system).as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    if let Some(asker) = asker {
        asker.join().map_err(|_| anyhow::anyhow!("the thread that asks is gone"))??;
    }
    Ok(Filled {
        rows,
        wall,
        cpu,
        dropped: ledger.dropped().iter().map(|entry| entry.count).sum(),
        queries: queries.load(Ordering::Relaxed),
        beside: most - before - HOT as f64,
    })
}

/// Bytes of the segments that hold `batches`.
fn stored_once(batches: &[Arc<Batch>]) -> Result<u64> {
    let scratch = Scratch::new("bench-once")?;
    let begun = Instant::now();
    let (ledger, tables) = (Ledger::new(), signals::tables());
    let mut store = Store::open(options(scratch.path()), &tables, &ledger, now(begun))?;
    batches.iter().for_each(|batch| store.append(batch.clone(), now(begun)));
    let catalogue = store.catalogue().clone();
    store.close(now(begun));
    let contents = catalogue.contents();
    Ok(contents.tables.values().flat_map(|rows| &rows.segments).map(|it| it.bytes).sum())
}

/// Asks for a group over all rows, again and again, on every core.
fn ask(catalogue: Catalogue, stop: &AtomicBool, queries: &AtomicU64) -> Result<()> {
    let engine = Engine::new(catalogue, &signals::tables(), made::options())?;
    let sql =
        "SELECT comm, path, count(*) FROM file_open GROUP BY comm, path ORDER BY 3 DESC LIMIT 9";
    while !stop.load(Ordering::Relaxed) {
        let mut answer = engine.ask_blocking(Ask { sql: sql.to_string(), ..Ask::default() })?;
        while let Some(rows) = answer.next_blocking() {
            rows?;
        }
        queries.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// From the append of a row to its place in an answer, the store turned as the agent turns it.
fn visible(report: &mut Report) -> Result<()> {
    let scratch = Scratch::new("bench-visible")?;
    let begun = Instant::now();
    let tables = signals::tables();
    let mut store = Store::open(options(scratch.path()), &tables, &Ledger::new(), now(begun))?;
    let engine = Engine::new(store.catalogue().clone(), &tables, made::options())?;
    let mut times = Vec::new();
    for round in 1..=20 {
        let appended = Instant::now();
        store.append(made::rows(round..round + 1), now(begun));
        loop {
            store.turn(now(begun));
            let sql = "SELECT count(*) FROM file_open".to_string();
            let mut answer = engine.ask_blocking(Ask { sql, ..Ask::default() })?;
            let rows = answer.next_blocking().context("an answer has a row")??;
            if made::first_number(&rows) == Some(round as i64) {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        times.push(appended.elapsed().as_secs_f64() * 1e3);
    }
    report.median("visible", &times, "ms", Target::Below(1000.0));
    Ok(())
}

fn json_bytes(batches: &[Arc<Batch>]) -> usize {
    let mut json = export::Json::new(export::Options::default());
    let (mut text, mut bytes) = (Vec::new(), 0);
    for batch in batches {
        json.batch(batch, &mut text);
        bytes += text.len();
        text.clear();
    }
    bytes
}

fn options(folder: &Path) -> Options {
    Options {
        folder: folder.to_path_buf(),
        node: "bench".to_string(),
        hot: HOT,
        bounds: Bounds { total: 1 << 40, share: 1.0, age: Duration::from_secs(1 << 30), free: 0 },
        sync_every: Duration::from_secs(2),
        seal_after: Duration::from_secs(60),
        key: None,
    }
}

fn now(begun: Instant) -> Moment {
    let steady = begun.elapsed().as_nanos() as u64 + 1;
    Moment { time: made::TIME + steady as i64, steady }
}
