//! How many rows a second go from decode through enrich to the bus.
//!
//! A capture is made on the spot and replayed from memory. One worker first; then two, each with
//! a stream and a share of the processes of its own, as live. The batches are received and
//! dropped where they are made, so that their whole life is in the time.

mod replay;

use std::process::Command;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bus::{Bus, Capacity, Policy, Subscription};
use export::Format;
use fathom::signals;
use fathom::stream::Stream;
use identity::{Identity, Limits};
use telemetry::Ledger;
use testkit::workload::Scratch;

use crate::cli::Arguments;
use crate::figure::{Report, Target, number};
use crate::place;
use crate::run;
use crate::spread::median;
use crate::work::Work;
use replay::Replay;

const LEAST: f64 = 1_000_000.0;

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let scratch = Scratch::new("bench-capture")?;
    let path = scratch.path().join("capture");
    let said = run::to_end(&mut capture(&path, arguments)?)?;
    report.note(format!("captured: {}", run::tail(&said.err)));
    let whole = Replay::read(&path)?;
    let halves = whole.split();
    let [one, other] = halves.each_ref().map(|half| half.bytes() as f64);
    report.note(format!(
        "the two workers' shares: {:.0} % and {:.0} %",
        100.0 * one / (one + other),
        100.0 * other / (one + other)
    ));
    let (mut singles, mut pairs, mut json) = (Vec::new(), Vec::new(), Vec::new());
    // The first pass finds cold caches and is not counted.
    pass(&[&whole])?;
    for _ in 0..2 * arguments.rounds() {
        singles.push(pass(&[&whole])?);
        pairs.push(pass(&halves.each_ref())?);
    }
    for _ in 0..arguments.rounds() {
        json.push(as_json(&whole)?);
    }
    report.median("rows-per-second", &singles, "rows/s", Target::AtLeast(LEAST));
    report.median("rows-per-second-two-workers", &pairs, "rows/s", Target::AtLeast(LEAST));
    let gains: Vec<f64> = pairs.iter().zip(&singles).map(|(two, one)| two / one).collect();
    report.median("second-worker-gain", &gains, "ratio", Target::Above(1.0));
    report.samples("json-rows-per-second", &json);
    report.note(format!("as JSON lines: {} rows/s on one thread", number(median(&json))));
    Ok(())
}

/// The rows of a capture that is made on the spot, as the bus has them.
pub(crate) fn batches(arguments: &Arguments) -> Result<Vec<Arc<schema::Batch>>> {
    let scratch = Scratch::new("bench-capture")?;
    let path = scratch.path().join("capture");
    run::to_end(&mut capture(&path, arguments)?)?;
    let replay = Replay::read(&path)?;
    let ledger = Ledger::new();
    let bus = Arc::new(Bus::new(&ledger));
    let identity = Arc::new(Identity::new(Limits::default()));
    let capacity = Capacity { rows: usize::MAX >> 1, batches: usize::MAX >> 1 };
    let subscription = bus.subscribe("bench", capacity, Policy::Block, None);
    let mut stream = replay.stream(&identity, &bus, &ledger);
    for batch in &replay.batches {
        stream.take_all(batch);
        stream.flush();
    }
    Ok(std::iter::from_fn(|| subscription.try_recv().ok()).collect())
}

/// What a node does, in many processes: mostly opens, and some of all else.
fn capture(path: &std::path::Path, arguments: &Arguments) -> Result<Command> {
    let mut command = Command::new(place::fathom()?);
    command.arg("capture").arg(path).arg("--").arg(place::own()?).args(["errand", "timed", "--"]);
    let storms = [("open", 5_000), ("exec", 25), ("connect", 125), ("fork", 50)];
    for turn in 0..40 {
        for (storm, count) in storms {
            if turn > 0 || storm != "open" {
                command.arg(",");
            }
            command.args(Work::storm(storm, arguments.count(count)).words()?);
        }
    }
    Ok(command)
}

/// Rows a second, with a worker for each replay.
fn pass(replays: &[&Replay]) -> Result<f64> {
    let ledger = Ledger::new();
    let bus = Arc::new(Bus::new(&ledger));
    let identity = Arc::new(Identity::new(Limits::default()));
    let capacity = Capacity { rows: usize::MAX >> 1, batches: usize::MAX >> 1 };
    let subscription = bus.subscribe("bench", capacity, Policy::Block, None);
    let start = Barrier::new(replays.len() + 1);
    let work = |replay: &Replay| {
        let mut stream = replay.stream(&identity, &bus, &ledger);
        start.wait();
        play(replay, &mut stream, &subscription)
    };
    let work = &work;
    let (rows, seconds) = thread::scope(|scope| {
        let workers: Vec<_> =
            replays.iter().map(|replay| scope.spawn(move || work(replay))).collect();
        start.wait();
        let begun = Instant::now();
        let rows: usize = workers.into_iter().map(|it| it.join().unwrap_or(0)).sum();
        (rows, begun.elapsed().as_secs_f64())
    });
    ensure!(rows > 0, "the capture has no rows");
    Ok(rows as f64 / seconds)
}

fn play(replay: &Replay, stream: &mut Stream, subscription: &Subscription) -> usize {
    let mut rows = 0;
    for batch in &replay.batches {
        stream.take_all(batch);
        rows += stream.flush();
        while subscription.try_recv().is_ok() {}
    }
    rows
}

/// Rows a second that one thread writes as JSON lines, to memory.
fn as_json(replay: &Replay) -> Result<f64> {
    let ledger = Ledger::new();
    let bus = Arc::new(Bus::new(&ledger));
    let identity = Arc::new(Identity::new(Limits::default()));
    let capacity = Capacity { rows: usize::MAX >> 1, batches: usize::MAX >> 1 };
    let subscription = bus.subscribe("bench", capacity, Policy::Block, None);
    let mut stream = replay.stream(&identity, &bus, &ledger);
    let mut json = export::Json::new(export::Options::default());
    let (mut text, mut rows, mut seconds) = (Vec::new(), 0, 0.0);
    for batch in &replay.batches {
        stream.take_all(batch);
        rows += stream.flush();
        let begun = Instant::now();
        while let Ok(batch) = subscription.try_recv() {
            json.batch(&batch, &mut text);
        }
        seconds += begun.elapsed().as_secs_f64();
        text.clear();
    }
    Some(rows as f64 / seconds).filter(|it| it.is_finite()).context("the capture has no rows")
}

impl Replay {
    fn stream(&self, identity: &Arc<Identity>, bus: &Arc<Bus>, ledger: &Ledger) -> Stream {
        let wanted = signals::node_tables();
        let (node, known) = (self.node.clone(), self.signals.clone());
        Stream::new(node, known, wanted, identity.clone(), bus.clone(), ledger)
    }
}
