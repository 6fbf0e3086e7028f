//! `POST /api/v1/query`: one statement in, rows out, as they come.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use query::{Ask, Completeness, Problem, Trouble};
use serde::Deserialize;
use serde_json::json;

use crate::access::Who;
use crate::asked::{self, Asked};
use crate::encode::{Form, Writer};
use crate::refusal::Refusal;
use crate::routes::Shared;

/// How complete the answer is, as JSON.
pub(crate) const COMPLETENESS: &str = "fathom-completeness";
/// Trailers, for a client that sends `TE: trailers`: whether the limit left rows out, and what
/// broke the answer off.
pub(crate) const CUT: &str = "fathom-cut";
pub(crate) const PROBLEM: &str = "fathom-problem";

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    sql: String,
    limit: Option<u64>,
    timeout_ms: Option<u64>,
}

/// An answer on its way out.
struct Sending {
    asked: Asked,
    stage: Stage,
    trailers: bool,
}

enum Stage {
    /// What is ready, what comes after it, and the rest of a batch.
    Rows {
        ready: Vec<u8>,
        writer: Writer,
        rest: Option<RecordBatch>,
    },
    Trailers(HeaderMap),
    Done,
}

/// The answer broke off: the connection ends so that nobody takes the rows for all.
#[derive(Debug)]
struct BrokenOff(String);

/// Rows are turned into bytes so many at a time: the door has one thread.
const PIECE: usize = 2048;
/// Some clients take no more than 8 KiB of headers.
const HEADER_MOST: usize = 4096;

/// Answers one statement.
pub(crate) async fn query(
    State(desk): State<Shared>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let body = body.map_err(|error| Refusal::Request(error.body_text()))?;
    let form = Form::accepted(&headers)?;
    let Wanted { sql, limit, timeout_ms } = serde_json::from_slice(&body).map_err(|error| {
        Refusal::Request(format!(
            "the body is no question: {error}; it is \
             {{\"sql\": \"SELECT …\", \"limit\": 1000, \"timeout_ms\": 5000}}, the last two optional"
        ))
    })?;
    let ask = Ask { sql, limit, time_out: timeout_ms.map(Duration::from_millis) };
    let mut asked = asked::ask(&desk, &who, ask).await?;
    // The first rows are awaited, so that what fails early fails with its status.
    let rest = asked.next().await.transpose()?;

    let (writer, ready) = match form.begin(&asked.schema(), asked.completeness()) {
        Ok(begun) => begun,
        Err(error) => return Err(asked.failed(unwritable(error))),
    };
    let trailers = headers
        .get_all(header::TE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.to_ascii_lowercase().contains("trailers"));
    let completeness = brief(asked.completeness());
    let stage = Stage::Rows { ready, writer, rest };
    let sending = Sending { asked, stage, trailers };
    let frames = stream::unfold(sending, |mut sending| async move {
        let frame = sending.next().await?;
        Some((frame, sending))
    });
    let mut response = Response::new(Body::new(StreamBody::new(Box::pin(frames))));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if trailers {
        headers.insert(header::TRAILER, HeaderValue::from_static("fathom-cut, fathom-problem"));
    }
    if let Some(value) = completeness {
        headers.insert(HeaderName::from_static(COMPLETENESS), value);
    }
    Ok(response)
}

impl Sending {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, BrokenOff>> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Rows { ready, writer, rest } if !ready.is_empty() => {
                self.stage = Stage::Rows { ready: Vec::new(), writer, rest };
                Some(self.data(ready))
            }
            Stage::Rows { mut writer, rest, .. } => {
                let rest = match rest {
                    Some(rest) => Some(Ok(rest)),
                    None => self.asked.next().await,
                };
                match rest {
                    None => self.end(writer),
                    Some(Err(problem)) => self.broken(writer, problem.into()),
                    Some(Ok(batch)) => {
                        let rows = batch.num_rows().min(PIECE);
                        match writer.rows(&batch.slice(0, rows)) {
                            Err(error) => self.broken(writer, unwritable(error)),
                            Ok(bytes) => {
                                let left = batch.num_rows() - rows;
                                let rest = (left > 0).then(|| batch.slice(rows, left));
                                self.stage = Stage::Rows { ready: Vec::new(), writer, rest };
                                Some(self.data(bytes))
                            }
                        }
                    }
                }
            }
            Stage::Trailers(trailers) => Some(Ok(Frame::trailers(trailers))),
            Stage::Done => None,
        }
    }

    fn end(&mut self, writer: Writer) -> Option<Result<Frame<Bytes>, BrokenOff>> {
        let cut = self.asked.cut();
        let elapsed = self.asked.begun().elapsed().as_micros() as f64 / 1e3;
        let bytes = match writer.end(&[("cut", json!(cut)), ("elapsed_ms", json!(elapsed))]) {
            Ok(bytes) => bytes,
            Err(error) => return Some(Err(BrokenOff(error.to_string()))),
        };
        self.tell(CUT, &cut.to_string());
        Some(self.data(bytes))
    }

    fn broken(
        &mut self,
        writer: Writer,
        refusal: Refusal,
    ) -> Option<Result<Frame<Bytes>, BrokenOff>> {
        let refusal = self.asked.failed(refusal);
        match writer.broken(&refusal) {
            Some(bytes) => Some(self.data(bytes)),
            None if self.trailers => {
                let problem = match refusal {
                    Refusal::Query(problem) => problem,
                    other => internal(other.to_string()),
                };
                self.tell(PROBLEM, &serde_json::to_string(&problem).unwrap_or_default());
                Some(self.data(Vec::new()))
            }
            None => Some(Err(BrokenOff(refusal.to_string()))),
        }
    }

    fn data(&mut self, bytes: Vec<u8>) -> Result<Frame<Bytes>, BrokenOff> {
        self.asked.meter().fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(Frame::data(bytes.into()))
    }

    /// Leaves word for after the body.
    fn tell(&mut self, name: &'static str, value: &str) {
        if self.trailers
            && let Some(value) = ascii(value)
        {
            self.stage =
                Stage::Trailers(HeaderMap::from_iter([(HeaderName::from_static(name), value)]));
        }
    }
}

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer broke off: {}", self.0)
    }
}

impl std::error::Error for BrokenOff {}

fn unwritable(error: arrow::error::ArrowError) -> Refusal {
    Refusal::Query(internal(format!("the rows cannot be written in this form: {error}")))
}

fn internal(message: String) -> Problem {
    Problem { kind: Trouble::Internal, message, place: None, near: Vec::new() }
}

/// Completeness as the value of a header, which has to be short: of long lists only the last
/// entries are told. The JSON form of an answer has them all.
pub(crate) fn brief(completeness: &Completeness) -> Option<HeaderValue> {
    let mut brief = completeness.clone();
    for most in [usize::MAX, 50, 10, 1] {
        last(&mut brief.watched, most);
        last(&mut brief.kept_since, most);
        last(&mut brief.lost, most);
        last(&mut brief.unreadable, most);
        let text = serde_json::to_string(&brief).ok()?;
        if text.len() <= HEADER_MOST {
            return ascii(&text);
        }
    }
    None
}

fn last<T>(list: &mut Vec<T>, most: usize) {
    list.drain(..list.len().saturating_sub(most));
}

/// JSON as the value of a header: beyond ASCII as `\u` escapes.
fn ascii(json: &str) -> Option<HeaderValue> {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() {
            text.push(letter);
            continue;
        }
        let mut units = [0; 2];
        for unit in letter.encode_utf16(&mut units) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_any_json() {
        let value = ascii("{\"a\":\"ä → 😀\"}").unwrap();
        let back: serde_json::Value = serde_json::from_str(value.to_str().unwrap()).unwrap();
        assert_eq!(back, json!({"a": "ä → 😀"}));
    }

    #[test]
    fn a_long_completeness_is_made_short() {
        let watched: Vec<_> = (0..10_000).map(|at| (at * 10, at * 10 + 5)).collect();
        let completeness = Completeness { watched, ..Completeness::default() };
        let value = brief(&completeness).unwrap();
        assert!(value.len() <= HEADER_MOST);
        let back: Completeness = serde_json::from_str(value.to_str().unwrap()).unwrap();
        assert_eq!(back.watched.last(), completeness.watched.last());
    }
}
