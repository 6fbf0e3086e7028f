//! The command line.

mod profile;
mod requests;

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use testkit::hooks::Hooks;
use testkit::storm::{self, Storm};
use testkit::truth::{Rung, compare_with};
use testkit::workload::{self, Mix, Plan};
use testkit::{child, flip, log, shop, sleepers};

/// Workloads for the tests, benches and demonstration of Fathom.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Do seeded operations and write the log of what was done.
    Run(Run),
    /// Compare a log with rows that `fathom observe -o json` printed; exits with 1 if they differ.
    Compare(Compare),
    /// Open a small shop, as a workload that is nice to watch.
    Demo {
        /// For how many seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Do one operation over and over and print `NAME count=N seconds=S ns_per_op=X`.
    Storm {
        #[arg(value_enum)]
        storm: Storm,
        /// How often, in all.
        #[arg(long, default_value_t = 10_000)]
        count: usize,
        /// How many threads do it at once.
        #[arg(long, default_value_t = 1)]
        threads: usize,
    },
    /// Open a path that another thread keeps changing, and log which file it truly was.
    Flip {
        /// How often.
        #[arg(long, default_value_t = 10_000)]
        count: usize,
        /// Where to write the log, as JSON lines.
        #[arg(long)]
        log: PathBuf,
    },
    /// Check rows against the log of `flip`; exits with 1 if a row names the wrong file.
    FlipCheck {
        /// The log of `flip`.
        #[arg(long)]
        log: PathBuf,
        /// The rows, as JSON lines.
        #[arg(long)]
        rows: PathBuf,
    },
    /// Keep idle processes until stdin ends; prints READY when all are there.
    Sleepers {
        /// How many.
        #[arg(long, default_value_t = 10_000)]
        count: usize,
        /// Forks of one shell that never exec, rather than programs.
        #[arg(long)]
        forks: bool,
    },
    /// Run programs whose profile is known under a profiler, and judge what it says.
    Profile(profile::Profile),
    /// Let real clients call real servers, and judge the rows that tell of it.
    Requests(requests::Requests),
    /// Play a part of a workload (started by this program itself).
    #[command(hide = true)]
    Child {
        #[command(subcommand)]
        part: Part,
    },
}

#[derive(Debug, Args)]
struct Run {
    /// A JSON file with the keys `seed`, `ops`, `mix` and `threads`.
    #[arg(long, conflicts_with_all = ["seed", "ops", "mix", "threads"])]
    plan: Option<PathBuf>,
    /// Where the random choices begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many rows to make, at least.
    #[arg(long, default_value_t = 1000)]
    ops: usize,
    /// Rows of which kind.
    #[arg(long, value_enum, default_value_t)]
    mix: Mix,
    /// How many threads do it at once.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Where to write the log, as JSON lines.
    #[arg(long)]
    log: PathBuf,
}

#[derive(Debug, Args)]
struct Compare {
    /// The log of a workload.
    #[arg(long)]
    log: PathBuf,
    /// The rows, as JSON lines.
    #[arg(long)]
    rows: PathBuf,
    /// A column (`table.column` or `*.column`) that may be null.
    #[arg(long, value_name = "COLUMN")]
    null: Vec<String>,
    /// A column or a whole table that is not compared.
    #[arg(long, value_name = "COLUMN|TABLE")]
    skip: Vec<String>,
    /// What `fathom doctor --format json` printed there; without it every hook has to tell all.
    #[arg(long, value_name = "FILE")]
    doctor: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Do file operations and print the log.
    Work {
        #[arg(long)]
        seed: u64,
        #[arg(long)]
        ops: usize,
        #[arg(long)]
        home: PathBuf,
    },
    /// Connect, send, receive, close, and print the log.
    Peer {
        #[arg(long)]
        seed: u64,
        #[arg(long)]
        connect: SocketAddr,
        #[arg(long)]
        send: usize,
        #[arg(long)]
        receive: usize,
        #[arg(long)]
        close_first: bool,
    },
    /// Run a program from a second thread.
    ExecThread {
        program: OsString,
        #[arg(trailing_var_arg = true)]
        args: Vec<OsString>,
    },
    /// End while this many threads sleep.
    Threads { count: usize },
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Run(run) => run.run()?,
            Command::Compare(compare) => return compare.run(),
            Command::Demo { seconds } => shop::open(Duration::from_secs(seconds))?,
            Command::Storm { storm, count, threads } => {
                println!("{}", storm::run(storm, count, threads)?);
            }
            Command::Flip { count, log } => {
                let opened = flip::run(count)?;
                log::write(&opened, create(&log)?)?;
            }
            Command::FlipCheck { log, rows } => {
                let found = flip::check(&log::read(open(&log)?)?, &log::read(open(&rows)?)?);
                write!(std::io::stdout(), "{found}")?;
                return Ok(code(found.is_clean()));
            }
            Command::Sleepers { count, forks } => sleepers::run(count, forks)?,
            Command::Profile(profile) => return profile.run(),
            Command::Requests(requests) => return requests.run(),
            Command::Child { part } => part.play()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Run {
    fn run(self) -> anyhow::Result<()> {
        let plan = match &self.plan {
            Some(path) => serde_json::from_reader(open(path)?)
                .with_context(|| format!("reading the plan {}", path.display()))?,
            None => Plan { seed: self.seed, ops: self.ops, mix: self.mix, threads: self.threads },
        };
        let log = workload::run(&plan)?;
        log::write(&log, create(&self.log)?)?;
        Ok(())
    }
}

impl Compare {
    fn run(self) -> anyhow::Result<ExitCode> {
        let log = log::read(open(&self.log)?)
            .with_context(|| format!("reading the log {}", self.log.display()))?;
        let rows = log::read(open(&self.rows)?)
            .with_context(|| format!("reading the rows {}", self.rows.display()))?;
        let hooks = match &self.doctor {
            None => Hooks::default(),
            Some(path) => Hooks::of_doctor(&serde_json::from_reader(open(path)?)?)
                .with_context(|| format!("reading the report {}", path.display()))?,
        };
        let rung = Rung {
            hooks,
            nulls: self.null.into_iter().collect(),
            skipped: self.skip.into_iter().collect(),
        };
        let report = compare_with(&log, &rows, &rung);
        write!(std::io::stdout(), "{report}")?;
        Ok(code(report.is_clean()))
    }
}

impl Part {
    fn play(self) -> anyhow::Result<()> {
        let tell = |log: &[log::LogEntry]| log::write(log, std::io::stdout().lock());
        match self {
            Part::Work { seed, ops, home } => tell(&workload::run_child(seed, ops, &home)?)?,
            Part::Peer { seed, connect, send, receive, close_first } => {
                tell(&workload::peer(seed, connect, send, receive, close_first))?;
            }
            Part::ExecThread { program, args } => child::exec_from_thread(program, args)?,
            Part::Threads { count } => child::end_with_threads(count),
        }
        Ok(())
    }
}

fn code(clean: bool) -> ExitCode {
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| format!("making the log {}", path.display()))
}

fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    Ok(BufReader::new(file))
}
