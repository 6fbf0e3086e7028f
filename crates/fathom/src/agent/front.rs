//! What the agent tells at its door: metrics, health, readiness, tables.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use api::{AgentQuery, Audit, Health, Readiness};
use bus::{Bus, Capacity, Policy, Subscription};
use export::metrics::{Hook, Map, Metrics, Program, Source};
use identity::Identity;
use kernel::{Kernel, Ring};
use query::Engine;
use schema::{Decoded, Event, Process, Table};
use telemetry::{Ledger, Usage};

use super::log::Log;
use super::memory::{Memory, Status};
use super::requesting::{self, Figures};
use crate::node::Node;
use crate::session::{Pulse, Session};
use crate::{monitor, requests, signals};

/// A snapshot of the agent that the door reads; the agent's main thread writes it.
pub(super) struct Front {
    log: Log,
    /// Once it is loaded.
    seen: OnceLock<Seen>,
    /// When the main thread last went round.
    beat: AtomicU64,
    state: Mutex<State>,
}

struct Seen {
    kernel: Arc<Kernel>,
    ledger: Ledger,
    pulse: Arc<Pulse>,
    identity: Arc<Identity>,
    cluster: Option<Arc<cluster::Watch>>,
    bus: Arc<Bus>,
    node: Node,
    memory: Option<Arc<Memory>>,
    engine: Option<Arc<Engine>>,
    /// Of requests, where they are read.
    figures: Option<Figures>,
}

#[derive(Default)]
struct State {
    problems: Vec<String>,
    waiting_for: Vec<String>,
}

/// Rows that wait for whoever follows them.
const TAIL: Capacity = Capacity { rows: 8_192, batches: 1_024 };
/// A thread that has not gone round for so long hangs.
const STILL: Duration = Duration::from_secs(10);

impl Front {
    /// A front behind which nothing is yet.
    pub(super) fn new(log: Log) -> Front {
        let (seen, beat, state) = (OnceLock::new(), AtomicU64::new(0), Mutex::default());
        Front { log, seen, beat, state }
    }

    /// What is loaded, from now on.
    pub(super) fn show(
        &self,
        session: &Session,
        memory: Option<&Arc<Memory>>,
        engine: Option<Arc<Engine>>,
        figures: Option<Figures>,
    ) {
        let (kernel, pulse) = (session.kernel.clone(), session.pulse().clone());
        // Set once: an agent has one session.
        let (identity, cluster) = (session.identity.clone(), session.cluster.clone());
        let ledger = session.ledger.clone();
        let (bus, node, memory) = (session.bus.clone(), session.node.clone(), memory.cloned());
        let _ = self.seen.set(Seen {
            kernel,
            ledger,
            pulse,
            identity,
            cluster,
            bus,
            node,
            memory,
            engine,
            figures,
        });
    }

    /// The main thread went round and found this.
    pub(super) fn beat(&self, problems: Vec<String>, waiting_for: Vec<String>) {
        self.beat.store(now(), Ordering::Relaxed);
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) =
            State { problems, waiting_for };
    }
}

impl api::Source for Front {
    fn metrics(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let usage = Usage::now();
        let Some(Seen { kernel, ledger, identity, cluster, memory, figures, .. }) = self.seen.get()
        else {
            return Metrics { version, usage, ..Metrics::default() }.text();
        };
        monitor::count_kernel(kernel, ledger);
        let hooks: Vec<Hook<'_>> = kernel
            .capabilities()
            .iter()
            .map(|it| Hook {
                signal: it.signal,
                what: it.what,
                state: it.state.name(),
                mechanism: it.mechanism,
            })
            .collect();
        let programs = kernel.programs();
        let programs: Vec<Program<'_>> = programs
            .iter()
            .map(|it| Program {
                signal: it.signal,
                name: &it.name,
                runs: it.runs,
                run_time: it.run_time,
                misses: it.misses,
                verified_instructions: it.verified.into(),
                load_time: it.load_time,
            })
            .collect();
        let maps = kernel.maps();
        let maps: Vec<Map<'_>> = maps
            .iter()
            .map(|it| Map {
                signal: it.signal,
                name: &it.name,
                bytes: it.bytes,
                capacity: it.capacity.into(),
            })
            .collect();
        let state = cluster.as_ref().map(|it| it.state()).unwrap_or_default();
        let sources = state.kinds.iter().chain(&state.runtimes).map(|it| Source {
            name: it.name,
            connected: it.connection == cluster::Connection::Connected,
            objects: it.objects as u64,
            events: it.events,
            errors: it.errors,
        });
        let pods = identity.pods();
        let known = [
            ("processes", identity.len()),
            ("cgroups", identity.cgroups().len()),
            ("pods", pods.len()),
            ("addresses", pods.addresses()),
        ];
        let status = memory.as_ref().map(|memory| memory.status());
        let hash = status.map(|it| it.head.hash_text()).unwrap_or_default();
        let store = status.map(|Status { size, head }| export::metrics::Store {
            hot_bytes: size.hot_bytes,
            segments: size.segments,
            segment_bytes: size.segment_bytes,
            segment_rows: size.segment_rows,
            journal_bytes: size.journal_bytes,
            chain_bytes: size.chain_bytes,
            chain_sequence: head.sequence,
            chain_hash: &hash,
        });
        let mut text = Metrics {
            version,
            usage,
            store,
            sources: &sources.collect::<Vec<_>>(),
            known: &known.map(|(what, count)| (what, count as u64)),
            ledger: &ledger.entries(),
            hooks: &hooks,
            programs: &programs,
            maps: &maps,
            rings: &rings(kernel),
        }
        .text();
        if let Some(figures) = figures {
            requesting::lock(figures).text(&mut text);
        }
        text
    }

    fn health(&self) -> Health {
        let mut problems = self.state().problems.clone();
        let mut still = |since: u64, who: &str| {
            let silent = Duration::from_nanos(now().saturating_sub(since));
            if since > 0 && silent > STILL {
                problems.push(format!("{who} has stood still for {} s", silent.as_secs()));
            }
        };
        still(self.beat.load(Ordering::Relaxed), "the main thread");
        for (number, turned) in
            self.seen.get().iter().flat_map(|seen| seen.pulse.turned.iter().enumerate())
        {
            still(turned.load(Ordering::Relaxed), &format!("worker {number}"));
        }
        Health { problems }
    }

    fn ready(&self) -> Readiness {
        let mut waiting_for = self.state().waiting_for.clone();
        match self.seen.get() {
            None => waiting_for.push("the programs are being loaded and attached".to_string()),
            Some(seen) if seen.pulse.kept_house.load(Ordering::Relaxed) == 0 => {
                waiting_for.push("house has not been kept for the first time".to_string());
            }
            Some(_) => {}
        }
        Readiness { waiting_for }
    }

    fn tables(&self) -> String {
        export::docs::json(&signals::tables())
    }

    fn engine(&self) -> Option<Arc<Engine>> {
        self.seen.get()?.engine.clone()
    }

    fn followed(&self) -> Vec<&'static Table> {
        let loaded = self.seen.get().map(|seen| seen.kernel.signals()).unwrap_or_default();
        let own = loaded.iter().flat_map(|signal| signal.tables).copied();
        // What the stream signal carries is told in the tables of protocols.
        let reads = loaded.iter().any(|signal| std::ptr::eq(*signal, &signal_stream::STREAM));
        let over_all = |table: &&'static Table| !std::ptr::eq(*table, protocols::REQUEST);
        own.chain(requests::tables().filter(over_all).filter(|_| reads)).collect()
    }

    fn tail(&self, table: &'static Table) -> Option<Subscription> {
        let bus = &self.seen.get()?.bus;
        Some(bus.subscribe("tail", TAIL, Policy::DropNewest, Some(vec![table])))
    }

    fn audit(&self, audit: Audit) {
        let Some(Seen { node, memory: Some(memory), .. }) = self.seen.get() else { return };
        let origin = node.own_origin();
        let mut rows = Decoded::new(AgentQuery::TABLE);
        rows.push(origin, audit.event());
        let process = Arc::new(Process::unknown(origin.process, "fathom", origin.cgroup));
        memory.note(Arc::new(rows.with_processes(node.name.clone(), vec![process])));
    }

    fn warn(&self, what: String) {
        self.log.warn(what);
    }
}

impl Front {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How full the rings are, seen through a second mapping of each.
fn rings(kernel: &Kernel) -> Vec<export::metrics::Ring<'static>> {
    let mut rings = Vec::new();
    for worker in 0.. {
        let both = [("facts", Ring::facts(kernel, worker)), ("bulk", Ring::bulk(kernel, worker))];
        for (kind, ring) in both {
            let Ok(ring) = ring else { return rings };
            let (fill_bytes, capacity_bytes) = (ring.waiting(), ring.capacity());
            rings.push(export::metrics::Ring { worker, kind, fill_bytes, capacity_bytes });
        }
    }
    rings
}

fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
