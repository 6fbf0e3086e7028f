//! What is behind each path.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use serde_json::json;

use crate::Source;

type Shared = Arc<dyn Source>;

struct Route {
    path: &'static str,
    method: fn() -> MethodRouter<Shared>,
    /// What one finds there.
    what: &'static str,
}

const ROUTES: &[Route] = &[
    Route { path: "/metrics", method: || get(metrics), what: "metrics for Prometheus" },
    Route {
        path: "/healthz",
        method: || get(health),
        what: "200 while the agent works, 503 with the reasons",
    },
    Route {
        path: "/readyz",
        method: || get(ready),
        what: "200 once the agent sees all that it should, 503 with the reasons",
    },
    Route { path: "/api/v1/tables", method: || get(tables), what: "every table and column" },
];

/// Answers from `source`.
pub(crate) fn router(source: Shared) -> Router {
    let mut router = Router::new();
    for Route { path, method, .. } in ROUTES {
        router = router.route(path, method());
    }
    router.fallback(unknown).method_not_allowed_fallback(only_get).with_state(source)
}

async fn metrics(State(source): State<Shared>) -> Response {
    const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, TYPE)], source.metrics()).into_response()
}

async fn health(State(source): State<Shared>) -> Response {
    verdict("ok", "failing", source.health().problems)
}

async fn ready(State(source): State<Shared>) -> Response {
    verdict("ready", "not ready", source.ready().waiting_for)
}

async fn tables(State(source): State<Shared>) -> Response {
    body(StatusCode::OK, source.tables())
}

async fn unknown(uri: Uri) -> Response {
    let routes: serde_json::Map<_, _> =
        ROUTES.iter().map(|route| (route.path.to_string(), json!(route.what))).collect();
    let error = format!("there is nothing at {}", uri.path());
    body(StatusCode::NOT_FOUND, json!({ "error": error, "routes": routes }).to_string())
}

async fn only_get(method: Method, uri: Uri) -> Response {
    let error = format!("{} takes GET, not {method}: this door only tells", uri.path());
    body(StatusCode::METHOD_NOT_ALLOWED, json!({ "error": error }).to_string())
}

fn verdict(good: &str, bad: &str, reasons: Vec<String>) -> Response {
    let (status, word) = match reasons.is_empty() {
        true => (StatusCode::OK, good),
        false => (StatusCode::SERVICE_UNAVAILABLE, bad),
    };
    body(status, json!({ "status": word, "reasons": reasons }).to_string())
}

fn body(status: StatusCode, json: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], json).into_response()
}
