//! How one profile differs from another.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use crate::frame::Name;
use crate::names::Names;
use crate::profile::Profile;
use crate::top::functions;
use crate::tree::{Tree, View};
use crate::value::{ValueKind, percent};

/// Two profiles side by side, each as shares of its own whole: a profile of an hour can be compared
/// with one of ten seconds.
#[derive(Debug, Clone)]
pub struct Diff {
    tree: Tree,
    before: Side,
    after: Side,
    changes: Vec<Change>,
}

/// One of both profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// What all its samples weigh.
    pub whole: u64,
    /// How long was watched; zero where it is not known.
    pub duration: Duration,
}

/// A function that either profile has. The first number is that before, the second that after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The function.
    pub name: Name,
    /// What was spent in itself.
    pub own: [u64; 2],
    /// What was spent in it and below.
    pub total: [u64; 2],
}

impl Diff {
    /// Compares by the view's value, or the leading one of `after`; where `before` has nothing of
    /// it, by the number of samples.
    pub fn of(before: &Profile, after: &Profile, view: &View) -> Diff {
        let value = view.value.unwrap_or_else(|| common(before, after));
        let view = View { value: Some(value), ..view.clone() };
        let side = |profile: &Profile| Side {
            whole: profile.total().get(value),
            duration: profile.about.duration,
        };
        let mut diff = Diff {
            tree: Tree::of_two(before, after, &view),
            before: side(before),
            after: side(after),
            changes: changes(before, after, value),
        };
        let (one, two) = (diff.before, diff.after);
        let weight = |change: &Change| {
            let grown = |of: [u64; 2]| percent(of[1], two.whole) - percent(of[0], one.whole);
            (grown(change.own).abs(), grown(change.total).abs())
        };
        diff.changes.sort_by(|a, b| {
            let ((a_own, a_total), (b_own, b_total)) = (weight(a), weight(b));
            b_own
                .total_cmp(&a_own)
                .then(b_total.total_cmp(&a_total))
                .then_with(|| a.name.function.cmp(&b.name.function))
        });
        diff
    }

    /// The call tree of both.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Which weight was compared.
    pub fn value(&self) -> ValueKind {
        self.tree.value()
    }

    /// The first profile.
    pub fn before(&self) -> Side {
        self.before
    }

    /// The second profile.
    pub fn after(&self) -> Side {
        self.after
    }

    /// All functions, that whose own share changed most first.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// By how many percentage points a share grew; `weights` are those before and after.
    pub fn points(&self, weights: [u64; 2]) -> f64 {
        percent(weights[1], self.after.whole) - percent(weights[0], self.before.whole)
    }

    /// By how many cores the use grew, where both durations are known and the weight is a time.
    pub fn cores(&self, weights: [u64; 2]) -> Option<f64> {
        let [before, after] = [self.before, self.after].map(|side| side.duration.as_nanos() as f64);
        let known = before > 0.0 && after > 0.0 && self.value() != ValueKind::Samples;
        known.then(|| weights[1] as f64 / after - weights[0] as f64 / before)
    }

    /// Writes the `count` greatest changes as a table of at most `width` columns.
    pub fn write(&self, count: usize, width: usize, mut out: impl Write) -> io::Result<()> {
        let cores = self.cores([0; 2]).is_some();
        let head = if cores { "    cores" } else { "" };
        let fixed = 3 * 9 + 2 + head.len();
        let name_width = width.saturating_sub(fixed).max(8);
        writeln!(out, "{:>9}{:>9}{:>9}{head}  function", "before", "after", "change")?;
        for change in self.changes.iter().take(count) {
            let share = |side: Side, weight| format!("{:.2}%", percent(weight, side.whole));
            let cores = self.cores(change.own).map(|cores| format!("{cores:>+9.3}"));
            writeln!(
                out,
                "{:>9}{:>9}{:>9}{}  {}",
                share(self.before, change.own[0]),
                share(self.after, change.own[1]),
                format!("{:+.2}", self.points(change.own)),
                cores.unwrap_or_default(),
                crate::top::shown(&change.name.text(), name_width),
            )?;
        }
        Ok(())
    }
}

/// The leading value of the second if the first has it too, else the number of samples.
pub(crate) fn common(before: &Profile, after: &Profile) -> ValueKind {
    let leading = after.leading();
    let has = |profile: &Profile| profile.is_empty() || profile.total().get(leading) > 0;
    if has(before) { leading } else { ValueKind::Samples }
}

fn changes(before: &Profile, after: &Profile, value: ValueKind) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut places: HashMap<Name, usize> = HashMap::new();
    for (side, profile) in [before, after].into_iter().enumerate() {
        for row in functions(profile, value, &mut Names::default()) {
            let place = *places.entry(row.name.clone()).or_insert_with(|| {
                changes.push(Change { name: row.name, own: [0; 2], total: [0; 2] });
                changes.len() - 1
            });
            changes[place].own[side] = row.own;
            changes[place].total[side] = row.total;
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folded;
    use crate::sketch::sketch;

    #[test]
    fn shares_are_compared_not_counts() {
        let before = sketch("app;main;a 50\napp;main;b 50\n");
        let after = sketch("app;main;a 500\napp;main;b 1000\napp;main;c 500\n");
        let diff = Diff::of(&before, &after, &View::default());
        let found: Vec<(&str, i64)> = diff
            .changes()
            .iter()
            .map(|change| (&*change.name.function, diff.points(change.own).round() as i64))
            .collect();
        assert_eq!(found, [("a", -25), ("c", 25), ("b", 0), ("main", 0)]);
        assert_eq!(diff.cores([1, 2]), None);
        let mut lines = Vec::new();
        folded::write_diff(&diff, &mut lines).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        assert_eq!(lines, "app;main;a 50 500\napp;main;b 50 1000\napp;main;c 0 500\n");
    }

    #[test]
    fn cores_are_known_with_durations() {
        let timed = |lines: &str, seconds| {
            let how = folded::Reading { value: ValueKind::Cpu, ..folded::Reading::default() };
            let mut profile = folded::read(lines.as_bytes(), &how).unwrap().profile;
            profile.about.duration = Duration::from_secs(seconds);
            profile
        };
        let before = timed("app;a 10000000000\n", 10);
        let after = timed("app;a 30000000000\napp;b 10000000000\n", 20);
        let diff = Diff::of(&before, &after, &View::default());
        let a = diff.changes().iter().find(|change| &*change.name.function == "a").unwrap();
        assert_eq!(diff.cores(a.own), Some(0.5));
        let mut table = Vec::new();
        diff.write(5, 60, &mut table).unwrap();
        assert_eq!(
            String::from_utf8(table).unwrap(),
            "   before    after   change    cores  function\n  \
             100.00%   75.00%   -25.00   +0.500  a\n    \
               0.00%   25.00%   +25.00   +0.500  b\n"
        );
    }

    #[test]
    fn different_values_are_compared_by_samples() {
        let mut cpu = sketch("app;a 1\n");
        let (stack, labels) = cpu.samples().map(|s| (s.stack, s.labels)).next().unwrap();
        cpu.add(stack, labels, crate::Values::cpu(1, 10));
        let diff = Diff::of(&sketch("app;a 3\n"), &cpu, &View::default());
        assert_eq!((diff.value(), diff.after().whole), (ValueKind::Samples, 2));
        let nothing = Profile::default();
        assert!(Diff::of(&nothing, &nothing, &View::default()).changes().is_empty());
    }
}
