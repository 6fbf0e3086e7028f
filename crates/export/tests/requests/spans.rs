//! Requests as spans.

use std::collections::BTreeMap;
use std::sync::Arc;

use export::Options;
use export::otlp::{Sender, Spans};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags, status::StatusCode};
use prost::Message;
use protocols::http::Request;
use schema::Batch;

use crate::made::{Call, NOW, asked, plain, web};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn sender() -> Sender {
    let attributes = vec![
        ("k8s.cluster.name".into(), "c1".into()),
        ("service.name".into(), "not the sender's".into()),
    ];
    Sender { version: "1.2.3".into(), attributes }
}

fn export(batches: &[Batch], options: Options) -> ExportTraceServiceRequest {
    let mut spans = Spans::new(sender(), options);
    let taken: usize = batches.iter().map(|batch| spans.add(batch)).sum();
    assert_eq!((spans.len(), taken), (batches.len(), batches.len()));
    let size = spans.size();
    let bytes = spans.request();
    assert!(bytes.len() >= size && bytes.len() < size + 60 * batches.len(), "{}", bytes.len());
    assert!(spans.is_empty() && spans.size() == 0 && spans.request().is_empty());
    ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap()
}

fn span(batch: Batch) -> Span {
    let request = export(&[batch], Options::default());
    let [resource] = request.resource_spans.try_into().unwrap();
    let [scope] = resource.scope_spans.try_into().unwrap();
    assert_eq!(
        scope.scope.map(|it| (it.name, it.version)),
        Some(("fathom".into(), "1.2.3".into()))
    );
    let [span] = scope.spans.try_into().unwrap();
    assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
    span
}

/// Attributes as text, by their keys.
fn said(attributes: &[KeyValue]) -> BTreeMap<&str, String> {
    let said: BTreeMap<&str, String> = attributes
        .iter()
        .map(|it| {
            let value = match it.value.as_ref().unwrap().value.as_ref().unwrap() {
                Value::StringValue(text) => text.clone(),
                Value::IntValue(number) => format!("#{number}"),
                Value::BoolValue(is_so) => format!("#{is_so}"),
                other => panic!("{other:?}"),
            };
            (it.key.as_str(), value)
        })
        .collect();
    assert_eq!(said.len(), attributes.len(), "a key stands there twice: {attributes:?}");
    said
}

#[track_caller]
fn says(span: &Span, expected: &[(&str, &str)]) {
    let said = said(&span.attributes);
    for (key, value) in expected {
        match *value {
            "" => assert_eq!(said.get(key), None, "{key} in {said:#?}"),
            value => {
                assert_eq!(said.get(key).map(String::as_str), Some(value), "{key} in {said:#?}")
            }
        }
    }
}

#[test]
fn a_call_that_carries_a_trace() {
    let peer = [Some("shop"), Some("Deployment/items"), Some("items")];
    let trace = Some((TRACE, Some(CALLER)));
    let call = Call { trace, peer, tls: true, ..Call::default() };
    let client = span(call.http(asked()));
    assert_eq!(client.name, "GET /item/{id}");
    assert_eq!(client.kind(), SpanKind::Client);
    assert_eq!(client.trace_id, u128::from_str_radix(TRACE, 16).unwrap().to_be_bytes());
    assert_eq!(client.parent_span_id, u64::from_str_radix(CALLER, 16).unwrap().to_be_bytes());
    assert_eq!(client.flags, SpanFlags::ContextHasIsRemoteMask as u32);
    assert_eq!(client.start_time_unix_nano, NOW as u64);
    assert_eq!(client.end_time_unix_nano, NOW as u64 + 3_000_000);
    assert_eq!(client.status, None);
    let expected = [
        ("fathom.request.size", "#100"),
        ("fathom.response.size", "#2000"),
        ("fathom.tls", "#true"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "#200"),
        ("network.peer.address", "10.0.0.2"),
        ("network.peer.port", "#8080"),
        ("network.protocol.name", "http"),
        ("network.protocol.version", "1.1"),
        ("peer.service", "items"),
        ("server.address", "shop.example"),
        ("server.port", "#8443"),
        ("service.peer.name", "items"),
        ("service.peer.namespace", "shop"),
        ("url.full", "https://shop.example:8443/item/17?token=***"),
        ("url.path", "/item/17"),
        ("url.query", "token=***"),
        ("url.scheme", "https"),
        ("url.template", "/item/{id}"),
        ("user_agent.original", "curl/8"),
    ];
    let said: Vec<_> = said(&client.attributes).into_iter().collect();
    assert_eq!(said, expected.map(|(key, value)| (key, value.to_owned())));

    let ends = Some(("10.0.0.2:8080", "10.0.0.1:40000"));
    let server = span(Call { role: "server", ends, time: NOW + 900, ..call }.http(asked()));
    assert_eq!(server.kind(), SpanKind::Server);
    assert_eq!(
        (&server.trace_id, &server.parent_span_id),
        (&client.trace_id, &client.parent_span_id)
    );
    assert_ne!(server.span_id, client.span_id);
    let remote = SpanFlags::ContextHasIsRemoteMask as u32 | SpanFlags::ContextIsRemoteMask as u32;
    assert_eq!(server.flags, remote);
    says(
        &server,
        &[
            ("client.address", "10.0.0.1"),
            ("client.port", "#40000"),
            ("server.address", "shop.example"),
            ("url.full", ""),
            ("peer.service", ""),
        ],
    );
}

#[test]
fn resources_are_processes() {
    let (one, other) = (Arc::new(plain("cron", 200)), web());
    let calls = [
        Call { process: one.clone(), ..Call::default() },
        Call { process: other.clone(), ..Call::default() },
        Call { process: one, ..Call::default() },
        // The same process, by another entry.
        Call { process: web(), ..Call::default() },
    ];
    let request = export(&calls.map(|call| call.batch()), Options::default());
    let resources: Vec<_> = request
        .resource_spans
        .iter()
        .map(|it| (said(&it.resource.as_ref().unwrap().attributes), it.scope_spans[0].spans.len()))
        .collect();
    let cron = [
        ("host.name", "node-1"),
        ("k8s.cluster.name", "c1"),
        ("process.executable.name", "cron"),
        ("process.pid", "#200"),
        ("service.name", "cron"),
    ];
    let web = [
        ("container.id", "c0ffee"),
        ("host.name", "node-1"),
        ("k8s.cluster.name", "c1"),
        ("k8s.container.name", "main"),
        ("k8s.deployment.name", "web"),
        ("k8s.namespace.name", "shop"),
        ("k8s.node.name", "node-1"),
        ("k8s.pod.name", "web-1"),
        ("k8s.pod.uid", "uid-1"),
        ("process.executable.name", "nginx"),
        ("process.executable.path", "/usr/sbin/nginx"),
        ("process.pid", "#100"),
        ("service.name", "web"),
        ("service.namespace", "shop"),
    ];
    let cron = (cron.map(|(key, value)| (key, value.to_owned())).into(), 2);
    let web = (web.map(|(key, value)| (key, value.to_owned())).into(), 2);
    assert_eq!(resources, [cron, web]);
}

#[test]
fn both_spans_of_a_call_share_a_trace() {
    let client = Call::default();
    let ends = Some(("10.0.0.2:8080", "10.0.0.1:40000"));
    let server = Call { role: "server", ends, time: NOW + 200_000, ..Call::default() };
    let trace = |call: &Call| span(call.batch()).trace_id;
    assert_eq!(trace(&client), trace(&server));
    assert!(span(client.batch()).parent_span_id.is_empty());
    assert_eq!(span(client.batch()).flags, 0);
    // On another node as well, but where every node has those addresses.
    assert_eq!(trace(&client), trace(&Call { node: "node-2", ..server.clone() }));
    let local = Call { ends: Some(("127.0.0.1:40000", "127.0.0.1:80")), ..client.clone() };
    let back = Call { ends: Some(("127.0.0.1:80", "127.0.0.1:40000")), ..server.clone() };
    assert_eq!(trace(&local), trace(&back));
    assert_ne!(trace(&local), trace(&Call { node: "node-2", ..back }));
    // Other calls have other traces.
    for other in [
        Call { ends: Some(("10.0.0.2:8080", "10.0.0.1:40001")), ..server.clone() },
        Call { operation: "PUT", ..server.clone() },
        Call { resource: "/", ..server.clone() },
        Call { time: NOW + 100_000_000, ..server.clone() },
    ] {
        assert_ne!(trace(&client), trace(&other));
    }
    // Where an end is not known there is nothing to join by.
    for ends in [None, Some(("0.0.0.0:53", "10.0.0.1:40000"))] {
        let one = Call { ends, ..server.clone() };
        assert_ne!(trace(&one), trace(&Call { time: NOW + 1, ..one.clone() }));
    }
    // What cannot be a trace is none.
    for bad in ["0", "4bf9", "00000000000000000000000000000000", "xyz92f3577b34da6a3ce929d0e0e4736"]
    {
        let call = Call { trace: Some((bad, Some(CALLER))), ..client.clone() };
        assert_eq!((trace(&call), span(call.batch()).parent_span_id), (trace(&client), vec![]));
    }
}

#[test]
fn every_span_has_its_own_number() {
    let pipeline: Vec<Batch> = (0..16).map(|_| Call::default().batch()).collect();
    let request = export(&pipeline, Options::default());
    let spans = &request.resource_spans[0].scope_spans[0].spans;
    let ids: std::collections::BTreeSet<&[u8]> = spans.iter().map(|it| &*it.span_id).collect();
    assert_eq!(ids.len(), 16);
    assert!(ids.iter().all(|id| **id != [0; 8]));
}

#[test]
fn http_without_its_own_table() {
    let span = span(Call::default().batch());
    assert_eq!(span.name, "GET /item/{id}");
    let expected = [
        ("url.template", "/item/{id}"),
        ("url.path", ""),
        ("server.address", "10.0.0.2"),
        ("server.port", "#8080"),
    ];
    says(&span, &expected);
}

#[test]
fn methods_that_http_does_not_know() {
    let span = span(Call { operation: "BREW", ..Call::default() }.batch());
    assert_eq!(span.name, "HTTP /item/{id}");
    says(&span, &[("http.request.method", "_OTHER"), ("http.request.method_original", "BREW")]);
}

#[test]
fn what_is_personal_stays_here() {
    let request = export(&[Call::default().http(asked())], Options { hide_personal: true });
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(span.name, "GET /item/{id}");
    says(span, &[("url.path", ""), ("url.query", ""), ("url.full", ""), ("url.scheme", "http")]);
}

#[test]
fn failures() {
    let failed = |call: &Call| {
        let span = span(call.batch());
        let error = said(&span.attributes).get("error.type").cloned();
        assert_eq!(error.is_some(), span.status.is_some(), "{span:?}");
        span.status.map(|status| {
            assert_eq!(status.code(), StatusCode::Error);
            (error.unwrap(), status.message)
        })
    };
    let pair = |kind: &str, words: &str| Some((kind.to_owned(), words.to_owned()));
    let missing = Call { status: Some("404"), error: Some(""), ..Call::default() };
    assert_eq!(failed(&missing), pair("404", ""));
    assert_eq!(failed(&Call { role: "server", ..missing }), None);
    let broken = Call { role: "server", status: Some("503"), error: Some(""), ..Call::default() };
    assert_eq!(failed(&broken), pair("503", ""));
    let reset = Call { error: Some("CANCEL"), ..Call::default() };
    assert_eq!(failed(&reset), pair("CANCEL", "CANCEL"));
    let query = Call {
        protocol: "postgres",
        status: Some("42P01"),
        error: Some("relation \"x\" does not exist"),
        ..Call::default()
    };
    assert_eq!(failed(&query), pair("42P01", "relation \"x\" does not exist"));
    let silent = Call { outcome: "no_answer", status: None, latency: None, ..Call::default() };
    assert_eq!(failed(&silent), pair("no_answer", "no answer"));
    let closed = Call { outcome: "closed", ..silent.clone() };
    assert_eq!(failed(&closed), pair("no_answer", "closed before the answer"));
    assert_eq!(failed(&Call { outcome: "response_unseen", ..silent.clone() }), None);
    let span = span(silent.batch());
    says(&span, &[("fathom.outcome", "no_answer"), ("http.response.status_code", "")]);
    // It was sent, so much is known.
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 1_000);
}

#[test]
fn databases() {
    let of = |protocol, operation, resource| {
        span(Call { protocol, operation, resource, status: Some("OK"), ..Call::default() }.batch())
    };
    let query = of("postgres", "SELECT", "select name from t where id = ?");
    assert_eq!(query.name, "SELECT");
    says(
        &query,
        &[
            ("db.system.name", "postgresql"),
            ("db.operation.name", "SELECT"),
            ("db.query.text", "select name from t where id = ?"),
            ("db.response.status_code", ""),
            ("network.protocol.name", "postgres"),
        ],
    );
    says(&of("postgres", "BEGIN", "BEGIN;"), &[("db.query.text", "BEGIN;")]);
    let login = of("postgres", "CONNECT", "shop");
    says(&login, &[("db.namespace", "shop"), ("db.query.text", "")]);
    let nameless = of("postgres", "EXECUTE", "s_7");
    says(&nameless, &[("db.query.text", ""), ("fathom.resource", "s_7")]);
    let get = of("redis", "GET", "user:{id}");
    assert_eq!(get.name, "GET");
    says(&get, &[("db.system.name", "redis"), ("db.query.text", "GET user:{id}")]);
    let find = of("mongodb", "find", "shop.users");
    assert_eq!(find.name, "find shop.users");
    says(
        &find,
        &[
            ("db.system.name", "mongodb"),
            ("db.namespace", "shop"),
            ("db.collection.name", "users"),
            ("db.operation.name", "find"),
        ],
    );
    let systems = [("mysql", "mysql"), ("cassandra", "cassandra"), ("memcached", "memcached")];
    for (protocol, system) in systems {
        says(&of(protocol, "SELECT", "select ?"), &[("db.system.name", system)]);
    }
    let failed = Call {
        protocol: "mysql",
        operation: "SELECT",
        status: Some("1146"),
        error: Some(""),
        ..Call::default()
    };
    says(&span(failed.batch()), &[("db.response.status_code", "1146"), ("error.type", "1146")]);
}

#[test]
fn calls_of_grpc() {
    let call = Call {
        protocol: "grpc",
        operation: "Get",
        resource: "shop.Orders",
        status: Some("NOT_FOUND"),
        error: Some("no order"),
        ..Call::default()
    };
    let client = span(call.batch());
    assert_eq!(client.name, "shop.Orders/Get");
    assert_eq!(client.status.as_ref().unwrap().message, "no order");
    says(
        &client,
        &[
            ("rpc.system.name", "grpc"),
            ("rpc.system", "grpc"),
            ("rpc.service", "shop.Orders"),
            ("rpc.method", "shop.Orders/Get"),
            ("rpc.response.status_code", "NOT_FOUND"),
            ("rpc.grpc.status_code", "#5"),
            ("error.type", "NOT_FOUND"),
            ("network.protocol.name", "http"),
        ],
    );
    // Its own table says the same.
    let asked = Request { grpc: Some(Default::default()), ..Request::default() };
    let own = call.http(asked);
    assert_eq!(own.table.name, "grpc_request");
    let own = span(own);
    assert_eq!((&own.name, said(&own.attributes)), (&client.name, said(&client.attributes)));
    assert_eq!(span(Call { role: "server", ..call }.batch()).status, None);
}

#[test]
fn messages() {
    let of = |protocol, operation, resource, outcome| {
        span(Call { protocol, operation, resource, outcome, ..Call::default() }.batch())
    };
    let sent = of("kafka", "Produce", "orders", "answered");
    assert_eq!(sent.name, "Produce orders");
    says(
        &sent,
        &[
            ("messaging.system", "kafka"),
            ("messaging.operation.name", "Produce"),
            ("messaging.operation.type", "send"),
            ("messaging.destination.name", "orders"),
        ],
    );
    let several = of("kafka", "Fetch", "orders,carts", "answered");
    assert_eq!(several.name, "Fetch");
    says(&several, &[("messaging.destination.name", ""), ("fathom.resource", "orders,carts")]);
    let group = of("kafka", "Heartbeat", "billing", "answered");
    says(&group, &[("messaging.destination.name", ""), ("fathom.resource", "billing")]);
    let rabbit = of("amqp", "basic.publish", "shop/new", "one_way");
    says(
        &rabbit,
        &[
            ("messaging.system", "rabbitmq"),
            ("messaging.destination.name", "shop/new"),
            ("fathom.outcome", "one_way"),
        ],
    );
    let delivered = of("nats", "MSG", "orders.new", "push");
    assert_eq!((delivered.kind(), &*delivered.name), (SpanKind::Consumer, "MSG orders.new"));
    says(&delivered, &[("messaging.system", "nats"), ("messaging.operation.type", "receive")]);
}

#[test]
fn names_and_others() {
    let of = |protocol, operation, resource| {
        span(Call { protocol, operation, resource, ..Call::default() }.batch())
    };
    let lookup = of("dns", "AAAA", "shop.example");
    assert_eq!(lookup.name, "DNS AAAA");
    says(&lookup, &[("dns.question.name", "shop.example"), ("network.protocol.name", "dns")]);
    let other = of("gopher", "", "hole");
    assert_eq!(other.name, "gopher");
    says(&other, &[("fathom.resource", "hole"), ("network.protocol.name", "gopher")]);
}

#[test]
fn tables_of_protocols_say_more() {
    let of = |table, resource, columns: &[(&str, &str)]| {
        span(Call { operation: "Fetch", resource, ..Call::default() }.own(table, columns))
    };
    let both = [("database", "shop"), ("collection", "a.b")];
    says(
        &of("mongodb_request", "shop.a.b", &both),
        &[("db.namespace", "shop"), ("db.collection.name", "a.b")],
    );
    says(
        &of("mongodb_request", "users", &[("collection", "users")]),
        &[("db.namespace", ""), ("db.collection.name", "users")],
    );
    says(
        &of("kafka_request", "orders", &[("group", "billing"), ("topics", "orders")]),
        &[
            ("messaging.consumer.group.name", "billing"),
            ("messaging.destination.name", "orders"),
            // That of a message is no version of the protocol.
            ("network.protocol.version", ""),
        ],
    );
    says(
        &of("amqp_request", "shop/new", &[("routing_key", "new")]),
        &[("messaging.rabbitmq.destination.routing_key", "new")],
    );
    says(
        &of("nats_request", "orders.new", &[("queue_group", "q")]),
        &[("messaging.consumer.group.name", "q"), ("messaging.destination.name", "orders.new")],
    );
    says(
        &of("dns_request", "shop.{id}", &[("name", "shop.17")]),
        &[("dns.question.name", "shop.17")],
    );
}
