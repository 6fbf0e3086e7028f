//! `testkit requests`: calls of real clients to real servers, one case after the other.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use testkit::requests::call::Log;
use testkit::requests::cases::{self, Case};
use testkit::requests::judge::{self, Judged};
use testkit::requests::{fathom, row};

#[derive(Debug, Args)]
pub(super) struct Requests {
    /// The cases, or beginnings of their names; all of them without one.
    names: Vec<String>,
    /// How many calls instead of the usual number.
    #[arg(long)]
    calls: Option<u64>,
    /// How many of them in a second; 0 is as many as go.
    #[arg(long)]
    rate: Option<u64>,
    /// Only make the calls: nothing is watched or judged.
    #[arg(long, conflicts_with_all = ["keep", "kept"])]
    alone: bool,
    /// Only say which cases there are.
    #[arg(long)]
    list: bool,
    /// Copy each case's calls and rows into this directory.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Judge what was kept there instead of running anything.
    #[arg(long, conflicts_with = "keep")]
    kept: Option<PathBuf>,
}

/// How long servers stand idle where nobody says that they are seen: libraries of TLS are found by then.
const SECONDS_TO_LOOK: &str = "2";

impl Requests {
    pub(super) fn run(self) -> Result<ExitCode> {
        let chosen = |case: &Case| {
            self.names.is_empty() || self.names.iter().any(|name| case.name.starts_with(name))
        };
        let cases: Vec<Case> = cases::all().into_iter().filter(chosen).collect();
        if cases.is_empty() {
            bail!("there is no such case (`testkit requests --list`)");
        }
        let (mut judged, mut failed) = (vec![], false);
        for case in cases {
            let (calls, rate) = (self.calls.unwrap_or(case.calls), self.rate.unwrap_or(case.rate));
            let case = case.sized(calls, rate);
            if self.list {
                println!("{}: {calls} calls", case.name);
                continue;
            }
            if self.alone {
                Self::call(&case)?;
                continue;
            }
            match self.judge(&case) {
                Ok(Some(found)) => {
                    print!("{}", judge::table(std::slice::from_ref(&found)));
                    judged.push(found);
                }
                Ok(None) => {}
                Err(error) => {
                    println!("failed: {}: {error:#}", case.name);
                    failed = true;
                }
            }
        }
        if judged.len() > 1 {
            print!("\n{}", judge::table(&judged));
        }
        let good = !failed && judged.iter().all(Judged::is_good);
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Makes the calls of a case; who runs this may watch it.
    fn call(case: &Case) -> Result<()> {
        let ready = case.prepare()?;
        let (program, words) = ready.command.split_first().context("a driver")?;
        let mut command = Command::new(program);
        command.args(words).env("CALLS_AFTER", SECONDS_TO_LOOK).stdin(Stdio::null());
        let status = command.status()?;
        ensure!(status.success(), "{} ended with {status}", case.name);
        Ok(())
    }

    /// None where it cannot be run here.
    fn judge(&self, case: &Case) -> Result<Option<Judged>> {
        if let Some(kept) = &self.kept {
            let file = |end: &str| kept.join(format!("{}.{end}.jsonl", case.name));
            if !file("calls").exists() {
                return Ok(None);
            }
            let (rows, bytes) = row::parse(&fs::read_to_string(file("rows"))?)?;
            return Ok(Some(judge::judge(&case.name, &Log::read(&file("calls"))?, &rows, bytes)));
        }
        let ready = match case.prepare() {
            Ok(ready) => ready,
            Err(error) => {
                println!("not run: {}: {error:#}", case.name);
                return Ok(None);
            }
        };
        let beside = std::env::current_exe()?.with_file_name("fathom");
        let binary = std::env::var_os("FATHOM_BIN").map_or(beside, PathBuf::from);
        let found = fathom::observe(&binary, &ready);
        if let Some(directory) = &self.keep {
            fs::create_dir_all(directory)?;
            for end in ["calls", "rows"] {
                let file = directory.join(format!("{}.{end}.jsonl", case.name));
                let from = ready.home.path().join(format!("{end}.jsonl"));
                if from.exists() {
                    fs::copy(from, &file).with_context(|| file.display().to_string())?;
                }
            }
        }
        found.map(Some)
    }
}
