//! `testkit profile`: the truth cases, one after the other.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use testkit::profile::cases::{self, Case, Ready};
use testkit::profile::folded::Folded;
use testkit::profile::judge::{self, Judged};
use testkit::profile::{fathom, perf};

#[derive(Debug, Args)]
pub(super) struct Profile {
    /// The cases, or beginnings of their names; all of them without one.
    names: Vec<String>,
    /// Which profiler.
    #[arg(long, value_enum, default_value_t = Profiler::Fathom)]
    with: Profiler,
    /// How much CPU time each takes, in seconds.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Only say which cases there are and what they run.
    #[arg(long)]
    list: bool,
    /// Write each case's folded text into this directory, too.
    #[arg(long)]
    keep: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Profiler {
    /// `FATHOM_BIN`, or the one beside this program.
    Fathom,
    /// perf with DWARF tables.
    Perf,
    /// perf with frame pointers.
    PerfPointers,
}

impl Profile {
    pub(super) fn run(self) -> Result<ExitCode> {
        let chosen = |case: &Case| {
            self.names.is_empty() || self.names.iter().any(|name| case.name.starts_with(name))
        };
        let cases: Vec<Case> = cases::all(self.seconds).into_iter().filter(chosen).collect();
        if cases.is_empty() {
            bail!("there is no such case (`testkit profile --list`)");
        }
        let (mut judged, mut failed) = (vec![], false);
        for case in &cases {
            let ready = match case.prepare() {
                Ok(ready) => ready,
                Err(error) => {
                    println!("not run: {}: {error:#}", case.name);
                    continue;
                }
            };
            if self.list {
                println!("{} ({}): {}", case.name, case.about, ready.command.join(" "));
                continue;
            }
            let again = || self.judge(&case.prepare()?);
            match self.judge(&ready).and_then(|found| found.or_again(again)) {
                Ok(found) => judged.push(found),
                Err(error) => {
                    println!("failed: {}: {error:#}", case.name);
                    failed = true;
                }
            }
        }
        if !self.list {
            print!("{}", judge::table(&judged));
        }
        let good = !failed && judged.iter().all(Judged::is_good);
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn judge(&self, ready: &Ready) -> Result<Judged> {
        let profile = self.profile(ready)?;
        if let Some(directory) = &self.keep {
            let file = directory.join(format!("{}.folded", ready.name));
            std::fs::write(&file, profile.text())
                .with_context(|| format!("writing {}", file.display()))?;
        }
        ready.judge(&profile)
    }

    fn profile(&self, ready: &Ready) -> Result<Folded> {
        let data = ready.home.path().join("perf.data");
        match self.with {
            Profiler::Fathom => {
                let beside = std::env::current_exe()?.with_file_name("fathom");
                let binary = std::env::var_os("FATHOM_BIN").map_or(beside, PathBuf::from);
                Ok(fathom::profile(&binary, ready)?.profile)
            }
            Profiler::Perf => perf::record(&ready.command, &data, perf::Unwinding::Dwarf),
            Profiler::PerfPointers => {
                perf::record(&ready.command, &data, perf::Unwinding::FramePointers)
            }
        }
    }
}
