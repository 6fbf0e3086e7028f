//! The text of `/metrics`.

use std::sync::Arc;

use export::Red;

use crate::made::{Call, NOW, plain};

const HOUR: i64 = 3_600_000_000_000;

fn text(red: &Red) -> String {
    let mut text = String::from("before 1\n");
    red.text(&mut text);
    assert!(text.starts_with("before 1\n# HELP "));
    text
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
}

#[test]
fn requests_are_counted_by_edge_and_outcome() {
    let mut red = Red::default();
    let peer = [Some("data"), Some("StatefulSet/db"), Some("db")];
    let call = Call { protocol: "postgres", operation: "SELECT", peer, ..Call::default() };
    assert_eq!(red.add(&call.batch(), NOW), 1);
    for latency in [1_000_000, 1_000_001, 20_000_000_000] {
        red.add(&Call { latency: Some(latency), ..call.clone() }.batch(), NOW);
    }
    red.add(&Call { error: Some(""), status: Some("42P01"), ..call.clone() }.batch(), NOW);
    for outcome in ["no_answer", "closed"] {
        let silent = Call { outcome, latency: None, status: None, ..call.clone() };
        red.add(&silent.batch(), NOW);
    }
    red.add(&Call { outcome: "response_unseen", latency: None, ..call.clone() }.batch(), NOW);
    red.add(&Call { outcome: "one_way", latency: None, ..call.clone() }.batch(), NOW);
    assert_eq!(red.add(&Call { outcome: "push", ..call.clone() }.batch(), NOW), 0);
    let text = text(&red);
    let edge = "protocol=\"postgres\",role=\"client\",namespace=\"shop\",workload=\"Deployment/web\",peer_namespace=\"data\",peer_workload=\"StatefulSet/db\"";
    for (outcome, count) in [("ok", 5), ("error", 1), ("no_answer", 2), ("unseen", 1)] {
        has(&text, &format!("fathom_requests_total{{{edge},outcome=\"{outcome}\"}} {count}"));
    }
    let bucket = |le: &str, count: u64| {
        let name = "fathom_request_duration_seconds_bucket";
        has(&text, &format!("{name}{{{edge},le=\"{le}\"}} {count}"));
    };
    bucket("0.001", 1);
    bucket("0.0025", 2);
    bucket("0.005", 4);
    bucket("10", 4);
    bucket("+Inf", 5);
    has(&text, &format!("fathom_request_duration_seconds_count{{{edge}}} 5"));
    has(&text, &format!("fathom_request_duration_seconds_sum{{{edge}}} 20.008000001"));
    has(&text, "fathom_request_edges 1");
    assert!(!text.contains("10.0.0.") && !text.contains("8080"), "{text}");
}

#[test]
fn both_ends_of_a_call_are_edges() {
    let mut red = Red::default();
    red.add(&Call::default().batch(), NOW);
    let shop = Arc::new(plain("shop", 5));
    let peer = [Some("shop"), None, Some("web")];
    red.add(&Call { role: "server", process: shop, peer, ..Call::default() }.batch(), NOW);
    let text = text(&red);
    has(
        &text,
        "fathom_requests_total{protocol=\"http\",role=\"client\",namespace=\"shop\",workload=\"Deployment/web\",peer_namespace=\"\",peer_workload=\"\",outcome=\"ok\"} 1",
    );
    has(
        &text,
        "fathom_requests_total{protocol=\"http\",role=\"server\",namespace=\"\",workload=\"shop\",peer_namespace=\"shop\",peer_workload=\"Service/web\",outcome=\"ok\"} 1",
    );
}

#[test]
fn the_table_of_a_protocol_counts_as_the_one_over_all() {
    let (mut own, mut over_all) = (Red::default(), Red::default());
    assert_eq!(own.add(&Call::default().http(Default::default()), NOW), 1);
    over_all.add(&Call::default().batch(), NOW);
    assert_eq!(text(&own), text(&over_all));
}

#[test]
fn labels_are_escaped() {
    let mut red = Red::default();
    let process = Arc::new(plain("a \"b\"\n\\", 5));
    red.add(&Call { process, ..Call::default() }.batch(), NOW);
    assert!(text(&red).contains(",workload=\"a \\\"b\\\"\\n\\\\\","));
}

#[test]
fn edges_are_bounded_and_none_is_lost() {
    let mut red = Red::new(3);
    for pid in 0..10 {
        let process = Arc::new(plain(&format!("p{pid}"), pid));
        red.add(&Call { process, ..Call::default() }.batch(), NOW);
    }
    assert_eq!(red.len(), 4);
    let text = text(&red);
    has(
        &text,
        "fathom_requests_total{protocol=\"other\",role=\"other\",namespace=\"other\",workload=\"other\",peer_namespace=\"other\",peer_workload=\"other\",outcome=\"ok\"} 7",
    );
    has(&text, "fathom_crowded_requests_total 7");
    // Those that are known are counted as themselves.
    let process = Arc::new(plain("p1", 1));
    red.add(&Call { process, ..Call::default() }.batch(), NOW);
    let mut after = String::new();
    red.text(&mut after);
    has(&after, "fathom_crowded_requests_total 7");
}

#[test]
fn series_of_an_edge_are_bounded_and_none_is_lost() {
    let mut red = Red::default();
    let verbs: Vec<String> = (0..500).map(|verb| format!("VERB{verb}")).collect();
    for verb in verbs.leak() {
        let call = Call { protocol: "redis", operation: verb, ..Call::default() };
        red.add(&call.batch(), NOW);
    }
    let metrics = export::otlp::metrics(&red, &Default::default(), NOW);
    assert!(metrics.len() < 20_000, "{}", metrics.len());
    assert!(text(&red).contains("outcome=\"ok\"} 500\n"));
}

#[test]
fn edges_that_are_over_are_forgotten() {
    let mut red = Red::default();
    red.add(&Call::default().batch(), NOW);
    let other = Call { process: Arc::new(plain("other", 9)), ..Call::default() };
    red.add(&other.batch(), NOW + HOUR - 1);
    assert_eq!(red.len(), 2);
    red.forget(NOW + HOUR);
    assert_eq!(red.len(), 1);
    // What is added looks after old ones, too.
    red.add(&Call::default().batch(), NOW + 3 * HOUR);
    assert_eq!(red.len(), 1);
    red.forget(NOW + 9 * HOUR);
    assert!(red.is_empty());
}

#[test]
fn the_page_is_well_formed() {
    let mut red = Red::default();
    for protocol in ["http", "dns", "redis"] {
        for latency in [1, 70_000_000] {
            let call = Call { protocol, latency: Some(latency), ..Call::default() };
            red.add(&call.batch(), NOW);
        }
    }
    let mut page = String::new();
    red.text(&mut page);
    let (mut families, mut below) = (Vec::new(), 0);
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!families.contains(&name) && help.ends_with('.'), "{line}");
            families.push(name);
            continue;
        }
        if line.starts_with("# TYPE ") {
            continue;
        }
        let name = line.split(['{', ' ']).next().unwrap();
        let family = families.last().unwrap();
        assert!(
            ["", "_bucket", "_sum", "_count"].contains(&name.strip_prefix(family).unwrap()),
            "{line}"
        );
        let value = line.rsplit_once(' ').unwrap().1;
        value.parse::<f64>().unwrap();
        if name.ends_with("_bucket") {
            let count: u64 = value.parse().unwrap();
            assert!(count >= below, "{line}");
            below = if line.contains("le=\"+Inf\"") { 0 } else { count };
        }
    }
    assert_eq!(families.len(), 4);
}
