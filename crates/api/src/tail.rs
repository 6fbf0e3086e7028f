//! `GET /api/v1/tail`: rows of one table as they come, as server-sent events.
//!
//! A thread for each tail takes batches from the bus, drops what the condition does not want, and
//! writes the rest as events. A client that reads too slowly holds up its own thread alone: then
//! the subscription is full, drops the newest rows and counts them, and the client is told how
//! many.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arrow::error::ArrowError;
use arrow::json::writer::JsonFormat;
use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bus::{NoBatch, Subscription};
use bytes::Bytes;
use futures::stream;
use query::{Filter, Problem};
use schema::{Batch, Table};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::access::Who;
use crate::encode;
use crate::refusal::Refusal;
use crate::routes::Shared;

/// What is in the address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    table: String,
    #[serde(rename = "where")]
    condition: Option<String>,
}

/// The thread's side of one tail.
struct Tail {
    table: &'static Table,
    rows: Subscription,
    filter: Option<Filter>,
    out: Sender<Bytes>,
    /// Rows that were lost and are told already.
    lost: u64,
    _place: OwnedSemaphorePermit,
}

/// Objects as events.
#[derive(Debug, Default)]
struct Events;

/// Pieces that wait for the client; then the thread waits, and the subscription fills.
const PIECES: usize = 4;
/// How often the thread looks whether the client is gone.
const LOOK: Duration = Duration::from_millis(200);
/// Batches that are turned into one piece at most.
const TOGETHER: usize = 64;
/// How often a quiet stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Answers with a stream of events.
pub(crate) async fn tail(
    State(desk): State<Shared>,
    Extension(who): Extension<Who>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted.map_err(|error| {
        let error = error.body_text();
        Refusal::Request(format!("{error}; it is ?table=file_open&where=uid = 0"))
    })?;
    desk.admit(&who)?;
    let tables = desk.source.followed();
    let Some(table) = tables.iter().find(|table| table.name == wanted.table) else {
        let names = tables.iter().map(|table| table.name.to_string()).collect();
        let what = format!("there is no table `{}` whose rows can be followed", wanted.table);
        return Err(Refusal::NotThere(what, names));
    };
    let condition = wanted.condition.filter(|text| !text.trim().is_empty());
    let filter = match condition {
        Some(condition) => Some(desk.engine()?.filter(table, &condition)?),
        None => None,
    };
    let place = desk.gate.tail().ok_or(Refusal::TooManyTails(desk.gate.limits().tails))?;
    let rows = desk.source.tail(table).ok_or(Refusal::NoRows)?;
    let (out, pieces) = mpsc::channel(PIECES);
    let tail = Tail { table, rows, filter, out, lost: 0, _place: place };
    let thread = thread::Builder::new().name("tail".into()).spawn(move || tail.run());
    thread.map_err(|_| Refusal::NoRows)?;

    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    // The first bytes go out at once, so that the client knows that it is heard.
    let start = Some(Bytes::from_static(b": following\n\n"));
    let stream = stream::unfold((start, pieces), |(start, mut pieces)| async move {
        let piece = match start {
            Some(start) => start,
            None => next(&mut pieces).await?,
        };
        Some((Ok::<_, std::convert::Infallible>(piece), (None, pieces)))
    });
    Ok((headers, Body::from_stream(stream)).into_response())
}

async fn next(pieces: &mut Receiver<Bytes>) -> Option<Bytes> {
    match tokio::time::timeout(HEARTBEAT, pieces.recv()).await {
        Ok(piece) => piece,
        Err(_) => Some(Bytes::from_static(b": quiet\n\n")),
    }
}

impl Tail {
    /// Until the client is gone, or no rows will come any more.
    fn run(mut self) {
        while !self.out.is_closed() {
            let told = match self.rows.recv_timeout(LOOK) {
                Ok(batch) => self.tell(batch),
                Err(NoBatch::Yet) => self.tell_lost(),
                Err(NoBatch::Closed) => return,
            };
            if told.is_err() {
                return;
            }
        }
    }

    /// Sends a batch and those that wait behind it.
    fn tell(&mut self, first: Arc<Batch>) -> Result<(), Gone> {
        let mut batches = vec![first];
        while batches.len() < TOGETHER
            && let Ok(batch) = self.rows.try_recv()
        {
            batches.push(batch);
        }
        match self.events(&batches) {
            Ok(events) => self.send(events)?,
            Err(problem) => {
                let error = Refusal::Query(problem).error();
                self.send(event("error", &error).into())?;
                return Err(Gone);
            }
        }
        self.tell_lost()
    }

    fn events(&self, batches: &[Arc<Batch>]) -> Result<Bytes, Problem> {
        let mut rows = store::to_arrow(self.table, batches);
        if let Some(filter) = &self.filter {
            rows = filter.apply(&rows)?;
        }
        let mut writer = encode::objects(&rows.schema()).build::<_, Events>(Vec::new());
        writer.write(&rows).map_err(|error| Problem {
            kind: query::Trouble::Internal,
            message: format!("the rows cannot be written as JSON: {error}"),
            place: None,
            near: Vec::new(),
        })?;
        Ok(writer.into_inner().into())
    }

    /// Says how many rows the client was too slow for, once for each.
    fn tell_lost(&mut self) -> Result<(), Gone> {
        let lost = self.rows.lost();
        let more = lost - std::mem::replace(&mut self.lost, lost);
        match more {
            0 => Ok(()),
            more => self.send(event("lost", &json!({ "rows": more, "reason": "slow" })).into()),
        }
    }

    /// Waits until the client has taken enough of what was sent before.
    fn send(&self, piece: Bytes) -> Result<(), Gone> {
        if piece.is_empty() {
            return Ok(());
        }
        self.out.blocking_send(piece).map_err(|_| Gone)
    }
}

/// The client is gone.
struct Gone;

impl JsonFormat for Events {
    fn start_row<W: std::io::Write>(&self, writer: &mut W, _: bool) -> Result<(), ArrowError> {
        writer.write_all(b"event: row\ndata: ")?;
        Ok(())
    }

    fn end_row<W: std::io::Write>(&self, writer: &mut W) -> Result<(), ArrowError> {
        writer.write_all(b"\n\n")?;
        Ok(())
    }
}

fn event(name: &str, data: &serde_json::Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}
