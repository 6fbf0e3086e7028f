//! What observing costs the observed.
//!
//! Each way of watching is measured in interleaved pairs: bare, watched, watched, bare, so that a
//! machine that becomes slower or faster meanwhile does so for both. The order of the ways rotates
//! from round to round. The time is the workload's own, from its first operation to its last;
//! starting and attaching are not in it. The CPU time of each run is kept beside it: it leaves
//! out waiting, and with it most of what other people's load does to a figure.

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
    /// What the agent itself used, to the workload's bare CPU time.
    own: Vec<f64>,
    rows: f64,
    lost: f64,
    failed: Option<String>,
}

/// What was not watched may slow down by so much.
const OUTSIDE: f64 = 1.03;

const WAYS: [Way; 4] =
    [Way::Inside, Way::Outside, Way::Peer(Peer::Strace), Way::Peer(Peer::Bpftrace)];

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let sources = Scratch::new("bench-build")?;
    work::write_sources(sources.path(), if arguments.quick { 4 } else { 12 })?;
    for case in cases(arguments, &sources) {
        let mut measured: BTreeMap<Way, Measured> = BTreeMap::new();
        for round in 0..arguments.rounds() {
            for turn in 0..WAYS.len() {
                let way = WAYS[(turn + round) % WAYS.len()];
                let so_far = measured.entry(way).or_default();
                if so_far.failed.is_none() {
                    so_far.pair(way, &case).unwrap_or_else(|error| {
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
        storm("exec", "exec", 1.05, 800, 200),
        storm("open", "open", 2.0, 300_000, 30_000),
        storm("connect", "connect", 1.3, 12_000, 3_000),
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
    fn pair(&mut self, way: Way, case: &Case) -> Result<()> {
        let work = case.work(way);
        let mut bare = vec![unwatched(work)?];
        let watched = match way {
            Way::Inside => {
                let (first, said) = inside(work)?;
                self.agent(said, first, bare[0]);
                let (second, said) = inside(work)?;
                self.agent(said, second, bare[0]);
                [first, second]
            }
            Way::Outside => outside(work)?,
            Way::Peer(peer) => [peer.watch(work)?, peer.watch(work)?],
        };
        bare.push(unwatched(work)?);
        let ratio = |of: fn(&Took) -> f64| {
            watched.iter().map(of).sum::<f64>() / bare.iter().map(of).sum::<f64>()
        };
        self.times.push(ratio(|took| took.ns_per_op));
        self.cpu.push(ratio(Took::cpu_per_op));
        Ok(())
    }

    fn agent(&mut self, said: Summary, watched: Took, bare: Took) {
        self.own.push(said.cpu_seconds / (bare.cpu_per_op() * watched.count / 1e9));
        self.rows += said.rows;
        self.lost += said.lost;
    }
}

fn unwatched(work: &Work) -> Result<Took> {
    Took::parse(&run::to_end(&mut work.timed(None)?)?.out)
}

fn inside(work: &Work) -> Result<(Took, Summary)> {
    let timed = work.timed(None)?;
    let mut observe = run::observe()?;
    observe.arg(timed.get_program()).args(timed.get_args());
    let said = run::to_end(&mut observe)?;
    Ok((Took::parse(&said.out)?, Summary::parse(&said.err)?))
}

fn outside(work: &Work) -> Result<[Took; 2]> {
    let observer = Observer::idle()?;
    let watched = unwatched(work).and_then(|first| Ok([first, unwatched(work)?]));
    observer.stop()?;
    watched
}

fn tell(case: &Case, measured: &BTreeMap<Way, Measured>, report: &mut Report) {
    let middle = |way: Way| measured.get(&way).map_or(f64::NAN, |it| median(&it.times));
    for (way, it) in measured {
        let what = format!("{}.{}", case.name, way.name());
        report.samples(&format!("{what}.time-ratio"), &it.times);
        report.samples(&format!("{what}.cpu-ratio"), &it.cpu);
        if !it.times.is_empty() {
            report.note(format!(
                "{what}: time {}; CPU {}",
                spread::describe(&it.times),
                spread::describe(&it.cpu)
            ));
        }
        let Some(why) = &it.failed else { continue };
        report.not_taken(&way.figure(case.name), why.clone());
    }
    let taken = |way: Way| measured.get(&way).is_some_and(|it| it.failed.is_none());
    if let Some(it) = measured.get(&Way::Inside).filter(|_| taken(Way::Inside)) {
        let (rows, lost, own) = (number(it.rows), number(it.lost), number(median(&it.own)));
        report.note(format!(
            "{}: {rows} rows and {lost} lost; the agent used {own} times the CPU of the bare work",
            case.name
        ));
        report.figure(case.name, middle(Way::Inside), "ratio", Target::AtMost(case.most));
    }
    if taken(Way::Outside) {
        let name = Way::Outside.figure(case.name);
        report.figure(&name, middle(Way::Outside), "ratio", Target::AtMost(OUTSIDE));
    }
    for way in WAYS.into_iter().filter(|way| matches!(way, Way::Peer(_)) && taken(*way)) {
        let ratio = middle(way) / middle(Way::Inside);
        report.figure(&way.figure(case.name), ratio, "ratio", Target::Above(1.0));
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
