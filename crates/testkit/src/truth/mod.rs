//! Whether the rows that Fathom printed are those that a workload's own log asks for.
//!
//! Which rows are looked at is exact. A thread's file rows count from its begin marker to its
//! end marker (both are opens of paths that do not exist, and both are compared themselves).
//! Process rows count for every process that descends from the workload's first one. Socket
//! rows count for every process that has a window. Everything else is passed over.

mod cookies;
mod matching;
mod report;
mod value;
mod window;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::hooks::Hooks;
use crate::log::LogEntry;
pub use report::{Difference, Report, Wrong};

/// What the mechanism that made the rows cannot know, and what is left out of a comparison.
#[derive(Debug, Clone, Default)]
pub struct Rung {
    /// Columns that may be null though the log knows a value: `table.column`, or `*.column`.
    pub nulls: BTreeSet<String>,
    /// Columns, `table.column` or `*.column`, and whole tables that are not compared.
    pub skipped: BTreeSet<String>,
    /// How the hooks stand, for what the log expects of some rungs only.
    pub hooks: Hooks,
}

impl Rung {
    /// A rung that knows everything.
    pub fn full() -> Rung {
        Rung::default()
    }

    /// Whether `column` of `table` may be null.
    pub fn may_be_null(&self, table: &str, column: &str) -> bool {
        named(&self.nulls, table, column)
    }

    /// Whether `column` of `table` is not compared.
    pub fn skips(&self, table: &str, column: &str) -> bool {
        named(&self.skipped, table, column)
    }

    /// Whether the whole of `table` is not compared.
    pub fn skips_table(&self, table: &str) -> bool {
        self.skipped.contains(table)
    }
}

fn named(names: &BTreeSet<String>, table: &str, column: &str) -> bool {
    !names.is_empty()
        && (names.contains(&format!("{table}.{column}")) || names.contains(&format!("*.{column}")))
}

/// Compares a log with rows of a rung that knows everything.
pub fn compare(log: &[LogEntry], rows: &[Value]) -> Report {
    compare_with(log, rows, &Rung::full())
}

/// Compares a log with rows, one to one.
pub fn compare_with(log: &[LogEntry], rows: &[Value], rung: &Rung) -> Report {
    let rows = cookies::with_true_cookies(log, rows, &rung.hooks);
    let rows = window::in_time_order(&rows);
    let log = window::with_known_pids(log, &rows);
    let log = log.into_iter().filter(|it| !rung.skips_table(&it.table));
    let log: Vec<LogEntry> = log.filter_map(|it| it.told(&rung.hooks)).collect();
    let view = window::View::new(&log, &rows);
    let rows = rows.iter().filter(|row| view.counts(row) && !rung.skips_table(row.table));
    let mut report = matching::pair(&log, &rows.collect::<Vec<_>>(), rung);
    report.unmarked = view.unmarked();
    report
}

#[cfg(test)]
mod tests;
