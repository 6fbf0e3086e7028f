//! The generator's own log: what it did, and what a row about it has to say.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::columns as c;
use crate::hooks::{Hooks, When};

/// One operation, as one row of one table should tell it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its place among all operations of the run.
    pub seq: u64,
    /// The process that acted; from [`UNKNOWN_PID`] on, a number in place of a pid that the
    /// caller never learns (that of a child whose exec failed).
    pub pid: u32,
    /// The thread that acted.
    pub tid: u32,
    /// The table that the row belongs to.
    pub table: Cow<'static, str>,
    /// The system call, or what stands behind it.
    pub call: Cow<'static, str>,
    /// Whether there may also be no row.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Where there is such a row: on every rung if nothing is said, else there alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// What the row's columns have to say; columns that are not named are not looked at.
    pub expect: BTreeMap<Cow<'static, str>, Expect>,
}

/// The first number that stands for a pid which nobody knows; pids end at 2²².
pub const UNKNOWN_PID: u32 = 1 << 31;

/// What one column has to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Expect {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Int(i64),
    /// Text.
    Text(Bytes),
    /// Several texts: flags in any order, arguments in theirs.
    List(Vec<Bytes>),
    /// Any one of several values.
    OneOf {
        /// The values.
        one_of: Vec<Expect>,
    },
    /// A list of texts that may be cut, but not before `least` bytes of it are told.
    Begins {
        /// The full list.
        begins: Vec<Bytes>,
        /// The fewest bytes, each text counted with its closing NUL.
        least: usize,
    },
    /// A number that is no smaller.
    AtLeast {
        /// The smallest.
        at_least: i64,
    },
    /// One thing or another, as a hook of the agent stands.
    Depends {
        /// When the first is expected.
        when: When,
        /// The first.
        then: Box<Expect>,
        /// The other.
        otherwise: Box<Expect>,
    },
}

impl LogEntry {
    /// An entry of `table` for `call`; who did it and when is filled in by [`Recorder::add`].
    pub fn new(table: &'static str, call: &'static str) -> LogEntry {
        let mut expect = BTreeMap::new();
        if c::CALLED.contains(&table) {
            expect.insert(c::CALL.into(), call.into());
        }
        let (table, call) = (Cow::from(table), Cow::from(call));
        LogEntry { seq: 0, pid: 0, tid: 0, table, call, optional: false, when: None, expect }
    }

    /// The same entry, which says `value` of `column`.
    pub fn with(mut self, column: &'static str, value: impl Into<Expect>) -> LogEntry {
        self.expect.insert(column.into(), value.into());
        self
    }

    /// The same entry with the result of the call.
    pub fn result<T>(self, result: &Result<T, Errno>) -> LogEntry {
        let error = result.as_ref().err().map(|&errno| errno_name(errno));
        self.with(c::ERROR, error)
    }

    /// The same entry, which may also have no row.
    pub fn maybe(mut self) -> LogEntry {
        self.optional = true;
        self
    }

    /// The same entry, which has a row only where `when` says so.
    pub fn only(mut self, when: Option<When>) -> LogEntry {
        self.when = when;
        self
    }

    /// What of the entry is to be told where the hooks stand so; nothing if that is no row.
    pub fn told(mut self, hooks: &Hooks) -> Option<LogEntry> {
        if self.when.as_ref().is_some_and(|when| !hooks.meet(when)) {
            return None;
        }
        for expect in self.expect.values_mut() {
            while let Expect::Depends { when, then, otherwise } = expect {
                let told = if hooks.meet(when) { then } else { otherwise };
                *expect = std::mem::replace(told, Expect::Null);
            }
        }
        Some(self)
    }

    /// The same entry as one of another process.
    pub fn of(mut self, pid: u32) -> LogEntry {
        (self.pid, self.tid) = (pid, pid);
        self
    }

    /// The bytes expected in `column`, where they are one text.
    pub fn text(&self, column: &str) -> Option<&[u8]> {
        match self.expect.get(column) {
            Some(Expect::Text(bytes)) => Some(&bytes.0),
            _ => None,
        }
    }
}

/// The name of an error number, such as `ENOENT`.
pub fn errno_name(errno: Errno) -> String {
    format!("{:?}", nix::errno::Errno::from_raw(errno.raw_os_error()))
}

impl Expect {
    /// Any one of `values`.
    pub fn one_of(values: impl IntoIterator<Item = Expect>) -> Expect {
        Expect::OneOf { one_of: values.into_iter().collect() }
    }

    /// `then` where `when` says so, else `otherwise`.
    pub fn depending(when: When, then: impl Into<Expect>, otherwise: impl Into<Expect>) -> Expect {
        let (then, otherwise) = (Box::new(then.into()), Box::new(otherwise.into()));
        Expect::Depends { when, then, otherwise }
    }

    /// Text.
    pub fn text(bytes: impl AsRef<[u8]>) -> Expect {
        Expect::Text(Bytes(bytes.as_ref().to_vec()))
    }
}

impl From<bool> for Expect {
    fn from(value: bool) -> Expect {
        Expect::Bool(value)
    }
}

impl From<i64> for Expect {
    fn from(value: i64) -> Expect {
        Expect::Int(value)
    }
}

impl From<u32> for Expect {
    fn from(value: u32) -> Expect {
        Expect::Int(value.into())
    }
}

impl From<&[u8]> for Expect {
    fn from(value: &[u8]) -> Expect {
        Expect::text(value)
    }
}

impl From<Vec<u8>> for Expect {
    fn from(value: Vec<u8>) -> Expect {
        Expect::Text(Bytes(value))
    }
}

impl From<&str> for Expect {
    fn from(value: &str) -> Expect {
        Expect::text(value)
    }
}

impl From<String> for Expect {
    fn from(value: String) -> Expect {
        Expect::text(value)
    }
}

impl From<Vec<&str>> for Expect {
    fn from(value: Vec<&str>) -> Expect {
        Expect::List(value.into_iter().map(Bytes::from).collect())
    }
}

impl<T: Into<Expect>> From<Option<T>> for Expect {
    fn from(value: Option<T>) -> Expect {
        value.map_or(Expect::Null, Into::into)
    }
}

/// Keeps the entries of one thread in memory, so that keeping them makes no events.
#[derive(Debug)]
pub struct Recorder {
    pid: u32,
    tid: u32,
    next: Arc<AtomicU64>,
    entries: Vec<LogEntry>,
}

impl Recorder {
    /// A recorder for the calling thread; `next` counts the operations of the whole run.
    pub fn new(next: Arc<AtomicU64>) -> Recorder {
        let mut recorder = Recorder { pid: 0, tid: 0, next, entries: Vec::new() };
        recorder.adopt();
        recorder
    }

    /// Takes the calling thread as the one that acts from here on.
    pub fn adopt(&mut self) {
        self.pid = std::process::id();
        self.tid = rustix::thread::gettid().as_raw_nonzero().get() as u32;
    }

    /// A recorder for another thread of the same run, to be made in that thread.
    pub fn sibling(&self) -> Recorder {
        Recorder::new(self.next.clone())
    }

    /// The process that acts.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds what the calling thread did, or what a process of [`LogEntry::of`] did.
    pub fn add(&mut self, mut entry: LogEntry) {
        if entry.pid == 0 {
            (entry.pid, entry.tid) = (self.pid, self.tid);
        }
        self.take(entry);
    }

    /// Adds an entry that says already who acted, under the next number of this run.
    pub fn take(&mut self, mut entry: LogEntry) {
        entry.seq = self.next.fetch_add(1, Ordering::Relaxed);
        self.entries.push(entry);
    }

    /// Adds an entry that has its number already.
    pub fn keep(&mut self, entry: LogEntry) {
        self.entries.push(entry);
    }

    /// Opens (`begin`) or closes (`end`) the thread's window: rows of its own outside are not
    /// compared. The marker is itself an entry: an open of a path that does not exist.
    pub fn mark(&mut self, edge: Edge, seed: u64) {
        let path = format!("{}{seed}", edge.prefix());
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        let result = rustix::fs::open(path.as_str(), flags, rustix::fs::Mode::empty());
        let entry = LogEntry::new(c::OPEN, "open")
            .with(c::PATH, path)
            .with(c::DIR, Expect::Null)
            .with(c::FLAGS, vec!["O_CLOEXEC"])
            .with(c::FD, Expect::Null)
            .result(&result);
        self.add(entry);
    }

    /// The entries.
    pub fn into_entries(self) -> Vec<LogEntry> {
        self.entries
    }
}

/// One edge of a thread's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// It opens.
    Begin,
    /// It closes.
    End,
}

impl Edge {
    /// What the marker's path begins with; the run's seed follows.
    pub fn prefix(self) -> &'static str {
        match self {
            Edge::Begin => "/fathom-testkit-begin-",
            Edge::End => "/fathom-testkit-end-",
        }
    }
}

/// Writes values, such as entries, as JSON lines.
pub fn write<T: Serialize>(entries: &[T], out: impl Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    for entry in entries {
        serde_json::to_writer(&mut out, entry)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Reads values that stand one a line, such as [`LogEntry`] or rows; empty lines are passed over.
pub fn read<T: serde::de::DeserializeOwned>(input: impl BufRead) -> anyhow::Result<Vec<T>> {
    let mut values = Vec::new();
    for (at, line) in input.split(b'\n').enumerate() {
        let line = line?;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let value = serde_json::from_slice(&line)
            .map_err(|error| anyhow::anyhow!("line {}: {error}", at + 1))?;
        values.push(value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back_as_they_were_written() {
        let entry = LogEntry::new(c::OPEN, "openat")
            .with(c::PATH, &b"/tmp/\xff"[..])
            .with(c::FD, 7i64)
            .with(c::PATH_DIFFERS, true)
            .with(c::FLAGS, vec!["O_RDWR"])
            .with(c::MODE, Expect::one_of([Expect::Null, 0i64.into()]))
            .with(c::ARGS, Expect::Begins { begins: vec![Bytes::from("a")], least: 2 })
            .with(c::DURATION, Expect::AtLeast { at_least: 1 })
            .with(c::CLOSED_BY, Expect::depending(When::full("x"), "local", Expect::Null))
            .only(Some(When::lesser("y")))
            .result(&Err::<(), _>(Errno::NOENT));
        let mut text = Vec::new();
        write(std::slice::from_ref(&entry), &mut text).unwrap();
        assert_eq!(read::<LogEntry>(&text[..]).unwrap(), [entry]);
        assert_eq!(errno_name(Errno::NOENT), "ENOENT");
    }
}
