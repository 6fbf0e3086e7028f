//! What observing costs the observed.
//!
//! Each way of watching is measured in interleaved pairs: bare, watched, watched, bare, so that a
//! machine that becomes slower or faster meanwhile does so for both. The order of the ways rotates
//! from round to round. The time is the workload's own, from its first operation to its last;
//! starting and attaching are not in it. The CPU time of each run is a figure of its own, with the
//! same target: it leaves out waiting, and with it most of what others on the machine do to a
//! figure, but also what waking another thread costs.

mod peers;

use std::collections::BTreeMap;

use anyhow::Result;
use testkit::workload::Scratch;

use crate::cli::Arguments;
use crate::figure::{Report, Target, number};
use crate::run::{self, Observer, Summary};
use crate::spread::{self, median};
use crate::work::{self, Took, Work};
use peers::Peer;

/// A way to be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// By fathom, in scope.
    Inside,
    /// Fathom watches somebody else.
    Outside,
    /// By another tool.
    Peer(Peer),
}

/// A workload and how much slower it may become.
struct Case {
    name: &'static str,
    most: f64,
    work: Work,
    /// The same, less of it: for those who slow it down by a factor.
    less: Work,
}

/// What was measured of one way.
#[derive(Default)]
struct Measured {
    /// Watched to bare, by the workload's clock.
    times: Vec<f64>,
    /// The same in CPU time.
    cpu: Vec<f64>,
    /// The agent's own CPU time, its start left out, to the workload's bare one.
    own: Vec<f64>,
    rows: f64,
    lost: f64,
    failed: Option<String>,
}

/// While it is watched, the work is done twice in a row: as often as it is done bare.
const TWICE: usize = 2;

/// What was not watched may slow down by so much.
const OUTSIDE: f64 = 1.03;

/// The turns of a round: the ways whose targets are near come twice.
const TURNS: [Way; 6] = [
    Way::Inside,
    Way::Outside,
    Way::Peer(Peer::Strace),
    Way::Inside,
    Way::Outside,
    Way::Peer(Peer::Bpftrace),
];

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let sources = Scratch::new("bench-build")?;
    work::write_sources(sources.path(), if arguments.quick { 4 } else { 12 })?;
    let start = Observer::idle()?.stop()?.cpu_seconds;
    for case in cases(arguments, &sources) {
        let mut measured: BTreeMap<Way, Measured> = BTreeMap::new();
        for round in 0..arguments.rounds() {
            for turn in 0..TURNS.len() {
                let way = TURNS[(turn + round) % TURNS.len()];
                let so_far = measured.entry(way).or_default();
                if so_far.failed.is_none() {
                    so_far.pair(way, &case, start).unwrap_or_else(|error| {
                        so_far.failed = Some(format!("{error:#}"));
                    });
                }
            }
        }
        tell(&case, &measured, report);
    }
    Ok(())
}

fn cases(arguments: &Arguments, sources: &Scratch) -> Vec<Case> {
    let storm = |name, storm, most, count, less| Case {
        name,
        most,
        work: Work::storm(storm, arguments.count(count)),
        less: Work::storm(storm, arguments.count(less)),
    };
    let build = Work::Build { folder: sources.path().to_path_buf() };
    vec![
        storm("exec", "exec", 1.05, 600, 150),
        storm("open", "open", 2.0, 200_000, 20_000),
        storm("connect", "connect", 1.3, 10_000, 2_000),
        Case { name: "build", most: 1.05, work: build.clone(), less: build },
    ]
}

impl Case {
    fn work(&self, way: Way) -> &Work {
        match way {
            Way::Inside | Way::Outside => &self.work,
            Way::Peer(_) => &self.less,
        }
    }
}

impl Measured {
    /// Bare, watched, watched, bare.
    fn pair(&mut self, way: Way, case: &Case, start: f64) -> Result<()> {
        let work = case.work(way);
        let first = unwatched(work, 1)?;
        let (watched, said) = match way {
            Way::Inside => inside(work)?,
            Way::Outside => outside(work)?,
            Way::Peer(peer) => (peer.watch(work, TWICE)?, None),
        };
        let last = unwatched(work, 1)?;
        let ratio = |of: fn(&Took) -> f64| 2.0 * of(&watched) / (of(&first) + of(&last));
        self.times.push(ratio(|took| took.ns_per_op));
        self.cpu.push(ratio(Took::cpu_per_op));
        if let Some(said) = said {
            let bare = (first.cpu_seconds + last.cpu_seconds) / TWICE as f64;
            self.own.push((said.cpu_seconds - start) / bare / TWICE as f64);
            self.rows += said.rows;
            self.lost += said.lost;
        }
        Ok(())
    }
}

fn unwatched(work: &Work, times: usize) -> Result<Took> {
    Took::parse(&run::to_end(&mut work.timed(times, None)?)?.out)
}

fn inside(work: &Work) -> Result<(Took, Option<Summary>)> {
    let timed = work.timed(TWICE, None)?;
    let mut observe = run::observe()?;
    observe.arg(timed.get_program()).args(timed.get_args());
    let said = run::to_end(&mut observe)?;
    Ok((Took::parse(&said.out)?, Some(Summary::parse(&said.err)?)))
}

fn outside(work: &Work) -> Result<(Took, Option<Summary>)> {
    let observer = Observer::idle()?;
    let watched = unwatched(work, TWICE);
    observer.stop()?;
    Ok((watched?, None))
}

fn tell(case: &Case, measured: &BTreeMap<Way, Measured>, report: &mut Report) {
    let inside = measured.get(&Way::Inside).map_or(f64::NAN, |it| median(&it.times));
    for (&way, it) in measured {
        let name = way.figure(case.name);
        if let Some(why) = &it.failed {
            report.not_taken(&name, why.clone());
            continue;
        }
        let watched = format!("{}.{}", case.name, way.name());
        report.samples(&format!("{watched}.time"), &it.times);
        report.samples(&format!("{watched}.cpu"), &it.cpu);
        let [time, cpu] = [&it.times, &it.cpu].map(|samples| spread::describe(samples));
        report.note(format!("{watched} to bare: time {time}; CPU {cpu}"));
        let most = match way {
            Way::Inside => case.most,
            Way::Outside => OUTSIDE,
            Way::Peer(_) => {
                report.figure(&name, median(&it.times) / inside, "ratio", Target::Above(1.0));
                continue;
            }
        };
        report.figure(&name, median(&it.times), "ratio", Target::AtMost(most));
        report.figure(&format!("{name}.cpu"), median(&it.cpu), "ratio", Target::AtMost(most));
        if way == Way::Inside {
            let own = number(median(&it.own));
            report.note(format!(
                "{}: {} rows, {} lost; the agent's own CPU time is {own} of the bare work's",
                case.name, it.rows, it.lost
            ));
        }
    }
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Inside => "fathom",
            Way::Outside => "out-of-scope",
            Way::Peer(peer) => peer.name(),
        }
    }

    fn figure(self, case: &str) -> String {
        match self {
            Way::Inside => case.to_string(),
            Way::Outside => format!("{case}.out-of-scope"),
            Way::Peer(peer) => format!("{case}.{}-to-fathom", peer.name()),
        }
    }
}
