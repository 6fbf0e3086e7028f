//! What goes out of requests: rates, spans, metrics. What OTLP says is read by OpenTelemetry's own
//! messages.

mod any;
mod made;
mod metrics;
mod red;
mod spans;
