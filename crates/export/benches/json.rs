//! How many rows of `file_open` become JSON lines in a second, on one core.

use std::sync::Arc;
use std::time::{Duration, Instant};

use export::{Format, Json, Options};
use schema::{Batch, Process};

#[path = "../tests/formats/sample.rs"]
mod sample;

const TARGET: f64 = 1e6;

fn main() {
    // One process that opens file after file, as a build does; and a hundred that take turns,
    // which no cache can help.
    figure("json_one_process", &opens(1));
    figure("json_hundred_processes", &opens(100));
}

fn opens(processes: u32) -> Batch {
    let processes: Vec<Arc<Process>> = (0..processes)
        .map(|pid| sample::process(1000 + pid, "/usr/bin/containerd-shim", true))
        .collect();
    let row = |at: usize| {
        let path: &[u8] = b"/usr/lib/x86_64-linux-gnu/libcrypto.so.3";
        let open =
            sample::FileOpen { path: Some(path), path_resolved: Some(path), ..sample::open() };
        (at as i64 / 100, processes[at % processes.len()].clone(), open)
    };
    sample::batch((0..4096).map(row))
}

fn figure(name: &str, batch: &Batch) {
    let mut json = Json::new(Options::default());
    let mut out = Vec::new();
    let (mut rows, mut bytes) = (0, 0);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        out.clear();
        json.batch(batch, &mut out);
        rows += batch.len();
        bytes += out.len();
    }
    let rate = rows as f64 / start.elapsed().as_secs_f64();
    let verdict = if rate >= TARGET { "met" } else { "missed" };
    println!(
        "figure {name} {rate:.0} rows/s target >= {TARGET:.0} {verdict} ({} bytes a row)",
        bytes / rows
    );
}
