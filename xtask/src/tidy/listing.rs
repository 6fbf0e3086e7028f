//! Every signal is listed in the binary's table of contents, in order.

use std::fs;

use super::{Finding, Package};
use crate::place;

/// The table of contents.
const LIST: &str = "crates/fathom/src/signals.rs";

/// The signals that the list lacks, or has out of order.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    // Before there is a binary there is nothing to list them in.
    if !packages.iter().any(|package| package.folder == "crates/fathom") {
        return Vec::new();
    }
    let text = fs::read_to_string(place::root().join(LIST)).unwrap_or_default();
    let signals = packages.iter().filter(|package| package.folder.starts_with("signals/"));
    compare(&text, signals.map(|package| package.name.as_str()))
}

fn compare<'a>(text: &str, signals: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut names: Vec<&str> = signals.collect();
    names.sort_unstable();
    let mut last = 0;
    for name in names {
        let word = name.replace('-', "_");
        let code = |line: &&str| !line.trim_start().starts_with("//");
        let at = text.lines().position(|line| code(&line) && has_word(line, &word));
        match at {
            None => findings.push(Finding::new(LIST, 1, format!("{name} is not listed"))),
            Some(at) if at < last => {
                findings.push(Finding::new(
                    LIST,
                    at + 1,
                    format!("{name} is not in alphabetical order"),
                ));
            }
            Some(at) => last = at,
        }
    }
    findings
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_not_listed_is_found() {
        let text = "//! signal_socket is not listed by a comment\npub const ALL: &[&Signal] = &[\n    &signal_file::SIGNAL,\n    &signal_process::SIGNAL,\n];\n";
        assert!(compare(text, ["signal-process", "signal-file"].into_iter()).is_empty());
        let findings = compare(text, ["signal-file", "signal-socket"].into_iter());
        assert_eq!(findings, [Finding::new(LIST, 1, "signal-socket is not listed")]);
    }

    #[test]
    fn the_order_is_kept() {
        let text = "&signal_process::SIGNAL,\n&signal_file::SIGNAL,\n";
        let findings = compare(text, ["signal-file", "signal-process"].into_iter());
        assert_eq!(findings[0].line, 1);
    }
}
