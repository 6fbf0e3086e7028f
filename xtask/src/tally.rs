//! Counts tests: reads what test programs print, and keeps apart what passed, failed and did not run.
//!
//! A test that cannot run on this machine says so in a file (`FATHOM_NOT_RUN_LOG`, a line
//! `NAME: REASON`) and returns; its program then prints `ok`. Here it is taken out again:
//! what did not run has not passed.

/// How one test ended, as its program says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End {
    Passed,
    Failed,
    Ignored,
}

/// A test that did not run, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NotRun {
    pub(crate) name: String,
    pub(crate) reason: String,
}

impl NotRun {
    /// Reads `NAME: REASON`, with or without `not run: ` before it.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let line = line.trim();
        let line = line.strip_prefix("not run: ").unwrap_or(line);
        // Names have `::` in them, so the separator is the colon with the space.
        let (name, reason) = line.split_once(": ").unwrap_or((line, "no reason given"));
        (!name.is_empty()).then(|| Self { name: name.into(), reason: reason.into() })
    }

    fn is_about(&self, test: &str) -> bool {
        self.name == test
            || self.name.strip_suffix(test).is_some_and(|rest| rest.ends_with([':', ' ', '/']))
    }
}

/// What came of all the tests so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: Vec<String>,
    pub(crate) skipped: Vec<NotRun>,
    /// Failed the first time and passed the second; they are among those that passed.
    pub(crate) flaky: Vec<String>,
}

/// With more failures than that, it was no accident.
const MOST_ACCIDENTS: usize = 8;

impl Tally {
    /// Takes in one program's tests. Its lines in `not_run` are used up.
    pub(crate) fn take(
        &mut self,
        program: &str,
        ends: &[(String, End)],
        not_run: &mut Vec<NotRun>,
    ) {
        for (test, end) in ends {
            let name = format!("{program} {test}");
            let said = not_run.iter().position(|line| line.is_about(test));
            match (end, said) {
                (End::Failed, _) => self.failed.push(name),
                (End::Passed, None) => self.passed += 1,
                (End::Passed | End::Ignored, Some(at)) => {
                    let reason = not_run.remove(at).reason;
                    self.skipped.push(NotRun { name, reason });
                }
                (End::Ignored, None) => self.skip(name, "marked #[ignore]"),
            }
        }
    }

    pub(crate) fn skip(&mut self, name: impl Into<String>, reason: impl Into<String>) {
        self.skipped.push(NotRun { name: name.into(), reason: reason.into() });
    }

    pub(crate) fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed.extend(other.failed);
        self.skipped.extend(other.skipped);
        self.flaky.extend(other.flaky);
    }

    /// Runs what failed once more by itself: what is judged by chance or by time fails now and then on
    /// a machine that does other work, too. `passes` is given a name and says whether that test passed.
    pub(crate) fn again(&mut self, mut passes: impl FnMut(&str) -> bool) {
        if self.failed.len() > MOST_ACCIDENTS {
            return;
        }
        let (flaky, failed) =
            std::mem::take(&mut self.failed).into_iter().partition(|it| passes(it));
        (self.flaky, self.failed) = (flaky, failed);
        self.passed += self.flaky.len();
    }

    /// The closing line, in the form that other tools read.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("{} passed, {} failed", self.passed, self.failed.len());
        if !self.skipped.is_empty() {
            line += &format!(", {} skipped", self.skipped.len());
        }
        line
    }

    /// Prints what failed and what did not run, by name.
    pub(crate) fn print(&self) {
        if !self.skipped.is_empty() {
            println!("\nNot run:");
        }
        for NotRun { name, reason } in &self.skipped {
            println!("  not run: {name}: {reason}");
        }
        if !self.flaky.is_empty() {
            println!("\nPassed only the second time:");
        }
        for name in &self.flaky {
            println!("  flaky: {name}");
        }
        if !self.failed.is_empty() {
            println!("\nFailed:");
        }
        for name in &self.failed {
            println!("  failed: {name}");
        }
    }
}

/// Reads the lines of one test program.
#[derive(Default)]
pub(crate) struct Reader {
    ends: Vec<(String, End)>,
    /// Begun and not ended: other output came between the name and the result.
    open: Vec<String>,
    /// Named in the closing list of failures.
    named: Vec<String>,
    in_list: bool,
}

impl Reader {
    /// Takes in a line; whether it told how a test ended.
    pub(crate) fn read(&mut self, line: &str) -> bool {
        if let Some((name, result)) =
            line.strip_prefix("test ").and_then(|rest| rest.split_once(" ..."))
        {
            let name = name.trim_end_matches(" - should panic").to_string();
            match end(result.trim()) {
                Some(end) => self.ends.push((name, end)),
                None => self.open.push(name),
            }
            return true;
        }
        if let (Some(end), Some(name)) = (end(line.trim()), self.open.last().cloned()) {
            self.open.pop();
            self.ends.push((name, end));
            return true;
        }
        if line.starts_with("test result: ") {
            self.close();
        } else if line == "failures:" {
            self.in_list = true;
        } else if let (true, Some(name)) = (self.in_list, line.strip_prefix("    ")) {
            self.named.push(name.into());
        }
        false
    }

    /// The tests with their ends. One that never ended has failed.
    pub(crate) fn finish(mut self) -> Vec<(String, End)> {
        self.ends.extend(self.open.into_iter().map(|name| (name, End::Failed)));
        self.ends
    }

    /// The program got to its end and has named what failed: the open ones can be told.
    fn close(&mut self) {
        for name in self.open.drain(..) {
            let end = if self.named.contains(&name) { End::Failed } else { End::Passed };
            self.ends.push((name, end));
        }
        self.in_list = false;
    }
}

fn end(word: &str) -> Option<End> {
    match word {
        "ok" => Some(End::Passed),
        "FAILED" => Some(End::Failed),
        _ if word == "ignored" || word.starts_with("ignored, ") => Some(End::Ignored),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, End)> {
        let mut reader = Reader::default();
        for line in text.lines() {
            reader.read(line);
        }
        reader.finish()
    }

    #[test]
    fn what_fails_has_a_second_try_and_is_named_where_that_passes() {
        let failed = |count| (0..count).map(|number| format!("a {number}")).collect();
        let mut tally = Tally { passed: 1, failed: failed(3), ..Tally::default() };
        tally.again(|name| name == "a 1");
        assert_eq!(
            (tally.passed, tally.flaky, tally.failed.len()),
            (2, vec!["a 1".to_string()], 2)
        );
        let mut tally = Tally { failed: failed(MOST_ACCIDENTS + 1), ..Tally::default() };
        tally.again(|_| true);
        assert_eq!((tally.passed, tally.failed.len()), (0, MOST_ACCIDENTS + 1));
    }

    #[test]
    fn each_form_of_a_result_is_read() {
        let ends = read(
            "running 4 tests\ntest a::b ... ok\ntest c - should panic ... FAILED\n\
                         test d ... ignored, slow\ntest src/lib.rs - x (line 3) ... ok\n",
        );
        let words: Vec<(&str, End)> =
            ends.iter().map(|(name, end)| (name.as_str(), *end)).collect();
        let expected = [
            ("a::b", End::Passed),
            ("c", End::Failed),
            ("d", End::Ignored),
            ("src/lib.rs - x (line 3)", End::Passed),
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn output_between_a_name_and_its_result_does_no_harm() {
        let ends = read(
            "test a ... hello\nworld\nok\ntest b ... outputok\ntest c ... x\n\nfailures:\n    c\n\n\
                         test result: FAILED. 2 passed; 1 failed\n",
        );
        assert_eq!(
            ends,
            [("a".to_string(), End::Passed), ("b".into(), End::Passed), ("c".into(), End::Failed)]
        );
    }

    #[test]
    fn a_test_in_which_the_program_died_has_failed() {
        assert_eq!(read("test a ... ok\ntest b ... \n")[1], ("b".to_string(), End::Failed));
    }

    #[test]
    fn what_did_not_run_has_not_passed() {
        let ends = read("test one ... ok\ntest two ... ok\ntest three ... FAILED\n");
        let mut not_run: Vec<NotRun> = ["not run: kernel::two: needs root", "nobody: x", ""]
            .iter()
            .filter_map(|line| NotRun::read(line))
            .collect();
        let mut tally = Tally::default();
        tally.take("file::kernel", &ends, &mut not_run);
        assert_eq!(tally.line(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(
            tally.skipped,
            [NotRun { name: "file::kernel two".into(), reason: "needs root".into() }]
        );
        assert_eq!(tally.failed, ["file::kernel three"]);
        assert_eq!(not_run.len(), 1, "a line that fits no test is left over");
    }

    #[test]
    fn the_closing_line_has_its_exact_form() {
        assert_eq!(Tally { passed: 3, ..Tally::default() }.line(), "3 passed, 0 failed");
    }
}
