//! Side by side with `perf`: one run of one load, watched by two perfs and by us at once.
//!
//! Two perfs do not agree either; how far they do is what can be asked of us. Each perf follows its
//! own children: the outer one the inner one, that one us, and all of us the load. What is not of
//! the load is left out by its threads' names.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use testkit::profile::folded::{Folded, Stack};
use testkit::profile::perf::{self, Unwinding};
use testkit::profile::{fathom, judge};

use super::load;
use crate::cli::Arguments;
use crate::figure::{Report, Target};
use crate::{place, run};

/// How many of the largest functions are compared.
const TOP: usize = 10;
/// Of ten, one may be another by chance.
const CHANCE: f64 = 0.1;
/// Our complete stacks may be so much fewer than perf's.
const FEWER: f64 = 0.02;
/// Threads with these names are the profilers' own.
const PROFILERS: &[&str] = &["perf", "perf-exec", "fathom", "fathom-bench"];

pub(crate) fn run(arguments: &Arguments, home: &Path, report: &mut Report) -> Result<()> {
    place::installed("perf")?;
    let seconds = if arguments.quick { 15 } else { 60 };
    let load = load::mixed(home, seconds)?;
    let [outer, inner, own] = ["outer.data", "inner.data", "own.folded"].map(|it| home.join(it));
    let mut words = perf::record_words(&outer, Unwinding::Dwarf);
    words.extend(perf::record_words(&inner, Unwinding::Dwarf));
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(place::fathom()?);
    command.args(["profile", "--for", "1000s", "-o"]).arg(&own).arg("--").args(load.words());
    run::to_end(&mut command)?;
    let text = std::fs::read_to_string(&own).context("fathom wrote no profile")?;
    let [outer, inner] = [perf::read(&outer)?, perf::read(&inner)?].map(|it| of_load(&it));
    let own = of_load(&Folded::parse(&text)?.in_units(fathom::PERIOD));
    ensure!(outer.total() > 500 && inner.total() > 500, "perf took too few samples");

    let [one, other] = [&outer, &inner].map(|perf| common(&own, perf));
    let ours = (one + other) / 2.0;
    let perfs = common(&outer, &inner);
    let [n, n_outer, n_inner] = [&own, &outer, &inner].map(Folded::total);
    report.note(format!("{n} samples, perf {n_outer} and {n_inner}"));
    report.note(format!("of the top {TOP}, two perfs have {perfs:.2} in common"));
    report.figure("beside.top-10", ours, "share", Target::AtLeast(perfs - CHANCE));
    let complete = [&outer, &inner].map(judge::complete).into_iter().fold(f64::NAN, f64::max);
    report.note(format!("perf's complete stacks: {complete:.3}"));
    let target = Target::AtLeast(complete - FEWER);
    report.figure("beside.complete", judge::complete(&own), "share", target);
    let samples = n as f64 / n_inner as f64;
    report.figure("beside.samples", samples, "ratio", Target::AtLeast(0.97));
    for (name, profile) in [("own", &own), ("perf", &inner)] {
        let line = |(function, share): (String, f64)| format!("{function} {:.1} %", 100.0 * share);
        let top: Vec<String> = top(profile).into_iter().map(line).collect();
        report.note(format!("{name}: {}", top.join(", ")));
    }
    Ok(())
}

/// Without the profilers' own threads, and with one name for all that has none in a file.
fn of_load(profile: &Folded) -> Folded {
    let of_load = |stack: &&Stack| !PROFILERS.contains(&stack.comm.as_str());
    let mut stacks: Vec<Stack> = profile.stacks.iter().filter(of_load).cloned().collect();
    for frame in stacks.iter_mut().flat_map(|stack| &mut stack.frames) {
        if let Some(file) = nameless(frame) {
            *frame = format!("[{file}]");
        }
    }
    Folded { stacks }
}

/// The file of a frame that tells only of a place in it: `FILE+0x123`, perhaps in brackets.
fn nameless(frame: &str) -> Option<&str> {
    let (file, place) = frame.trim_matches(['[', ']']).split_once("+0x")?;
    place.trim_end_matches([']', ')']).chars().all(|it| it.is_ascii_hexdigit()).then_some(file)?;
    Some(file.trim_matches(['[', ']']))
}

/// The largest functions, by what they spend themselves.
fn top(profile: &Folded) -> Vec<(String, f64)> {
    let mut top = profile.top();
    top.truncate(TOP);
    top
}

/// How much of the largest functions two profiles have in common.
fn common(one: &Folded, other: &Folded) -> f64 {
    let [one, other] = [one, other]
        .map(|profile| top(profile).into_iter().map(|(name, _)| name).collect::<HashSet<String>>());
    one.intersection(&other).count() as f64 / one.len().max(other.len()).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_profiles_have_in_common_is_found() {
        let one =
            Folded::parse("cc1;_start;cc1+0x12 5\ncc1;_start;[cc1]+0xab 5\nx;f;g 7\n").unwrap();
        let other = Folded::parse("cc1;_start;[cc1] 9\nx;f;h 7\nperf;main;work 90\n").unwrap();
        let [one, other] = [of_load(&one), of_load(&other)];
        assert_eq!(top(&one)[0].0, "[cc1]");
        assert_eq!(common(&one, &other), 0.5);
        assert_eq!(
            (common(&one, &one), common(&Folded::default(), &Folded::default())),
            (1.0, 0.0)
        );
    }
}
