//! The table of gRPC calls.

use schema::{Origin, Sink};

use super::Call;
use crate::row::{Told, request_table, row, some};

request_table! {
    /// A gRPC call and its answer.
    #[table = "grpc_request"]
    pub struct GrpcRequest {
        /// The service: `shop.Orders`.
        #[event(kind = Text)]
        pub service: Option<&'a str>,
        /// The method: `Get`.
        #[event(kind = Text)]
        pub method: Option<&'a str>,
        /// The status's number: 0 to 16. `status` has its name.
        #[event(kind = Uint)]
        pub code: Option<u64>,
        /// How long the caller waits, where it says so.
        #[event(kind = Duration, unit = Nanoseconds)]
        pub timeout: Option<u64>,
        /// How many messages the caller sent; null where they could not be counted.
        #[event(kind = Uint, unit = Count)]
        pub messages_sent: Option<u64>,
        /// How many it got.
        #[event(kind = Uint, unit = Count)]
        pub messages_received: Option<u64>,
    }
}

/// Writes a row of a call.
pub(crate) fn write(told: &Told, call: &Call, origin: Origin, sink: &mut Sink) {
    let row = row!(
        told,
        GrpcRequest {
            service: some(&call.service),
            method: some(&call.method),
            code: call.status.map(|it| u64::from(it.0)),
            timeout: call.timeout,
            messages_sent: call.sent.count,
            messages_received: call.received.count,
        }
    );
    sink.row(origin, row);
}
