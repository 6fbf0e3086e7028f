//! What is behind each path of the HTTP door.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde_json::json;

use crate::access::Peer;
use crate::desk::Desk;
use crate::refusal::{Refusal, body};
use crate::{sql, tail};

pub(crate) type Shared = Arc<Desk>;

struct Route {
    path: &'static str,
    method: fn() -> MethodRouter<Shared>,
    /// What one finds there.
    what: &'static str,
    /// Whether all may ask: a kubelet has no token.
    open: bool,
}

const ROUTES: &[Route] = &[
    Route {
        path: "/metrics",
        method: || get(metrics),
        what: "metrics for Prometheus",
        open: false,
    },
    Route {
        path: "/healthz",
        method: || get(health),
        what: "200 while the agent works, 503 with the reasons",
        open: true,
    },
    Route {
        path: "/readyz",
        method: || get(ready),
        what: "200 once the agent sees all that it should, 503 with the reasons",
        open: true,
    },
    Route {
        path: "/api/v1/tables",
        method: || get(tables),
        what: "every table and column",
        open: false,
    },
    Route {
        path: "/api/v1/query",
        method: || post(sql::query),
        what: "POST {\"sql\": \"SELECT …\"}: rows as JSON, NDJSON, CSV or an Arrow stream",
        open: false,
    },
    Route {
        path: "/api/v1/tail",
        method: || get(tail::tail),
        what: "rows as they come, as server-sent events: ?table=file_open&where=uid = 0",
        open: false,
    },
];

/// Answers at `desk`.
pub(crate) fn router(desk: Shared) -> Router {
    let mut router = Router::new();
    for Route { path, method, .. } in ROUTES {
        router = router.route(path, method());
    }
    let limit = DefaultBodyLimit::max(desk.gate.limits().request_bytes);
    router
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .layer(middleware::from_fn_with_state(desk.clone(), enter))
        .layer(limit)
        .with_state(desk)
}

/// Lets in who may come in.
async fn enter(State(desk): State<Shared>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !ROUTES.iter().any(|route| route.open && route.path == path) {
        let peer = request.extensions().get().cloned().unwrap_or(Peer { certificate: None });
        match desk.judge(&peer, request.uri(), request.headers()) {
            Ok(who) => request.extensions_mut().insert(who),
            Err(refusal) => return refusal.into_response(),
        };
    }
    next.run(request).await
}

async fn metrics(State(desk): State<Shared>) -> Response {
    const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, TYPE)], desk.source.metrics()).into_response()
}

async fn health(State(desk): State<Shared>) -> Response {
    verdict("ok", "failing", desk.source.health().problems)
}

async fn ready(State(desk): State<Shared>) -> Response {
    verdict("ready", "not ready", desk.source.ready().waiting_for)
}

async fn tables(State(desk): State<Shared>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], desk.source.tables()).into_response()
}

async fn unknown(uri: Uri) -> Response {
    let routes: serde_json::Map<_, _> =
        ROUTES.iter().map(|route| (route.path.to_string(), json!(route.what))).collect();
    let error = format!("there is nothing at {}", uri.path());
    body(StatusCode::NOT_FOUND, json!({ "error": error, "routes": routes }))
}

async fn other_method(method: Method, uri: Uri) -> Response {
    let known = if uri.path() == "/api/v1/query" { "POST" } else { "GET" };
    let message = format!("{} takes {known}, not {method}", uri.path());
    let error = Refusal::Request(message).error();
    body(StatusCode::METHOD_NOT_ALLOWED, json!({ "error": error }))
}

fn verdict(good: &str, bad: &str, reasons: Vec<String>) -> Response {
    let (status, word) = match reasons.is_empty() {
        true => (StatusCode::OK, good),
        false => (StatusCode::SERVICE_UNAVAILABLE, bad),
    };
    body(status, json!({ "status": word, "reasons": reasons }))
}
