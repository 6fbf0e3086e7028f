//! The command line: which benches, and how thoroughly.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Parser;
use rustix::process::setpriority_process;

use crate::figure::Report;
use crate::machine::Machine;
use crate::{
    cost, detect, latency, loss, memory, overhead, pipeline, place, pods, profile, requests,
    startup, store,
};

/// Measures what the budgets promise; prints `figure NAME VALUE UNIT target OP VALUE met|missed`.
#[derive(Debug, Parser)]
#[command(name = "fathom-bench", max_term_width = 100)]
pub(crate) struct Arguments {
    /// The benches to run; all of them without one
    names: Vec<String>,
    /// Smaller workloads and fewer rounds, for CI
    #[arg(long)]
    pub(crate) quick: bool,
    /// How often each comparison is made
    #[arg(long)]
    rounds: Option<usize>,
}

/// One bench.
struct Bench {
    name: &'static str,
    about: &'static str,
    run: fn(&Arguments, &mut Report) -> Result<()>,
}

/// In the order in which they run: what needs a quiet machine first.
const BENCHES: &[Bench] = &[
    Bench { name: "startup", about: "from start to the first row", run: startup::run },
    Bench { name: "detect", about: "rules: events a second, time to an alert", run: detect::run },
    Bench { name: "latency", about: "from an open to its row in the pipe", run: latency::run },
    Bench { name: "cost", about: "time in the kernel per event", run: cost::run },
    Bench { name: "overhead", about: "what observing costs the observed", run: overhead::run },
    Bench { name: "pipeline", about: "rows per second from decode to bus", run: pipeline::run },
    Bench { name: "loss", about: "every record delivered or counted", run: loss::run },
    Bench { name: "memory", about: "how much the agent itself holds", run: memory::run },
    Bench { name: "pods", about: "what knowing a large cluster costs", run: pods::run },
    Bench { name: "profile", about: "what profiling costs, perf beside", run: profile::run },
    Bench { name: "requests", about: "what reading requests costs servers", run: requests::run },
    Bench { name: "store", about: "what remembering costs, how fast it answers", run: store::run },
];

/// How nice we are to others.
const PRIORITY: i32 = -15;

impl Arguments {
    /// How often each comparison is made.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 }).max(1)
    }

    /// `full`, or a tenth of it in a quick run.
    pub(crate) fn count(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(10) } else { full }
    }
}

pub(crate) fn run() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let chosen = chosen(&arguments.names)?;
    // What else runs on the machine is to disturb as little as possible; what is started from
    // here, watched or not, inherits it. Without the right to it, it is as it was.
    let _ = setpriority_process(None, PRIORITY);
    let machine = Machine::here();
    println!("# {machine}");
    let begun = Instant::now();
    for bench in chosen {
        let mut report = Report::new(bench.name);
        println!("# {}: {}", bench.name, bench.about);
        if let Err(error) = (bench.run)(&arguments, &mut report) {
            report.not_taken("", format!("{error:#}"));
        }
        report.keep(&place::results(), &machine, arguments.quick)?;
    }
    println!("# took {:.0} s", begun.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

fn chosen(names: &[String]) -> Result<Vec<&'static Bench>> {
    if names.is_empty() {
        return Ok(BENCHES.iter().collect());
    }
    let find = |name: &String| match BENCHES.iter().find(|bench| bench.name == name) {
        Some(bench) => Ok(bench),
        None => {
            let known: Vec<_> = BENCHES.iter().map(|bench| bench.name).collect();
            bail!("there is no bench `{name}`; there are {}", known.join(", "))
        }
    };
    names.iter().map(find).collect()
}
