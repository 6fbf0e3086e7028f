//! What a comparison found.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::matching::one_line;
use crate::log::{Expect, LogEntry};

/// How a log and rows agree.
#[derive(Debug, Default)]
pub struct Report {
    /// Entries that have their row, with everything right.
    pub matched: usize,
    /// Entries without a row.
    pub missing: Vec<LogEntry>,
    /// Rows without an entry.
    pub extra: Vec<Value>,
    /// Entries whose row says something else.
    pub wrong: Vec<Wrong>,
    /// Rows that came before one of the same thread and table that happened earlier.
    pub disordered: usize,
    /// Threads (pid, tid) whose markers are in the log and not among the rows.
    pub unmarked: Vec<(u32, u32)>,
}

/// An entry and its row, which do not agree.
#[derive(Debug)]
pub struct Wrong {
    /// The entry.
    pub entry: LogEntry,
    /// Its row.
    pub row: Value,
    /// Where they differ.
    pub differences: Vec<Difference>,
}

/// One column that is wrong.
#[derive(Debug)]
pub struct Difference {
    /// The column.
    pub field: String,
    /// What the log says.
    pub expected: Expect,
    /// What the row says.
    pub found: Value,
}

/// How many differences of each kind are printed.
const SHOWN: usize = 20;

impl Report {
    /// Whether every entry has its row and every row its entry.
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty()
            && self.extra.is_empty()
            && self.wrong.is_empty()
            && self.unmarked.is_empty()
    }

    /// How often each kind of difference came up, such as `wrong file_open.path_resolved`.
    pub fn totals(&self) -> BTreeMap<String, usize> {
        let mut totals = BTreeMap::new();
        let mut count = |kind: String| *totals.entry(kind).or_insert(0) += 1;
        for entry in &self.missing {
            count(format!("missing {} ({})", entry.table, entry.call));
        }
        for row in &self.extra {
            count(format!("extra {}", row["table"].as_str().unwrap_or("?")));
        }
        for wrong in &self.wrong {
            for difference in &wrong.differences {
                count(format!("wrong {}.{}", wrong.entry.table, difference.field));
            }
        }
        totals
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { matched, missing, extra, wrong, disordered, unmarked } = self;
        writeln!(
            f,
            "matched {matched}, missing {}, extra {}, wrong {}, disordered {disordered}",
            missing.len(),
            extra.len(),
            wrong.len()
        )?;
        if !unmarked.is_empty() {
            writeln!(f, "{} windows are not among the rows", unmarked.len())?;
        }
        for (pid, tid) in unmarked.iter().take(SHOWN) {
            writeln!(f, "no window: the markers of thread {tid} of process {pid} have no rows")?;
        }
        for (kind, count) in self.totals() {
            writeln!(f, "{count:>8} {kind}")?;
        }
        for wrong in wrong.iter().take(SHOWN) {
            writeln!(f, "wrong: {}", head(&wrong.entry))?;
            for Difference { field, expected, found } in &wrong.differences {
                writeln!(
                    f,
                    "    {field}: expected {}, found {}",
                    brief(expected),
                    one_line(found)
                )?;
            }
            writeln!(f, "    row {}", one_line(&wrong.row))?;
        }
        let left = SHOWN.saturating_sub(wrong.len());
        for entry in missing.iter().take(left) {
            writeln!(f, "missing: {}", head(entry))?;
            for (column, expect) in &entry.expect {
                writeln!(f, "    {column}: {}", brief(expect))?;
            }
        }
        let left = left.saturating_sub(missing.len());
        for row in extra.iter().take(left) {
            writeln!(f, "extra: {}", one_line(row))?;
        }
        Ok(())
    }
}

fn head(entry: &LogEntry) -> String {
    let LogEntry { seq, pid, tid, table, call, .. } = entry;
    format!("{table} #{seq} ({call}) of {pid}/{tid}")
}

fn brief(expect: &Expect) -> String {
    let text = serde_json::to_string(expect).unwrap_or_default();
    match text.char_indices().nth(600) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
