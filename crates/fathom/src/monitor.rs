//! Monitor the monitor: what our own programs, maps and books say, as tables.

use api::AgentQuery;
use kernel::{Kernel, ProgramAccount};
use schema::{Event, Origin, Sink, Table};
use store::AgentCoverage;
use telemetry::{Ledger, Side};

/// Rows that a stage of the agent took, passed on, or dropped, since the agent started.
#[derive(Event)]
#[event(table = "agent_drop", since = "0.1")]
pub struct AgentDrop<'a> {
    /// The stage: `kernel`, `decode`, `enrich`, `bus:…`, an exporter.
    #[event(kind = Text)]
    pub stage: &'a str,
    /// The table that the rows belong to, or `record` where it is not known yet.
    #[event(kind = Text)]
    pub subject: &'a str,
    /// Why they were dropped.
    #[event(kind = Text)]
    pub reason: &'a str,
    /// How many, since the agent started.
    #[event(kind = Uint, unit = Count)]
    pub dropped: u64,
}

/// What one of the agent's own BPF programs has cost, since it was loaded.
#[derive(Event)]
#[event(table = "agent_program", since = "0.1")]
pub struct AgentProgram<'a> {
    /// The signal or control that it belongs to.
    #[event(kind = Text)]
    pub signal: &'a str,
    /// The program.
    #[event(kind = Text)]
    pub program: &'a str,
    /// How often it ran; 0 while statistics are off.
    #[event(kind = Uint, unit = Count)]
    pub runs: u64,
    /// How long it ran in all; 0 while statistics are off.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub run_time: u64,
    /// How often it was not run because it was running already on that CPU.
    #[event(kind = Uint, unit = Count)]
    pub misses: u64,
    /// How long its object took to load.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub load_time: u64,
    /// Instructions that the verifier walked through; null before Linux 5.16.
    #[event(kind = Uint, unit = Count)]
    pub verified_instructions: Option<u32>,
    /// Machine code.
    #[event(kind = Uint, unit = Bytes)]
    pub code_size: u32,
}

/// What one of the agent's own BPF maps holds.
#[derive(Event)]
#[event(table = "agent_map", since = "0.1")]
pub struct AgentMap<'a> {
    /// The signal or control whose object brought it.
    #[event(kind = Text)]
    pub signal: &'a str,
    /// The map.
    #[event(kind = Text)]
    pub map: &'a str,
    /// Entries that fit; for a ring, its bytes.
    #[event(kind = Uint, unit = Count)]
    pub capacity: u32,
    /// Kernel memory.
    #[event(kind = Uint, unit = Bytes)]
    pub memory: u64,
}

/// The tables that the agent fills about itself.
pub static TABLES: &[&Table] = &[AgentDrop::TABLE, AgentMap::TABLE, AgentProgram::TABLE];

/// The tables about the agent that only the store has.
pub static STORED: &[&Table] = &[AgentCoverage::TABLE, AgentQuery::TABLE];

/// What became of a record, by `enum record_fate`.
const FATES: &[(u32, &str)] = &[
    (wire::FATE_RING_FULL, "ring_full"),
    (wire::FATE_NO_SCRATCH, "no_scratch"),
    (wire::FATE_TABLE_FULL, "table_full"),
    (wire::FATE_UNREADABLE, "unreadable"),
    (wire::FATE_BUDGET, "budget"),
    (wire::FATE_NO_SOCKET, "no_socket"),
];

/// Appends a row for every drop, program and map.
pub fn rows(kernel: &Kernel, ledger: &Ledger, origin: Origin, sink: &mut Sink) {
    for entry in ledger.dropped() {
        if let Side::Dropped(reason) = entry.side {
            let (stage, subject, dropped) = (entry.stage, entry.table, entry.count);
            sink.row(origin, AgentDrop { stage, subject, reason, dropped });
        }
    }
    for program in kernel.programs() {
        let ProgramAccount {
            signal,
            name,
            runs,
            run_time,
            misses,
            load_time,
            verified,
            jited_bytes,
        } = program;
        sink.row(
            origin,
            AgentProgram {
                signal,
                program: &name,
                runs,
                run_time: run_time.as_nanos() as u64,
                misses,
                load_time: load_time.as_nanos() as u64,
                verified_instructions: (verified > 0).then_some(verified),
                code_size: jited_bytes,
            },
        );
    }
    for map in kernel.maps() {
        let kernel::MapAccount { signal, name, capacity, bytes } = map;
        sink.row(origin, AgentMap { signal, map: &name, capacity, memory: bytes });
    }
}

/// Takes over into the ledger what the kernel side has counted. Its counts only grow.
pub fn count_kernel(kernel: &Kernel, ledger: &Ledger) {
    for (number, signal) in kernel.signals().iter().enumerate() {
        let tables: std::collections::BTreeSet<&str> = signal.kinds.iter().copied().collect();
        for table in tables {
            let account = ledger.account("kernel", table);
            let sum = |fate| -> u64 {
                let kinds = signal.kinds.iter().enumerate().filter(|(_, name)| **name == table);
                kinds.map(|(kind, _)| kernel.fate(number, kind, fate)).sum()
            };
            let passed = sum(wire::FATE_SUBMITTED);
            let mut taken = passed;
            for &(fate, reason) in FATES {
                let dropped = sum(fate);
                taken += dropped;
                if dropped > 0 {
                    account.dropped(reason).raise_to(dropped);
                }
            }
            account.passed.raise_to(passed);
            account.taken.raise_to(taken);
        }
    }
    let compat = kernel.compat_calls();
    if compat > 0 {
        ledger.account("kernel", "system_call").dropped("compat_32_bit").raise_to(compat);
    }
    // A program that is interrupted by itself does not run a second time; what it would have
    // told is lost.
    for program in kernel.programs() {
        if program.misses > 0 {
            ledger.account("kernel", "program").dropped("recursion").raise_to(program.misses);
        }
    }
}
