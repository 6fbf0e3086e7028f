//! Runs guests: one after another, or a few at once, and gathers what they said.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::fetch::{self, Kernel, Line as MatrixLine};
use super::guest::{self, Contents};
use super::init::Job;
use super::qemu::{Ended, Machine};
use super::results::{self, Closed, Line, Results};
use super::{Options, binaries};
use crate::failure::{Context, Failure, Result};
use crate::place;
use crate::run::say;
use crate::tally::Tally;

/// Messages of a kernel that is no longer to be trusted, whatever the tests say.
const ALARMS: [&str; 6] =
    ["Kernel panic", "Oops:", "BUG: ", "general protection fault", "UBSAN:", "soft lockup"];

/// Every kernel test on every kernel asked for.
pub(super) fn tests(options: &Options) -> Result<Tally> {
    let tests = binaries::kernel_tests()?;
    let needs = binaries::needs()?;
    let mut contents = contents(options)?;
    contents.tests = tests.into_iter().map(|test| (test.name, test.executable)).collect();
    contents.modules.extend(needs.modules);
    contents.packages.extend(needs.packages);
    let runs = at_once(options, |line| one(line, options, &contents));
    print!("\n{}", results::table(&runs));
    let mut tally = Tally::default();
    for run in runs {
        tally.add(run.tally);
    }
    Ok(tally)
}

/// One command in one guest.
pub(super) fn command(options: &Options, words: &[String]) -> Result<u8> {
    let line = lines(options).next().ok_or_else(|| Failure::usage("which kernel?"))?;
    let contents = contents(options)?;
    let kernel = fetch::kernel(line, options.refresh)?;
    let mut results = Results::new(line.name);
    let mut up = false;
    let job = Job::Command(words.to_vec());
    let ended = boot(&kernel, line.name, options, &contents, &job, |event| {
        let Event::Prints(text) = event else { return };
        match results.read(text) {
            Line::Up => up = true,
            Line::Plain if up => println!("{text}"),
            _ => {}
        }
    })?;
    match results.command {
        Some(code) => Ok(code),
        None if ended == Ended::TimedOut => {
            Err(Failure::new(format!("the guest took more than {} s", options.seconds)))
        }
        None => Err(Failure::new(format!(
            "the guest stopped early; see {}",
            messages(line.name).display()
        ))),
    }
}

fn contents(options: &Options) -> Result<Contents> {
    let mut programs = binaries::programs()?;
    programs.extend(options.with.iter().cloned());
    let (modules, packages) = (options.modules.clone(), options.packages.clone());
    Ok(Contents { programs, tests: Vec::new(), modules, packages })
}

fn lines(options: &Options) -> impl Iterator<Item = &'static MatrixLine> {
    fetch::MATRIX.iter().filter(|line| options.kernels.iter().any(|name| name == line.name))
}

/// Runs `each` for every kernel, `options.jobs` at a time: the oldest and the newest first, which
/// have most to do. What came of it is in the order of the matrix.
fn at_once(options: &Options, each: impl Fn(&'static MatrixLine) -> Closed + Sync) -> Vec<Closed> {
    let ordered: Vec<&MatrixLine> = lines(options).collect();
    let count = ordered.len();
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_by_key(|&place| place.min(count - 1 - place));
    let lines: Vec<&MatrixLine> = places.iter().map(|&place| ordered[place]).collect();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                while let Some(line) = lines.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let closed = each(line);
                    // A guest that panicked here would have ended the run already.
                    done.lock().unwrap_or_else(|broken| broken.into_inner()).push(closed);
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|broken| broken.into_inner());
    done.sort_by_key(|closed| ordered.iter().position(|line| line.name == closed.kernel));
    done
}

fn one(line: &'static MatrixLine, options: &Options, contents: &Contents) -> Closed {
    let kernel = match fetch::kernel(line, options.refresh) {
        Ok(kernel) => kernel,
        Err(failure) => {
            return Closed::not_run(
                line.name,
                format!("the kernel could not be fetched: {failure}"),
            );
        }
    };
    match try_one(line.name, &kernel, options, contents) {
        Ok(closed) => closed,
        Err(failure) => {
            let mut closed = Closed::not_run(line.name, String::new());
            closed.tally =
                Tally { failed: vec![format!("vm {}: {failure}", line.name)], ..Tally::default() };
            closed
        }
    }
}

fn try_one(
    name: &'static str,
    kernel: &Kernel,
    options: &Options,
    contents: &Contents,
) -> Result<Closed> {
    let mut results = Results::new(name);
    let programs = contents.tests.iter().map(|(program, _)| program.clone()).collect();
    // Somewhat less than the guest has in all, so that one that hangs is named.
    let seconds = options.seconds.saturating_sub(60).max(options.seconds / 2);
    let job = Job::Tests { programs, filter: options.filter.clone(), seconds };
    let mut started = Instant::now();
    let ended = boot(kernel, name, options, contents, &job, |event| match event {
        Event::Boots => started = Instant::now(),
        Event::Prints(text) => {
            if let Line::Up = results.read(text) {
                let facts: Vec<String> =
                    results.facts.iter().map(|(what, value)| format!("{what} {value}")).collect();
                say(format!(
                    "{name}: up after {:.1} s: {}",
                    started.elapsed().as_secs_f32(),
                    facts.join(", ")
                ));
            }
        }
    })?;
    let doctor = folder().join(format!("{name}.doctor.txt"));
    fs::write(&doctor, results.doctor.join("\n") + "\n")
        .context(|| doctor.display().to_string())?;
    for note in &results.notes {
        say(format!("{name}: {note}"));
    }
    let mut closed = results.close(ended);
    let said = fs::read(messages(name)).unwrap_or_default();
    for alarm in alarms(&String::from_utf8_lossy(&said)) {
        closed.tally.failed.push(format!("{name} kernel said: {alarm}"));
    }
    say(format!("{name}: {} in {:.1} s", closed.tally.line(), started.elapsed().as_secs_f32()));
    Ok(closed)
}

/// What is heard of a guest while it runs.
enum Event<'a> {
    Boots,
    Prints(&'a str),
}

/// Boots a guest; its log is written on the way, and what is heard goes to `each`.
fn boot(
    kernel: &Kernel,
    name: &str,
    options: &Options,
    contents: &Contents,
    job: &Job,
    mut each: impl FnMut(Event<'_>),
) -> Result<Ended> {
    let built = guest::build(kernel, contents, job, &folder().join(name))?;
    say(format!("{name}: booting {} with an image of {} MB", kernel.release, built.size >> 20));
    for note in &built.notes {
        say(format!("{name}: {note}"));
    }
    let path = folder().join(format!("{name}.log"));
    let mut log = File::create(&path).context(|| path.display().to_string())?;
    let machine = Machine {
        kernel,
        image: &built.file,
        messages: &messages(name),
        memory_mb: options.memory_mb,
        cpus: options.cpus,
        seconds: options.seconds,
    };
    each(Event::Boots);
    let ended = machine.run(|line| {
        // A full disk must not end the run: the results are what counts.
        let _ = writeln!(log, "{line}");
        each(Event::Prints(line));
    });
    let _ = fs::remove_file(&built.file);
    ended
}

/// The lines in which a kernel says that something is badly wrong, each kind once.
fn alarms(messages: &str) -> Vec<&str> {
    let mut left: Vec<&str> = ALARMS.to_vec();
    let mut first = |line: &&str| {
        let before = left.len();
        left.retain(|alarm| !line.contains(*alarm));
        left.len() < before
    };
    messages.lines().map(str::trim).filter(|line| first(line)).collect()
}

fn folder() -> PathBuf {
    place::target().join("vm")
}

fn messages(name: &str) -> PathBuf {
    folder().join(Path::new(&format!("{name}.messages.log")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_in_trouble_is_heard() {
        let text = "[ 1.0] Linux version 6.1\n[ 2.0] BUG: kernel NULL pointer dereference\n[ 2.1] Oops: 0002\n[ 2.2] BUG: again\n";
        assert_eq!(
            alarms(text),
            ["[ 2.0] BUG: kernel NULL pointer dereference", "[ 2.1] Oops: 0002"]
        );
        assert!(alarms("[ 1.0] debugfs: all well").is_empty());
    }

    #[test]
    fn results_stand_in_the_order_of_the_matrix() {
        let options = Options { jobs: 4, ..Options::default() };
        let runs = at_once(&options, |line| Closed::not_run(line.name, String::new()));
        let names: Vec<&str> = runs.iter().map(|run| run.kernel).collect();
        assert_eq!(names, ["5.10", "6.1", "6.12", "sid"]);
    }
}
