//! Rates, errors and durations of requests, for each edge between two services.
//!
//! An edge is a workload, what it is called to or calls by which protocol, and the workload at the other
//! end. Addresses and ports make no edges, and there are at most so many: the rest is counted as one.

mod edge;

use std::collections::BTreeMap;

use schema::Batch;

use crate::page::Page;
use crate::request::{Outcome, Request, Tables};

use edge::Edge;
pub(crate) use edge::{BOUNDS, Histogram, Series, seconds};

/// How many edges are kept apart where nothing else is said.
pub const MOST_EDGES: usize = 2_000;

/// Counts of requests by edge, for `/metrics` and for OTLP.
#[derive(Debug)]
pub struct Red {
    most: usize,
    tables: Tables,
    /// By their labels, see [`Labels`].
    edges: BTreeMap<Box<str>, Edge>,
    /// All edges for which there was no room.
    other: Option<Edge>,
    /// Requests that were counted there.
    crowded: u64,
    /// When old edges were last looked for.
    swept: i64,
}

/// What tells edges apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Labels<'a> {
    pub(crate) protocol: &'a str,
    /// What the workload is: `client` or `server`.
    pub(crate) role: &'a str,
    pub(crate) namespace: &'a str,
    /// `Deployment/web`, or the name of a process that is in no pod.
    pub(crate) workload: &'a str,
    pub(crate) peer_namespace: &'a str,
    /// `Deployment/db`, `Service/db`; empty where the other end is not known.
    pub(crate) peer_workload: &'a str,
}

/// An edge that was not seen for so long is forgotten, in nanoseconds.
const IDLE: i64 = 3_600_000_000_000;
/// How often such are looked for.
const SWEEP: i64 = 60_000_000_000;
/// Stands between labels.
const BETWEEN: char = '\0';
const OTHER: &str = "other";

impl Default for Red {
    fn default() -> Red {
        Red::new(MOST_EDGES)
    }
}

impl Red {
    /// No counts yet, and room for so many edges.
    pub fn new(most: usize) -> Red {
        Red {
            most,
            tables: Tables::default(),
            edges: BTreeMap::new(),
            other: None,
            crowded: 0,
            swept: 0,
        }
    }

    /// Counts the rows of a table of requests, and says how many there were; rows of other tables are
    /// none. `now` is in nanoseconds since 1970.
    ///
    /// A request is a row of the table `request` and one of its protocol's own table: only one of the
    /// two is to be given. What nobody asked for (`push`) is not counted.
    pub fn add(&mut self, batch: &Batch, now: i64) -> usize {
        if now.saturating_sub(self.swept) >= SWEEP {
            self.forget(now);
        }
        let Some(columns) = self.tables.columns(batch.table) else { return 0 };
        let (mut counted, mut key) = (0, String::new());
        for request in columns.rows(batch).filter(|request| !request.is_push()) {
            key.clear();
            write_key(&request, &mut key);
            let has_room = self.edges.len() < self.most;
            let edge = match self.edges.get_mut(key.as_str()) {
                Some(known) => known,
                None if has_room => self.edges.entry(key.as_str().into()).or_default(),
                None => {
                    self.crowded += 1;
                    self.other.get_or_insert_default()
                }
            };
            edge.add(&request, now);
            counted += 1;
        }
        counted
    }

    /// Drops edges that were not seen for an hour. [`Red::add`] does it every minute; whoever reads
    /// does it before, so that they go where nothing is added.
    pub fn forget(&mut self, now: i64) {
        self.swept = now;
        let is_young = |edge: &Edge| now.saturating_sub(edge.seen) < IDLE;
        self.edges.retain(|_, edge| is_young(edge));
        self.other = self.other.take().filter(is_young);
    }

    /// How many edges there are.
    pub fn len(&self) -> usize {
        self.edges.len() + usize::from(self.other.is_some())
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the counts in Prometheus' text format.
    pub fn text(&self, text: &mut String) {
        let mut page = Page::after(std::mem::take(text));
        self.tell(&mut page);
        *text = page.text;
    }

    fn tell(&self, page: &mut Page) {
        page.counter(
            "fathom_requests_total",
            "Requests between workloads. A call whose two ends are watched is counted at each: role tells them apart.",
        );
        for (labels, edge) in self.edges() {
            for outcome in Outcome::ALL {
                let requests: u64 = edge.of(outcome).map(|series| series.requests).sum();
                if requests > 0 {
                    page.sample(&labels.with(("outcome", outcome.as_str())), requests);
                }
            }
        }
        page.histogram(
            "fathom_request_duration_seconds",
            "From a request's first byte to its response's last, as the workload saw it.",
        );
        for (labels, edge) in self.edges() {
            let mut all = Histogram::default();
            edge.series.iter().for_each(|series| all.merge(&series.durations));
            if all.count == 0 {
                continue;
            }
            let mut below = 0;
            for (bound, count) in BOUNDS.iter().zip(all.counts) {
                below += count;
                let bound = seconds(*bound).to_string();
                page.sample_of("_bucket", &labels.with(("le", &bound)), below);
            }
            page.sample_of("_bucket", &labels.with(("le", "+Inf")), all.count);
            page.sample_of("_sum", &labels.pairs(), all.seconds());
            page.sample_of("_count", &labels.pairs(), all.count);
        }
        page.gauge("fathom_request_edges", "Edges that requests are counted for.");
        page.sample(&[], self.len());
        page.counter(
            "fathom_crowded_requests_total",
            "Requests that are counted as `other`, since there are too many edges.",
        );
        page.sample(&[], self.crowded);
    }

    /// Every edge, in the order of its labels, the one of all others last.
    pub(crate) fn edges(&self) -> impl Iterator<Item = (Labels<'_>, &Edge)> {
        let apart = self.edges.iter().map(|(key, edge)| (Labels::of(key), edge));
        apart.chain(self.other.iter().map(|edge| (Labels::OTHER, edge)))
    }
}

impl<'a> Labels<'a> {
    const OTHER: Labels<'static> = Labels {
        protocol: OTHER,
        role: OTHER,
        namespace: OTHER,
        workload: OTHER,
        peer_namespace: OTHER,
        peer_workload: OTHER,
    };

    fn of(key: &'a str) -> Labels<'a> {
        let mut parts = key.splitn(6, BETWEEN);
        let mut next = || parts.next().unwrap_or_default();
        Labels {
            protocol: next(),
            role: next(),
            namespace: next(),
            workload: next(),
            peer_namespace: next(),
            peer_workload: next(),
        }
    }

    fn pairs(&self) -> [(&'static str, &'a str); 6] {
        [
            ("protocol", self.protocol),
            ("role", self.role),
            ("namespace", self.namespace),
            ("workload", self.workload),
            ("peer_namespace", self.peer_namespace),
            ("peer_workload", self.peer_workload),
        ]
    }

    fn with<'b>(&self, last: (&'static str, &'b str)) -> [(&'static str, &'b str); 7]
    where
        'a: 'b,
    {
        let [a, b, c, d, e, f] = self.pairs();
        [a, b, c, d, e, f, last]
    }
}

/// Appends the labels of a request's edge.
fn write_key(request: &Request<'_>, key: &mut String) {
    let columns = request.columns;
    key.push_str(&request.protocol());
    key.push(BETWEEN);
    key.push_str(if request.is_client() { "client" } else { "server" });
    key.push(BETWEEN);
    let names = request.process().container.as_ref().map(|container| &container.names);
    let pod = names.and_then(|names| names.pod.get());
    key.push_str(pod.map_or("", |pod| &pod.namespace));
    key.push(BETWEEN);
    match names.and_then(|names| names.workload.get()) {
        Some(workload) => key.push_str(workload),
        None => key.push_str(&request.comm()),
    }
    key.push(BETWEEN);
    key.push_str(&request.text(columns.peer_namespace).unwrap_or_default());
    key.push(BETWEEN);
    match (request.text(columns.peer_workload), request.text(columns.peer_service)) {
        (Some(workload), _) => key.push_str(&workload),
        (None, Some(service)) => {
            key.push_str("Service/");
            key.push_str(&service);
        }
        (None, None) => {}
    }
}
