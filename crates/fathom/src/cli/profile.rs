//! `fathom profile`: where CPU time goes, and what threads wait for.

mod compare;
mod form;
mod live;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use bus::{Capacity, Policy, Subscription};
use clap::Args;
use flame::{About, Profile, Top, View};
use kernel::{Cgroup, Mechanism};
use schema::{Event, StackEnd};
use scope::Scope;
use signal_profile::{CPU, PROFILE, ProfileSample};
use telemetry::{Side, Usage as OwnUsage};

use super::Usage;
use super::interrupt::Interrupt;
use super::observe::{exit_code, spawn, tell_losses, wait};
use super::scopes::ScopeArguments;
use crate::profiling::Settings;
use crate::profiling::gather::Gathered;
use crate::session::{Plan, Session};
use form::Form;
use live::Live;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    scope: ScopeArguments,
    /// Samples a second, on each CPU
    #[arg(long, default_value_t = 99, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "HZ")]
    hz: u32,
    /// What threads wait for, in place of what CPUs do
    #[arg(long)]
    off_cpu: bool,
    /// End after this time, such as `10s`, `5m` or `1h`
    #[arg(long = "for", value_name = "TIME", value_parser = super::observe::duration)]
    period: Option<Duration>,
    /// Write the profile to this file; its ending says how: .svg, .html, .pb.gz (pprof) or .folded
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    output: Vec<PathBuf>,
    /// What stands at the root of stacks: comm, thread, pid, pod, namespace, workload, container
    #[arg(long, value_delimiter = ',', default_value = "comm", value_name = "LABEL")]
    group_by: Vec<String>,
    /// Do not read debug information for inlined functions and lines
    #[arg(long)]
    no_inlines: bool,
    /// Compare two profiles (.pb.gz or .folded) in place of taking one
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"], conflicts_with_all = ["hz", "off_cpu", "period", "command"])]
    diff: Vec<PathBuf>,
    /// Functions in the closing table
    #[arg(long, default_value_t = 20, value_name = "COUNT", hide_short_help = true)]
    top: usize,
    /// Print neither the table nor the closing summary
    #[arg(short, long)]
    quiet: bool,
    /// Run this command in a cgroup of its own, profile just that, and end with its exit code
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  fathom profile -o flame.svg -o flame.html -- make -j2
  fathom profile --for 30s --pid 4711
  fathom profile --off-cpu --for 10s --pod shop/cart-0 -o waits.svg
  fathom profile --node --for 60s -o node.pb.gz        go tool pprof node.pb.gz
  fathom profile --diff before.pb.gz after.pb.gz -o diff.svg";

/// Every label that a sample may have.
const LABELS: &[&str] =
    &["comm", "thread", "pid", "thread_id", "pod", "namespace", "workload", "container", "reason"];
/// Bytes of debug information that are read for inlined functions.
const LINES: u64 = 512 << 20;
/// The thread that gathers makes workers wait rather than lose rows of a profile.
const QUEUE: Capacity = Capacity { rows: 65_536, batches: 2_048 };

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    if let Some(unknown) = arguments.group_by.iter().find(|it| !LABELS.contains(&it.as_str())) {
        let known = LABELS.join(", ");
        return Err(Usage(format!("samples have no label `{unknown}`; there are {known}")).into());
    }
    let view = View { groups: arguments.group_by.clone(), ..View::default() };
    let forms = arguments.output.iter().map(|path| Form::of(path)).collect::<Result<Vec<_>>>()?;
    if let [before, after] = &arguments.diff[..] {
        return compare::run(before, after, &forms, &view, arguments.top);
    }
    // Before anything is watched: a minute's profile is not to be lost for a typo.
    forms.iter().try_for_each(Form::try_out)?;
    take(arguments, &forms, &view)
}

/// Takes a profile, and writes it.
fn take(arguments: Arguments, forms: &[Form], view: &View) -> Result<ExitCode> {
    let cgroup = match arguments.command.is_empty() {
        true => None,
        false => Some(Cgroup::create()?),
    };
    let own = cgroup.as_ref().map(|cgroup| Scope::Cgroup(cgroup.path().to_path_buf()));
    let watched = arguments.scope.required(own)?;
    let interrupt = Interrupt::listen()?;
    let mut plan = Plan::new(PROFILE.tables.to_vec(), watched.scopes);
    (plan.pods, plan.cluster) = (watched.pods, watched.cluster);
    plan.profile = Settings {
        cpu: !arguments.off_cpu,
        waits: arguments.off_cpu,
        hertz: arguments.hz,
        lines: if arguments.no_inlines { 0 } else { LINES },
        ..Settings::default()
    };
    // A rate of some hundreds is what the bounds are made for.
    plan.profile.copies_per_second *= arguments.hz.div_ceil(100);
    let mut session = Session::start(&plan, None)?;
    say_what_is_missing(&session);
    let subscription =
        session.bus.subscribe("profile", QUEUE, Policy::Block, Some(plan.tables.clone()));
    let period = Duration::from_nanos(1_000_000_000 / u64::from(arguments.hz));
    let about = About { begin: now(&session), period, ..About::default() };
    let gathered = Arc::new(Mutex::new(Gathered::new(about)));
    let gathering = gather(subscription, gathered.clone())?;
    session.run()?;
    if forms.is_empty() && cgroup.is_none() && !arguments.quiet && live::can_show() {
        let period = arguments.period;
        let live = Live { gathered: &gathered, session: &session, period, interrupt: &interrupt };
        live.show(view)?;
        interrupt.ask();
    }
    let child = match &cgroup {
        Some(cgroup) => Some(spawn(cgroup, &arguments.command)?),
        None => None,
    };
    let (status, ended) = wait(child, arguments.period, &interrupt, || gathering.is_finished());
    let lasted = session.begun.elapsed();
    session.stop();
    gathering.join().ok().context("gathering stopped unexpectedly")?;
    let gathered = Arc::into_inner(gathered).context("somebody still gathers")?;
    let mut profile = gathered.into_inner().unwrap_or_else(PoisonError::into_inner).profile;
    profile.about.duration = lasted;
    profile.about.lost = lost(&session);
    let written = forms.iter().try_for_each(|form| form.write(&profile, view));
    if !arguments.quiet {
        let to_terminal = io::stdout().is_terminal();
        // Standard output belongs to the command.
        match cgroup.is_some() {
            true => show(&profile, arguments.top, io::stderr().is_terminal(), io::stderr().lock())?,
            false => show(&profile, arguments.top, to_terminal, io::stdout().lock())?,
        }
        summarize(&session, &profile);
    }
    drop(session);
    ended?;
    written?;
    Ok(status.map_or(ExitCode::SUCCESS, exit_code))
}

/// Gathers rows until the bus is closed.
fn gather(subscription: Subscription, gathered: Arc<Mutex<Gathered>>) -> Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name("fathom-profile".into());
    let run = move || {
        let lock = || gathered.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(batch) = subscription.recv() {
            let mut gathered = lock();
            gathered.add(&batch);
            while let Ok(batch) = subscription.try_recv() {
                gathered.add(&batch);
            }
            gathered.settle(false);
        }
        lock().settle(true);
    };
    thread.spawn(run).context("cannot start gathering")
}

fn now(session: &Session) -> u64 {
    u64::try_from(session.node.wall(session.node.now())).unwrap_or(0)
}

/// Samples that were taken and did not come this far.
fn lost(session: &Session) -> u64 {
    session.count_kernel();
    let lost = session.ledger.lost().into_iter();
    lost.filter(|it| it.table == ProfileSample::TABLE.name).map(|it| it.count).sum()
}

fn say_what_is_missing(session: &Session) {
    let clock = session.kernel.capabilities().iter().find(|it| it.what == CPU);
    if let Some(clock) = clock.filter(|it| it.mechanism != Mechanism::Clock.name()) {
        let why = clock.obstacles.first().map_or("", |obstacle| &obstacle.why);
        eprintln!("fathom: this kernel does not let us sample its CPUs: {why}");
    }
}

fn show(profile: &Profile, count: usize, terminal: bool, out: impl io::Write) -> Result<()> {
    if profile.is_empty() {
        return Ok(());
    }
    let width = super::output::looks(terminal).width.map_or(120, usize::from);
    Top::of(profile, None, count).write(width, out).context("cannot write the table")
}

/// The closing summary: what was taken, what was not, and what it cost.
fn summarize(session: &Session, profile: &Profile) {
    let kept = profile.total().samples;
    let cut = cut(session);
    let usage = OwnUsage::now();
    eprintln!(
        "fathom: {} samples taken, {kept} kept, {} dropped, in {:.1} s; own CPU {:.2} s, memory {:.1} MB",
        taken(session),
        profile.about.lost,
        profile.about.duration.as_secs_f64(),
        (usage.user + usage.system).as_secs_f64(),
        usage.peak as f64 / 1e6,
    );
    if kept > 0 {
        let whole = 100.0 * kept.saturating_sub(cut) as f64 / kept as f64;
        eprintln!("fathom: {whole:.1} % of the stacks are whole");
    }
    tell_losses(&session.ledger);
}

/// Samples that the kernel side took, whatever became of them.
fn taken(session: &Session) -> u64 {
    session.ledger.account("kernel", ProfileSample::TABLE.name).taken.get()
}

/// How many stacks are not whole.
fn cut(session: &Session) -> u64 {
    let entries = session.ledger.entries().into_iter();
    let ours = entries.filter(|it| it.stage == "symbols" && it.table == ProfileSample::TABLE.name);
    let is_end = |what: &str| StackEnd::ALL.iter().any(|end| end.name() == what);
    ours.filter(|it| matches!(it.side, Side::Lacking(what) if is_end(what)))
        .map(|it| it.count)
        .sum()
}
