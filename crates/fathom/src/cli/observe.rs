//! `fathom observe`: live rows.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use kernel::Cgroup;
use scope::Scope;
use telemetry::{Entry, Ledger, Side, Usage as OwnUsage};

use super::conditions::{self, Condition};
use super::interrupt::Interrupt;
use super::output::{Output, Style, Target};
use super::scopes::ScopeArguments;
use super::tables;
use crate::requests;
use crate::session::{Plan, Session};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The tables to show, by name or by subject (`file`); all of them without one
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    #[command(flatten)]
    scope: ScopeArguments,
    /// End after this time, such as `10s`, `5m` or `1h`
    #[arg(long = "for", value_name = "TIME", value_parser = super::observe::duration)]
    period: Option<Duration>,
    /// Show only rows of which this is true: `latency>=100ms`, `status!=200`, `resource~cart`, `error` (there is
    /// one), `!error`; all of them where it is given more than once
    #[arg(short = 'w', long = "where", value_name = "CONDITION")]
    conditions: Vec<Condition>,
    /// How to write the rows
    #[arg(
        short = 'o',
        long = "format",
        value_enum,
        default_value = "table",
        value_name = "FORMAT"
    )]
    format: Style,
    /// Write the rows to this file
    #[arg(long = "output", visible_alias = "to", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Allow only these mechanisms (lsm, fentry, tp_btf, kprobe), to see what the others add
    #[arg(long, value_delimiter = ',', value_name = "NAME", hide_short_help = true)]
    mechanism: Vec<String>,
    /// How long a row may wait for its pod's name, such as `2s`; `0` shows rows at once
    #[arg(long, value_parser = super::observe::duration, value_name = "TIME", hide_short_help = true)]
    names_within: Option<Duration>,
    /// Do not print the closing summary
    #[arg(short, long)]
    quiet: bool,
    /// Run this command in a cgroup of its own, watch just that, and end with its exit code
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  fathom observe -- curl -s http://127.0.0.1/
  fathom observe http_request --where 'latency>=100ms' --pid 4711
  fathom observe file_open socket -o json --pid 4711 --for 10s
  fathom observe process --node";

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    let tables = conditions::choose(tables::find(&arguments.tables)?, &arguments.conditions)?;
    let cgroup = match arguments.command.is_empty() {
        true => None,
        false => Some(Cgroup::create()?),
    };
    let own = cgroup.as_ref().map(|cgroup| Scope::Cgroup(cgroup.path().to_path_buf()));
    let watched = arguments.scope.required(own)?;
    let target = match (&arguments.file, &cgroup) {
        (Some(path), _) => Target::File(path.clone()),
        (None, Some(_)) => Target::Error,
        (None, None) => Target::Out,
    };
    let interrupt = Interrupt::listen()?;
    let mut plan = Plan::new(tables, watched.scopes);
    (plan.pods, plan.cluster) = (watched.pods, watched.cluster);
    if let Some(patience) = arguments.names_within {
        plan.patience = patience;
    }
    plan.mechanisms = arguments.mechanism;
    let mut session = Session::start(&plan, None)?;
    let output = Output::start(
        &session.bus,
        &session.ledger,
        arguments.format,
        &target,
        &plan.tables,
        arguments.conditions,
    )?;
    session.run()?;
    let child = match &cgroup {
        Some(cgroup) => Some(spawn(cgroup, &arguments.command)?),
        None => None,
    };
    let (status, ended) = wait(child, arguments.period, &interrupt, || output.failed());
    session.stop();
    let (rows, written) = output.finish();
    if !arguments.quiet {
        summarize(&session, rows);
    }
    drop(session);
    ended?;
    written?;
    Ok(status.map_or(ExitCode::SUCCESS, exit_code))
}

pub(super) fn spawn(cgroup: &Cgroup, command: &[String]) -> Result<Child> {
    let (program, arguments) = command.split_first().expect("a command was given");
    cgroup.spawn(Command::new(program).args(arguments))
}

/// Waits for the command, the clock, Ctrl-C, or whatever else says that it is over.
pub(super) fn wait(
    mut child: Option<Child>,
    period: Option<Duration>,
    interrupt: &Interrupt,
    is_over: impl Fn() -> bool,
) -> (Option<ExitStatus>, Result<()>) {
    let begun = Instant::now();
    loop {
        if let Some(child) = &mut child {
            match child.try_wait() {
                Ok(None) => {}
                Ok(status) => return (status, Ok(())),
                Err(error) => return (None, Err(error.into())),
            }
        }
        // Ctrl-C reaches the command as well: it decides when to end, and we end with it.
        let asked = interrupt.asked() && child.is_none();
        if asked || is_over() || period.is_some_and(|period| begun.elapsed() >= period) {
            if let Some(mut child) = child {
                // Our own child, by its handle; what it started lives on.
                let _ = child.kill();
                return (child.wait().ok(), Ok(()));
            }
            return (None, Ok(()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The closing summary: what was seen, what was not, and what it cost.
fn summarize(session: &Session, rows: u64) {
    let lost = session.ledger.lost();
    let lost: u64 =
        lost.iter().filter(|it| it.table != requests::BYTES).map(|entry| entry.count).sum();
    let usage = OwnUsage::now();
    let loss = if lost == 0 { "nothing lost".to_string() } else { format!("{lost} lost") };
    eprintln!(
        "fathom: {rows} rows in {:.1} s, {loss}; own CPU {:.2} s, memory {:.1} MB",
        session.begun.elapsed().as_secs_f64(),
        (usage.user + usage.system).as_secs_f64(),
        usage.peak as f64 / 1e6,
    );
    tell_coverage(&session.ledger);
    tell_losses(&session.ledger);
    let state = session.cluster.as_ref().map(|it| it.state()).unwrap_or_default();
    for source in state.kinds.iter().chain(&state.runtimes) {
        if let cluster::Connection::Lost { why, .. } | cluster::Connection::Refused { why } =
            &source.connection
        {
            eprintln!("fathom: the cluster's {} are not up to date: {why}", source.name);
        }
    }
}

/// Where requests were read: of how much of what sockets carried, and what the rest was.
fn tell_coverage(ledger: &Ledger) {
    let entries = ledger.entries();
    let bytes =
        || entries.iter().filter(|it| (it.stage, it.table) == (requests::STAGE, requests::BYTES));
    let count = |side: Side| bytes().find(|it| it.side == side).map_or(0, |it| it.count);
    let moved = count(Side::Taken);
    if moved == 0 {
        return;
    }
    let share = |count: u64| format!("{:.1} %", 100.0 * count as f64 / moved as f64);
    let rest: Vec<String> = bytes()
        .filter_map(|it| match it.side {
            Side::Dropped(why) => Some(format!(", {} {}", share(it.count), why.replace('_', " "))),
            _ => None,
        })
        .collect();
    let read = share(count(Side::Passed));
    eprintln!(
        "fathom: read {read} of {:.1} kB that sockets carried{}",
        moved as f64 / 1e3,
        rest.concat()
    );
}

/// A line for each reason for which rows were lost, and for each thing that some went without.
pub(crate) fn tell_losses(ledger: &Ledger) {
    for Entry { table, side, count, .. } in ledger.entries() {
        if let Side::Lacking(what) = side {
            eprintln!("fathom: {count} {table} went without: {what}");
        }
    }
    for Entry { stage, table, side, count } in ledger.lost() {
        // What was not read of sockets has a line of its own.
        if let Side::Dropped(reason) = side
            && table != requests::BYTES
        {
            eprintln!("fathom: lost {count} {table} in {stage}: {reason}");
        }
    }
}

/// The command's own code; 128 and the signal's number where a signal ended it, as shells do.
pub(super) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// `10s`, `500ms`, `5m`, `1h`; a plain number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let number: f64 =
        number.parse().map_err(|_| "a time is a number and a unit: 10s".to_string())?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" | "" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(format!("`{unit}` is no unit of time; use ms, s, m or h")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
