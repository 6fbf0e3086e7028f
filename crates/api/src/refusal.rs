//! Why a request is not answered, and how each door says so.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use query::{Problem, Trouble};
use serde_json::{Value, json};
use tonic::Status;

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("nothing is stored here: set `store.directory` in the agent's configuration")]
    NoStore,
    #[error("no rows can be followed here: the agent is still starting, or it is ending")]
    NoRows,
    #[error(
        "who are you? Send a token, as `Authorization: Bearer TOKEN`, or show a client \
         certificate where this door takes them"
    )]
    Unknown,
    #[error("{0}")]
    Foreign(String),
    #[error("you ask more often than you may: again in {0:.1?}")]
    TooOften(Duration),
    #[error("{0} live tails are open, which is as many as this door allows: close one")]
    TooManyTails(usize),
    #[error("{0}")]
    Request(String),
    #[error("{0}")]
    NotThere(String, Vec<String>),
    #[error("{0}")]
    NotAcceptable(String),
    #[error("{0}")]
    Query(Problem),
}

impl Refusal {
    /// One word for it, as the audit row and the answer have it.
    pub(crate) fn kind(&self) -> String {
        let word = match self {
            Refusal::NoStore | Refusal::NoRows => "unavailable",
            Refusal::Unknown => "unknown",
            Refusal::Foreign(_) => "forbidden",
            Refusal::TooOften(_) => "too_often",
            Refusal::TooManyTails(_) => "busy",
            Refusal::Request(_) => "request",
            Refusal::NotThere(..) => "not_there",
            Refusal::NotAcceptable(_) => "not_acceptable",
            Refusal::Query(problem) => return word(problem.kind),
        };
        word.to_string()
    }

    fn status(&self) -> StatusCode {
        match self {
            Refusal::NoStore | Refusal::NoRows => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Unknown => StatusCode::UNAUTHORIZED,
            Refusal::Foreign(_) => StatusCode::FORBIDDEN,
            Refusal::TooOften(_) | Refusal::TooManyTails(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Request(_) => StatusCode::BAD_REQUEST,
            Refusal::NotThere(..) => StatusCode::NOT_FOUND,
            Refusal::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Refusal::Query(problem) => match problem.kind {
                Trouble::Sql => StatusCode::BAD_REQUEST,
                Trouble::Forbidden => StatusCode::FORBIDDEN,
                Trouble::TooLong => StatusCode::GATEWAY_TIMEOUT,
                Trouble::TooManyRows => StatusCode::PAYLOAD_TOO_LARGE,
                Trouble::OutOfMemory => StatusCode::INSUFFICIENT_STORAGE,
                Trouble::Busy => StatusCode::TOO_MANY_REQUESTS,
                Trouble::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
                Trouble::Damaged | Trouble::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// The value of `error` in a JSON answer.
    pub(crate) fn error(&self) -> Value {
        let (place, near) = match self {
            Refusal::Query(problem) => (problem.place, problem.near.as_slice()),
            Refusal::NotThere(_, near) => (None, near.as_slice()),
            _ => (None, &[][..]),
        };
        let place = place.map(|(line, column)| json!({ "line": line, "column": column }));
        json!({ "kind": self.kind(), "message": self.to_string(), "place": place, "near": near })
    }

    /// How the Flight door says it: place and near names are part of the message, since clients
    /// show nothing else.
    pub(crate) fn to_grpc(&self) -> Status {
        let mut message = self.to_string();
        if let Refusal::Query(Problem { place, near, .. }) = self {
            if let Some((line, column)) = place {
                message.push_str(&format!(" (line {line}, column {column})"));
            }
            if !near.is_empty() {
                message.push_str(&format!("; near names: {}", near.join(", ")));
            }
        }
        match self {
            Refusal::NoStore | Refusal::NoRows => Status::unavailable(message),
            Refusal::Unknown => Status::unauthenticated(message),
            Refusal::Foreign(_) => Status::permission_denied(message),
            Refusal::TooOften(_) | Refusal::TooManyTails(_) => Status::resource_exhausted(message),
            Refusal::Request(_) | Refusal::NotAcceptable(_) => Status::invalid_argument(message),
            Refusal::NotThere(..) => Status::not_found(message),
            Refusal::Query(problem) => match problem.kind {
                Trouble::Sql => Status::invalid_argument(message),
                Trouble::Forbidden => Status::permission_denied(message),
                Trouble::TooLong => Status::deadline_exceeded(message),
                Trouble::TooManyRows => Status::out_of_range(message),
                Trouble::OutOfMemory | Trouble::Busy => Status::resource_exhausted(message),
                Trouble::Cancelled => Status::cancelled(message),
                Trouble::Damaged => Status::data_loss(message),
                Trouble::Internal => Status::internal(message),
            },
        }
    }

    fn again_after(&self) -> Option<u64> {
        match self {
            Refusal::TooOften(wait) => Some(wait.as_secs() + 1),
            Refusal::Query(Problem { kind: Trouble::Busy, .. }) | Refusal::TooManyTails(_) => {
                Some(1)
            }
            _ => None,
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal::Query(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = body(self.status(), json!({ "error": self.error() }));
        let headers = response.headers_mut();
        if let Some(seconds) = self.again_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self == Refusal::Unknown {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A JSON answer.
pub(crate) fn body(status: StatusCode, json: Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], json.to_string()).into_response()
}

/// The kind as it is written everywhere: `too_long`.
fn word(kind: Trouble) -> String {
    match serde_json::to_value(kind) {
        Ok(Value::String(word)) => word,
        _ => "internal".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(kind: Trouble) -> Refusal {
        let (message, place) = ("no column `pth`".into(), Some((2, 7)));
        Refusal::Query(Problem { kind, message, place, near: vec!["path".into(), "pid".into()] })
    }

    #[test]
    fn place_and_near_names_are_told_at_both_doors() {
        let refusal = refusal(Trouble::Sql);
        assert_eq!(
            refusal.error(),
            json!({
                "kind": "sql",
                "message": "no column `pth`",
                "place": { "line": 2, "column": 7 },
                "near": ["path", "pid"],
            })
        );
        let status = refusal.to_grpc();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert_eq!(status.message(), "no column `pth` (line 2, column 7); near names: path, pid");
    }

    #[test]
    fn who_is_too_early_is_told_when_to_come_again() {
        for refusal in [refusal(Trouble::Busy), Refusal::TooOften(Duration::from_millis(1500))] {
            let response = refusal.into_response();
            assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
            assert!(response.headers().contains_key(header::RETRY_AFTER));
        }
        assert!(!refusal(Trouble::Sql).into_response().headers().contains_key(header::RETRY_AFTER));
    }
}
