//! Pairs log entries with rows.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::Value;

use super::Rung;
use super::report::{Difference, Report, Wrong};
use super::value::{agrees, shown_expect, shown_value};
use super::window::Row;
use crate::columns::{self as c, Compared, Scope};
use crate::log::{Expect, LogEntry};

/// Pairs every entry with a free row of the same identity, one that agrees in everything if there
/// is one, then what is left over with the rows that stand in its place, and reports what does
/// not fit. `rows` are in time order.
pub(super) fn pair(log: &[LogEntry], rows: &[&Row<'_>], rung: &Rung) -> Report {
    let mut waiting: HashMap<String, Waiting> = HashMap::new();
    let mut places = Places::default();
    for (at, row) in rows.iter().enumerate() {
        let Some(compared) = c::compared(row.table) else { continue };
        let identity = places.of(compared, row_identity(compared, row));
        waiting.entry(identity).or_default().next.push_back(at);
    }
    let mut order: Vec<usize> = (0..log.len()).collect();
    order.sort_by_key(|&at| log[at].seq);
    let mut places = Places::default();
    let mut identities = vec![String::new(); log.len()];
    for &at in &order {
        let Some(compared) = c::compared(&log[at].table) else { continue };
        identities[at] = places.of(compared, entry_identity(compared, &log[at]));
    }
    let mut row_of: Vec<Option<usize>> = vec![None; log.len()];
    // First what agrees in everything, so that one lost row does not shift all that follow.
    for strict in [true, false] {
        for &at in order.iter().filter(|&&at| strict || !log[at].optional) {
            if row_of[at].is_some() {
                continue;
            }
            if let Some(waiting) = waiting.get_mut(&identities[at]) {
                row_of[at] = match strict {
                    true => {
                        waiting.take_first(|row| differences(&log[at], rows[row], rung).is_empty())
                    }
                    false => waiting.take_any(),
                };
            }
        }
    }
    pair_by_place(log, &order, rows, &mut row_of);
    let mut report =
        Report { disordered: disorder(log, &order, rows, &row_of), ..Report::default() };
    fill(&mut report, log, &order, rows, &row_of, rung);
    report
}

/// How many of each identity there were, where the first has to be the first.
#[derive(Default)]
struct Places(HashMap<String, usize>);

impl Places {
    fn of(&mut self, compared: &Compared, identity: String) -> String {
        if compared.scope != Scope::SocketInOrder {
            return identity;
        }
        let place = self.0.entry(identity.clone()).or_default();
        *place += 1;
        format!("{identity}\0{place}")
    }
}

/// The rows of one identity that no entry has taken.
#[derive(Default)]
struct Waiting {
    /// Rows that come after all that were taken, in order.
    next: VecDeque<usize>,
    /// Rows that were passed over.
    passed: Vec<usize>,
}

impl Waiting {
    /// How far a search goes. Rows of one identity come in the order of their entries, so that
    /// nearly every search ends at once.
    const FAR: usize = 32;

    fn take_first(&mut self, fits: impl Fn(usize) -> bool) -> Option<usize> {
        if let Some(at) = self.next.iter().take(Self::FAR).position(|&row| fits(row)) {
            self.passed.extend(self.next.drain(..at));
            return self.next.pop_front();
        }
        let near = self.passed.len().saturating_sub(Self::FAR);
        let at = self.passed[near..].iter().position(|&row| fits(row))?;
        Some(self.passed.remove(near + at))
    }

    fn take_any(&mut self) -> Option<usize> {
        match self.passed.is_empty() {
            true => self.next.pop_front(),
            false => Some(self.passed.remove(0)),
        }
    }
}

/// Entries without a row take, in order, the rows without an entry of the same table and thread
/// that lie between the rows of the entries before and after: a wrong path is then told as such.
fn pair_by_place(
    log: &[LogEntry],
    order: &[usize],
    rows: &[&Row<'_>],
    row_of: &mut [Option<usize>],
) {
    let mut free: BTreeMap<(&str, u32, u32), VecDeque<usize>> = BTreeMap::new();
    let mut taken = vec![false; rows.len()];
    row_of.iter().flatten().for_each(|&at| taken[at] = true);
    for (at, row) in rows.iter().enumerate().filter(|&(at, _)| !taken[at]) {
        if c::compared(row.table).is_some_and(|it| !it.scope.is_socket()) {
            free.entry((row.table, row.pid, row.tid)).or_default().push_back(at);
        }
    }
    let mut chains: BTreeMap<(&str, u32, u32), Vec<usize>> = BTreeMap::new();
    for &at in order {
        chains.entry((log[at].table.as_ref(), log[at].pid, log[at].tid)).or_default().push(at);
    }
    for (chain, entries) in chains {
        let Some(free) = free.get_mut(&chain) else { continue };
        let mut before = vec![usize::MAX; entries.len() + 1];
        for (place, &entry) in entries.iter().enumerate().rev() {
            before[place] = row_of[entry].unwrap_or(before[place + 1]);
        }
        for (place, &entry) in entries.iter().enumerate() {
            if let Some(row) = row_of[entry] {
                while free.front().is_some_and(|&at| at < row) {
                    free.pop_front();
                }
            } else if free.front().is_some_and(|&row| row < before[place]) {
                row_of[entry] = free.pop_front();
            }
            if free.is_empty() {
                break;
            }
        }
    }
}

/// How many rows came before one of the same thread and table that happened earlier.
fn disorder(
    log: &[LogEntry],
    order: &[usize],
    rows: &[&Row<'_>],
    row_of: &[Option<usize>],
) -> usize {
    let mut last: HashMap<(&str, u32, u32), usize> = HashMap::new();
    let mut count = 0;
    for &at in order {
        let entry = &log[at];
        let ordered = c::compared(&entry.table).is_some_and(|it| it.scope == Scope::Thread);
        let (Some(row), true) = (row_of[at], ordered) else { continue };
        let arrival = rows[row].arrival;
        let before = last.insert((&entry.table, entry.pid, entry.tid), arrival);
        count += usize::from(before.is_some_and(|before| before > arrival));
    }
    count
}

fn fill(
    report: &mut Report,
    log: &[LogEntry],
    order: &[usize],
    rows: &[&Row<'_>],
    row_of: &[Option<usize>],
    rung: &Rung,
) {
    let mut taken = vec![false; rows.len()];
    for &at in order {
        let entry = &log[at];
        let Some(row) = row_of[at] else {
            if !entry.optional && c::compared(&entry.table).is_some() {
                report.missing.push(entry.clone());
            }
            continue;
        };
        taken[row] = true;
        let differences = differences(entry, rows[row], rung);
        if differences.is_empty() {
            report.matched += 1;
        } else {
            let row = rows[row].value.clone();
            report.wrong.push(Wrong { entry: entry.clone(), row, differences });
        }
    }
    let extra = rows.iter().zip(taken).filter(|(_, taken)| !taken);
    report.extra = extra.map(|(row, _)| row.value.clone()).collect();
}

fn differences(entry: &LogEntry, row: &Row<'_>, rung: &Rung) -> Vec<Difference> {
    let mut differences = Vec::new();
    // Of a socket the row says whose it is, whoever's turn it was when it came about.
    if c::compared(row.table).is_some_and(|it| it.scope.is_socket()) {
        for (column, is, found) in [(c::PID, entry.pid, row.pid), (c::TID, entry.tid, row.tid)] {
            if is != found {
                let (field, expected) = (column.to_string(), Expect::Int(is.into()));
                differences.push(Difference { field, expected, found: found.into() });
            }
        }
    }
    for (column, expect) in &entry.expect {
        let found = &row.value[column.as_ref()];
        let excused = rung.skips(&entry.table, column)
            || (found.is_null() && rung.may_be_null(&entry.table, column));
        if !excused && !agrees(column, expect, found) {
            let (field, expected) = (column.to_string(), expect.clone());
            differences.push(Difference { field, expected, found: found.clone() });
        }
    }
    differences
}

fn row_identity(compared: &Compared, row: &Row<'_>) -> String {
    let found = compared.identity.iter().map(|column| shown_value(&row.value[*column]));
    identity(compared, row.pid, row.tid, found)
}

fn entry_identity(compared: &Compared, entry: &LogEntry) -> String {
    let null = Expect::Null;
    let expected = compared
        .identity
        .iter()
        .map(|column| shown_expect(entry.expect.get(*column).unwrap_or(&null)));
    identity(compared, entry.pid, entry.tid, expected)
}

fn identity(
    compared: &Compared,
    pid: u32,
    tid: u32,
    values: impl Iterator<Item = String>,
) -> String {
    let mut key = match compared.scope {
        Scope::Thread => format!("{} {pid} {tid}", compared.table),
        Scope::Process => format!("{} {pid}", compared.table),
        Scope::Socket | Scope::SocketInOrder => compared.table.to_owned(),
    };
    for value in values {
        key.push('\0');
        key.push_str(&value);
    }
    key
}

/// A row's value in one line, for reports.
pub(super) fn one_line(value: &Value) -> String {
    value.to_string()
}
