//! The rows of a store, in the order of time, a slice of time after the other.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};
use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampNanosecondType;
use detect::Program;
use query::{Ask, Completeness, Trouble};
use schema::plain::rfc3339;
use schema::{Batch, Table};

use super::super::interrupt::Interrupt;
use super::super::query::complete;
use super::super::query::source::{Failure, Rows, Source, directory};
use crate::offline::{Ages, Family, Turn, append_stored};

/// What rules are asked about.
pub(super) struct Stored {
    source: Source,
    tables: Vec<Held>,
    /// The first and the last moment that is asked for.
    from: i64,
    to: i64,
    completeness: Completeness,
}

/// A table that has rows.
struct Held {
    table: &'static Table,
    /// The times of its first and last row.
    first: i64,
    last: i64,
}

/// Where the life of processes is told.
const LIFE: &[&str] = &["process_exec", "process_fork", "process_exit"];
/// How long before the first moment the life of processes is read.
const BEFORE: i64 = 24 * HOUR;
const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3600 * SECOND;
/// Slices become longer if they have fewer rows than this, and a slice with more than the most is
/// made shorter, so that memory is bounded.
const FEW: usize = 25_000;
const MOST: usize = 200_000;
/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_secs(30);

impl Stored {
    /// Opens the store in `folder` for the rules of `program`; `last` so long until the newest row.
    pub(super) fn open(
        folder: &Path,
        program: &Program,
        last: Option<Duration>,
        interrupt: &Interrupt,
    ) -> Result<Stored> {
        let source = directory(folder, None)?;
        let needed = program.tables();
        let mut tables = Vec::new();
        for table in &needed {
            if let Some((first, last)) = span(&source, table, interrupt)? {
                tables.push(Held { table, first, last });
            }
        }
        let first = tables.iter().map(|it| it.first).min();
        let newest = tables.iter().map(|it| it.last).max();
        let (Some(first), Some(to)) = (first, newest) else {
            bail!("there are no rows in {} that the rules are about", folder.display());
        };
        let last = last.map(|last| i64::try_from(last.as_nanos()).unwrap_or(i64::MAX));
        let from = last.map_or(first, |last| first.max(to.saturating_sub(last)));
        let completeness = completeness(&source, &needed, (from, to), interrupt)?;
        Ok(Stored { source, tables, from, to, completeness })
    }

    /// The first and the last moment.
    pub(super) fn span(&self) -> (i64, i64) {
        (self.from, self.to)
    }

    /// What is missing, a sentence each.
    pub(super) fn missing(&self) -> Vec<String> {
        let told = &self.completeness;
        let lines = complete::lines(told);
        lines.into_iter().filter(|line| !line.starts_with("complete:")).collect()
    }

    /// Hands the rows to `take`, those of a slice of time together.
    pub(super) fn play(
        &self,
        ages: &Ages,
        interrupt: &Interrupt,
        mut take: impl FnMut(&[Arc<Batch>]) -> Result<()>,
    ) -> Result<()> {
        let mut family = Family::default();
        let life = |held: &&Held| LIFE.contains(&held.table.name);
        let before: Vec<&Held> = self.tables.iter().filter(life).collect();
        let all: Vec<&Held> = self.tables.iter().collect();
        let early = self.tables.iter().map(|it| it.first).min().unwrap_or(self.from);
        let early = early.max(self.from.saturating_sub(BEFORE));
        let mut at = early;
        let mut length = 60 * SECOND;
        while at <= self.to {
            let is_before = at < self.from;
            let (tables, end) = if is_before { (&before, self.from) } else { (&all, self.to + 1) };
            let until = end.min(at.saturating_add(length));
            let Some(turn) = self.slice(tables, at, until, interrupt)? else {
                length = SECOND.max(length / 4);
                continue;
            };
            if turn.len() < FEW {
                length = (24 * HOUR).min(length * 2);
            }
            if turn.len() > 0 {
                let batches = turn.finish(&mut family, ages);
                if !is_before {
                    take(&batches)?;
                }
            }
            at = until;
        }
        Ok(())
    }

    /// The rows from `from` until before `until`; none if they are too many, and could be fewer.
    fn slice(
        &self,
        tables: &[&Held],
        from: i64,
        until: i64,
        interrupt: &Interrupt,
    ) -> Result<Option<Turn>> {
        let mut turn = Turn::default();
        for held in tables.iter().filter(|it| it.first < until && from <= it.last) {
            let table = held.table;
            let sql = format!(
                "SELECT * FROM {} WHERE time >= '{}' AND time < '{}'",
                table.name,
                rfc3339(from),
                rfc3339(until)
            );
            let mut rows = ask(&self.source, sql, interrupt)?;
            while let Some(batch) = rows.next(interrupt) {
                let batch = batch.map_err(told)?;
                append_stored(&mut turn, table, &batch).map_err(|what| anyhow!("{what}"))?;
                if turn.len() > MOST && until - from > SECOND {
                    return Ok(None);
                }
            }
        }
        Ok(Some(turn))
    }
}

/// The times of the first and the last row of a table.
fn span(source: &Source, table: &Table, interrupt: &Interrupt) -> Result<Option<(i64, i64)>> {
    let sql = format!("SELECT min(time), max(time) FROM {}", table.name);
    let mut rows = ask(source, sql, interrupt)?;
    let mut found = None;
    while let Some(batch) = rows.next(interrupt) {
        let batch = batch.map_err(told)?;
        let time = |at: usize| batch.column(at).as_primitive_opt::<TimestampNanosecondType>();
        let (Some(first), Some(last)) = (time(0), time(1)) else { continue };
        ensure!(batch.num_rows() == 1, "the times of {} are several", table.name);
        if first.is_valid(0) && last.is_valid(0) {
            found = Some((first.value(0), last.value(0)));
        }
    }
    Ok(found)
}

/// How complete the rows of all tables are.
fn completeness(
    source: &Source,
    tables: &[&'static Table],
    (from, to): (i64, i64),
    interrupt: &Interrupt,
) -> Result<Completeness> {
    let (from, to) = (rfc3339(from), rfc3339(to));
    let one = |table: &&'static Table| {
        format!("SELECT time FROM {} WHERE time >= '{from}' AND time <= '{to}'", table.name)
    };
    let all: Vec<String> = tables.iter().map(one).collect();
    // It is known once the question is understood; no row is read.
    let sql = format!("{} LIMIT 1", all.join(" UNION ALL "));
    let rows = ask(source, sql, interrupt)?;
    Ok(rows.completeness())
}

/// Begins to answer. A question before may need a moment to end, even if all its rows were read.
fn ask(source: &Source, sql: String, interrupt: &Interrupt) -> Result<Rows> {
    let ask = Ask { sql, ..Ask::default() };
    let begun = Instant::now();
    loop {
        match source.ask(ask.clone(), interrupt) {
            Ok(rows) => return Ok(rows),
            Err(Failure::Problem(problem))
                if problem.kind == Trouble::Busy && begun.elapsed() < PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(failure) => return Err(told(failure)),
        }
    }
}

fn told(failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Problem(problem) => anyhow!("{problem}"),
        Failure::Way(problem) => anyhow!("{problem}"),
        Failure::Interrupted => anyhow!("interrupted"),
    }
}
