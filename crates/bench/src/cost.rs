//! How long the kernel side runs for an event, by the kernel's own clock (`bpf_stats`).
//!
//! What the kernel accounts for: a program that is jumped to (a *tail call*) has no account of its
//! own; its time is in that of `syscall_exit`, which runs at the end of every system call of
//! everybody on the machine. So one signal is loaded at a time, and what `syscall_exit` spends on
//! calls that nobody wants is measured first, with nothing to jump to, and taken off:
//!
//! ```text
//! per event = (time - (runs - events) * idle) / events
//! ```
//!
//! The same with the programs that have an account of their own: others on the machine run them,
//! too, and those runs are out of scope; what such a run costs is measured with the storm in
//! another cgroup than the one that is watched. How many events there were is not assumed but
//! read from the kernel side's own books of records. Reading the clock twice, some 20 ns, is in
//! every figure, since the kernel does it inside what it measures.

mod lock;
mod page;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use fathom::signals::SIGNALS;
use kernel::{Cgroup, Features, Kernel, Options, Ring, Signal, StatsGuard};
use scope::{SCOPE, Scope};

use crate::cli::Arguments;
use crate::figure::{Report, Target};
use crate::spread::median;
use crate::work::Work;

/// In nanoseconds, for an event in scope and one out of scope.
const INSIDE: f64 = 1000.0;
const OUTSIDE: f64 = 100.0;

/// The program at the end of every system call.
const DISPATCHER: &str = "syscall_exit";

/// A signal has no more kinds of record: RECORD_KINDS of record.h.
const KINDS: usize = 32;

/// A signal's storm, and what it makes of the signal's programs.
struct Case {
    signal: &'static str,
    storm: Storm,
    count: usize,
    /// Programs with an account of their own, and the kinds of record that count their runs in
    /// scope; see the signal's wire.h.
    own: &'static [(&'static str, &'static [usize])],
    /// The program that the storm's system call ends in, and the kind of record that it writes;
    /// none where the storm is not about one, or makes too few calls to be told from all others.
    call: Option<(&'static str, usize)>,
}

/// What is done over and over.
enum Storm {
    /// By testkit.
    Kit(&'static str),
    /// See [`Work::Reconnect`].
    Reconnect,
}

const CASES: &[Case] = &[
    Case {
        signal: "process",
        storm: Storm::Kit("exec"),
        count: 1_000,
        own: &[("process_fork", &[0]), ("process_exec", &[1]), ("process_exit", &[3])],
        call: None,
    },
    Case {
        signal: "file",
        storm: Storm::Kit("open"),
        count: 200_000,
        own: &[],
        call: Some(("file_open", 0)),
    },
    Case {
        signal: "file",
        storm: Storm::Kit("exec"),
        count: 1_000,
        own: &[("file_exec", &[12])],
        call: None,
    },
    Case {
        signal: "socket",
        storm: Storm::Kit("connect"),
        count: 8_000,
        own: &[("socket_set_state", &[4, 5])],
        call: None,
    },
    Case {
        signal: "socket",
        storm: Storm::Reconnect,
        count: 200_000,
        own: &[],
        call: Some(("socket_connect", 2)),
    },
];

impl Case {
    /// What stands in the place of its figures where there are none.
    fn name(&self) -> String {
        match self.storm {
            Storm::Kit(storm) => format!("{}.{storm}", self.signal),
            Storm::Reconnect => format!("{}.reconnect", self.signal),
        }
    }
}

/// Runs and time of a program.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    runs: f64,
    nanoseconds: f64,
}

/// What was measured of a program: nanoseconds for an event, one sample a round.
#[derive(Default)]
struct Measured {
    inside: Vec<f64>,
    outside: Vec<f64>,
}

/// A signal that is loaded and watches a cgroup of ours.
struct Loaded {
    kernel: Kernel,
    cgroup: Cgroup,
}

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let _on = StatsGuard::enable()?;
    let idle = idle(arguments)?;
    report.note(format!("{DISPATCHER} on a call that nobody wants: {idle:.0} ns"));
    for signal in SIGNALS.iter().copied() {
        let verified = verified(signal)?;
        lock::write(signal.name, &verified)?;
        let most = verified.iter().max_by_key(|(_, count)| **count);
        if let Some((program, count)) = most {
            report.note(format!(
                "{}: {count} verified instructions at most, in {program}",
                signal.name
            ));
        }
        let mut table = BTreeMap::new();
        for case in CASES.iter().filter(|case| case.signal == signal.name) {
            let measured = measure(case, signal, idle, arguments);
            match measured {
                Ok(measured) => tell(case, measured, &mut table, report),
                Err(error) => report.not_taken(&case.name(), format!("{error:#}")),
            }
        }
        page::write(signal.name, &table, &verified)?;
    }
    Ok(())
}

/// What `syscall_exit` spends where there is nothing to jump to.
fn idle(arguments: &Arguments) -> Result<f64> {
    let loaded = Loaded::new(&[&SCOPE])?;
    let before = loaded.spent();
    loaded.outside(&Work::storm("open", arguments.count(200_000)))?;
    let Spent { runs, nanoseconds } = since(&before, &loaded.spent(), DISPATCHER);
    ensure!(runs > 0.0, "the kernel does not count runs");
    Ok(nanoseconds / runs)
}

fn verified(signal: &'static Signal) -> Result<BTreeMap<String, u32>> {
    let loaded = Loaded::new(&[&SCOPE, signal])?;
    let programs = loaded.kernel.programs().into_iter();
    let own = programs.filter(|program| program.signal == signal.name && program.verified > 0);
    Ok(own.map(|program| (program.name, program.verified)).collect())
}

fn measure(
    case: &Case,
    signal: &'static Signal,
    idle: f64,
    arguments: &Arguments,
) -> Result<BTreeMap<String, Measured>> {
    let mut measured: BTreeMap<String, Measured> = BTreeMap::new();
    let loaded = Loaded::new(&[&SCOPE, signal])?;
    let count = arguments.count(case.count);
    let work = match case.storm {
        Storm::Kit(storm) => Work::storm(storm, count),
        Storm::Reconnect => Work::Reconnect { count },
    };
    for _ in 0..arguments.rounds() {
        let before = loaded.spent();
        loaded.outside(&work)?;
        let after = loaded.spent();
        let mut foreign = BTreeMap::new();
        for (program, _) in case.own {
            let Spent { runs, nanoseconds } = since(&before, &after, program);
            ensure!(runs > 0.0, "{program} did not run");
            foreign.insert(program, nanoseconds / runs);
            measured.entry(program.to_string()).or_default().outside.push(nanoseconds / runs);
        }
        if let Some((program, _)) = case.call {
            let each = since(&before, &after, DISPATCHER).each(count as f64, idle);
            measured.entry(program.to_string()).or_default().outside.push(each);
        }

        let (before, written) = (loaded.spent(), loaded.written());
        loaded.inside(&work)?;
        let (after, now) = (loaded.spent(), loaded.written());
        let events =
            |kinds: &[usize]| kinds.iter().map(|kind| (now[*kind] - written[*kind]) as f64).sum();
        for (program, kinds) in case.own {
            let each = since(&before, &after, program).each(events(kinds), foreign[program]);
            measured.entry(program.to_string()).or_default().inside.push(each);
        }
        if let Some((program, kind)) = case.call {
            let each = since(&before, &after, DISPATCHER).each(events(&[kind]), idle);
            measured.entry(program.to_string()).or_default().inside.push(each);
        }
    }
    Ok(measured)
}

fn tell(
    case: &Case,
    measured: BTreeMap<String, Measured>,
    table: &mut BTreeMap<String, (f64, f64)>,
    report: &mut Report,
) {
    for (program, Measured { inside, outside }) in measured {
        let name = format!("{}.{program}", case.signal);
        report.median(&format!("{name}.in-scope"), &inside, "ns", Target::Below(INSIDE));
        report.median(&format!("{name}.out-of-scope"), &outside, "ns", Target::Below(OUTSIDE));
        table.insert(program, (median(&inside), median(&outside)));
    }
}

fn since(
    before: &BTreeMap<String, Spent>,
    after: &BTreeMap<String, Spent>,
    program: &str,
) -> Spent {
    let of = |spent: &BTreeMap<String, Spent>| spent.get(program).copied().unwrap_or_default();
    let (before, after) = (of(before), of(after));
    Spent { runs: after.runs - before.runs, nanoseconds: after.nanoseconds - before.nanoseconds }
}

impl Spent {
    /// The time of one of `events`, where each of the other runs took `other`.
    fn each(self, events: f64, other: f64) -> f64 {
        (self.nanoseconds - (self.runs - events).max(0.0) * other) / events
    }
}

impl Loaded {
    fn new(signals: &[&'static Signal]) -> Result<Loaded> {
        let cgroup = Cgroup::create()?;
        let kernel = Kernel::load(signals, &Features::probe(), &Options::default())?;
        scope::apply(&kernel, &[Scope::Cgroup(cgroup.path().to_path_buf())])?;
        Ok(Loaded { kernel, cgroup })
    }

    /// Runs `work` where it is not watched.
    fn outside(&self, work: &Work) -> Result<()> {
        let status = command(work)?.status()?;
        ensure!(status.success(), "the storm ended with {status}");
        Ok(())
    }

    /// Runs `work` where it is watched. What it makes is read and thrown away meanwhile: a full
    /// ring would be cheaper to write to.
    fn inside(&self, work: &Work) -> Result<()> {
        let mut rings = [Ring::facts(&self.kernel, 0)?, Ring::bulk(&self.kernel, 0)?];
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    for ring in &mut rings {
                        ring.drain(usize::MAX >> 1, |_| {});
                    }
                    thread::sleep(Duration::from_millis(2));
                }
            });
            let status = self.cgroup.spawn(&mut command(work)?).and_then(|mut it| Ok(it.wait()?));
            over.store(true, Ordering::Relaxed);
            let status = status?;
            ensure!(status.success(), "the storm ended with {status}");
            Ok(())
        })
    }

    fn spent(&self) -> BTreeMap<String, Spent> {
        let programs = self.kernel.programs().into_iter();
        let spent = programs.map(|program| {
            let nanoseconds = program.run_time.as_nanos() as f64;
            (program.name, Spent { runs: program.runs as f64, nanoseconds })
        });
        spent.collect()
    }

    /// Records written until now, by kind, of the signal that was loaded last.
    fn written(&self) -> Vec<u64> {
        let number = self.kernel.signals().len() - 1;
        let fate = |kind, fate| self.kernel.fate(number, kind, fate);
        let both = |kind| fate(kind, wire::FATE_SUBMITTED) + fate(kind, wire::FATE_RING_FULL);
        (0..KINDS).map(both).collect()
    }
}

fn command(work: &Work) -> Result<Command> {
    let words = work.words()?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null());
    Ok(command)
}
