//! The agent: a session as the configuration says it, until it is told to end.
//!
//! One thread owns everything and takes requests ([`Request`]); outputs and the door have threads
//! of their own. A new configuration is prepared whole before any of it is applied, so one that
//! cannot be applied changes nothing.

mod detecting;
mod doors;
mod front;
mod log;
mod memory;
mod output;
mod pushing;
mod requesting;
mod sink;
mod witness;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kernel::{State, StatsGuard};
use schema::Table;
use scope::Scope;
use store::OpenError;
use telemetry::{Side, Usage};

use self::detecting::Detecting;
use self::doors::Doors;
use self::front::Front;
use self::log::Log;
use self::memory::{Memory, Status};
use self::output::Output;
pub(crate) use self::pushing::Form;
use self::pushing::Pushing;
use self::requesting::{Figures, Requesting};
use self::sink::Sink;
use crate::config::{self, Config, Folder, Problem};
use crate::node::Node;
use crate::session::{Plan, Session};
use crate::signals;

/// What the agent can be asked while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Read the configuration again.
    Reload,
    /// End in order.
    Stop,
}

/// Where the configuration comes from, also the next time.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The file; the defaults without one.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
}

/// An agent that runs.
pub struct Agent {
    origin: Origin,
    /// What is in effect.
    config: Config,
    session: Session,
    outputs: Vec<Output>,
    memory: Option<Arc<Memory>>,
    detecting: Option<Detecting>,
    pushing: Vec<Pushing>,
    requesting: Vec<Requesting>,
    statistics: Option<StatsGuard>,
    front: Arc<Front>,
    doors: Doors,
    log: Log,
    /// Rows that outputs wrote which are no more.
    rows: u64,
}

/// How often the agent looks after itself.
const ROUND: Duration = Duration::from_millis(250);
/// How long outputs may take to write what waits when the agent ends.
const FAREWELL: Duration = Duration::from_secs(5);

impl Origin {
    /// The configuration as it is now.
    pub fn load(&self) -> Result<Config, Problem> {
        Config::load(self.file.as_deref(), self.environment.iter().cloned())
    }
}

impl Agent {
    /// Opens the door and the outputs, loads, attaches, and begins.
    pub fn start(origin: Origin, config: Config) -> Result<Agent> {
        let log = Log::new(&config.log);
        let front = Arc::new(Front::new(log.clone()));
        // What another agent may hold comes first, before anything is loaded.
        let doors = Doors::open(&config, &front)?;
        let sinks = config.outputs.iter().map(Sink::open).collect::<Result<Vec<_>>>()?;
        let rules = detecting::compile(&config.detection, &log)?;
        let plan = plan(&config, rules.as_ref().map(|rules| &rules.program));
        let node = Node::here().called(plan.node.as_deref());
        let store = match Memory::open(&config.store, &node, &plan.ledger) {
            // A disk that is full or broken takes the memory, not the sight.
            Err(error) if matches!(error.downcast_ref(), Some(OpenError::Io { .. })) => {
                log.error(format_args!("{error:#}; nothing is remembered until the next start"));
                None
            }
            store => store?,
        };
        let statistics = statistics(&config, &log);
        let mut session = Session::start(&plan, None)?;
        let Session { bus, ledger, node, .. } = &session;
        let start = |store| Memory::start(store, &config.store, node.clone(), bus, ledger, &log);
        let memory = store.map(start).transpose()?.map(Arc::new);
        let mut outputs = Vec::new();
        let named = signals::named(&config.told());
        for (config, sink) in config.outputs.iter().zip(sinks) {
            let Session { bus, ledger, .. } = &session;
            outputs.push(Output::start(config.clone(), sink, bus, ledger, &log, named.clone())?);
        }
        let start = |rules| Detecting::start(&config.detection, rules, &mut session, &log);
        let detecting = rules.map(start).transpose()?;
        let pushes = if config.profile.enabled { &config.profile.push[..] } else { &[] };
        let start = |push| Pushing::start(push, &config.profile, &session, &log);
        let pushing = pushes.iter().map(start).collect::<Result<Vec<_>>>()?;
        let mut requesting = Vec::new();
        let figures = config.requests.enabled.then(Figures::default);
        if let Some(figures) = &figures {
            requesting.push(Requesting::count(&session, figures)?);
            for upload in &config.requests.push {
                requesting.push(Requesting::send(upload, &session, figures, &log)?);
            }
        }
        session.run()?;
        let engine = memory.as_deref().map(|memory| engine(&config, &session, memory));
        front.show(&session, memory.as_ref(), engine.transpose()?, figures);
        let rows = 0;
        let agent = Agent {
            origin,
            config,
            session,
            outputs,
            memory,
            detecting,
            pushing,
            requesting,
            statistics,
            front,
            doors,
            log,
            rows,
        };
        agent.greet();
        Ok(agent)
    }

    /// Takes requests until one is to end.
    pub fn run(mut self, requests: &Receiver<Request>) {
        loop {
            self.look_after();
            match requests.recv_timeout(ROUND) {
                Ok(Request::Reload) => self.reload(),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => return self.stop(),
            }
        }
    }

    fn greet(&self) {
        let kernel = &self.session.kernel;
        let blind = kernel.capabilities().iter().filter(|it| it.state != State::Available).count();
        let less = match blind {
            0 => String::new(),
            blind => format!(", {blind} hooks see less than they could (`fathom doctor` says why)"),
        };
        self.log.info(format_args!(
            "watching {}: {} tables, {} programs{less}",
            told(&self.config),
            self.config.wanted().len(),
            kernel.programs().len(),
        ));
        let outputs: Vec<_> = self.config.outputs.iter().map(config::Output::name).collect();
        let outputs = if outputs.is_empty() { "nowhere".into() } else { outputs.join(", ") };
        self.log.info(format_args!("rows to {outputs}"));
        if let Some(detecting) = &self.detecting {
            let receivers = &self.config.detection.receivers;
            let receivers: Vec<&str> = receivers.iter().map(|it| it.called()).collect();
            let receivers =
                if receivers.is_empty() { "nobody but SQL".into() } else { receivers.join(", ") };
            let rules = detecting.rules();
            self.log.info(format_args!("asking {rules} rules; alerts to {receivers}"));
        }
        match (&self.config.store.directory, &self.memory) {
            (Folder::At(folder), Some(memory)) => {
                let Status { size, head } = memory.status();
                self.log.info(format_args!(
                    "remembering in {folder}: {} rows of before; the chain's head is {head}",
                    size.segment_rows
                ));
            }
            _ => self.log.info("remembering nothing"),
        }
        self.doors.tell(&self.log);
    }

    /// Tells the door how things stand.
    fn look_after(&mut self) {
        let mut problems = Vec::new();
        if !self.session.alive() {
            problems.push("a worker has ended".to_string());
        }
        for output in self.outputs.iter().filter(|output| !output.alive()) {
            problems.push(format!("the output to {} has ended", output.config.name()));
        }
        if self.memory.as_ref().is_some_and(|memory| !memory.alive()) {
            problems.push("the store has ended".to_string());
        }
        self.front.beat(problems, Vec::new());
        if let Some(detecting) = &mut self.detecting {
            detecting.look_after(&self.log);
        }
    }

    fn reload(&mut self) {
        if self.origin.file.is_none() {
            self.log.warn("asked to read the configuration again, but there is no --config file");
            return;
        }
        let taken = self.origin.load().map_err(anyhow::Error::from).and_then(|new| self.take(new));
        match taken {
            Ok(changed) if changed.is_empty() => self.log.info("the configuration is as it was"),
            Ok(changed) => {
                self.log.info(format_args!("configuration taken over: {}", changed.join(", ")));
            }
            Err(error) => {
                self.log.error(format_args!("the old configuration stays in effect: {error:#}"));
            }
        }
    }

    /// Applies what can change while the agent runs; returns the keys that did.
    fn take(&mut self, mut new: Config) -> Result<Vec<&'static str>> {
        self.keep_what_needs_a_restart(&mut new);
        let old = self.config.clone();
        // First all that can fail. The scope comes last: it takes itself back where it fails.
        let known = |output: &config::Output| old.outputs.iter().any(|it| it.same_place(output));
        let mut sinks = Vec::new();
        for output in new.outputs.iter().filter(|output| !known(output)) {
            sinks.push((output.clone(), Sink::open(output).context("outputs")?));
        }
        // Files of rules may have changed although their names did not.
        let rules = detecting::compile(&new.detection, &self.log)?;
        if let Some(rules) = &rules {
            self.say_what_rules_miss(&rules.program);
        }
        let doors_changed = self.doors.change(&new, &self.front)?;
        if let Some(detecting) = &self.detecting {
            detecting.tell_others(&new.detection, Instant::now() + FAREWELL)?;
        }
        if new.scopes() != old.scopes() {
            self.session.watch(&old.scopes(), &new.scopes()).context("scope")?;
        }

        let mut changed = Vec::new();
        let mut note = |key, differs: bool| {
            if differs {
                changed.push(key);
            }
            differs
        };
        note("scope", new.scope != old.scope);
        if let Some(detecting) = &mut self.detecting {
            let others = detecting.ask_others(&new.detection, rules);
            note("detection", new.detection != old.detection || others);
        }
        if note("tables", new.tables != old.tables) {
            self.session.want(&new.wanted());
        }
        if note("outputs", new.outputs != old.outputs) {
            self.take_outputs(&new, sinks)?;
        }
        if note("statistics", new.statistics != old.statistics) {
            self.statistics = statistics(&new, &self.log);
        }
        if note("log", new.log != old.log) {
            self.log.configure(&new.log);
        }
        note("http", new.http != old.http);
        note("flight", new.flight != old.flight);
        note("access", new.access != old.access);
        if doors_changed {
            self.doors.tell(&self.log);
        }
        self.config = new;
        Ok(changed)
    }

    /// Puts the old values where a change would need a restart, and says so.
    fn keep_what_needs_a_restart(&self, new: &mut Config) {
        let Agent { config: old, log, .. } = self;
        let stays = |key: &str| {
            log.warn(format_args!(
                "`{key}` was changed: that takes effect when the agent is restarted"
            ));
        };
        macro_rules! keep {
            ($($key:ident),+) => { $(
                if new.$key != old.$key {
                    stays(stringify!($key));
                    new.$key = old.$key.clone();
                }
            )+ };
        }
        keep!(node, rings, mechanisms, processes, kubernetes, store, queries, profile, requests);
        let begins = self.detecting.is_some() == new.detection.rules.is_empty();
        if begins || new.detection.directory != old.detection.directory {
            stays("detection");
            new.detection = old.detection.clone();
        }
        if new.pods() != old.pods() {
            stays("scope");
            new.scope = old.scope.clone();
        }
        let absent: Vec<_> = new
            .wanted()
            .into_iter()
            .filter(|table| !self.can_fill(table))
            .map(|it| it.name)
            .collect();
        if !absent.is_empty() {
            stays("tables");
            log.warn(format_args!("the programs that fill {} are not loaded", absent.join(", ")));
            // What is loaded changes at once; an empty list would mean all.
            let loaded = |it: &mut config::Tables| {
                it.tables.retain(|table| self.can_fill(table));
                !it.tables.is_empty()
            };
            new.tables.retain_mut(loaded);
            if new.tables.is_empty() {
                new.tables = old.tables.clone();
            }
        }
    }

    /// New rules may ask about tables whose programs are not loaded.
    fn say_what_rules_miss(&self, program: &detect::Program) {
        let missing = program.tables().into_iter().filter(|table| !self.can_fill(table));
        let missing: Vec<_> = missing.map(|table| table.name).collect();
        if !missing.is_empty() {
            self.log.warn(format_args!(
                "new rules ask about {}, whose programs are loaded when the agent is restarted",
                missing.join(", ")
            ));
        }
    }

    /// Whether the signal that fills `table` is loaded.
    fn can_fill(&self, table: &Table) -> bool {
        let mut tables = self.session.kernel.signals().iter().flat_map(|signal| signal.tables);
        let own = crate::monitor::TABLES
            .iter()
            .chain(crate::detection::TABLES)
            .any(|it| std::ptr::eq(*it, table));
        own || tables.any(|it| std::ptr::eq(*it, table))
    }

    /// New outputs begin before old ones end, and those that stay are not interrupted.
    fn take_outputs(&mut self, new: &Config, sinks: Vec<(config::Output, Sink)>) -> Result<()> {
        let Session { bus, ledger, .. } = &self.session;
        let named = signals::named(&new.told());
        for (config, sink) in sinks {
            self.outputs.push(Output::start(config, sink, bus, ledger, &self.log, named.clone())?);
        }
        let mut ending = Vec::new();
        for mut output in std::mem::take(&mut self.outputs) {
            match new.outputs.iter().find(|it| it.same_place(&output.config)) {
                Some(config) => {
                    if *config != output.config {
                        output.change(config.clone());
                    }
                    self.outputs.push(output);
                }
                None => {
                    output.end();
                    ending.push(output);
                }
            }
        }
        self.finish(ending);
        Ok(())
    }

    /// Waits for outputs to write what waits in their queues.
    fn finish(&mut self, outputs: Vec<Output>) {
        let deadline = Instant::now() + FAREWELL;
        for output in outputs {
            let name = output.config.name().to_string();
            match output.finish(deadline) {
                Some(rows) => self.rows += rows,
                None => self.log.error(format_args!(
                    "{name} takes no rows; those that wait for it are left behind"
                )),
            }
        }
    }

    /// Ends in order: the kernel first, then what it said, then the door.
    fn stop(mut self) {
        self.front.beat(Vec::new(), vec!["the agent is ending".to_string()]);
        self.session.stop();
        let outputs = std::mem::take(&mut self.outputs);
        self.finish(outputs);
        for pushing in std::mem::take(&mut self.pushing) {
            pushing.finish(Instant::now() + FAREWELL);
        }
        for requesting in std::mem::take(&mut self.requesting) {
            requesting.finish(Instant::now() + FAREWELL);
        }
        if let Some(detecting) = self.detecting.take() {
            detecting.finish(Instant::now() + FAREWELL, &self.log);
        }
        // The door first: it may be answering from the store.
        self.doors.close();
        if let Some(memory) = self.memory.take()
            && !memory.finish(Instant::now() + FAREWELL)
        {
            self.log.error("the store is not done; what it has in memory only is left behind");
        }
        self.summarize();
    }

    /// What was seen, what was not, and what it cost.
    fn summarize(&self) {
        let dropped = self.session.ledger.lost();
        let lost = dropped.iter().filter_map(|entry| match entry.side {
            Side::Dropped(reason) => Some((entry, reason)),
            _ => None,
        });
        let total: u64 = lost.clone().map(|(entry, _)| entry.count).sum();
        let usage = Usage::now();
        self.log.info(format_args!(
            "ended after {:.1} s: {} rows written, {total} lost; own CPU {:.2} s, memory {:.1} MB",
            self.session.begun.elapsed().as_secs_f64(),
            self.rows,
            (usage.user + usage.system).as_secs_f64(),
            usage.peak as f64 / 1e6,
        ));
        for (entry, reason) in lost {
            self.log.warn(format_args!(
                "lost {} {} in {}: {reason}",
                entry.count, entry.table, entry.stage
            ));
        }
    }
}

fn plan(config: &Config, program: Option<&detect::Program>) -> Plan {
    let mut plan = Plan::new(config.wanted(), config.scopes());
    plan.asked = program.map(detect::Program::tables).unwrap_or_default();
    plan.rings = config.rings.options();
    plan.mechanisms = config.mechanisms.iter().map(|it| it.0.clone()).collect();
    plan.processes = config.processes.remembered as usize;
    if let config::Name::Given(name) = &config.node {
        plan.node = Some(name.clone());
    }
    // What is wrong with it was said when it was read.
    plan.pods = config.pods().unwrap_or_default();
    plan.cluster = config.cluster();
    plan.patience = Duration::from_millis(config.kubernetes.names_within.into());
    plan.profile = config.profile.settings();
    plan.requests = config.requests.settings();
    plan
}

/// What answers SQL over `memory`.
fn engine(config: &Config, session: &Session, memory: &Memory) -> Result<Arc<query::Engine>> {
    let options = config.queries.options();
    let engine = query::Engine::new(memory.catalogue.clone(), &signals::tables(), options);
    let engine = engine.context("cannot start the threads for queries")?;
    let identity = session.identity.clone();
    let label = move |namespace: &str, pod: &str, key: &str| {
        let pods = identity.pods();
        let pod = if namespace.is_empty() {
            let mut named = pods.live().into_iter().filter(|it| it.name.as_ref() == pod);
            // Two of one name in two namespaces: neither is meant for sure.
            named.next().filter(|_| named.next().is_none())?
        } else {
            pods.by_name(namespace, pod)?
        };
        pod.labels.get(key).map(str::to_string)
    };
    Ok(Arc::new(engine.with_labels(Arc::new(label))))
}

fn statistics(config: &Config, log: &Log) -> Option<StatsGuard> {
    if !config.statistics {
        return None;
    }
    let guard = StatsGuard::enable();
    guard.map_err(|error| log.warn(format_args!("{error:#}"))).ok()
}

/// The scope in words.
fn told(config: &Config) -> String {
    let scopes = config.scopes();
    if scopes.is_empty() {
        return "the pods that `scope` names".to_string();
    }
    let told = scopes.iter().map(|scope| match scope {
        Scope::Node => "the node".to_string(),
        Scope::Cgroup(path) => path.display().to_string(),
        Scope::Pid(pid) => format!("process {pid}"),
    });
    told.collect::<Vec<_>>().join(", ")
}
