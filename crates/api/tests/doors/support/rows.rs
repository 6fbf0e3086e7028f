//! Rows of one table, and an engine over them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use query::{Engine, Options};
use schema::{Batch, Decoded, Event, Origin, Process, ProcessKey, Table};
use store::{Catalogue, Contents, Rows};

/// A file was opened.
#[derive(Event)]
#[event(table = "file_open", since = "0.1")]
pub(crate) struct FileOpen<'a> {
    /// The path.
    #[event(kind = Path, personal)]
    pub(crate) path: Option<&'a [u8]>,
    /// The number of the row.
    #[event(kind = Int)]
    pub(crate) number: i64,
    /// Bytes.
    #[event(kind = Uint, unit = Bytes)]
    pub(crate) size: u64,
    /// Why it failed.
    #[event(kind = Errno)]
    pub(crate) error: Option<i32>,
}

/// 2026-11-21T22:10:05.123456789Z
pub(crate) const TIME: i64 = 1_795_299_005_123_456_789;

pub(crate) const TABLE: &Table = FileOpen::TABLE;

/// Rows from `first` on, a microsecond apart; each tenth has no path.
pub(crate) fn batch(first: i64, rows: usize) -> Arc<Batch> {
    let mut decoded = Decoded::new(TABLE);
    let process = ProcessKey { pid: 42, ..ProcessKey::default() };
    for number in first..first + rows as i64 {
        let origin = Origin { time: TIME + number * 1000, process, tid: 43, ..Origin::default() };
        let path = format!("/tmp/a,\"{number}\"");
        let path = (number % 10 != 0).then_some(path.as_bytes());
        decoded.push(origin, FileOpen { path, number, size: number as u64, error: None });
    }
    let one = Arc::new(Process::unknown(process, "", 0));
    let processes = vec![one; rows];
    Arc::new(decoded.with_processes("node-7".into(), processes))
}

/// What queries may use in tests.
pub(crate) fn options() -> Options {
    Options {
        threads: 2,
        memory: 256 << 20,
        time_out: Duration::from_secs(60),
        rows_most: 10_000_000,
        queries_most: 8,
    }
}

/// An engine over so many rows of `file_open`.
pub(crate) fn engine(rows: usize, options: Options) -> Arc<Engine> {
    let step = 50_000;
    let hot = (0..rows)
        .step_by(step)
        .map(|first| store::to_arrow(TABLE, &[batch(first as i64, step.min(rows - first))]));
    let rows = Rows { hot: hot.collect(), segments: Vec::new() };
    let tables = BTreeMap::from([(TABLE.name.to_string(), Arc::new(rows))]);
    let catalogue = Catalogue::of(Contents { tables });
    Arc::new(Engine::new(catalogue, &[TABLE, api::AgentQuery::TABLE], options).unwrap())
}
