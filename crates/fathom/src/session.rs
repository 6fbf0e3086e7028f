//! One session of watching: kernel, scope, identity, workers and bus, from start to a clean end.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bus::Bus;
use identity::pods::Selection;
use identity::{Identity, Limits};
use kernel::{Features, Kernel, Ring, Signal};
use schema::{Change, Table};
use scope::{SCOPE, Scope};
use telemetry::Ledger;

use crate::capture::Recorder;
use crate::cgroups::CgroupNames;
use crate::detection::{Detection, Watcher};
use crate::follow::Follow;
use crate::node::Node;
use crate::signals;
use crate::stream::Stream;
use crate::waiting::Waiting;

/// What to watch, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The tables whose rows are wanted.
    pub tables: Vec<&'static Table>,
    /// The tables whose rows rules are asked about.
    pub asked: Vec<&'static Table>,
    /// Whom to watch.
    pub scopes: Vec<Scope>,
    /// The rings.
    pub rings: kernel::Options,
    /// The mechanisms allowed; all where none is named.
    pub mechanisms: Vec<String>,
    /// How many processes are remembered.
    pub processes: usize,
    /// The node's name; its own where none is given.
    pub node: Option<String>,
    /// Whom to ask what pods and containers are called; nobody without it.
    pub cluster: Option<cluster::Config>,
    /// The pods to watch, instead of `scopes`.
    pub pods: Option<Selection>,
    /// How long a row may wait for its pod's name.
    pub patience: Duration,
    /// The books that are kept.
    pub ledger: Ledger,
}

/// Signs of life of a session's workers, in nanoseconds of `CLOCK_BOOTTIME`.
#[derive(Debug, Default)]
pub struct Pulse {
    /// When each worker last went round.
    pub turned: Vec<AtomicU64>,
    /// When house was last kept; 0 before the first time.
    pub kept_house: AtomicU64,
}

/// What a worker can be told while it runs.
enum Order {
    /// Rows of these tables are wanted from now on.
    Want(Vec<&'static Table>),
    /// Watch the second instead of the first, and say how that went.
    Watch(Vec<Scope>, Vec<Scope>, Sender<Result<()>>),
}

/// A session that runs. Stop it with [`Session::stop`]; dropping it detaches everything, too.
pub struct Session {
    /// What is loaded.
    pub kernel: Arc<Kernel>,
    /// The process table.
    pub identity: Arc<Identity>,
    /// Where the rows go.
    pub bus: Arc<Bus>,
    /// The books.
    pub ledger: Ledger,
    /// The node.
    pub node: Node,
    /// When it began.
    pub begun: Instant,
    /// What tells of the cluster.
    pub cluster: Option<Arc<cluster::Watch>>,
    follow: Option<Arc<Follow>>,
    recorder: Option<Arc<Recorder>>,
    /// Until they run.
    streams: Vec<Stream>,
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
    orders: Vec<Sender<Order>>,
    pulse: Arc<Pulse>,
}

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
/// Rows of a process may come this long after its end; then it is forgotten.
const KEEP_EXITED: Duration = Duration::from_secs(5);
/// A pod's name comes within so long, or the row goes without.
const PATIENCE: Duration = Duration::from_secs(2);
/// The cluster is asked for so long before pods are watched without its answer.
const CLUSTER_ANSWERS: Duration = Duration::from_secs(5);
/// A UDP exchange that was silent for so long has ended.
const UDP_IDLE: Duration = Duration::from_secs(30);

impl Plan {
    /// All of `tables` in `scopes`, with the defaults for the rest.
    pub fn new(tables: Vec<&'static Table>, scopes: Vec<Scope>) -> Plan {
        let rings = kernel::Options::default();
        let mechanisms = Vec::new();
        let processes = Limits::default().processes;
        let patience = PATIENCE;
        let (node, cluster, pods) = (None, None, None);
        let (asked, ledger) = (Vec::new(), Ledger::new());
        Plan {
            tables,
            asked,
            scopes,
            rings,
            mechanisms,
            processes,
            node,
            cluster,
            pods,
            patience,
            ledger,
        }
    }
}

impl Session {
    /// Loads and attaches. From here on the rings fill; nothing is read before [`Session::run`], so
    /// that whoever wants rows can subscribe to the bus.
    pub fn start(plan: &Plan, recorder: Option<Arc<Recorder>>) -> Result<Session> {
        let ledger = plan.ledger.clone();
        let node = Node::here().called(plan.node.as_deref());
        let features = features(&plan.mechanisms);
        let mut loaded: Vec<&'static Signal> = vec![&SCOPE];
        let tables: Vec<_> = plan.tables.iter().chain(&plan.asked).copied().collect();
        loaded.extend(signals::needed(&tables));
        let kernel = Arc::new(Kernel::load(&loaded, &features, &plan.rings)?);
        let keep_exited = KEEP_EXITED;
        let limits = Limits { processes: plan.processes, keep_exited, ..Limits::default() };
        let identity = Arc::new(Identity::new(limits));
        let bus = Arc::new(Bus::new(&ledger));
        let cluster = plan.cluster.clone().map(|config| {
            let identity = identity.clone();
            cluster::watch(config, move |time, change| identity.pods().apply(time, change))
        });
        let cluster = cluster.transpose()?.map(Arc::new);
        let names = CgroupNames::here();
        names.name_all(&identity);
        let follow = plan.pods.clone().map(|selection| Arc::new(Follow::new(selection)));
        match &follow {
            Some(follow) => {
                await_cluster(cluster.as_deref(), plan.cluster.as_ref());
                kernel.set_scope(kernel::ScopeMode::PODS)?;
                follow.update(&kernel, &identity, node.now())?;
                // Once more: what was made before the kernel knew where pods are made.
                names.name_all(&identity);
                follow.update(&kernel, &identity, node.now())?;
            }
            None => scope::apply(&kernel, &plan.scopes)?,
        }
        // Where nobody could name a pod, no row waits for a name.
        let is_named = |it: &&cluster::Config| it.finds_api() || it.finds_runtime();
        let names = plan.cluster.as_ref().filter(is_named);
        let patience = names.map_or(Duration::ZERO, |_| plan.patience);
        let stream = |_| {
            let (identity, bus) = (identity.clone(), bus.clone());
            let tables = plan.tables.clone();
            let stream = Stream::new(node.clone(), loaded.clone(), tables, identity, bus, &ledger);
            stream.waiting(Waiting::new(follow.clone(), patience))
        };
        let streams = (0..plan.rings.workers).map(stream).collect();
        let (begun, stop) = (Instant::now(), Arc::default());
        let turned = (0..plan.rings.workers).map(|_| AtomicU64::new(0)).collect();
        let pulse = Arc::new(Pulse { turned, ..Pulse::default() });
        let (workers, orders) = (Vec::new(), Vec::new());
        Ok(Session {
            kernel,
            identity,
            bus,
            ledger,
            node,
            begun,
            cluster,
            follow,
            recorder,
            streams,
            stop,
            workers,
            orders,
            pulse,
        })
    }

    /// Has the rules of `detection` asked about all rows; before [`Session::run`].
    pub fn detect(&mut self, detection: &Arc<Detection>) {
        let streams = std::mem::take(&mut self.streams).into_iter();
        let watched = |stream: Stream| stream.watched(Some(Watcher::new(detection.clone())));
        self.streams = streams.map(watched).collect();
    }

    /// Takes in what ran before, ahead of all that the rings hold, and starts the workers.
    pub fn run(&mut self) -> Result<()> {
        let Session { kernel, streams, recorder, .. } = self;
        if let Some(first) = streams.first_mut() {
            take_in_running(kernel, first, recorder.as_deref())?;
        }
        for (number, stream) in std::mem::take(streams).into_iter().enumerate() {
            let (order, orders) = mpsc::channel();
            self.orders.push(order);
            let worker = Worker {
                number,
                cgroups: CgroupNames::here(),
                orders,
                pulse: self.pulse.clone(),
                facts: Ring::facts(&self.kernel, number)?,
                bulk: Ring::bulk(&self.kernel, number)?,
                stream,
                kernel: self.kernel.clone(),
                identity: self.identity.clone(),
                ledger: self.ledger.clone(),
                node: self.node.clone(),
                stop: self.stop.clone(),
                recorder: self.recorder.clone(),
                follow: self.follow.clone(),
            };
            let thread = thread::Builder::new().name(format!("fathom-worker-{number}"));
            let thread = thread.spawn(move || worker.run()).context("cannot start a worker")?;
            self.workers.push(thread);
        }
        Ok(())
    }

    /// Reads what is still in the rings, closes the bus, and brings the books up to date. What
    /// happens after this call is not seen.
    pub fn stop(&mut self) {
        // Out of scope first: a busy workload must not keep the rings from running empty.
        let _ = self.kernel.set_scope(kernel::ScopeMode::NOTHING);
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                self.ledger.account("worker", "record").drop("worker_panicked", 1);
            }
        }
        self.bus.close();
        self.count_kernel();
    }

    /// From now on rows of `tables` are wanted. Their signals have to be loaded already.
    pub fn want(&self, tables: &[&'static Table]) {
        for worker in &self.orders {
            // A worker that is gone is told by `alive`.
            let _ = worker.send(Order::Want(tables.to_vec()));
        }
    }

    /// Watches `to` instead of `from`: a map write. What is in both is watched throughout; where
    /// it fails, `from` stays.
    pub fn watch(&self, from: &[Scope], to: &[Scope]) -> Result<()> {
        let (done, answer) = mpsc::channel();
        let order = Order::Watch(from.to_vec(), to.to_vec(), done);
        // One worker does it between two readings of its rings, so that it knows the processes
        // that come into scope before it reads the first of their rows.
        let first = self.orders.first().context("the session does not run")?;
        first.send(order).ok().context("the first worker is gone")?;
        answer.recv().context("the first worker is gone")?
    }

    /// Whether every worker runs.
    pub fn alive(&self) -> bool {
        !self.workers.is_empty() && self.workers.iter().all(|worker| !worker.is_finished())
    }

    /// The workers' signs of life.
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// Takes over what the kernel side counted.
    pub fn count_kernel(&self) {
        crate::monitor::count_kernel(&self.kernel, &self.ledger);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One worker: its two rings and its stream.
struct Worker {
    number: usize,
    cgroups: CgroupNames,
    facts: Ring,
    bulk: Ring,
    stream: Stream,
    kernel: Arc<Kernel>,
    identity: Arc<Identity>,
    ledger: Ledger,
    node: Node,
    stop: Arc<AtomicBool>,
    recorder: Option<Arc<Recorder>>,
    follow: Option<Arc<Follow>>,
    orders: Receiver<Order>,
    pulse: Arc<Pulse>,
}

impl Worker {
    fn run(mut self) {
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
            self.cgroups.name_new(&self.identity, &self.stream.sink().changes);
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

    /// Has the kernel watch the pods that are asked for by now.
    fn follow_pods(&mut self) {
        let Worker { number: 0, follow: Some(follow), .. } = self else { return };
        self.stream.apply();
        let now = self.node.now();
        let came = follow.update(&self.kernel, &self.identity, now);
        let Worker { kernel, stream, recorder, ledger, cgroups, identity, .. } = self;
        let told = came.and_then(|came| {
            if came {
                // Of what was made below while it was not watched the kernel told nothing.
                cgroups.name_all(identity);
                follow.update(kernel, identity, now)?;
                take_in_running(kernel, stream, recorder.as_deref())?;
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
                    let Worker { kernel, stream, recorder, .. } = self;
                    let changed = scope::change(kernel, &from, &to)
                        .and_then(|()| take_in_running(kernel, stream, recorder.as_deref()));
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

/// Waits until the cluster has told all it knows, but not for ever: it may be away.
fn await_cluster(cluster: Option<&cluster::Watch>, config: Option<&cluster::Config>) {
    let begun = Instant::now();
    let asks_api = config.is_some_and(cluster::Config::finds_api);
    let is_open = |it: &cluster::Watch| {
        let state = it.state();
        let mut sources = state.kinds.iter().chain(&state.runtimes);
        let unheard = sources.any(|it| it.connection == cluster::Connection::Connecting);
        unheard || (asks_api && state.kinds.is_empty())
    };
    while cluster.is_some_and(is_open) && begun.elapsed() < CLUSTER_ANSWERS {
        thread::sleep(Duration::from_millis(2));
    }
}

/// The mechanisms that may be used.
pub fn features(mechanisms: &[String]) -> Features {
    let found = Features::probe();
    if mechanisms.is_empty() { found } else { found.only(mechanisms) }
}

/// Processes that run already: those in scope with their arguments, and their ancestors.
fn take_in_running(
    kernel: &Kernel,
    stream: &mut Stream,
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
    stream.flush();
    if let Some(recorder) = recorder {
        recorder.mark();
    }
    Ok(())
}
