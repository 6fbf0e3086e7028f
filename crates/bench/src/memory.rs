//! What the agent itself holds: with many live processes, and after many short ones.
//!
//! The process table is bounded and keeps the exited for a while, so it fills first. Whether
//! memory grows is asked from there on: half way through the short processes, and at their end.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cli::Arguments;
use crate::figure::{Report, Target};
use crate::place;
use crate::run::{self, Observer, Summary};
use crate::spread::quantile;
use crate::work::Work;

/// In MB, at 10,000 live processes.
const MOST: f64 = 40.0;
const LIVE: usize = 10_000;
/// What it may hold at the end, to what it held half way.
const GROWTH: f64 = 1.05;
/// In MB, whatever happens (CONTRACT §7).
const BUDGET: f64 = 100.0;

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    if let Err(error) = live(report) {
        report.not_taken("live-10000", format!("{error:#}"));
    }
    if let Err(error) = growth(arguments, report) {
        report.not_taken("growth", format!("{error:#}"));
    }
    Ok(())
}

/// Processes with arguments of their own, which the table has to hold.
fn live(report: &mut Report) -> Result<()> {
    let count = LIVE.to_string();
    let mut sleepers = Command::new(place::testkit()?);
    let observer = Observer::start(sleepers.args(["sleepers", "--count", &count]))?;
    // What came last is read within a poll or two; a second is a hundred.
    thread::sleep(Duration::from_secs(1));
    let resident = observer.resident();
    observer.stop()?;
    report.figure("live-10000", resident? / 1e6, "MB", Target::Below(MOST));
    Ok(())
}

/// What it holds while processes come and go.
fn growth(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let count = if arguments.quick { 100_000 } else { 1_000_000 };
    let mut observe = run::observe()?;
    observe.args(Work::Storm { storm: "fork", count, threads: 2 }.words()?);
    let (begun, mut samples) = (Instant::now(), Vec::new());
    let said = run::sampled(&mut observe, Duration::from_millis(200), |pid| {
        // It may have ended a moment ago.
        if let Ok(resident) = run::resident(pid) {
            samples.push((begun.elapsed().as_secs_f64(), resident / 1e6));
        }
    })?;
    let whole = begun.elapsed().as_secs_f64();
    let sizes: Vec<f64> = samples.iter().map(|(_, size)| *size).collect();
    report.samples("growth.resident-mb", &sizes);
    let at = |share: f64| {
        samples.iter().find(|(at, _)| *at >= whole * share).map_or(f64::NAN, |it| it.1)
    };
    let [tenth, half] = [0.1, 0.5].map(at);
    let [last, most] = [sizes.last().copied().unwrap_or(f64::NAN), quantile(&sizes, 1.0)];
    let Summary { rows, lost, .. } = Summary::parse(&said.err)?;
    report.note(format!(
        "{count} short processes in {whole:.0} s: {tenth:.1} MB after a tenth, {half:.1} MB half \
         way, {last:.1} MB at the end; {rows} rows, {lost} lost"
    ));
    report.figure("growth", last / half, "ratio", Target::Below(GROWTH));
    report.figure("short-processes", most, "MB", Target::Below(BUDGET));
    Ok(())
}
