//! `fathom capture` and `fathom replay`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bus::Bus;
use clap::Args;
use identity::{Identity, Limits};
use kernel::Cgroup;
use scope::{SCOPE, Scope};
use telemetry::Ledger;

use super::conditions::{self, Condition};
use super::interrupt::Interrupt;
use super::output::{Output, Style, Target};
use super::scopes::ScopeArguments;
use super::{observe, tables};
use crate::capture::{Ending, Player, Recorder};
use crate::filling::Filling;
use crate::node::Node;
use crate::session::{Plan, Session};
use crate::signals::{self, SIGNALS};
use crate::stream::Stream;

#[derive(Debug, Args)]
pub(crate) struct CaptureArguments {
    /// The file to write
    file: PathBuf,
    #[command(flatten)]
    scope: ScopeArguments,
    /// End after this time
    #[arg(long = "for", value_name = "TIME", value_parser = observe::duration)]
    period: Option<Duration>,
    /// Run this command in a cgroup of its own and record just that
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// The capture
    file: PathBuf,
    /// The tables to show; all of them without one
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    /// Show only rows of which this is true, as `fathom observe` has it: `ret<0`, `comm=nginx`
    #[arg(short = 'w', long = "where", value_name = "CONDITION", conflicts_with = "store")]
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
    to: Option<PathBuf>,
    /// Fill a store in this folder instead, for `fathom query --data`
    #[arg(long, value_name = "DIR", conflicts_with_all = ["to", "format"])]
    store: Option<PathBuf>,
}

/// Where replayed rows go.
enum Sink {
    Rows(Output),
    Store(Filling),
}

pub(crate) fn capture(arguments: CaptureArguments) -> Result<ExitCode> {
    let cgroup = match arguments.command.is_empty() {
        true => None,
        false => Some(Cgroup::create()?),
    };
    let own = cgroup.as_ref().map(|cgroup| Scope::Cgroup(cgroup.path().to_path_buf()));
    let watched = arguments.scope.required(own)?;
    let interrupt = Interrupt::listen()?;
    let mut plan = Plan::new(signals::node_tables(), watched.scopes);
    (plan.pods, plan.cluster) = (watched.pods, watched.cluster);
    let recorded: Vec<_> = [&SCOPE].into_iter().chain(signals::needed(&plan.tables)).collect();
    let recorder = Arc::new(Recorder::create(&arguments.file, &Node::here(), &recorded)?);
    let mut session = Session::start(&plan, Some(recorder.clone()))?;
    session.run()?;
    let mut child = match (&cgroup, arguments.command.split_first()) {
        (Some(cgroup), Some((program, rest))) => {
            Some(cgroup.spawn(Command::new(program).args(rest))?)
        }
        _ => None,
    };
    let begun = Instant::now();
    let over = |begun: Instant| arguments.period.is_some_and(|period| begun.elapsed() >= period);
    loop {
        let ended = child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
        if ended || over(begun) || (interrupt.asked() && child.is_none()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    session.stop();
    let written = recorder.finish();
    eprintln!("fathom: {} records in {}", written.records, arguments.file.display());
    observe::tell_losses(&session.ledger);
    if let Some((lost, error)) = written.lost {
        bail!("{lost} records could not be written to {}: {error}", arguments.file.display());
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn replay(arguments: &ReplayArguments) -> Result<ExitCode> {
    let wanted = conditions::choose(tables::find(&arguments.tables)?, &arguments.conditions)?;
    let mut player = Player::open(&arguments.file)?;
    let mut known = vec![&SCOPE];
    known.extend(SIGNALS);
    let signals = player.signals(&known)?;
    let ledger = Ledger::new();
    let bus = Arc::new(Bus::new(&ledger));
    let sink = match &arguments.store {
        Some(folder) => Sink::Store(Filling::start(folder, &player.node(), &bus, &ledger)?),
        None => {
            let target = arguments.to.clone().map_or(Target::Out, Target::File);
            Sink::Rows(Output::start(
                &bus,
                &ledger,
                arguments.format,
                &target,
                &wanted,
                arguments.conditions.clone(),
            )?)
        }
    };
    let identity = Arc::new(Identity::new(Limits::default()));
    let mut stream = Stream::new(player.node(), signals, wanted, identity, bus.clone(), &ledger);
    let ending = player.play(&mut stream, |_| {})?;
    bus.close();
    match sink {
        Sink::Rows(output) => output.finish().1?,
        Sink::Store(filling) => filling.finish()?,
    }
    for entry in ledger.dropped().iter().filter(|entry| entry.stage == "decode") {
        eprintln!("fathom: {} records could not be read: {:?}", entry.count, entry.side);
    }
    match ending {
        Ending::Complete => Ok(ExitCode::SUCCESS),
        Ending::Truncated { at } => {
            bail!(
                "{} ends in the middle of a frame, {at} bytes behind its first line; the rows until there are complete",
                arguments.file.display()
            )
        }
        Ending::Corrupt { at } => {
            bail!(
                "{} is damaged {at} bytes behind its first line: the checksum does not fit; the rows until there are complete",
                arguments.file.display()
            )
        }
    }
}
