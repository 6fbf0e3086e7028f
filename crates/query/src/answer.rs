//! Answers: rows that come from the engine's threads.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::engine::Shared;
use crate::progress::Counters;
use crate::stop::Stop;
use crate::{Completeness, Problem, Progress, Trouble, problem};

/// Rows that come, until they are all told. Dropping it ends the query.
#[derive(Debug)]
pub struct Answer {
    pub(crate) schema: SchemaRef,
    pub(crate) completeness: Completeness,
    pub(crate) told: mpsc::Receiver<Told>,
    pub(crate) task: AbortHandle,
    pub(crate) stop: Arc<Stop>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) cut: Arc<AtomicBool>,
    pub(crate) over: bool,
}

/// What the query's task says. Without an end it was broken off.
#[derive(Debug)]
pub(crate) enum Told {
    Rows(RecordBatch),
    Failed(Problem),
    End,
}

/// A query that runs: its rows on their way to the answer.
pub(crate) struct Run {
    pub(crate) stream: SendableRecordBatchStream,
    pub(crate) sql: String,
    pub(crate) shared: Arc<Shared>,
    /// When it is broken off, and after how long that is.
    pub(crate) deadline: Instant,
    pub(crate) time_out: Duration,
    /// More rows are left out.
    pub(crate) limit: u64,
    /// More rows are an error.
    pub(crate) most: u64,
    pub(crate) cut: Arc<AtomicBool>,
}

impl Answer {
    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Known before the first row.
    pub fn completeness(&self) -> &Completeness {
        &self.completeness
    }

    /// The next rows; none at the end, and after an error.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, Problem>> {
        if self.over {
            return None;
        }
        let told = self.told.recv().await;
        self.over = !matches!(told, Some(Told::Rows(_)));
        match told {
            Some(Told::Rows(batch)) => Some(Ok(batch)),
            Some(Told::Failed(problem)) => Some(Err(problem)),
            Some(Told::End) => None,
            None => Some(Err(broken_off())),
        }
    }

    /// The same, for a thread without a runtime.
    pub fn next_blocking(&mut self) -> Option<Result<RecordBatch, Problem>> {
        futures::executor::block_on(self.next())
    }

    /// How far it is; another thread may ask while rows are awaited.
    pub fn progress(&self) -> Arc<dyn Fn() -> Progress + Send + Sync> {
        let counters = self.counters.clone();
        Arc::new(move || counters.progress())
    }

    /// Whether rows were left out because of `Ask::limit`; known at the end.
    pub fn cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.stop.gone();
        self.task.abort();
    }
}

impl Run {
    /// Sends all rows, and how it ended.
    pub(crate) async fn run(mut self, to: mpsc::Sender<Told>) {
        let deadline = self.deadline;
        let rows = AssertUnwindSafe(self.rows(&to)).catch_unwind();
        let end = match timeout_at(deadline, rows).await {
            Ok(Ok(Ok(()))) => Told::End,
            Ok(Ok(Err(problem))) => Told::Failed(problem),
            // What was half done is thrown away with the plan.
            Ok(Err(_panic)) => Told::Failed(fault()),
            Err(_) => Told::Failed(too_long(self.time_out)),
        };
        // What it held is free before anybody waits for the end to be read.
        drop(self);
        let _ = to.send(end).await;
    }

    async fn rows(&mut self, to: &mpsc::Sender<Told>) -> Result<(), Problem> {
        let mut sent = 0;
        while let Some(batch) = self.stream.next().await {
            let batch =
                batch.map_err(|error| problem::explain(&error, &self.sql, &self.shared.names))?;
            let rows = batch.num_rows() as u64;
            if rows == 0 {
                continue;
            }
            let left = self.limit - sent;
            if rows > left {
                self.cut.store(true, Ordering::Relaxed);
            }
            let batch = if rows > left { batch.slice(0, left as usize) } else { batch };
            sent += batch.num_rows() as u64;
            if sent > self.most {
                return Err(too_many(self.most));
            }
            let over = self.cut.load(Ordering::Relaxed);
            if batch.num_rows() > 0 && to.send(Told::Rows(batch)).await.is_err() {
                return Err(broken_off());
            }
            if over {
                break;
            }
        }
        Ok(())
    }
}

pub(crate) fn too_long(time_out: Duration) -> Problem {
    let message = format!(
        "the query took longer than {time_out:?} and was broken off: ask for less time, or allow \
         it more"
    );
    Problem { kind: Trouble::TooLong, message, place: None, near: Vec::new() }
}

pub(crate) fn broken_off() -> Problem {
    let message = "the query was broken off before its end".to_string();
    Problem { kind: Trouble::Cancelled, message, place: None, near: Vec::new() }
}

pub(crate) fn fault() -> Problem {
    let message = "the query met a fault of the engine and was broken off".to_string();
    Problem { kind: Trouble::Internal, message, place: None, near: Vec::new() }
}

fn too_many(most: u64) -> Problem {
    let message =
        format!("the answer has more than {most} rows: add a LIMIT or group them, or allow more");
    Problem { kind: Trouble::TooManyRows, message, place: None, near: Vec::new() }
}
