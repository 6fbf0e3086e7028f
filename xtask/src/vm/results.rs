//! What a guest said: its facts, its tests, its doctor. And the table of all guests.

use std::collections::BTreeMap;

use super::init::MARK;
use super::qemu::Ended;
use crate::tally::{End, NotRun, Reader, Tally};

/// All that is known of one guest's run.
pub(super) struct Results {
    /// The name of the kernel in the matrix.
    pub(super) kernel: &'static str,
    pub(super) facts: Vec<(String, String)>,
    pub(super) notes: Vec<String>,
    pub(super) doctor: Vec<String>,
    suites: Vec<Suite>,
    reading: Reading,
    done: bool,
    /// The exit code of the one command, where that was the job.
    pub(super) command: Option<u8>,
}

struct Suite {
    program: String,
    reader: Reader,
    not_run: Vec<NotRun>,
    exit: Option<i32>,
}

#[derive(PartialEq)]
enum Reading {
    Nothing,
    Doctor,
    Tests,
}

/// What a line was, for whoever shows progress.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// The guest is up and starts on its job.
    Up,
    /// One of ours, taken in.
    Ours,
    /// Something that a program printed.
    Plain,
}

impl Results {
    pub(super) fn new(kernel: &'static str) -> Self {
        Self {
            kernel,
            facts: Vec::new(),
            notes: Vec::new(),
            doctor: Vec::new(),
            suites: Vec::new(),
            reading: Reading::Nothing,
            done: false,
            command: None,
        }
    }

    /// Takes in one line.
    pub(super) fn read(&mut self, line: &str) -> Line {
        let Some(said) = line.strip_prefix(MARK) else {
            return self.plain(line);
        };
        let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
        match word {
            "up" => return Line::Up,
            "fact" => {
                let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
                self.facts.push((name.into(), value.into()));
            }
            "note" => self.notes.push(rest.into()),
            "doctor" => self.reading = Reading::Doctor,
            "start" => {
                self.reading = Reading::Tests;
                let (reader, not_run) = (Reader::default(), Vec::new());
                self.suites.push(Suite { program: rest.into(), reader, not_run, exit: None });
            }
            "not-run" => {
                if let Some(suite) = self.suites.last_mut() {
                    suite.not_run.extend(NotRun::read(rest));
                }
            }
            "end" => self.end(rest),
            "done" => self.done = true,
            _ => {}
        }
        Line::Ours
    }

    /// The tests by name, and what is to be said of those that cannot be told from them.
    pub(super) fn close(self, ended: Ended) -> Closed {
        let mut closed =
            Closed { kernel: self.kernel, cells: BTreeMap::new(), tally: Tally::default() };
        let boot = if self.done { End::Passed } else { End::Failed };
        if boot == End::Failed {
            let why = match (ended, self.facts.is_empty()) {
                (Ended::TimedOut, _) => "ran out of time",
                (_, true) => "the guest never came up",
                _ => "the guest stopped before its end",
            };
            closed.tally.failed.push(format!("{} guest: {why}", self.kernel));
        }
        for suite in self.suites {
            closed.take(suite);
        }
        closed
    }

    fn plain(&mut self, line: &str) -> Line {
        match (&self.reading, self.suites.last_mut()) {
            (Reading::Doctor, _) => self.doctor.push(line.into()),
            (Reading::Tests, Some(suite)) => {
                suite.reader.read(line);
            }
            _ => {}
        }
        Line::Plain
    }

    fn end(&mut self, rest: &str) {
        self.reading = Reading::Nothing;
        let (what, code) = rest.rsplit_once(' ').unwrap_or((rest, ""));
        let code = code.parse::<i32>().ok();
        match (what, self.suites.last_mut()) {
            ("doctor", _) => {}
            ("command", _) => self.command = code.map(|code| code.clamp(0, 255) as u8),
            (program, Some(suite)) if suite.program == program => suite.exit = code,
            _ => {}
        }
    }
}

/// One guest's results, counted.
pub(super) struct Closed {
    pub(super) kernel: &'static str,
    cells: BTreeMap<String, &'static str>,
    pub(super) tally: Tally,
}

impl Closed {
    /// A kernel that was not booted at all.
    pub(super) fn not_run(kernel: &'static str, reason: String) -> Self {
        let mut tally = Tally::default();
        tally.skip(format!("vm {kernel}"), reason);
        Self { kernel, cells: BTreeMap::new(), tally }
    }

    fn take(&mut self, suite: Suite) {
        let program = format!("{} {}", self.kernel, suite.program);
        let mut not_run = suite.not_run;
        let ends = suite.reader.finish();
        let any_failed = ends.iter().any(|(_, end)| *end == End::Failed);
        for (test, end) in &ends {
            let word = match end {
                End::Passed => "ok",
                End::Failed => "FAILED",
                End::Ignored => "not run",
            };
            self.cells.insert(format!("{} {test}", suite.program), word);
        }
        self.tally.take(&program, &ends, &mut not_run);
        let prefix = format!("{} ", self.kernel);
        for skipped in &self.tally.skipped {
            if let Some(name) = skipped.name.strip_prefix(&prefix) {
                self.cells.insert(name.into(), "not run");
            }
        }
        // A program that crashed has no failed test to show for it.
        if suite.exit != Some(0) && !any_failed {
            let code = suite.exit.map_or("no exit code".into(), |code| format!("exit code {code}"));
            self.tally.failed.push(format!("{program}: ended with {code}"));
        }
    }
}

/// The matrix: a row for each test, a column for each kernel.
pub(super) fn table(runs: &[Closed]) -> String {
    let mut names: Vec<&String> = runs.iter().flat_map(|run| run.cells.keys()).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return String::new();
    }
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut text = format!("{:width$}", "");
    for run in runs {
        text += &format!("  {:>8}", run.kernel);
    }
    for name in names {
        text += &format!("\n{name:width$}");
        for run in runs {
            text += &format!("  {:>8}", run.cells.get(name).unwrap_or(&"-"));
        }
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(text: &str, ended: Ended) -> Closed {
        let mut results = Results::new("6.1");
        for line in text.lines() {
            results.read(line);
        }
        results.close(ended)
    }

    #[test]
    fn a_whole_run_is_read() {
        let text = "@fathom fact kernel 6.1.0\n@fathom up\n@fathom doctor\nexec: tp_btf\n@fathom end doctor 0\n\
                    @fathom start file\ntest open ... ok\ntest rename ... ok\n@fathom not-run rename: no LSM\n@fathom end file 0\n\
                    @fathom start process\ntest exec ... FAILED\n@fathom end process 101\n@fathom done\n";
        let mut results = Results::new("6.1");
        for line in text.lines() {
            results.read(line);
        }
        assert_eq!(results.facts, [("kernel".to_string(), "6.1.0".to_string())]);
        assert_eq!(results.doctor, ["exec: tp_btf"]);
        let closed = results.close(Ended::ByItself);
        assert_eq!(closed.tally.line(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(closed.tally.failed, ["6.1 process exec"]);
        let table = table(&[closed]);
        assert!(table.contains("file rename    not run\n"), "{table}");
        assert!(table.contains("process exec    FAILED"), "{table}");
    }

    #[test]
    fn a_guest_that_stops_half_way_has_failed() {
        let closed = results(
            "@fathom fact kernel 6.1\n@fathom up\n@fathom start file\ntest open ... ok\ntest x ... \n",
            Ended::TimedOut,
        );
        assert_eq!(closed.tally.passed, 1);
        assert_eq!(closed.tally.failed, ["6.1 guest: ran out of time", "6.1 file x"]);
        assert_eq!(
            results("", Ended::ByItself).tally.failed,
            ["6.1 guest: the guest never came up"]
        );
    }

    #[test]
    fn a_crash_without_a_failed_test_is_a_failure() {
        let closed = results(
            "@fathom start file\ntest open ... ok\n@fathom end file 139\n@fathom done\n",
            Ended::ByItself,
        );
        assert_eq!(closed.tally.failed, ["6.1 file: ended with exit code 139"]);
    }
}
