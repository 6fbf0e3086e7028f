//! OTLP: requests as spans, and their rates as metrics, in the words of OpenTelemetry's semantic
//! conventions. A collector takes them by HTTP at `/v1/traces` and `/v1/metrics` as
//! `application/x-protobuf`.
//!
//! **Which names.** The stable ones. Of gRPC, whose conventions became stable late, those that were used
//! before are there as well where a name was replaced (`rpc.system`, `rpc.service`,
//! `rpc.grpc.status_code`); `rpc.method` is the full name, as it is now. What no convention has a word for
//! is `fathom.…`. A folded path is `url.template`, not `http.route`: a route is what a framework says.
//!
//! **Which trace.** Where a request carries a trace, its span belongs there, and the caller's span is its
//! parent: on both sides, so both spans of a call are siblings. Elsewhere the trace is a hash of what both
//! sides see alike: both ends, what was asked, how long it and the answer were, and a tenth of a second.
//! Both spans of a call then share a trace, without a parent. This cannot be known, and they do not:
//! - where addresses are translated between the ends (a service's address, a load balancer);
//! - where an end has no address (unix sockets, datagrams of sockets that are not connected);
//! - where something of the call was lost on one side, or the server took it up late, so that another
//!   tenth of a second had begun.
//!
//! Equal calls on one connection within a tenth of a second share a trace too. What a server asks on
//! behalf of a request is not joined to it.

mod attributes;
mod convention;
mod ids;
mod message;
mod metrics;
mod resource;
mod span;
mod spans;

pub use metrics::metrics;
pub use spans::Spans;

/// Where a collector takes spans.
pub const TRACES_PATH: &str = "/v1/traces";
/// Where it takes metrics.
pub const METRICS_PATH: &str = "/v1/metrics";
/// The `Content-Type` of both.
pub const CONTENT_TYPE: &str = "application/x-protobuf";

/// Who sends, and from where.
#[derive(Debug, Clone, Default)]
pub struct Sender {
    /// The version of this program.
    pub version: String,
    /// Attributes of every resource that says nothing else itself, such as `k8s.cluster.name`. For
    /// metrics there must be one that tells nodes apart, as `host.name`: rows name their node, counts do
    /// not.
    pub attributes: Vec<(String, String)>,
}

impl Sender {
    fn scope(&self) -> message::Scope {
        message::Scope { name: "fathom".into(), version: self.version.clone() }
    }
}
