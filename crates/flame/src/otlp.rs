//! OTLP: a request of OpenTelemetry's profiles signal, `v1development` as of its protocol 1.10,
//! where a sample's values are field 4. A collector takes it by HTTP at
//! `/v1development/profiles` as `application/x-protobuf`.
//!
//! There is a resource for each container (or pod, or process that is in neither's), and in it a
//! profile for each value, since a profile has one sample type. Samples have no links to traces.

mod message;
mod write;

pub use write::{Sender, request};
