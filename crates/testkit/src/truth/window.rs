//! Which rows a comparison looks at.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::value::shown;
use crate::columns::{self as c, Scope};
use crate::log::{Edge, LogEntry, UNKNOWN_PID};

/// A row with the parts that place it.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) value: &'a Value,
    pub(super) table: &'a str,
    pub(super) pid: u32,
    pub(super) tid: u32,
    /// Its place among the rows as they came.
    pub(super) arrival: usize,
    /// Its place among the rows by time.
    pub(super) place: usize,
}

/// The rows by the time they tell; rows of one moment stay as they came.
pub(super) fn in_time_order(rows: &[Value]) -> Vec<Row<'_>> {
    let number = |row: &Value, column: &str| row[column].as_u64().unwrap_or(0) as u32;
    let mut timed: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(arrival, value)| {
            let table = value[c::TABLE].as_str().unwrap_or("");
            let (pid, tid) = (number(value, c::PID), number(value, c::TID));
            let row = Row { value, table, pid, tid, arrival, place: 0 };
            (moment(value[c::TIME].as_str().unwrap_or("")), row)
        })
        .collect();
    timed.sort_by_key(|(moment, _)| *moment);
    let mut rows: Vec<Row<'_>> = timed.into_iter().map(|(_, row)| row).collect();
    rows.iter_mut().enumerate().for_each(|(place, row)| row.place = place);
    rows
}

/// A UTC RFC 3339 time as its seconds in text, which sort, and its nanoseconds.
fn moment(time: &str) -> (&str, u32) {
    let time = time.trim_end_matches('Z');
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    (seconds, digits.fold(0, |sum, digit| sum * 10 + u32::from(digit.wrapping_sub(b'0') % 10)))
}

/// The log with the pids that only the kernel knew: those of children whose exec failed, found
/// by the path of the exec, which no other uses.
pub(super) fn with_known_pids(log: &[LogEntry], rows: &[Row<'_>]) -> Vec<LogEntry> {
    let mut failed: HashMap<String, u32> = HashMap::new();
    for row in rows.iter().filter(|row| row.table == c::EXEC) {
        if let (Some(path), true) = (row.value[c::PATH].as_str(), row.value[c::ERROR].is_string()) {
            failed.insert(shown(path), row.pid);
        }
    }
    let mut known: HashMap<u32, u32> = HashMap::new();
    for entry in log.iter().filter(|it| it.pid >= UNKNOWN_PID && it.table == c::EXEC) {
        let path = entry.expect.get(c::PATH).map(super::value::shown_expect);
        if let Some(&pid) = path.and_then(|path| failed.get(&path)) {
            known.insert(entry.pid, pid);
        }
    }
    let mut log = log.to_vec();
    for entry in &mut log {
        if let Some(&pid) = known.get(&entry.pid) {
            (entry.pid, entry.tid) = (pid, pid);
        }
    }
    log
}

/// What a log says of the rows that matter.
#[derive(Debug)]
pub(super) struct View {
    /// For each thread, its windows by place.
    windows: HashMap<(u32, u32), Vec<(usize, usize)>>,
    /// The processes that have windows.
    marked: HashSet<u32>,
    /// The workload's descendants.
    family: HashSet<u32>,
    /// The threads whose markers the log has and the rows have not.
    unmarked: Vec<(u32, u32)>,
}

impl View {
    pub(super) fn new(log: &[LogEntry], rows: &[Row<'_>]) -> View {
        let mut windows: HashMap<_, Vec<(usize, usize)>> = HashMap::new();
        let mut open: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.table == c::OPEN) {
            let Some(path) = row.value[c::PATH].as_str() else { continue };
            let thread = (row.pid, row.tid);
            if path.starts_with(Edge::Begin.prefix()) {
                open.insert(thread, row.place);
            } else if path.starts_with(Edge::End.prefix()) {
                let begin = open.remove(&thread).unwrap_or(row.place);
                windows.entry(thread).or_default().push((begin, row.place));
            }
        }
        for (thread, begin) in open {
            windows.entry(thread).or_default().push((begin, usize::MAX));
        }
        let mut view =
            View { windows, marked: HashSet::new(), family: HashSet::new(), unmarked: Vec::new() };
        view.read_log(log);
        view.read_forks(rows);
        view
    }

    fn read_log(&mut self, log: &[LogEntry]) {
        let mut asked: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        for entry in log {
            if c::compared(&entry.table).is_some_and(|it| it.scope == Scope::Process) {
                self.family.insert(entry.pid);
            }
            if entry.text(c::PATH).is_some_and(|it| it.starts_with(Edge::End.prefix().as_bytes())) {
                self.marked.insert(entry.pid);
                *asked.entry((entry.pid, entry.tid)).or_default() += 1;
            }
        }
        for (thread, count) in asked {
            let found = self.windows.get(&thread).map_or(0, Vec::len);
            if found < count {
                self.unmarked.push(thread);
            }
        }
    }

    fn read_forks(&mut self, rows: &[Row<'_>]) {
        for row in rows.iter().filter(|row| row.table == c::FORK) {
            let parent = row.value[c::PARENT_PID].as_u64().unwrap_or(0) as u32;
            if self.marked.contains(&parent) || self.family.contains(&parent) {
                self.family.insert(row.pid);
            }
        }
    }

    /// Whether the log has to account for `row`.
    pub(super) fn counts(&self, row: &Row<'_>) -> bool {
        let Some(compared) = c::compared(row.table) else { return false };
        match compared.scope {
            Scope::Process => self.family.contains(&row.pid),
            Scope::Socket | Scope::SocketInOrder => self.marked.contains(&row.pid),
            Scope::Thread => self.windows.get(&(row.pid, row.tid)).is_some_and(|windows| {
                windows.iter().any(|&(begin, end)| (begin..=end).contains(&row.place))
            }),
        }
    }

    /// The threads that the log has markers of and the rows have not, as pid and tid.
    pub(super) fn unmarked(&self) -> Vec<(u32, u32)> {
        self.unmarked.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_whatever_their_digits() {
        let mut times =
            ["2026-01-01T00:00:01Z", "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.123456789Z"];
        times.sort_by_key(|time| moment(time));
        assert_eq!(times[0], "2026-01-01T00:00:00.123456789Z");
        assert_eq!(times[2], "2026-01-01T00:00:01Z");
    }
}
