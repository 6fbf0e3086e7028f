//! What is counted of one edge.

use crate::request::{Outcome, Request};

/// The requests of one edge.
#[derive(Debug, Default)]
pub(crate) struct Edge {
    /// When the last one was added.
    pub(super) seen: i64,
    /// Told apart by what `/metrics` adds up and OTLP does not.
    pub(crate) series: Vec<Series>,
}

/// Requests of one kind and fate.
#[derive(Debug)]
pub(crate) struct Series {
    /// What was done: `GET`, `SELECT`, `shop.Orders/Get`.
    pub(crate) operation: Box<str>,
    /// The status in the protocol's words; empty where there is none.
    pub(crate) status: Box<str>,
    /// Whether it went through TLS.
    pub(crate) tls: bool,
    pub(crate) outcome: Outcome,
    /// When counting began, in nanoseconds since 1970.
    pub(crate) since: i64,
    pub(crate) requests: u64,
    /// Of those whose duration is known.
    pub(crate) durations: Histogram,
}

/// How many durations lay between which bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Histogram {
    /// Up to and with each of [`BOUNDS`], but above the one before; above all of them.
    pub(crate) counts: [u64; BOUNDS.len() + 1],
    pub(crate) count: u64,
    /// The sum, in nanoseconds.
    sum: u64,
}

/// Bounds of durations, in nanoseconds.
pub(crate) const BOUNDS: [u64; 13] = [
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// How many series an edge has room for; what is done and how it went is told of the first of them.
const MOST: usize = 32;
/// Stands for what is not told apart.
const NOT_TOLD: &str = "_OTHER";
/// The longest text that is kept of one, in bytes.
const LONGEST: usize = 128;

impl Edge {
    pub(super) fn add(&mut self, request: &Request<'_>, now: i64) {
        self.seen = now;
        let columns = request.columns;
        let operation = request.kind();
        let operation = cut(&operation);
        let status = request.text(columns.status).unwrap_or_default();
        let status = cut(&status);
        let (tls, outcome) = (request.says(columns.tls), request.outcome());
        let at = self.place(operation, status, tls, outcome).unwrap_or_else(|| {
            let has_room = self.series.len() < MOST;
            let (operation, status) = if has_room { (operation, status) } else { (NOT_TOLD, "") };
            self.place(operation, status, tls, outcome).unwrap_or_else(|| {
                self.series.push(Series {
                    operation: operation.into(),
                    status: status.into(),
                    tls,
                    outcome,
                    since: now,
                    requests: 0,
                    durations: Histogram::default(),
                });
                self.series.len() - 1
            })
        });
        let series = &mut self.series[at];
        series.requests += 1;
        if let Some(latency) = request.number(columns.latency) {
            series.durations.add(latency);
        }
    }

    /// The series with this outcome.
    pub(super) fn of(&self, outcome: Outcome) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(move |series| series.outcome == outcome)
    }

    fn place(&self, operation: &str, status: &str, tls: bool, outcome: Outcome) -> Option<usize> {
        self.series.iter().position(|series| {
            *series.operation == *operation
                && *series.status == *status
                && (series.tls, series.outcome) == (tls, outcome)
        })
    }
}

impl Histogram {
    pub(super) fn add(&mut self, nanoseconds: u64) {
        self.counts[BOUNDS.partition_point(|bound| *bound < nanoseconds)] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(nanoseconds);
    }

    pub(super) fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// The sum.
    pub(crate) fn seconds(&self) -> f64 {
        seconds(self.sum)
    }
}

/// Nanoseconds as seconds.
pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}
