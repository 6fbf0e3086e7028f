//! What rules cost, and how soon an alert is told.
//!
//! Throughput is that of one worker's detector alone, over rows that a capture made on the spot holds.
//! Latency is from a call in this program, watched by its pid, to the alert's line on the agent's
//! standard output, while this program also opens files at a steady rate. Falco's stock rules are
//! asked where the checkout has them beside it, else Fathom's own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use detect::language::{Source, load};
use detect::novelty::{Limits, Novelty};
use detect::{Detector, Nameless, Options, Program, compile};
use schema::Batch;
use testkit::workload::Scratch;

use crate::cli::Arguments;
use crate::figure::{Report, Target};
use crate::spread::quantile;
use crate::{pipeline, place, run};

/// Events a second that are asked about while latency is measured.
const LOAD: u64 = 50_000;
/// A name that one rule looks for; there is no such file.
const NAME: &str = "/proc/fathom-bench-alert-";
const PATIENCE: Duration = Duration::from_secs(5);
/// Batches of one turn, more or less as a busy worker has them.
const TURN: usize = 8;

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let (name, sources) = rules()?;
    let program = Arc::new(program(&sources)?);
    report.note(format!("{} rules of {name}", program.len()));
    let batches = pipeline::batches(arguments)?;
    let rows: usize = batches.iter().map(|batch| batch.len()).sum();
    let mut rates = Vec::new();
    // The first pass finds cold caches and is not counted.
    pass(&program, &batches);
    for _ in 0..2 * arguments.rounds() {
        rates.push(rows as f64 / pass(&program, &batches).as_secs_f64());
    }
    report.median("events-per-second", &rates, "events/s", Target::AtLeast(500_000.0));

    let scratch = Scratch::new("bench-detect")?;
    let (agent, alerts) = start(&scratch, &sources)?;
    let mut agent = Ended(agent);
    let measured = latency(&mut agent.0, &alerts, arguments.count(500));
    let resident = run::resident(agent.0.id());
    drop(agent);
    let (times, load) = measured?;
    report.samples("alert", &times);
    let [half, most, last] = [0.5, 0.99, 1.0].map(|share| quantile(&times, share));
    report.note(format!(
        "alerts under {load:.0} opens/s: p50 {half:.2} ms, p99 {most:.2} ms, longest {last:.2} ms"
    ));
    report.figure("latency-p50", half, "ms", Target::Below(5.0));
    report.figure("latency-p99", most, "ms", Target::Below(20.0));
    report.figure("memory", resident? / 1e6, "MB", Target::Below(100.0));
    Ok(())
}

/// The stock rules where they are, else our own.
fn rules() -> Result<(&'static str, Vec<Source>)> {
    let read = |path: &PathBuf| -> Result<Source> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Ok(Source { name: path.display().to_string(), text })
    };
    let stock = place::root().join("../shared/data/falco_rules.yaml");
    if stock.exists() {
        return Ok(("Falco's stock rules", vec![read(&stock)?]));
    }
    let folder = place::root().join("rules");
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut own: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path().join("rule.yaml"))).collect();
    own.retain(|path| path.is_file());
    own.sort();
    let all = [folder.join("common.yaml")].into_iter().chain(own);
    Ok(("Fathom's own", all.map(|path| read(&path)).collect::<Result<_>>()?))
}

fn program(sources: &[Source]) -> Result<Program> {
    let loaded = load(sources);
    ensure!(!loaded.failed(), "{}", loaded.diagnostics[0]);
    let tables = fathom::signals::node_tables();
    Ok(compile(&loaded.ruleset, &tables, &Options::default()).0)
}

/// How long one detector takes for all batches.
fn pass(program: &Arc<Program>, batches: &[Arc<Batch>]) -> Duration {
    let names = Arc::new(Nameless::default());
    let novelty = Arc::new(Novelty::new(Limits::default()));
    let mut detector = Detector::new(program.clone(), names, novelty);
    let begun = Instant::now();
    for turn in batches.chunks(TURN) {
        detector.detect(turn, |alert| drop(std::hint::black_box(alert)));
    }
    begun.elapsed()
}

/// An agent of ours, ended by its handle.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

type Arrived = Receiver<(u64, Instant)>;

/// An agent that watches us, and the numbers of the alerts that it tells.
fn start(scratch: &Scratch, sources: &[Source]) -> Result<(Child, Arrived)> {
    let here = scratch.path();
    let ours = "- rule: Fathom bench\n  desc: The bench.\n  priority: DEBUG\n  output: bench | %fd.name\n  \
                condition: evt.type in (open, openat) and fd.name startswith /proc/fathom-bench-alert-\n";
    fs::write(here.join("bench.yaml"), ours)?;
    let files = sources.iter().map(|source| source.name.as_str());
    let bench = here.join("bench.yaml").display().to_string();
    let files: Vec<&str> = files.chain([bench.as_str()]).collect();
    let config = serde_json::json!({
        "scope": {"pids": [std::process::id()]},
        "tables": ["process_exec"],
        "outputs": [],
        "store": {"directory": "off"},
        "http": {"listen": "off"},
        "flight": {"listen": "off"},
        "log": {"level": "error"},
        "detection": {
            "rules": files,
            "directory": "off",
            "repeat_after": "0s",
            "most_per_minute": 1_000_000,
            "receivers": [{"to": {"stdout": {}}}],
        },
    });
    let path = here.join("fathom.yaml");
    fs::write(&path, config.to_string())?;
    let mut command = Command::new(place::fathom()?);
    command.arg("agent").arg("--config").arg(&path);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot start fathom")?;
    let out = child.stdout.take().context("fathom has no output")?;
    let (sender, arrived) = channel();
    // It ends when the pipe does, which is when the agent has ended.
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let when = Instant::now();
            let number = line.split_once(NAME).and_then(|(_, rest)| {
                rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
            });
            if let Some(number) = number
                && sender.send((number, when)).is_err()
            {
                return;
            }
        }
    });
    Ok((child, arrived))
}

/// From a call to its alert, in milliseconds, and the load meanwhile.
fn latency(agent: &mut Child, arrived: &Arrived, count: usize) -> Result<(Vec<f64>, f64)> {
    let begun = Instant::now();
    while arrived.try_recv().is_err() {
        ensure!(agent.try_wait()?.is_none(), "the agent has ended");
        ensure!(begun.elapsed() < 6 * PATIENCE, "no alert came");
        let _ = File::open(format!("{NAME}0"));
        thread::sleep(Duration::from_millis(20));
    }
    let (stop, opens) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                let due = begun.elapsed().as_micros() as u64 * LOAD / 1_000_000;
                while opens.load(Ordering::Relaxed) < due {
                    let _ = File::open("/proc/fathom-bench-load");
                    opens.fetch_add(1, Ordering::Relaxed);
                }
                thread::sleep(Duration::from_micros(200));
            }
        });
        let (begun, before) = (Instant::now(), opens.load(Ordering::Relaxed));
        let times = probe(arrived, count);
        let load = (opens.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        Ok((times?, load))
    })
}

fn probe(arrived: &Arrived, count: usize) -> Result<Vec<f64>> {
    let mut opened = BTreeMap::new();
    for number in 1..=count as u64 {
        opened.insert(number, Instant::now());
        let _ = File::open(format!("{NAME}{number}"));
        // Not in step with any clock of the agent's.
        thread::sleep(Duration::from_micros(1000 + (number * 7919) % 9000));
    }
    let mut times = Vec::new();
    while times.len() < count {
        let alert = arrived.recv_timeout(PATIENCE);
        let (number, when) = alert.with_context(|| format!("{} of {count} alerts", times.len()))?;
        if let Some(begun) = opened.remove(&number) {
            times.push(when.duration_since(begun).as_secs_f64() * 1e3);
        }
    }
    Ok(times)
}
