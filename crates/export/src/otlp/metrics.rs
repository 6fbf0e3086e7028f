//! Rates as metrics.

use std::collections::BTreeMap;

use prost::Message;

use crate::red::{BOUNDS, Labels, Red, Series, seconds};

use super::attributes::Attributes;
use super::convention::{self, Family};
use super::message::{
    CUMULATIVE, Count, Data, Durations, Histogram, Metric, Metrics, ResourceMetrics, ScopeMetrics,
    Sum,
};
use super::{Sender, resource};

/// A metric of durations: its name, and what it says.
type Named = (&'static str, &'static str);

const HTTP_CLIENT: Named =
    ("http.client.request.duration", "How long requests took that were sent.");
const HTTP_SERVER: Named =
    ("http.server.request.duration", "How long requests took that were served.");
const RPC_CLIENT: Named = ("rpc.client.call.duration", "How long calls took that were made.");
const RPC_SERVER: Named = ("rpc.server.call.duration", "How long calls took that were served.");
const DATABASE: Named =
    ("db.client.operation.duration", "How long operations took that databases were asked for.");
const MESSAGING: Named = (
    "messaging.client.operation.duration",
    "How long operations took that brokers were asked for.",
);
const ANY: Named =
    ("fathom.request.duration", "How long requests took for which there is no other metric.");
const REQUESTS: Named = ("fathom.requests", "Requests of all protocols, whatever became of them.");

/// The bytes of an `ExportMetricsServiceRequest` with all that is counted, cumulative since each count
/// began; one resource for each workload. `now` is in nanoseconds since 1970.
///
/// Durations go where the conventions have a metric for them, else to `fathom.request.duration`.
/// `server.port`, which they want of clients, is not there: edges have none.
pub fn metrics(red: &Red, sender: &Sender, now: i64) -> Vec<u8> {
    let now = moment(now);
    let mut workloads: BTreeMap<(&str, &str), Points> = BTreeMap::new();
    for (labels, edge) in red.edges() {
        let points = workloads.entry((labels.namespace, labels.workload)).or_default();
        for series in &edge.series {
            points.add(&labels, series, now);
        }
    }
    let resource_metrics = workloads.into_iter().map(|((namespace, workload), points)| {
        let scope = Some(sender.scope());
        let scope_metrics = vec![ScopeMetrics { scope, metrics: points.metrics() }];
        let resource = Some(resource::of_workload(namespace, workload, sender));
        ResourceMetrics { resource, scope_metrics }
    });
    Metrics { resource_metrics: resource_metrics.collect() }.encode_to_vec()
}

/// The points of one workload.
#[derive(Default)]
struct Points {
    requests: Vec<Count>,
    durations: BTreeMap<Named, Vec<Durations>>,
}

impl Points {
    fn add(&mut self, labels: &Labels<'_>, series: &Series, now: u64) {
        let start = moment(series.since);
        let family = Family::of(labels.protocol);
        let is_client = labels.role == "client";
        self.requests.push(Count {
            attributes: plain(labels, series).0,
            start_time_unix_nano: start,
            time_unix_nano: now,
            count: Some(i64::try_from(series.requests).unwrap_or(i64::MAX)),
        });
        if series.durations.count == 0 {
            return;
        }
        let (name, mut attributes) = match (family, is_client) {
            (Family::Http, true) => (HTTP_CLIENT, http(series)),
            (Family::Http, false) => (HTTP_SERVER, http(series)),
            (Family::Grpc, true) => (RPC_CLIENT, rpc(series)),
            (Family::Grpc, false) => (RPC_SERVER, rpc(series)),
            (Family::Database(system), true) => (DATABASE, database(system, series)),
            (Family::Messaging(system), true) => (MESSAGING, messaging(system, series)),
            _ => (ANY, plain(labels, series)),
        };
        if name != ANY {
            attributes.flag("fathom.tls", series.tls && !matches!(family, Family::Http));
            ends(&mut attributes, labels, series);
        }
        let failure = family.failure(is_client, series.outcome, &series.status, "");
        attributes.text_if("error.type", failure);
        self.durations.entry(name).or_default().push(Durations {
            attributes: attributes.0,
            start_time_unix_nano: start,
            time_unix_nano: now,
            count: series.durations.count,
            sum: Some(series.durations.seconds()),
            bucket_counts: series.durations.counts.to_vec(),
            explicit_bounds: BOUNDS.map(seconds).to_vec(),
        });
    }

    fn metrics(self) -> Vec<Metric> {
        let metric = |(name, description): Named, unit: &str, data| Metric {
            name: name.into(),
            description: description.into(),
            unit: unit.into(),
            data: Some(data),
        };
        let sum = Sum { data_points: self.requests, temporality: CUMULATIVE, is_monotonic: true };
        let requests = metric(REQUESTS, "{request}", Data::Sum(sum));
        let durations = self.durations.into_iter().map(|(name, data_points)| {
            let histogram = Histogram { data_points, temporality: CUMULATIVE };
            metric(name, "s", Data::Histogram(histogram))
        });
        std::iter::once(requests).chain(durations).collect()
    }
}

fn http(series: &Series) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.text("http.request.method", &*series.operation);
    attributes.text("url.scheme", if series.tls { "https" } else { "http" });
    match series.status.parse::<u16>() {
        Ok(code) if code.to_string() == *series.status => {
            attributes.number_if("http.response.status_code", Some(code.into()));
        }
        // HTTP has no others; as it is, no two points become one.
        _ => attributes.text("fathom.status", &*series.status),
    }
    attributes
}

fn rpc(series: &Series) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.text("rpc.system.name", "grpc");
    attributes.text("rpc.method", &*series.operation);
    attributes.text("rpc.response.status_code", &*series.status);
    attributes
}

fn database(system: &str, series: &Series) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.text("db.system.name", system);
    attributes.text("db.operation.name", &*series.operation);
    attributes.text("db.response.status_code", &*series.status);
    attributes
}

fn messaging(system: &str, series: &Series) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.text("messaging.system", system);
    attributes.text("messaging.operation.name", &*series.operation);
    attributes.text_if("messaging.operation.type", convention::messaging(&series.operation));
    attributes.text("fathom.status", &*series.status);
    attributes
}

/// All that tells series of a workload apart, in our own words.
fn plain(labels: &Labels<'_>, series: &Series) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.text("fathom.protocol", labels.protocol);
    attributes.text("fathom.role", labels.role);
    attributes.text("fathom.operation", &*series.operation);
    attributes.text("fathom.status", &*series.status);
    attributes.flag("fathom.tls", series.tls);
    ends(&mut attributes, labels, series);
    attributes
}

/// The other end, and what became of them: with these no two points have the same attributes.
fn ends(attributes: &mut Attributes, labels: &Labels<'_>, series: &Series) {
    attributes.text("fathom.outcome", series.outcome.as_str());
    let name = resource::name(labels.peer_workload);
    attributes.text("fathom.peer.workload", labels.peer_workload);
    attributes.text("service.peer.name", name);
    attributes.text("service.peer.namespace", labels.peer_namespace);
    if labels.role == "client" {
        attributes.text("server.address", name);
    }
}

fn moment(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0)
}
