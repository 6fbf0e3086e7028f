//! How many requests become spans, and are counted, in a second, on one core.

use std::sync::Arc;
use std::time::{Duration, Instant};

use export::otlp::{Sender, Spans};
use export::{Options, Red};
use schema::Batch;

#[path = "../tests/requests/made.rs"]
#[allow(dead_code)]
mod made;

use made::{Call, NOW};

/// What an agent has to keep up with.
const TARGET: f64 = 50_000.0;

fn main() {
    let batches = batches();
    let mut spans = Spans::new(Sender::default(), Options::default());
    let mut bytes = 0;
    let mut sent = 0;
    figure("otlp_spans", || {
        let taken: usize = batches.iter().map(|batch| spans.add(batch)).sum();
        bytes += spans.request().len();
        sent += taken;
        taken
    });
    println!("{} bytes a span", bytes / sent);
    let mut red = Red::default();
    figure("red_counted", || batches.iter().map(|batch| red.add(batch, NOW)).sum());
    println!("{} edges", red.len());
}

/// Calls of HTTP and of a database, of a hundred processes.
fn batches() -> Vec<Batch> {
    let processes: Vec<_> = (0..100).map(|pid| made::pod(&format!("web-{pid}"), pid)).collect();
    let peer = [Some("data"), Some("StatefulSet/db"), Some("db")];
    let calls = processes.iter().flat_map(|process| {
        let http = Call { process: Arc::clone(process), peer, ..Call::default() };
        let resource = "select name, price from item where id = ? and shop = ?";
        let query = Call { protocol: "postgres", operation: "SELECT", resource, ..http.clone() };
        [join((0..32).map(|_| http.http(made::asked()))), join((0..32).map(|_| query.batch()))]
    });
    calls.collect()
}

/// One batch of many.
fn join(batches: impl Iterator<Item = Batch>) -> Batch {
    let batches: Vec<Batch> = batches.collect();
    let first = &batches[0];
    let rows = vec![0; batches.len()];
    Batch {
        table: first.table,
        node: first.node.clone(),
        origin: batches.iter().map(|batch| batch.origin[0]).collect(),
        process: batches.iter().map(|batch| batch.process[0].clone()).collect(),
        columns: first.columns.iter().map(|column| column.select(&rows)).collect(),
    }
}

fn figure(name: &str, mut turn: impl FnMut() -> usize) {
    let mut rows = 0;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        rows += turn();
    }
    let rate = rows as f64 / start.elapsed().as_secs_f64();
    let verdict = if rate >= TARGET { "met" } else { "missed" };
    println!("figure {name} {rate:.0} rows/s target >= {TARGET:.0} {verdict}");
}
