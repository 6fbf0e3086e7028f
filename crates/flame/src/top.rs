//! The functions in which the time is spent.

use std::io::{self, Write};

use crate::frame::Name;
use crate::names::Names;
use crate::profile::{Profile, StackId};
use crate::value::{ValueKind, percent};

/// Functions by what they cost, the dearest first.
#[derive(Debug, Clone)]
pub struct Top {
    /// Which weight was counted.
    pub value: ValueKind,
    /// What everything weighs.
    pub whole: u64,
    /// How many functions there are in all.
    pub functions: usize,
    /// The first of them: by self, then by total.
    pub rows: Vec<Row>,
}

/// One function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The function.
    pub name: Name,
    /// What was spent in itself.
    pub own: u64,
    /// What was spent in it and in what it called; recursion counts once.
    pub total: u64,
}

impl Top {
    /// The `count` dearest functions of `profile` by `value`, or by its leading value.
    pub fn of(profile: &Profile, value: Option<ValueKind>, count: usize) -> Top {
        let value = value.unwrap_or_else(|| profile.leading());
        let mut names = Names::default();
        let mut rows = functions(profile, value, &mut names);
        rows.sort_by(|one, other| {
            (other.own, other.total, &one.name.function, &one.name.binary).cmp(&(
                one.own,
                one.total,
                &other.name.function,
                &other.name.binary,
            ))
        });
        let functions = rows.len();
        rows.truncate(count);
        Top { value, whole: profile.total().get(value), functions, rows }
    }

    /// The share of the whole that a row's own weight is, in percent.
    pub fn own_share(&self, row: &Row) -> f64 {
        percent(row.own, self.whole)
    }

    /// The share of the whole that a row's total is, in percent.
    pub fn total_share(&self, row: &Row) -> f64 {
        percent(row.total, self.whole)
    }

    /// Writes them as a table of at most `width` columns: names that are too long give way to `…`.
    pub fn write(&self, width: usize, mut out: impl Write) -> io::Result<()> {
        let weights: Vec<String> = self.rows.iter().map(|row| self.value.plain(row.own)).collect();
        let weight_head = "time";
        let longest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let weight_width = longest(&mut weights.iter().map(|text| text.chars().count()));
        let weight_width = weight_width.max(weight_head.len());
        let binary = |row: &Row| row.name.binary.clone().unwrap_or_default();
        let binary_width = longest(&mut self.rows.iter().map(|row| binary(row).chars().count()));
        let fixed = 7 + 2 + 7 + 2 + weight_width + 2;
        let binary_width = binary_width.max(6).min(width.saturating_sub(fixed) / 3);
        let name_width = width.saturating_sub(fixed + binary_width + 2).max(8);
        let head = ("self", "total", weight_head, "function", "binary");
        writeln!(
            out,
            "{:>7}  {:>7}  {:>weight_width$}  {:name_width$}  {}",
            head.0, head.1, head.2, head.3, head.4
        )?;
        for (row, weight) in self.rows.iter().zip(&weights) {
            let line = format!(
                "{:>6.2}%  {:>6.2}%  {weight:>weight_width$}  {:name_width$}  {}",
                self.own_share(row),
                self.total_share(row),
                shown(&row.name.text(), name_width),
                shown(&binary(row), binary_width),
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// What every function weighs, in no order of use.
pub(crate) fn functions(profile: &Profile, value: ValueKind, names: &mut Names) -> Vec<Row> {
    let ids = names.of_frames(profile);
    let mut weights: Vec<u64> = Vec::new();
    for sample in profile.samples() {
        let at = sample.stack.index();
        weights.resize(weights.len().max(at + 1), 0);
        weights[at] = weights[at].saturating_add(sample.values.get(value));
    }
    let mut sums = vec![[0u64; 2]; names.len()];
    let mut counted_for = vec![usize::MAX; names.len()];
    let stacks = profile.samples().map(|sample| sample.stack);
    let mut stacks: Vec<StackId> = stacks.collect();
    stacks.sort_unstable();
    stacks.dedup();
    for stack in stacks {
        let weight = weights[stack.index()];
        for (depth, frame) in profile.walk(stack).enumerate() {
            let id = ids[frame.index()] as usize;
            if depth == 0 {
                sums[id][0] = sums[id][0].saturating_add(weight);
            }
            if counted_for[id] != stack.index() {
                counted_for[id] = stack.index();
                sums[id][1] = sums[id][1].saturating_add(weight);
            }
        }
    }
    let rows = sums.into_iter().enumerate().filter(|(_, [_, total])| *total > 0);
    rows.map(|(id, [own, total])| Row { name: names.get(id as u32).clone(), own, total }).collect()
}

/// `text` cut to `width` characters. A terminal obeys control characters, and names are other
/// people's, so none is left.
pub(crate) fn shown(text: &str, width: usize) -> String {
    let printable = |char: char| if char.is_control() { '\u{fffd}' } else { char };
    if text.chars().count() <= width {
        return text.chars().map(printable).collect();
    }
    text.chars().take(width.saturating_sub(1)).map(printable).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::sketch;

    fn table(top: &Top, width: usize) -> String {
        let mut out = Vec::new();
        top.write(width, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn recursion_counts_once() {
        let profile = sketch("app;main;rec;rec;rec;leaf 7\napp;main;rec 3\n");
        let top = Top::of(&profile, None, 10);
        let rows: Vec<(&str, u64, u64)> =
            top.rows.iter().map(|row| (&*row.name.function, row.own, row.total)).collect();
        assert_eq!(rows, [("leaf", 7, 7), ("rec", 3, 10), ("main", 0, 10)]);
        assert_eq!((top.whole, top.functions), (10, 3));
        assert_eq!(Top::of(&profile, None, 1).rows.len(), 1);
    }

    #[test]
    fn the_table_fits() {
        let long = "very_long_name_of_a_function_".repeat(9);
        let profile = sketch(&format!("app;main;{long} 700\napp;main;b\u{1b}[2J 300\n"));
        for width in [60, 80, 200] {
            let table = table(&Top::of(&profile, None, 10), width);
            assert!(table.lines().all(|line| line.chars().count() <= width), "{table}");
            assert!(!table.contains('\u{1b}'));
        }
        let small = table(&Top::of(&sketch("app;main;a 3\napp;main 1\n"), None, 10), 60);
        let lines = [
            "   self    total       time  function                 binary",
            " 75.00%   75.00%  3 samples  a",
            " 25.00%  100.00%   1 sample  main",
        ];
        assert_eq!(small.lines().collect::<Vec<_>>(), lines);
    }
}
