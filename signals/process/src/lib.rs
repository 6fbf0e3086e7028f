//! The process signal: fork, exec, failed exec, exit.
//!
//! See the folder's `README.md` for what it sees, what it does not, and what it costs.
#![forbid(unsafe_code)]

mod decode;
mod event;

pub use event::{ProcessExec, ProcessExit, ProcessFork};

use kernel::{Hook, Mechanism, Rung, Signal};
use schema::Event;

#[allow(dead_code)]
mod record {
    include!(concat!(env!("OUT_DIR"), "/process.rs"));
}

/// The signal, as the loader takes it.
pub static PROCESS: Signal = Signal {
    name: "process",
    object: include_bytes!(concat!(env!("OUT_DIR"), "/process.bpf.o")),
    layout: record::LAYOUT,
    tables: &[ProcessFork::TABLE, ProcessExec::TABLE, ProcessExit::TABLE],
    kinds: &["process_fork", "process_exec", "process_exec", "process_exit", "process_seen"],
    hooks: &[
        Hook {
            what: "fork",
            lost: "new processes, until they exec",
            rungs: &[Rung::full(Mechanism::TpBtf, "process_fork")],
        },
        Hook {
            what: "exec",
            lost: "which programs run",
            rungs: &[Rung::full(Mechanism::TpBtf, "process_exec")],
        },
        Hook {
            what: "failed exec",
            lost: "programs that could not be run",
            rungs: &[Rung::full(Mechanism::Syscall(&[59, 322]), "process_exec_failed")],
        },
        Hook {
            what: "exec latency",
            lost: "how long an exec took",
            rungs: &[
                Rung::full(Mechanism::Lsm, "process_exec_began_lsm"),
                Rung::full(Mechanism::Fentry, "process_exec_began_fentry"),
                // Before the tracepoint, against the usual order: it sees the start itself.
                Rung::full(Mechanism::Kprobe, "process_exec_began_kprobe"),
                Rung {
                    mechanism: Mechanism::TpBtf,
                    program: "process_exec_began_tp",
                    cannot: "the time until the old image is given up is not in `latency`",
                },
            ],
        },
        Hook {
            what: "exit",
            lost: "when and how processes end",
            rungs: &[Rung::full(Mechanism::TpBtf, "process_exit")],
        },
        Hook {
            what: "processes already running",
            lost: "what is known of processes older than the agent",
            rungs: &[Rung::full(Mechanism::Iter, "process_seen")],
        },
    ],
    decode: decode::decode,
};
