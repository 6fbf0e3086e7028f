//! The functions that plain SQL lacks.

use std::sync::Arc;

use query::{Engine, Labels, Trouble};

use crate::rows::*;

fn engine() -> Engine {
    Kept::default().hot::<FileOpen<'_>>(opens(0.0, 1.0, 100)).engine()
}

#[test]
fn times_fall_into_buckets() {
    let engine = engine();
    let sql = "SELECT time_bucket('40s', time) AS t, count(*) FROM file_open GROUP BY t ORDER BY t";
    let buckets = ["2026-11-22T05:00:00Z|40", "2026-11-22T05:00:40Z|40", "2026-11-22T05:01:20Z|20"];
    assert_eq!(lines(&engine, sql), buckets);
    let sql = "SELECT time_bucket(INTERVAL '1 minute', time) AS t, count(*) FROM file_open \
               GROUP BY t ORDER BY t";
    assert_eq!(lines(&engine, sql), ["2026-11-22T05:00:00Z|60", "2026-11-22T05:01:00Z|40"]);
    let wrong = problem(&engine, "SELECT time_bucket('10x', time) FROM file_open");
    assert_eq!(wrong.kind, Trouble::Sql);
    assert!(wrong.message.contains("`10x` is no span of time"), "{wrong}");
    let wrong = problem(&engine, "SELECT time_bucket(INTERVAL '1 month', time) FROM file_open");
    assert!(wrong.message.contains("date_trunc"), "{wrong}");
}

#[test]
fn shares_of_a_distribution() {
    let engine = engine();
    // 0 to 99 microseconds.
    let sql = "SELECT p50(latency), p95(latency), p99(latency) FROM file_open";
    let line = &lines(&engine, sql)[0];
    let values: Vec<f64> = line.split('|').map(|it| it.parse().unwrap()).collect();
    for (value, expected) in values.iter().zip([49_500.0, 94_500.0, 98_500.0]) {
        assert!((value - expected).abs() <= 1000.0, "{line}");
    }
    let sql = "SELECT p95(latency) FROM file_open WHERE pid = 0";
    assert_eq!(lines(&engine, sql), [""]);
    let sql = "SELECT comm, p50(latency) FILTER (WHERE inode < 3) FROM file_open GROUP BY comm";
    assert_eq!(lines(&engine, sql), ["cat|1000.0"]);
}

#[test]
fn addresses_are_in_networks() {
    let engine = Kept::default().engine();
    let sql = "SELECT ip_in('10.1.2.3', '10.0.0.0/8'), ip_in('8.8.8.8', '10.0.0.0/8', '::/0'), \
               ip_in('fd00::1', 'fd00::/8'), ip_in(NULL, '10.0.0.0/8'), \
               ip_in('8.8.8.8', '10.0.0.0/8')";
    assert_eq!(lines(&engine, sql), ["true|true|true||false"]);
    let wrong = problem(&engine, "SELECT * FROM socket_connect WHERE ip_in(peer_ip, '10.0/8')");
    assert_eq!(wrong.kind, Trouble::Sql);
    assert!(wrong.message.contains("`10.0/8` is no network"), "{wrong}");
}

#[test]
fn paths_have_parts() {
    let engine = engine();
    let sql = "SELECT DISTINCT dirname(path), basename(exe) FROM file_open";
    assert_eq!(lines(&engine, sql), ["/data|cat"]);
    let sql = "SELECT basename(path) FROM file_open ORDER BY 1 LIMIT 1";
    assert_eq!(lines(&engine, sql), ["000000"]);
}

#[test]
fn labels_are_asked_of_whoever_knows_them() {
    let sql = "SELECT label('shop', 'web-1', 'app'), label('web-1', 'app'), label('db-0', 'app'), \
               label(pod, 'app') FROM file_open LIMIT 1";
    assert_eq!(lines(&engine(), sql), ["|||"]);
    let labels: Labels = Arc::new(|namespace: &str, pod: &str, key: &str| {
        (namespace != "other" && pod == "web-1").then(|| format!("{namespace}:{key}"))
    });
    let engine = engine().with_labels(labels);
    assert_eq!(lines(&engine, sql), ["shop:app|:app||"]);
}

#[test]
fn a_fault_breaks_off_one_query_alone() {
    let labels: Labels = Arc::new(|_: &str, _: &str, _: &str| panic!("nobody knows"));
    let engine = engine().with_labels(labels);
    let problem = problem(&engine, "SELECT label(comm, 'app'), count(*) FROM file_open GROUP BY 1");
    assert_eq!(problem.kind, Trouble::Internal, "{problem}");
    assert_eq!(lines(&engine, "SELECT count(*) FROM file_open"), ["100"]);
}

#[test]
fn moments_are_told_from_now() {
    let engine = engine();
    let sql = "SELECT now() - ago('1h') = INTERVAL '1 hour', now() > ago('1s'), \
               count(*) FROM file_open WHERE time < now() + INTERVAL '100 years'";
    assert_eq!(lines(&engine, sql), ["true|true|100"]);
    assert_eq!(
        lines(&engine, "SELECT count(*) FROM file_open WHERE time < ago('500 weeks')"),
        ["0"]
    );
    let wrong = problem(&engine, "SELECT * FROM file_open WHERE time > ago('soon')");
    assert!(wrong.message.contains("`soon` is no span of time"), "{wrong}");
}
