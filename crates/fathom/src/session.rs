//! One session of watching: kernel, scope, identity, workers and bus, from start to a clean end.

mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bus::Bus;
use identity::pods::Selection;
use identity::{Identity, Limits};
use kernel::{Features, Kernel, Ring, Signal};
use schema::Table;
use scope::{SCOPE, Scope};
use telemetry::Ledger;

use crate::capture::Recorder;
use crate::cgroups::CgroupNames;
use crate::detection::{Detection, Watcher};
use crate::follow::Follow;
use crate::node::Node;
use crate::profiling::{self, Profiling};
use crate::requests::{self, Requests};
use crate::signals;
use crate::stream::Stream;
use crate::tls::Libraries;
use crate::waiting::Waiting;
use worker::{Order, Worker, take_in_running};

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
    /// How to profile, where rows of its tables are wanted.
    pub profile: profiling::Settings,
    /// What to copy and keep of requests, where rows of their tables are wanted.
    pub requests: requests::Settings,
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
    profiling: Option<Arc<Profiling>>,
    /// How requests are read, where they are.
    requests: Option<requests::Settings>,
    libraries: Option<Libraries>,
    /// The thread that looks for libraries.
    finder: Option<JoinHandle<()>>,
    recorder: Option<Arc<Recorder>>,
    /// Until they run.
    streams: Vec<Stream>,
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
    orders: Vec<Sender<Order>>,
    pulse: Arc<Pulse>,
}

/// Rows of a process may come this long after its end; then it is forgotten.
const KEEP_EXITED: Duration = Duration::from_secs(5);
/// A pod's name comes within so long, or the row goes without.
const PATIENCE: Duration = Duration::from_secs(2);
/// The cluster is asked for so long before pods are watched without its answer.
const CLUSTER_ANSWERS: Duration = Duration::from_secs(5);
impl Plan {
    /// All of `tables` in `scopes`, with the defaults for the rest.
    pub fn new(tables: Vec<&'static Table>, scopes: Vec<Scope>) -> Plan {
        let rings = kernel::Options::default();
        let mechanisms = Vec::new();
        let processes = Limits::default().processes;
        let patience = PATIENCE;
        let (node, cluster, pods) = (None, None, None);
        let (asked, ledger) = (Vec::new(), Ledger::new());
        let profile = profiling::Settings::default();
        let requests = requests::Settings::default();
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
            profile,
            requests,
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
        let rings = kernel::Options {
            hertz: plan.profile.hertz,
            left_out: plan.profile.left_out(),
            ..plan.rings.clone()
        };
        let kernel = Arc::new(Kernel::load(&loaded, &features, &rings)?);
        let workers = plan.rings.workers;
        let start = || Profiling::start(&kernel, &node, &ledger, &plan.profile, workers);
        let profiling = profiling::is_wanted(&tables).then(start).transpose()?.map(Arc::new);
        let requests = requests::is_wanted(&tables).then(|| plan.requests.clone());
        let libraries = requests.as_ref().map(|settings| {
            let told = requests::told(settings);
            signal_stream::tell(&kernel, &told)?;
            // Else nothing but what is watched is touched.
            let whole = plan.pods.is_some() || plan.scopes.contains(&Scope::Node);
            Libraries::start(&kernel, &ledger, told, whole)
        });
        let (libraries, finder) = libraries.transpose()?.unzip();
        // Names of stacks take a while, and their rows want their process then.
        let late = if profiling.is_some() { profiling::LAST } else { Duration::ZERO };
        let keep_exited = KEEP_EXITED + late;
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
            let stream = stream.governed(&plan.requests.policies);
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
            profiling,
            requests,
            libraries,
            finder,
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
        let Session { kernel, streams, libraries, recorder, .. } = self;
        if let Some(first) = streams.first_mut() {
            take_in_running(kernel, first, libraries.as_ref(), recorder.as_deref())?;
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
                profiling: self.profiling.clone(),
                requests: self.requests.as_ref().map(|settings| {
                    let nobody = self.node.own_origin();
                    let judge = requests::judge_by(self.kernel.clone());
                    let identity = self.identity.clone();
                    Requests::new(judge, identity, &self.ledger, settings, nobody)
                }),
                libraries: self.libraries.clone(),
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
        self.libraries = None;
        if let Some(finder) = self.finder.take() {
            // What it attached comes off before anything else does.
            let _ = finder.join();
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

    /// Whether every worker runs, and who gives stacks their names.
    pub fn alive(&self) -> bool {
        let names = self.profiling.as_ref().is_none_or(|it| it.alive());
        names && !self.workers.is_empty() && self.workers.iter().all(|it| !it.is_finished())
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
