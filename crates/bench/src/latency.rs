//! How long it takes from an open in a workload to its row at the far end of the agent's pipe.
//!
//! The workload is this program itself, watched by its pid, so one clock measures both ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::cli::Arguments;
use crate::figure::{Report, Target};
use crate::place;
use crate::spread::quantile;

/// A row is on screen within this time, in milliseconds.
const MOST: f64 = 20.0;
/// A row that is not there by then will not come.
const PATIENCE: Duration = Duration::from_secs(5);
/// The names of the files that are opened, none of which exists.
const NAME: &str = "/proc/fathom-bench-";

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let mut child = observe()?;
    let taken = child.stdout.take().context("fathom has no output");
    let times = taken.and_then(|out| probe(out, arguments.count(1000)));
    // Our own child, by its handle.
    let _ = child.kill();
    child.wait()?;
    let times = times?;
    report.samples("open", &times);
    let [half, most, last] = [0.5, 0.99, 1.0].map(|share| quantile(&times, share));
    report.note(format!("latency: p50 {half:.2} ms, p99 {most:.2} ms, longest {last:.2} ms"));
    report.figure("p50", half, "ms", Target::Below(MOST));
    report.figure("p99", most, "ms", Target::Below(MOST));
    Ok(())
}

fn observe() -> Result<Child> {
    let pid = std::process::id().to_string();
    Command::new(place::fathom()?)
        .args(["observe", "-q", "-o", "json", "file_open", "--pid", &pid])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start fathom")
}

fn probe(out: ChildStdout, count: usize) -> Result<Vec<f64>> {
    let (sender, arrived) = channel();
    // It ends when the pipe does, which is when the agent has ended.
    thread::spawn(move || read(out, &sender));
    ready(&arrived)?;
    let mut opened = BTreeMap::new();
    for number in 1..=count {
        opened.insert(number, Instant::now());
        let _ = File::open(format!("{NAME}{number}"));
        // Not in step with any clock of the agent's.
        thread::sleep(Duration::from_micros(1000 + (number as u64 * 7919) % 9000));
    }
    let mut times = Vec::new();
    while times.len() < count {
        let row = arrived.recv_timeout(PATIENCE);
        let (number, when) = row.with_context(|| format!("{} of {count} rows", times.len()))?;
        if let Some(begun) = opened.remove(&number) {
            times.push(when.duration_since(begun).as_secs_f64() * 1e3);
        }
    }
    Ok(times)
}

/// Waits until the agent sees us, and until what it has seen of that has been read.
fn ready(arrived: &Receiver<(usize, Instant)>) -> Result<()> {
    let begun = Instant::now();
    while arrived.try_recv().is_err() {
        ensure!(begun.elapsed() < 6 * PATIENCE, "no row came");
        let _ = File::open(format!("{NAME}0"));
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(200));
    Ok(())
}

fn read(out: ChildStdout, sender: &Sender<(usize, Instant)>) {
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
}
