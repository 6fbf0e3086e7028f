//! A query from its asking to its audit row.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use query::{Answer, Ask, Completeness, Problem, Trouble};

use crate::access::Who;
use crate::desk::Desk;
use crate::refusal::Refusal;
use crate::{Audit, Source};

/// A query that is being answered. Dropping it ends the query, and what became of it is told.
pub(crate) struct Asked {
    answer: Answer,
    schema: SchemaRef,
    tally: Tally,
    /// All rows were told; whether they arrive is seen when this is dropped.
    ended: bool,
}

/// Counts what one query gives, and tells it when it has ended.
struct Tally {
    source: Arc<dyn Source>,
    begun: Instant,
    /// Bytes that were sent: what encodes them may not be what asks.
    bytes: Arc<AtomicU64>,
    audit: Option<Audit>,
}

/// Asks `ask` on behalf of `who`.
pub(crate) async fn ask(desk: &Desk, who: &Who, ask: Ask) -> Result<Asked, Refusal> {
    let mut tally = Tally::new(desk, who, &ask.sql);
    let answer = async {
        desk.admit(who)?;
        Ok(desk.engine()?.ask(ask).await?)
    };
    match answer.await {
        Ok(answer) => Ok(Asked {
            schema: query::portable_schema(answer.schema()),
            answer,
            tally,
            ended: false,
        }),
        Err(refusal) => Err(tally.failed(refusal)),
    }
}

/// The columns that the answer to `sql` will have, of the types of [`Asked::schema`]. Only what
/// fails has an audit row: the statement will be asked once more for its rows.
pub(crate) async fn columns(desk: &Desk, who: &Who, sql: &str) -> Result<SchemaRef, Refusal> {
    let mut tally = Tally::new(desk, who, sql);
    let columns = async {
        desk.admit(who)?;
        Ok(desk.engine()?.columns(sql).await?)
    };
    match columns.await {
        Ok(columns) => {
            tally.audit = None;
            Ok(query::portable_schema(&columns))
        }
        Err(refusal) => Err(tally.failed(refusal)),
    }
}

impl Asked {
    /// The columns, of types that every client knows.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    pub(crate) fn completeness(&self) -> &Completeness {
        self.answer.completeness()
    }

    /// Whether rows were left out because of the limit that was asked for; known at the end.
    pub(crate) fn cut(&self) -> bool {
        self.answer.cut()
    }

    /// How long it takes so far.
    pub(crate) fn begun(&self) -> Instant {
        self.tally.begun
    }

    /// The next rows, of the types of [`Asked::schema`]; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Result<RecordBatch, Problem>> {
        let next = self.answer.next().await.map(|next| {
            let batch = next?;
            query::portable(&batch).map_err(|error| Problem {
                kind: Trouble::Internal,
                message: format!("a row has another type than was announced: {error}"),
                place: None,
                near: Vec::new(),
            })
        });
        match &next {
            Some(Ok(batch)) => {
                if let Some(audit) = &mut self.tally.audit {
                    audit.rows += batch.num_rows() as u64;
                }
            }
            Some(Err(problem)) => {
                self.tally.failed(problem.clone().into());
            }
            None => self.ended = true,
        }
        next
    }

    /// Where the bytes that are sent are counted.
    pub(crate) fn meter(&self) -> Arc<AtomicU64> {
        self.tally.bytes.clone()
    }

    /// Something else than the query failed.
    pub(crate) fn failed(&mut self, refusal: Refusal) -> Refusal {
        self.tally.failed(refusal)
    }
}

impl Tally {
    fn new(desk: &Desk, who: &Who, sql: &str) -> Tally {
        let audit = Audit {
            who: who.0.to_string(),
            door: desk.door,
            sql: sql.to_string(),
            rows: 0,
            bytes: 0,
            duration: Default::default(),
            outcome: String::new(),
        };
        let (source, bytes) = (desk.source.clone(), Arc::default());
        Tally { source, begun: Instant::now(), bytes, audit: Some(audit) }
    }

    fn failed(&mut self, refusal: Refusal) -> Refusal {
        self.ended(refusal.kind());
        refusal
    }

    /// Tells it, the first time.
    fn ended(&mut self, outcome: String) {
        if let Some(audit) = self.audit.take() {
            let bytes = self.bytes.load(Ordering::Relaxed);
            let duration = self.begun.elapsed();
            self.source.audit(Audit { bytes, duration, outcome, ..audit });
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.ended {
            self.tally.ended("answered".into());
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.ended("cancelled".into());
    }
}
