//! What is made of requests besides rows: figures of each service edge for `/metrics`, and spans and
//! metrics that are sent on by OTLP.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use bus::{Capacity, NoBatch, Policy, Subscription};
use deliver::{Upload, Uploader};
use export::Red;
use export::otlp::{self, Sender, Spans};
use schema::Table;
use telemetry::Account;

use super::log::Log;
use crate::node::Node;
use crate::requests;
use crate::session::Session;

/// The figures of all edges, as they are now.
pub(super) type Figures = Arc<Mutex<Red>>;

/// A thread that takes rows of requests in.
pub(super) struct Requesting {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Rows that may wait.
const QUEUE: Capacity = Capacity { rows: 65_536, batches: 4_096 };
const TICK: Duration = Duration::from_millis(200);
/// Spans that take up so much are sent before their time: collectors refuse more than some megabytes.
const AT_ONCE: usize = 2 << 20;

impl Requesting {
    /// Subscribes, and begins to count.
    pub(super) fn count(session: &Session, figures: &Figures) -> Result<Requesting> {
        let counter = Counter { figures: figures.clone(), node: session.node.clone() };
        let subscription = subscribe(session, "red");
        start("fathom-red", move |stop| counter.run(&subscription, stop))
    }

    /// Subscribes, and begins to send to `upload`.
    pub(super) fn send(
        upload: &Upload,
        session: &Session,
        figures: &Figures,
        log: &Log,
    ) -> Result<Requesting> {
        let uploader = Uploader::new(upload).map_err(|words| anyhow!("requests.push: {words}"))?;
        let sender = Sender {
            version: env!("CARGO_PKG_VERSION").to_string(),
            attributes: vec![("host.name".to_string(), session.node.name.to_string())],
        };
        let pusher = Pusher {
            subscription: subscribe(session, "spans"),
            spans: Spans::new(sender.clone(), export::Options::default()),
            sender,
            figures: figures.clone(),
            uploader,
            every: upload.every.0.max(TICK),
            node: session.node.clone(),
            log: log.clone(),
            books: session.ledger.account("push", protocols::REQUEST.name),
            failing: false,
        };
        start("fathom-spans", move |stop| pusher.run(stop))
    }

    /// Takes in what is there, and ends; what takes longer than `deadline` is left behind.
    pub(super) fn finish(self, deadline: Instant) {
        self.stop.store(true, Ordering::Relaxed);
        while !self.thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn subscribe(session: &Session, name: &'static str) -> Subscription {
    let over_all = |table: &&'static Table| !std::ptr::eq(*table, protocols::REQUEST);
    let tables = requests::tables().filter(over_all).collect();
    session.bus.subscribe(name, QUEUE, Policy::DropNewest, Some(tables))
}

fn start(name: &str, run: impl FnOnce(&AtomicBool) + Send + 'static) -> Result<Requesting> {
    let stop = Arc::<AtomicBool>::default();
    let told = stop.clone();
    let thread = thread::Builder::new().name(name.into()).spawn(move || run(&told));
    Ok(Requesting { stop, thread: thread.context("cannot start a thread for requests")? })
}

/// Counts requests for each edge.
struct Counter {
    figures: Figures,
    node: Node,
}

impl Counter {
    fn run(self, subscription: &Subscription, stop: &AtomicBool) {
        loop {
            let now = self.node.wall(self.node.now());
            match subscription.recv_timeout(TICK) {
                Ok(batch) => {
                    lock(&self.figures).add(&batch, now);
                }
                Err(NoBatch::Yet) if !stop.load(Ordering::Relaxed) => {
                    lock(&self.figures).forget(now)
                }
                Err(_) => return,
            }
        }
    }
}

/// Sends requests on.
struct Pusher {
    subscription: Subscription,
    spans: Spans,
    sender: Sender,
    figures: Figures,
    uploader: Uploader,
    every: Duration,
    node: Node,
    log: Log,
    books: Account,
    failing: bool,
}

impl Pusher {
    fn run(mut self, stop: &AtomicBool) {
        let mut begun = Instant::now();
        loop {
            let ended = match self.subscription.recv_timeout(TICK) {
                Ok(batch) => {
                    self.books.taken.add(self.spans.add(&batch) as u64);
                    false
                }
                Err(NoBatch::Yet) => stop.load(Ordering::Relaxed),
                Err(NoBatch::Closed) => true,
            };
            let is_due = begun.elapsed() >= self.every || self.spans.size() >= AT_ONCE;
            if ended || is_due {
                begun = Instant::now();
                self.push();
            }
            if ended {
                return;
            }
        }
    }

    /// Sends the spans that are there, and the figures. Spans that are not taken are not kept: by the
    /// time that their receiver is back there would be too many.
    fn push(&mut self) {
        let count = self.spans.len() as u64;
        if count > 0 {
            let body = self.spans.request();
            match self.send(otlp::TRACES_PATH, &body) {
                true => self.books.passed.add(count),
                false => self.books.drop("receiver_away", count),
            }
        }
        let now = self.node.wall(self.node.now());
        let body = otlp::metrics(&lock(&self.figures), &self.sender, now);
        self.send(otlp::METRICS_PATH, &body);
    }

    fn send(&mut self, path: &str, body: &[u8]) -> bool {
        let sent = self.uploader.send(path, otlp::CONTENT_TYPE, body);
        match &sent {
            Ok(()) if self.failing => self.log.info("requests are taken again"),
            Err(error) if !self.failing => {
                self.log.warn(format_args!("requests are not taken: {error}"));
            }
            _ => {}
        }
        self.failing = sent.is_err();
        sent.is_ok()
    }
}

/// Whoever panicked while it had the figures left them as they were.
pub(super) fn lock(figures: &Figures) -> std::sync::MutexGuard<'_, Red> {
    figures.lock().unwrap_or_else(PoisonError::into_inner)
}
