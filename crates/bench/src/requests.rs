//! What reading requests costs those who serve them, and how fast they are read.
//!
//! Redis and nginx on loopback, in the scope; their clients outside of it. In interleaved pairs: bare,
//! watched, watched, bare, each with a server of its own. The statistics of BPF, which cost something
//! themselves, are on in one more run, whose rate is not compared. Only heads are copied, as is the
//! default. Then connections that live for one request.

mod churn;
mod load;
mod parse;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kernel::{Cgroup, StatsGuard};
use testkit::workload::Scratch;

use crate::account::Account;
use crate::cli::Arguments;
use crate::figure::{Report, Target, number};
use crate::place;
use crate::run::{Observer, Served};
use crate::spread::median;
use load::{CASES, Case};

/// What is served while it is watched, to what is served bare.
const LEAST: f64 = 0.95;
/// HTTP requests that one core reads in a second.
const PARSED: f64 = 100_000.0;
/// What the agent may hold in MB, and at how many requests a second.
const MEMORY: f64 = 200.0;
const MEMORY_AT: f64 = 50_000.0;

/// A way to be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Bare,
    /// By fathom, in scope.
    Fathom,
    /// `strace -f -c -e trace=network`, which counts.
    Strace,
    /// bpftrace counting the ends of the cgroup's system calls, and nothing else.
    Bpftrace,
}

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let seconds = Duration::from_secs(if arguments.quick { 1 } else { 3 });
    for (name, rate) in parse::rates(seconds) {
        let bound = if name == "http" { PARSED } else { 0.0 };
        let name = format!("parse.{name}");
        report.figure(&name, rate, "requests/s on one core", Target::AtLeast(bound));
    }
    for case in CASES {
        pairs(case, arguments, report)
            .and_then(|()| books(case, arguments, report))
            .unwrap_or_else(|error| report.not_taken(case.name, format!("{error:#}")));
    }
    churn::run(arguments, report)
        .unwrap_or_else(|error| report.not_taken("churn", format!("{error:#}")));
    Ok(())
}

/// What each way of watching leaves of the rate.
fn pairs(case: &Case, arguments: &Arguments, report: &mut Report) -> Result<()> {
    let mut left = [(Way::Fathom, vec![]), (Way::Strace, vec![]), (Way::Bpftrace, vec![])];
    let (mut bare, mut failed) = (vec![], vec![]);
    for _ in 0..arguments.rounds() {
        for (way, ratios) in &mut left {
            let pair = || -> Result<(f64, f64)> {
                let rates =
                    [Way::Bare, *way, *way, Way::Bare].map(|way| rate(case, way, arguments));
                let [first, one, other, last] = rates;
                Ok((first? + last?, one? + other?))
            };
            match pair() {
                Ok((without, with)) => {
                    bare.push(without / 2.0);
                    ratios.push(with / without);
                }
                Err(error) => failed.push(format!("{}: {error:#}", way.name())),
            }
        }
    }
    report.note(format!("{}: {} requests/s bare", case.name, number(median(&bare))));
    let [(_, fathom), others @ ..] = &left;
    ensure!(!fathom.is_empty(), "{}", failed.join("; "));
    report.median(case.name, fathom, "of the bare rate", Target::AtLeast(LEAST));
    for (way, ratios) in others.iter().filter(|(_, ratios)| !ratios.is_empty()) {
        let middle = number(median(ratios));
        report.note(format!("{}: {} leaves {middle} of the bare rate", case.name, way.name()));
        report.samples(&format!("{}.{}", case.name, way.name()), ratios);
    }
    failed.into_iter().for_each(|it| report.note(format!("{}: {it}", case.name)));
    Ok(())
}

/// The requests that are served in a second.
fn rate(case: &Case, way: Way, arguments: &Arguments) -> Result<f64> {
    let home = Scratch::new("bench-requests")?;
    let server = case.server(home.path())?;
    let port = server.port.to_string();
    let own = place::own()?;
    let errand = ["errand", "serve", "--port", &port];
    match way {
        Way::Bare => {
            let served = Served::start(
                std::process::Command::new(own).args(errand).arg("--").args(server.words),
            )?;
            let rate = case.load(server.port, arguments);
            served.stop()?;
            rate
        }
        Way::Fathom => {
            let mut command = std::process::Command::new(own);
            let observer =
                Observer::of(&["request"], command.args(errand).arg("--").args(server.words))?;
            let rate = case.load(server.port, arguments);
            observer.stop()?;
            rate
        }
        Way::Strace => {
            let mut strace = std::process::Command::new(place::installed("strace")?);
            strace
                .args(["-f", "-qq", "-c", "-e", "trace=network", "-o"])
                .arg(home.path().join("calls"));
            let served = Served::start(strace.arg(own).args(errand).arg("--").args(server.words))?;
            let rate = case.load(server.port, arguments);
            served.stop()?;
            rate
        }
        Way::Bpftrace => {
            let cgroup = Cgroup::create()?;
            let path = cgroup.path().to_str().context("the cgroup's path is not UTF-8")?;
            let script = format!(
                "tracepoint:raw_syscalls:sys_exit /cgroup == cgroupid(\"{path}\")/ {{ @ = count(); }}"
            );
            let words: Vec<String> =
                server.words.iter().map(|it| it.to_string_lossy().into_owned()).collect();
            let child = format!(
                "{} {} --cgroup {path} -- {}",
                own.display(),
                errand.join(" "),
                words.join(" ")
            );
            let mut bpftrace = std::process::Command::new(place::installed("bpftrace")?);
            bpftrace.args(["-o", "/dev/null", "-c", &child, "-e", &script]);
            let served = Served::start(&mut bpftrace)?;
            let rate = case.load(server.port, arguments);
            served.stop()?;
            rate
        }
    }
}

/// Where the time goes, and what is held, while all that can be served is.
fn books(case: &Case, arguments: &Arguments, report: &mut Report) -> Result<()> {
    let _on = StatsGuard::enable()?;
    let home = Scratch::new("bench-requests")?;
    let server = case.server(home.path())?;
    let mut command = std::process::Command::new(place::own()?);
    command.args(["errand", "serve", "--port", &server.port.to_string(), "--"]).args(server.words);
    let observer = Observer::of(&["request"], &mut command)?;
    let (before, begun) = (Account::of(observer.pid())?, Instant::now());
    let rate = case.load(server.port, arguments)?;
    let (after, lasted) = (Account::of(observer.pid())?, begun.elapsed());
    let summary = observer.stop()?;
    let spent = after.since(&before, lasted);
    let made = rate * lasted.as_secs_f64();
    let [kernel, own] = [spent.programs(), spent.own()].map(|seconds| number(1e6 * seconds / made));
    report.note(format!(
        "{}: {} requests/s while it is counted; of each, {kernel} us in BPF programs and {own} us of the \
         agent's own; {} rows, {} lost",
        case.name,
        number(rate),
        summary.rows,
        summary.lost
    ));
    let name = format!("{}.memory", case.name);
    if rate < MEMORY_AT {
        report.note(format!(
            "{name}: {} MB, at less than {MEMORY_AT} requests/s",
            number(after.resident / 1e6)
        ));
        return Ok(());
    }
    report.figure(&name, after.resident / 1e6, "MB", Target::Below(MEMORY));
    Ok(())
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Bare => "nobody",
            Way::Fathom => "fathom",
            Way::Strace => "strace",
            Way::Bpftrace => "bpftrace",
        }
    }
}
