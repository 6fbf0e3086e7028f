//! Rates as metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use export::Red;
use export::otlp::{self, Sender};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
};
use prost::Message;

use crate::made::{Call, NOW, plain};

const LATER: i64 = NOW + 60_000_000_000;

pub(crate) fn export(red: &Red) -> Vec<ResourceMetrics> {
    let attributes = vec![("host.name".to_owned(), "node-1".to_owned())];
    let sender = Sender { version: "1.2.3".into(), attributes };
    let bytes = otlp::metrics(red, &sender, LATER);
    ExportMetricsServiceRequest::decode(bytes.as_slice()).unwrap().resource_metrics
}

pub(crate) fn said(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let said: BTreeMap<_, _> = attributes
        .iter()
        .map(|it| {
            let value = match it.value.as_ref().unwrap().value.as_ref().unwrap() {
                Value::StringValue(text) => text.clone(),
                Value::IntValue(number) => format!("#{number}"),
                Value::BoolValue(is_so) => format!("#{is_so}"),
                other => panic!("{other:?}"),
            };
            (it.key.clone(), value)
        })
        .collect();
    assert_eq!(said.len(), attributes.len(), "a key stands there twice: {attributes:?}");
    said
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

pub(crate) fn metrics(resource: &ResourceMetrics) -> BTreeMap<&str, &Metric> {
    let metrics = &resource.scope_metrics[0].metrics;
    let by_name: BTreeMap<&str, &Metric> = metrics.iter().map(|it| (&*it.name, it)).collect();
    assert_eq!(by_name.len(), metrics.len());
    by_name
}

pub(crate) fn durations(metric: &Metric) -> &[HistogramDataPoint] {
    let Some(Data::Histogram(histogram)) = &metric.data else { panic!("{metric:?}") };
    assert_eq!(histogram.aggregation_temporality(), AggregationTemporality::Cumulative);
    assert_eq!(metric.unit, "s");
    &histogram.data_points
}

pub(crate) fn counts(metric: &Metric) -> &[NumberDataPoint] {
    let Some(Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
    assert!(sum.is_monotonic && metric.unit == "{request}");
    assert_eq!(sum.aggregation_temporality(), AggregationTemporality::Cumulative);
    &sum.data_points
}

#[test]
fn durations_of_http() {
    let mut red = Red::default();
    let peer = [Some("shop"), Some("Deployment/items"), None];
    let call = Call { peer, tls: true, ..Call::default() };
    red.add(&call.batch(), NOW);
    red.add(&Call { latency: Some(70_000_000), ..call.clone() }.batch(), NOW);
    red.add(&Call { status: Some("404"), error: Some(""), ..call.clone() }.batch(), NOW);
    red.add(&Call { outcome: "no_answer", status: None, latency: None, ..call }.batch(), NOW);
    let resources = export(&red);
    let [resource] = &resources[..] else { panic!("{resources:?}") };
    let expected = pairs([
        ("fathom.workload", "Deployment/web"),
        ("host.name", "node-1"),
        ("k8s.deployment.name", "web"),
        ("k8s.namespace.name", "shop"),
        ("service.name", "web"),
        ("service.namespace", "shop"),
    ]);
    assert_eq!(said(&resource.resource.as_ref().unwrap().attributes), expected);

    let metrics = metrics(resource);
    let names: Vec<&str> = metrics.keys().copied().collect();
    assert_eq!(names, ["fathom.requests", "http.client.request.duration"]);
    let [good, missing] = durations(metrics["http.client.request.duration"]) else {
        panic!("{metrics:?}")
    };
    let expected = pairs([
        ("fathom.outcome", "ok"),
        ("fathom.peer.workload", "Deployment/items"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "#200"),
        ("server.address", "items"),
        ("service.peer.name", "items"),
        ("service.peer.namespace", "shop"),
        ("url.scheme", "https"),
    ]);
    assert_eq!(said(&good.attributes), expected);
    assert_eq!((good.start_time_unix_nano, good.time_unix_nano), (NOW as u64, LATER as u64));
    assert_eq!((good.count, good.sum), (2, Some(0.073)));
    assert_eq!(good.explicit_bounds.len() + 1, good.bucket_counts.len());
    assert_eq!((good.explicit_bounds[2], good.bucket_counts[2]), (0.005, 1));
    assert_eq!((good.explicit_bounds[6], good.bucket_counts[6]), (0.1, 1));
    assert_eq!(good.bucket_counts.iter().sum::<u64>(), 2);
    assert_eq!(said(&missing.attributes)["error.type"], "404");

    let counts = counts(metrics["fathom.requests"]).iter();
    let counts: BTreeSet<_> = counts
        .map(|point| {
            let Some(Number::AsInt(count)) = point.value else { panic!("{point:?}") };
            (said(&point.attributes)["fathom.outcome"].clone(), count)
        })
        .collect();
    assert_eq!(
        counts,
        [("ok", 2), ("error", 1), ("no_answer", 1)].map(|(k, n)| (k.into(), n)).into()
    );
}

#[test]
fn every_protocol_has_its_metric() {
    let mut red = Red::default();
    for (protocol, role, operation) in [
        ("http", "server", "GET"),
        ("grpc", "client", "Get"),
        ("grpc", "server", "Get"),
        ("redis", "client", "GET"),
        ("redis", "server", "GET"),
        ("kafka", "client", "Produce"),
        ("dns", "client", "A"),
    ] {
        let resource = "shop.Orders";
        red.add(&Call { protocol, role, operation, resource, ..Call::default() }.batch(), NOW);
    }
    let resources = export(&red);
    let metrics = metrics(&resources[0]);
    let first = |name: &str, expected: &[(&str, &str)]| {
        let points = durations(metrics[name]);
        let said = said(&points[0].attributes);
        for (key, value) in expected {
            assert_eq!(said.get(*key).map(String::as_str), Some(*value), "{key} in {said:?}");
        }
        points.len()
    };
    let server = [("http.request.method", "GET"), ("url.scheme", "http")];
    assert_eq!(first("http.server.request.duration", &server), 1);
    let call = [("rpc.system.name", "grpc"), ("rpc.method", "shop.Orders/Get")];
    assert_eq!(first("rpc.client.call.duration", &call), 1);
    assert_eq!(first("rpc.server.call.duration", &call), 1);
    let get = [("db.system.name", "redis"), ("db.operation.name", "GET")];
    assert_eq!(first("db.client.operation.duration", &get), 1);
    let sent = [("messaging.system", "kafka"), ("messaging.operation.name", "Produce")];
    assert_eq!(first("messaging.client.operation.duration", &sent), 1);
    let lookup = [("fathom.protocol", "dns"), ("fathom.role", "client"), ("fathom.operation", "A")];
    assert_eq!(first("fathom.request.duration", &lookup), 2);
    assert_eq!(counts(metrics["fathom.requests"]).len(), 7);
}

#[test]
fn a_resource_for_each_workload() {
    let mut red = Red::default();
    for comm in ["a", "b"] {
        for protocol in ["http", "dns"] {
            let process = Arc::new(plain(comm, 1));
            red.add(&Call { protocol, process, ..Call::default() }.batch(), NOW);
        }
    }
    let resources = export(&red);
    let names: Vec<_> = resources
        .iter()
        .map(|it| said(&it.resource.as_ref().unwrap().attributes)["service.name"].clone())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert!(export(&Red::default()).is_empty());
}

#[test]
fn what_is_told_apart_stays_apart() {
    let mut red = Red::default();
    for status in ["200", "0200", "x", "y"] {
        red.add(&Call { status: Some(status), ..Call::default() }.batch(), NOW);
    }
    let resources = export(&red);
    let points = durations(metrics(&resources[0])["http.client.request.duration"]);
    let apart: BTreeSet<_> = points.iter().map(|point| said(&point.attributes)).collect();
    assert_eq!(apart.len(), 4);
}
