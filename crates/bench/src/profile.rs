//! What profiling costs, and whether it says what `perf` says.
//!
//! Everything that is profiled is a command of our own, and so is what `perf` watches. The cost is
//! the agent's own CPU time and the run time of its BPF programs, by the kernel's own clock, as a
//! share of the whole machine; the memory is what it holds and what its maps hold.

mod beside;
mod load;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kernel::StatsGuard;
use testkit::workload::Scratch;

use crate::account::{Account, Spent};
use crate::cli::Arguments;
use crate::figure::{Report, Target, number};
use crate::{place, run};

/// Of the machine, in percent: after warming up, while warming up, off-CPU.
const STEADY: f64 = 1.0;
const WARMING: f64 = 3.0;
const OFF_CPU: f64 = 2.0;
/// In MB: what the agent holds and what its maps hold.
const MEMORY: f64 = 150.0;
/// What was taken is kept or counted, but for so many percent.
const UNACCOUNTED: f64 = 1.0;
/// So many different files are run while it warms up.
const BINARIES: usize = 300;
/// Switches in a second, while it is watched who waits; so many more are offered, since who finds
/// its byte there already does not wait.
const SWITCHES: u32 = 100_000;
const OFFERED: u32 = 115_000;
/// How often it is looked at what was spent.
const EVERY: Duration = Duration::from_millis(250);

type Part = fn(&Arguments, &Path, &mut Report) -> Result<()>;

/// A run of `fathom profile` that was looked at meanwhile.
pub(crate) struct Profiled {
    accounts: Vec<(Instant, Account)>,
    /// What it wrote to stdout, the command's words included.
    pub(crate) out: String,
    /// What it wrote to stderr.
    pub(crate) err: String,
}

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let _on = StatsGuard::enable()?;
    let scratch = Scratch::new("bench-profile")?;
    let parts: [(&str, Part); 4] =
        [("steady", steady), ("warming", warming), ("off-cpu", off_cpu), ("beside", beside::run)];
    for (name, part) in parts {
        let home = scratch.path().join(name);
        std::fs::create_dir(&home)?;
        part(arguments, &home, report).unwrap_or_else(|error| {
            report.not_taken(name, format!("{error:#}"));
        });
    }
    Ok(())
}

/// A build on all CPUs, over and over.
fn steady(arguments: &Arguments, home: &Path, report: &mut Report) -> Result<()> {
    let (warm, measured) = if arguments.quick { (5, 15) } else { (20, 60) };
    let load = load::build(home, warm + measured + 2)?;
    let profiled = profile(home, &[], &load)?;
    let [from, to] = [warm, warm + measured].map(|at| Duration::from_secs(at.into()));
    let spent = profiled.spent(from, to)?;
    report.figure("steady.cost", spent.share(), "%", Target::AtMost(STEADY));
    report.note(format!("of that, the agent itself: {} %", number(spent.own_share())));
    profiled.tell_memory("steady.memory", report);
    match samples(&profiled.err) {
        Some(Samples { taken, kept, dropped }) => {
            report.note(format!("{taken} samples taken, {kept} kept, {dropped} dropped"));
            let gap = 100.0 * (taken - kept - dropped).abs() / taken;
            report.figure("steady.unaccounted", gap, "%", Target::AtMost(UNACCOUNTED));
        }
        None => report.not_taken("steady.unaccounted", "fathom did not say".to_string()),
    }
    Ok(())
}

/// Files that it never saw, one after the other on all CPUs.
fn warming(arguments: &Arguments, home: &Path, report: &mut Report) -> Result<()> {
    let count = arguments.count(BINARIES);
    let load = load::strangers(home, count)?;
    let profiled = profile(home, &[], &load)?;
    let whole = profiled.spent(Duration::ZERO, profiled.lasted())?;
    report.figure("warming.cost", whole.share(), "%", Target::AtMost(WARMING));
    let seconds = profiled.lasted().as_secs_f64();
    report.note(format!("{count} files in {seconds:.0} s"));
    profiled.tell_memory("warming.memory", report);
    Ok(())
}

/// Threads that wake each other.
fn off_cpu(arguments: &Arguments, home: &Path, report: &mut Report) -> Result<()> {
    let (warm, measured) = if arguments.quick { (2, 8) } else { (5, 30) };
    let load = load::switches(OFFERED, warm + measured + 2)?;
    let profiled = profile(home, &["--off-cpu"], &load)?;
    let [from, to] = [warm, warm + measured].map(|at| Duration::from_secs(at.into()));
    let rate = load::rate(&profiled.out).context("the load did not say how often it switched")?;
    report.note(format!("{} switches in a second", number(rate)));
    ensure!(rate > 0.8 * f64::from(SWITCHES), "only {rate:.0} switches in a second");
    let spent = profiled.spent(from, to)?;
    report.figure("off-cpu.cost", spent.share(), "%", Target::AtMost(OFF_CPU));
    Ok(())
}

/// Runs `fathom profile WORDS -o FILE -- LOAD` to its end. The file is `profile.folded` in `home`.
pub(crate) fn profile(home: &Path, words: &[&str], load: &load::Load) -> Result<Profiled> {
    let mut command = std::process::Command::new(place::fathom()?);
    command.arg("profile").args(words).args(["--for", "1000s", "-o"]);
    command.arg(home.join("profile.folded")).arg("--").args(load.words());
    let mut accounts = vec![];
    let said = run::sampled(&mut command, EVERY, |pid| {
        // It may have ended a moment ago.
        if let Ok(account) = Account::of(pid) {
            accounts.push((Instant::now(), account));
        }
    })?;
    ensure!(!accounts.is_empty(), "fathom ended at once: {}", run::tail(&said.err));
    Ok(Profiled { accounts, out: said.out, err: said.err })
}

impl Profiled {
    /// From the first look to the last.
    fn lasted(&self) -> Duration {
        let [first, last] =
            [self.accounts.first(), self.accounts.last()].map(|it| it.map(|it| it.0));
        last.zip(first).map_or(Duration::ZERO, |(last, first)| last - first)
    }

    /// What was spent between two times, counted from the first look.
    fn spent(&self, from: Duration, to: Duration) -> Result<Spent> {
        let begun = self.accounts[0].0;
        let mut during =
            self.accounts.iter().filter(|(at, _)| (from..=to).contains(&(*at - begun)));
        let first = during.next().context("it ended too soon")?;
        let last = during.next_back().context("it ended too soon")?;
        let time = last.0 - first.0;
        ensure!(time * 2 > to - from, "it ended after {:.0} s", self.lasted().as_secs_f64());
        Ok(last.1.since(&first.1, time))
    }

    fn tell_memory(&self, name: &str, report: &mut Report) {
        let most = |of: fn(&Account) -> f64| {
            self.accounts.iter().map(|(_, it)| of(it)).fold(f64::NAN, f64::max) / 1e6
        };
        let [resident, maps] = [most(|it| it.resident), most(|it| it.maps)];
        report.figure(name, resident + maps, "MB", Target::Below(MEMORY));
        report.note(format!("{name}: {resident:.1} MB of its own, {maps:.1} MB of BPF maps"));
    }
}

/// What became of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Samples {
    taken: f64,
    kept: f64,
    dropped: f64,
}

/// Reads the line that says `12 samples taken, 11 kept, 1 dropped`, or `nothing dropped`.
fn samples(err: &str) -> Option<Samples> {
    let line = err.lines().find(|line| line.contains(" taken") && line.contains(" kept"))?;
    let words: Vec<&str> = line.split([' ', ',', ';']).filter(|it| !it.is_empty()).collect();
    // A unit may stand between a number and its word.
    let before = |word: &str| {
        let place = words.iter().position(|it| *it == word)?;
        words[place.saturating_sub(2)..place].iter().rev().find_map(|it| it.parse::<f64>().ok())
    };
    let dropped = before("dropped").or_else(|| before("lost")).unwrap_or(0.0);
    Some(Samples { taken: before("taken")?, kept: before("kept")?, dropped })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_samples_is_read() {
        let read = samples("x\nfathom: 120 samples taken, 117 kept, 3 dropped; own CPU 0.1 s");
        assert_eq!(read, Some(Samples { taken: 120.0, kept: 117.0, dropped: 3.0 }));
        let read = samples("fathom: 120 taken, 120 kept, nothing dropped");
        assert_eq!(read, Some(Samples { taken: 120.0, kept: 120.0, dropped: 0.0 }));
        assert_eq!(samples("fathom: 12 rows in 0.5 s"), None);
    }
}
