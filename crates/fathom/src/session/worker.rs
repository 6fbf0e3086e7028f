//! A worker: reads its rings, makes rows of what is in them, and does what it is told between two
//! readings. The first one keeps house as well.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::Result;
use identity::Identity;
use kernel::{Kernel, Ring};
use schema::{Change, Table};
use scope::Scope;
use telemetry::Ledger;

use super::Pulse;
use crate::capture::Recorder;
use crate::cgroups::CgroupNames;
use crate::follow::Follow;
use crate::node::Node;
use crate::profiling::Profiling;
use crate::requests::{Requests, Wanted};
use crate::stream::Stream;
use crate::tls::Libraries;

/// The rings are looked at this often when little happens, so a row is on screen within 20 ms.
const POLL: Duration = Duration::from_millis(8);
/// Where rules are asked: half of it is how long an alert waits on the whole.
const POLL_FOR_RULES: Duration = Duration::from_millis(4);
/// How many records of the bulk ring are taken before the facts ring is looked at again.
const BULK_BATCH: usize = 2048;
/// More than the facts ring holds, so it runs empty; a bound all the same.
const FACTS_BATCH: usize = 65_536;
/// How often what has gone is forgotten and what is counted in the kernel is read.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// A UDP exchange that was silent for so long has ended.
const UDP_IDLE: Duration = Duration::from_secs(30);

/// What a worker can be told while it runs.
pub(super) enum Order {
    /// Rows of these tables are wanted from now on.
    Want(Vec<&'static Table>),
    /// Watch the second instead of the first, and say how that went.
    Watch(Vec<Scope>, Vec<Scope>, Sender<Result<()>>),
}

/// One worker: its two rings and its stream.
pub(super) struct Worker {
    pub(super) number: usize,
    pub(super) cgroups: CgroupNames,
    pub(super) facts: Ring,
    pub(super) bulk: Ring,
    pub(super) stream: Stream,
    pub(super) kernel: Arc<Kernel>,
    pub(super) identity: Arc<Identity>,
    pub(super) ledger: Ledger,
    pub(super) node: Node,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) recorder: Option<Arc<Recorder>>,
    pub(super) follow: Option<Arc<Follow>>,
    pub(super) profiling: Option<Arc<Profiling>>,
    pub(super) requests: Option<Requests>,
    pub(super) libraries: Option<Libraries>,
    pub(super) orders: Receiver<Order>,
    pub(super) pulse: Arc<Pulse>,
}

impl Worker {
    pub(super) fn run(mut self) {
        let mut kept_house = Instant::now();
        let poll = if self.stream.is_watched() { POLL_FOR_RULES } else { POLL };
        loop {
            self.pulse.turned[self.number].store(self.node.now(), Ordering::Relaxed);
            self.take_orders();
            // Asked before the rings are read: what was written before the stop is read after it.
            let last = self.stop.load(Ordering::Relaxed);
            let bulk = self.drain_once();
            if self.number == 0 && (last || kept_house.elapsed() >= HOUSEKEEPING) {
                kept_house = Instant::now();
                self.keep_house(last && bulk == 0);
            }
            self.profile(last && bulk == 0);
            // What may be kept of requests is said by where they were made.
            self.cgroups.name_new(&self.identity, &self.stream.sink().changes);
            self.read_requests(last && bulk == 0);
            self.follow_pods();
            self.stream.flush();
            match (last, bulk) {
                (true, 0) => return self.stream.finish(),
                (_, BULK_BATCH..) => {}
                _ => Ring::wait([&self.facts, &self.bulk], poll),
            }
        }
    }

    /// Bulk first, then facts: see the stream. Returns how many bulk records there were.
    fn drain_once(&mut self) -> usize {
        let Worker { stream, recorder, facts, bulk, .. } = self;
        let recorder = recorder.as_deref();
        let mut take = |record: &[u8]| {
            if let Some(recorder) = recorder {
                recorder.record(record);
            }
            stream.take(record);
        };
        let taken = bulk.drain(BULK_BATCH, &mut take);
        facts.drain(FACTS_BATCH, &mut take);
        if let Some(recorder) = recorder {
            recorder.mark();
        }
        taken
    }

    /// Hands over the stacks of this turn; the first worker takes back what became of those before.
    fn profile(&mut self, last: bool) {
        let Worker { profiling: Some(profiling), stream, number, .. } = self else { return };
        profiling.feed(stream.sink());
        match (*number, last) {
            (0, false) => profiling.take(stream.sink()),
            (0, true) => profiling.finish(stream.sink()),
            (_, true) => profiling.fed_last(),
            _ => {}
        }
    }

    /// Makes requests of what sockets carried in this turn.
    fn read_requests(&mut self, last: bool) {
        let Worker { requests: Some(requests), libraries, stream, node, .. } = self else { return };
        if let Some(libraries) = libraries {
            libraries.feed(stream.sink());
        }
        let wanted = Wanted::of(|table| stream.uses(table));
        requests.turn(stream.sink(), wanted, node.wall(node.now()), last);
    }

    /// Has the kernel watch the pods that are asked for by now.
    fn follow_pods(&mut self) {
        let Worker { number: 0, follow: Some(follow), .. } = self else { return };
        self.stream.apply();
        let now = self.node.now();
        let came = follow.update(&self.kernel, &self.identity, now);
        let Worker { kernel, stream, libraries, recorder, ledger, cgroups, identity, .. } = self;
        let told = came.and_then(|came| {
            if came {
                // Of what was made below while it was not watched the kernel told nothing.
                cgroups.name_all(identity);
                follow.update(kernel, identity, now)?;
                take_in_running(kernel, stream, libraries.as_ref(), recorder.as_deref())?;
            }
            Ok(())
        });
        if told.is_err() {
            // The table in the kernel is full, or the kernel does not let us read it any more.
            ledger.account("scope", "cgroup").drop("not_entered", 1);
        }
    }

    fn take_orders(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Want(tables) => self.stream.want(tables),
                Order::Watch(from, to, done) => {
                    let Worker { kernel, stream, libraries, recorder, .. } = self;
                    let (libraries, recorder) = (libraries.as_ref(), recorder.as_deref());
                    let changed = scope::change(kernel, &from, &to)
                        .and_then(|()| take_in_running(kernel, stream, libraries, recorder));
                    // Nobody waits for it where the session ends meanwhile.
                    let _ = done.send(changed);
                }
            }
        }
    }

    fn keep_house(&mut self, last: bool) {
        let now = self.node.now();
        self.pulse.kept_house.store(now, Ordering::Relaxed);
        self.identity.expire(now);
        let Worker { kernel, stream, recorder, .. } = self;
        signal_socket::sweep(kernel, now, UDP_IDLE, last, &mut |record| {
            if let Some(recorder) = recorder {
                recorder.record(record);
            }
            stream.take(record);
        });
        if self.stream.is_watched() {
            // What was lost in the kernel belongs to every alert.
            crate::monitor::count_kernel(&self.kernel, &self.ledger);
            self.stream.keep_house(last);
        }
        if self.stream.wants_any(crate::monitor::TABLES) {
            crate::monitor::count_kernel(&self.kernel, &self.ledger);
            let origin = self.node.own_origin();
            crate::monitor::rows(&self.kernel, &self.ledger, origin, self.stream.sink());
        }
    }
}

/// Processes that run already: those in scope with their arguments, and their ancestors.
pub(super) fn take_in_running(
    kernel: &Kernel,
    stream: &mut Stream,
    libraries: Option<&Libraries>,
    recorder: Option<&Recorder>,
) -> Result<()> {
    // Twice, since the first reading may have met ancestors before it knew them to be some.
    for _ in 0..2 {
        let records = kernel.read_iterators(signal_process::PROCESS.name)?;
        if let Some(recorder) = recorder {
            recorder.record_all(&records);
        }
        stream.take_all(&records);
    }
    for change in &mut stream.sink().changes {
        if let Change::Seen { key, facts, ancestor_only: false, .. } = change {
            // A process that ends meanwhile has no arguments any more, and its row none.
            let path = format!("/proc/{}/cmdline", key.pid);
            facts.args = fs::read(path).unwrap_or_default().into();
        }
    }
    if let Some(libraries) = libraries {
        libraries.feed(stream.sink());
    }
    stream.flush();
    if let Some(recorder) = recorder {
        recorder.mark();
    }
    Ok(())
}
