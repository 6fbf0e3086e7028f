//! The Arrow Flight SQL door: what ADBC, JDBC and Grafana speak.
//!
//! It keeps nothing between calls: a ticket and a prepared statement's handle are the statement
//! itself, and the statement runs when its rows are fetched. It reads only; what would write is
//! refused with a sentence.

mod announced;
mod metadata;
mod service;

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightServiceServer;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;

use self::service::Service;
use crate::access::Peer;
use crate::desk::Desk;

/// Answers at `desk`.
pub(crate) fn router(desk: Arc<Desk>) -> Router {
    let service = FlightServiceServer::new(Service::new(desk.clone()))
        .max_decoding_message_size(desk.gate.limits().request_bytes.max(4 << 20));
    Router::new().fallback_service(service).layer(middleware::from_fn_with_state(desk, enter))
}

/// Lets in who may come in.
async fn enter(State(desk): State<Arc<Desk>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get().cloned().unwrap_or(Peer { certificate: None });
    match desk.judge(&peer, request.uri(), request.headers()) {
        Ok(who) => request.extensions_mut().insert(who),
        Err(refusal) => return refusal.to_grpc().into_http(),
    };
    next.run(request).await
}
