//! What Fathom counts of itself, in Prometheus' text format.
//!
//! The page is made anew from plain numbers at each scrape, so there is no registry to keep in
//! step: that is why the few lines of the format are written here and not by a library.

use std::time::Duration;

use telemetry::{Entry, Side, Usage};

use crate::page::Page;

/// The `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All that the page tells.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)]
pub struct Metrics<'a> {
    /// The version of the agent.
    pub version: &'a str,
    pub usage: Usage,
    /// All counts of the drop ledger.
    pub ledger: &'a [Entry],
    pub hooks: &'a [Hook<'a>],
    pub programs: &'a [Program<'a>],
    pub maps: &'a [Map<'a>],
    pub rings: &'a [Ring<'a>],
    /// Those who tell of the cluster.
    pub sources: &'a [Source<'a>],
    /// What is remembered: a name and how many there are.
    pub known: &'a [(&'a str, u64)],
    /// What is stored, where something is.
    pub store: Option<Store<'a>>,
}

/// What is stored.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Store<'a> {
    pub hot_bytes: u64,
    pub segments: u64,
    pub segment_bytes: u64,
    pub segment_rows: u64,
    pub journal_bytes: u64,
    pub chain_bytes: u64,
    /// The number of the chain's last line.
    pub chain_sequence: u64,
    /// Its hash.
    pub chain_hash: &'a str,
}

/// One of those who tell of the cluster.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Source<'a> {
    /// `pods`, `services` … or `cri`, `docker`.
    pub name: &'a str,
    /// Whether what it told is as new as it can be.
    pub connected: bool,
    /// How many objects it has.
    pub objects: u64,
    /// Changes that it told of.
    pub events: u64,
    pub errors: u64,
}

/// How well a hook sees.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Hook<'a> {
    pub signal: &'a str,
    /// What it sees.
    pub what: &'a str,
    /// `available`, `degraded` or `missing`.
    pub state: &'a str,
    /// How it is attached; empty where it is missing.
    pub mechanism: &'a str,
}

/// What a BPF program costs.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Program<'a> {
    pub signal: &'a str,
    pub name: &'a str,
    pub runs: u64,
    pub run_time: Duration,
    /// How often it did not run because it was running already on that CPU.
    pub misses: u64,
    /// Instructions that the verifier walked through.
    pub verified_instructions: u64,
    pub load_time: Duration,
}

/// What a BPF map holds.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Map<'a> {
    pub signal: &'a str,
    pub name: &'a str,
    /// Kernel memory.
    pub bytes: u64,
    /// Entries that fit.
    pub capacity: u64,
}

/// How full a ring is.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Ring<'a> {
    pub worker: usize,
    /// `facts` or `bulk`.
    pub kind: &'a str,
    pub fill_bytes: u64,
    pub capacity_bytes: u64,
}

impl Metrics<'_> {
    /// The page.
    pub fn text(&self) -> String {
        let mut page = Page::default();
        self.agent(&mut page);
        self.stream(&mut page);
        self.kernel(&mut page);
        self.identity(&mut page);
        if let Some(store) = &self.store {
            store.tell(&mut page);
        }
        page.text
    }

    fn identity(&self, page: &mut Page) {
        page.gauge("fathom_known", "What is remembered: processes, cgroups, pods, addresses.");
        for (what, count) in self.known {
            page.sample(&[("what", what)], *count);
        }
        let each = |page: &mut Page, value: fn(&Source<'_>) -> u64| {
            for source in self.sources {
                page.sample(&[("source", source.name)], value(source));
            }
        };
        page.gauge("fathom_cluster_connected", "1 where a source is as new as it can be.");
        each(page, |source| source.connected.into());
        page.gauge("fathom_cluster_objects", "Objects that a source of the cluster has.");
        each(page, |source| source.objects);
        page.counter("fathom_cluster_events_total", "Changes that a source told of.");
        each(page, |source| source.events);
        page.counter("fathom_cluster_errors_total", "What went wrong with a source.");
        each(page, |source| source.errors);
    }

    fn agent(&self, page: &mut Page) {
        page.gauge("fathom_build_info", "The version that runs; always 1.");
        page.sample(&[("version", self.version)], 1);
        page.counter("fathom_process_cpu_seconds_total", "CPU time of the agent.");
        page.sample(&[("mode", "user")], self.usage.user.as_secs_f64());
        page.sample(&[("mode", "system")], self.usage.system.as_secs_f64());
        page.gauge("fathom_process_resident_bytes", "Resident memory of the agent.");
        page.sample(&[], self.usage.resident);
        page.gauge("fathom_process_resident_peak_bytes", "The most resident memory it ever had.");
        page.sample(&[], self.usage.peak);
    }

    fn stream(&self, page: &mut Page) {
        page.counter(
            "fathom_stage_rows_total",
            "Rows that came into a stage (taken) and went on (passed); the rest was dropped.",
        );
        for entry in self.ledger {
            let side = match entry.side {
                Side::Taken => "taken",
                Side::Passed => "passed",
                Side::Dropped(_) | Side::Lacking(_) => continue,
            };
            page.sample(
                &[("stage", entry.stage), ("table", entry.table), ("side", side)],
                entry.count,
            );
        }
        page.counter("fathom_dropped_rows_total", "Rows that a stage dropped, and why.");
        for entry in self.ledger {
            if let Side::Dropped(reason) = entry.side {
                let labels = [("stage", entry.stage), ("table", entry.table), ("reason", reason)];
                page.sample(&labels, entry.count);
            }
        }
        page.counter("fathom_lacking_rows_total", "Rows that went on without something, and what.");
        for entry in self.ledger {
            if let Side::Lacking(what) = entry.side {
                let labels = [("stage", entry.stage), ("table", entry.table), ("lacking", what)];
                page.sample(&labels, entry.count);
            }
        }
        let ring = |page: &mut Page, value: fn(&Ring<'_>) -> u64| {
            for ring in self.rings {
                page.sample(
                    &[("worker", &ring.worker.to_string()), ("kind", ring.kind)],
                    value(ring),
                );
            }
        };
        page.gauge("fathom_ring_fill_bytes", "Bytes in a ring that wait to be read.");
        ring(page, |ring| ring.fill_bytes);
        page.gauge("fathom_ring_capacity_bytes", "The size of a ring.");
        ring(page, |ring| ring.capacity_bytes);
    }

    fn kernel(&self, page: &mut Page) {
        page.gauge("fathom_hook_state", "How well a hook sees; 1 for the state that it is in.");
        for &Hook { signal, what, state, mechanism } in self.hooks {
            let labels =
                [("signal", signal), ("hook", what), ("mechanism", mechanism), ("state", state)];
            page.sample(&labels, 1);
        }
        let program = |page: &mut Page, value: &dyn Fn(&Program<'_>) -> f64| {
            for program in self.programs {
                page.sample(
                    &[("signal", program.signal), ("program", program.name)],
                    value(program),
                );
            }
        };
        page.counter("fathom_program_runs_total", "How often a BPF program ran.");
        program(page, &|program| program.runs as f64);
        page.counter("fathom_program_run_seconds_total", "How long a BPF program ran in all.");
        program(page, &|program| program.run_time.as_secs_f64());
        page.counter("fathom_program_misses_total", "How often a BPF program could not run.");
        program(page, &|program| program.misses as f64);
        page.gauge(
            "fathom_program_verified_instructions",
            "Instructions that the verifier walked.",
        );
        program(page, &|program| program.verified_instructions as f64);
        page.gauge("fathom_program_load_seconds", "How long the program's object took to load.");
        program(page, &|program| program.load_time.as_secs_f64());

        let map = |page: &mut Page, value: fn(&Map<'_>) -> u64| {
            for map in self.maps {
                page.sample(&[("signal", map.signal), ("map", map.name)], value(map));
            }
        };
        page.gauge("fathom_map_bytes", "Kernel memory of a BPF map.");
        map(page, |map| map.bytes);
        page.gauge("fathom_map_capacity_entries", "Entries that a BPF map has room for.");
        map(page, |map| map.capacity);
    }
}

impl Store<'_> {
    fn tell(&self, page: &mut Page) {
        page.gauge("fathom_store_bytes", "Bytes of rows: in memory, and on disk.");
        let bytes = [
            ("memory", self.hot_bytes),
            ("segments", self.segment_bytes),
            ("journal", self.journal_bytes),
            ("chain", self.chain_bytes),
        ];
        for (place, bytes) in bytes {
            page.sample(&[("place", place)], bytes);
        }
        page.gauge("fathom_store_segments", "Segments on disk.");
        page.sample(&[], self.segments);
        page.gauge("fathom_store_segment_rows", "Rows in them.");
        page.sample(&[], self.segment_rows);
        page.gauge(
            "fathom_store_chain_head",
            "The number of the chain's last line; its hash proves what is before it.",
        );
        page.sample(&[("hash", self.chain_hash)], self.chain_sequence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::Ledger;

    fn page() -> String {
        let ledger = Ledger::new();
        let account = ledger.account("decode", "file_open");
        account.taken.add(10);
        account.passed.add(7);
        account.drop("malformed", 3);
        let usage = Usage {
            user: Duration::from_millis(1500),
            system: Duration::from_millis(250),
            resident: 10240,
            peak: 20480,
        };
        let program = Program {
            signal: "file",
            name: "file_open",
            runs: 1_000_000_000,
            run_time: Duration::from_micros(1500),
            misses: 0,
            verified_instructions: 4321,
            load_time: Duration::from_millis(12),
        };
        let metrics = Metrics {
            version: "0.1.0",
            usage,
            ledger: &ledger.entries(),
            hooks: &[Hook {
                signal: "file",
                what: "a \"name\"\n\\",
                state: "degraded",
                mechanism: "kprobe",
            }],
            programs: &[program],
            maps: &[Map { signal: "file", name: "scratch", bytes: 4096, capacity: 1 }],
            rings: &[Ring { worker: 0, kind: "facts", fill_bytes: 5, capacity_bytes: 1 << 20 }],
            sources: &[Source { name: "pods", connected: true, objects: 3, events: 2, errors: 1 }],
            store: None,
            known: &[("pods", 3)],
        };
        metrics.text()
    }

    #[test]
    fn every_count_is_on_the_page() {
        let page = page();
        for line in [
            "fathom_build_info{version=\"0.1.0\"} 1",
            "fathom_process_cpu_seconds_total{mode=\"user\"} 1.5",
            "fathom_process_resident_bytes 10240",
            "fathom_stage_rows_total{stage=\"decode\",table=\"file_open\",side=\"taken\"} 10",
            "fathom_dropped_rows_total{stage=\"decode\",table=\"file_open\",reason=\"malformed\"} 3",
            "fathom_ring_fill_bytes{worker=\"0\",kind=\"facts\"} 5",
            "fathom_hook_state{signal=\"file\",hook=\"a \\\"name\\\"\\n\\\\\",mechanism=\"kprobe\",state=\"degraded\"} 1",
            "fathom_program_runs_total{signal=\"file\",program=\"file_open\"} 1000000000",
            "fathom_program_run_seconds_total{signal=\"file\",program=\"file_open\"} 0.0015",
            "fathom_map_capacity_entries{signal=\"file\",map=\"scratch\"} 1",
        ] {
            assert!(page.lines().any(|found| found == line), "no {line} in\n{page}");
        }
    }

    #[test]
    fn every_sample_stands_under_its_own_family() {
        let page = page();
        let mut families: Vec<&str> = Vec::new();
        for line in page.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(!families.contains(&name) && help.ends_with('.'), "{line}");
                families.push(name);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            } else {
                assert_eq!(line.split(['{', ' ']).next(), families.last().copied());
                line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap();
            }
        }
        assert!(page.ends_with('\n'));
    }
}
