//! How fast it answers: ten million rows, a hundred million, and DuckDB over the same files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use query::{Ask, Engine};
use store::{Catalogue, Contents, Rows, Segment, to_arrow, write_segments};

use super::duck::Duck;
use super::made;
use crate::cli::Arguments;
use crate::figure::{Report, Target};

/// Rows of one segment.
const SEGMENT: u64 = 1_000_000;
/// Rows in all, and so many times as many.
const ROWS: u64 = 10_000_000;
const TIMES: u64 = 10;
/// In milliseconds.
const RECENT: f64 = 50.0;
/// In seconds.
const GROUPED: f64 = 3.0;

pub(crate) fn run(arguments: &Arguments, report: &mut Report, folder: &Path) -> Result<()> {
    let begun = Instant::now();
    let rows = arguments.count(ROWS as usize) as u64;
    let mut segments = Vec::new();
    for sequence in 0..rows.div_ceil(SEGMENT) {
        let numbers = sequence * SEGMENT..rows.min(sequence * SEGMENT + SEGMENT);
        let chunks = numbers.clone().step_by(50_000);
        let batches: Vec<_> = chunks
            .map(|from| {
                to_arrow(made::table(), &[made::rows(from..numbers.end.min(from + 50_000))])
            })
            .collect();
        segments.extend(write_segments(folder, made::table(), &batches, sequence + 1)?);
    }
    report.note(format!(
        "{rows} rows were made and written in {:.0} s",
        begun.elapsed().as_secs_f64()
    ));
    let few = engine(segments.clone())?;
    let last = made::TIME + rows as i64 * made::STEP;
    let recent = format!(
        "SELECT namespace, pod, count(*) AS opens, count(error) AS failed FROM file_open \
         WHERE time >= arrow_cast({}, 'Timestamp(Nanosecond, Some(\"UTC\"))') \
         GROUP BY namespace, pod ORDER BY opens DESC LIMIT 20",
        last - 300_000_000_000
    );
    timed(&few, &recent)?;
    let times = (0..3 * arguments.rounds()).map(|_| timed(&few, &recent));
    let times = times.collect::<Result<Vec<f64>>>()?;
    let millis: Vec<f64> = times.iter().map(|seconds| seconds * 1e3).collect();
    report.median("recent-by-pod", &millis, "ms", Target::Below(RECENT));

    // Ten times the same rows, in files of their own, so that the page cache has to hold all.
    let mut many = segments.clone();
    for copy in 1..TIMES {
        for segment in &segments {
            many.push(copied(folder, segment, copy)?);
        }
    }
    let bytes: u64 = many.iter().map(|it| it.bytes).sum();
    let all: u64 = many.iter().map(|it| it.rows).sum();
    report.note(format!("{all} rows in {} files, {:.0} MB", many.len(), bytes as f64 / 1e6));
    let engine = engine(many)?;
    let grouped = "SELECT comm, count(*) AS opens, count(error) AS failed, max(fd) AS fd \
                   FROM file_open GROUP BY comm ORDER BY comm";
    let mut duck = Duck::start(folder);
    let (mut ours, mut ratios) = (Vec::new(), Vec::new());
    for round in 0..=arguments.rounds() {
        let own = timed(&engine, grouped)?;
        let other = duck.as_mut().map(|duck| duck.timed(grouped)).transpose();
        if round == 0 {
            // The first finds cold caches on both sides.
            continue;
        }
        ours.push(own);
        match other {
            Ok(Some(other)) => ratios.push(own / other),
            Ok(None) => {}
            Err(error) => report.note(format!("DuckDB: {error:#}")),
        }
    }
    report.median("grouped-100m", &ours, "s", Target::Below(GROUPED));
    match ratios.is_empty() {
        false => report.median("grouped-over-duckdb", &ratios, "ratio", Target::AtMost(2.0)),
        true => report.not_taken("grouped-over-duckdb", "there is no DuckDB".to_string()),
    }
    Ok(())
}

fn engine(segments: Vec<Arc<Segment>>) -> Result<Engine> {
    let rows = Rows { hot: Vec::new(), segments };
    let tables = BTreeMap::from([(made::table().name.to_string(), Arc::new(rows))]);
    let catalogue = Catalogue::of(Contents { tables });
    Engine::new(catalogue, &fathom::signals::tables(), made::options()).context("an engine")
}

/// Seconds until the last row of the answer.
fn timed(engine: &Engine, sql: &str) -> Result<f64> {
    let begun = Instant::now();
    let mut answer = engine.ask_blocking(Ask { sql: sql.to_string(), ..Ask::default() })?;
    let mut rows = 0;
    while let Some(batch) = answer.next_blocking() {
        rows += batch?.num_rows();
    }
    anyhow::ensure!(rows > 0, "`{sql}` has no answer");
    Ok(begun.elapsed().as_secs_f64())
}

/// The same segment once more, under a name of its own.
fn copied(folder: &Path, segment: &Arc<Segment>, copy: u64) -> Result<Arc<Segment>> {
    let name = segment.path.file_name().and_then(|it| it.to_str()).context("a name")?;
    let (sequence, rest) = name.split_once('-').context("a segment's name")?;
    let sequence: u64 = sequence.parse().context("a number")?;
    let path = segment.path.with_file_name(format!("{:08}-{rest}", sequence + 1000 * copy));
    fs::copy(&segment.path, &path).with_context(|| folder.display().to_string())?;
    Segment::open_at(&path).context("a segment's name")
}
