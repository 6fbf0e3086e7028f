//! SQL over what is live and what is stored: the only room that knows DataFusion.
#![forbid(unsafe_code)]

mod answer;
mod completeness;
mod engine;
mod filter;
mod functions;
mod portable;
mod problem;
mod progress;
mod provider;
mod reader;
mod scan;
mod statement;
mod stop;
mod views;
mod window;

use std::time::Duration;

use arrow::datatypes::SchemaRef;

pub use answer::Answer;
pub use engine::Engine;
pub use filter::Filter;
pub use functions::Labels;
pub use portable::{portable, portable_schema};

/// The column that says when.
pub(crate) const TIME: &str = schema::COMMON[0].name;

/// What queries may use.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Threads that work on queries.
    pub threads: usize,
    /// Bytes of memory for all queries together (what sorts, joins and groups hold).
    pub memory: usize,
    /// A query that takes longer is broken off.
    pub time_out: Duration,
    /// An answer with more rows is an error that says so.
    pub rows_most: u64,
    /// Queries that run at once; one more is refused at once (`Problem::kind` is `Busy`).
    pub queries_most: usize,
}

/// A question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ask {
    /// One SQL statement.
    pub sql: String,
    /// Less time than the engine would give.
    pub time_out: Option<Duration>,
    /// Fewer rows than the engine would give; the answer ends there and says so (`Answer::cut`).
    pub limit: Option<u64>,
}

/// How far an answer can be trusted to be all.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Completeness {
    /// The tables that were read.
    pub tables: Vec<String>,
    /// The stretch that was asked for, by the conditions on `time`; open ends are null. Nanoseconds since 1970.
    pub asked: (Option<i64>, Option<i64>),
    /// The stretches of it in which the agent watched, joined where they touch.
    pub watched: Vec<(i64, i64)>,
    /// The time of the oldest row that is still kept, for each table.
    pub kept_since: Vec<(String, i64)>,
    /// What was lost in that stretch.
    pub lost: Vec<Lost>,
    /// What could not be read (a damaged file is left out and named only where the user allows it).
    pub unreadable: Vec<String>,
}

/// Rows that were lost.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Lost {
    /// In which stage.
    pub stage: String,
    /// Of which table, or `record` …
    pub subject: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// How far a query is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// Rows in the segments and in memory that the query has to look at, after pruning.
    pub rows: u64,
    /// Of these, looked at by now.
    pub rows_read: u64,
    /// Bytes read from disk by now.
    pub bytes_read: u64,
    /// Segments that are read, and those that were left out by their times or statistics.
    pub segments: u64,
    /// Segments left out by the catalogue (time and table).
    pub segments_pruned: u64,
}

/// Why a query was not answered.
#[derive(Debug, Clone, PartialEq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{message}")]
pub struct Problem {
    /// What kind of trouble.
    pub kind: Trouble,
    /// One or two sentences: what is wrong and what to do.
    pub message: String,
    /// Where in the SQL: line and column, from 1.
    pub place: Option<(usize, usize)>,
    /// Near names, best first.
    pub near: Vec<String>,
}

/// The kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Trouble {
    /// The SQL is not right.
    Sql,
    /// It would write, or read files: only tables are read here.
    Forbidden,
    TooLong,
    TooManyRows,
    OutOfMemory,
    /// Too many queries run.
    Busy,
    /// A segment is not what was written.
    Damaged,
    /// The one who asked is gone.
    Cancelled,
    Internal,
}

/// A table or view.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What one row says.
    pub doc: String,
    /// Whether it is a view.
    pub view: bool,
    /// Its columns.
    pub schema: SchemaRef,
}
