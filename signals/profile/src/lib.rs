//! The profile signal: which code the CPUs run, and which code waits, for what, and who ends it.
//!
//! The kernel side takes addresses; `crates/symbols` knows what they are called, and the rows of these
//! tables are made from both. See the folder's `README.md`.
#![forbid(unsafe_code)]

mod decode;
mod event;
mod python;
mod wait;

pub use event::{Frame, ProfileSample, Stack};

use kernel::{Hook, Mechanism, Rung, Signal};
use schema::Event;

#[allow(dead_code)]
mod record {
    include!(concat!(env!("OUT_DIR"), "/profile.rs"));
}

/// The hook that samples what CPUs do.
pub const CPU: &str = "what CPUs do";
/// The hooks that see what threads wait for.
pub const WAITS: [&str; 3] =
    ["what threads wait for", "who wakes a thread", "stacks of threads that waited"];

/// The signal, as the loader takes it.
pub static PROFILE: Signal = Signal {
    name: "profile",
    object: include_bytes!(concat!(env!("OUT_DIR"), "/profile.bpf.o")),
    layout: record::LAYOUT,
    tables: &[ProfileSample::TABLE, Stack::TABLE, Frame::TABLE],
    kinds: &["profile_sample", "profile_sample", "profile_mapped", "profile_image", "profile_code"],
    hooks: &[
        Hook {
            what: CPU,
            lost: "where CPU time goes",
            rungs: &[Rung::full(Mechanism::Clock, "profile_sample")],
        },
        Hook {
            what: "new code in a process",
            lost: "stacks through libraries that were loaded in another's place",
            rungs: &[Rung::full(Mechanism::Syscall(&[9, 10]), "profile_mapped")],
        },
        Hook {
            what: "new images",
            lost: "stacks of processes that have gone before anybody could look",
            rungs: &[Rung::full(Mechanism::TpBtf, "profile_image")],
        },
        Hook {
            what: "ends of sampled threads",
            lost: "room in the tables, until it is made otherwise",
            rungs: &[Rung::full(Mechanism::TpBtf, "profile_thread_gone")],
        },
        Hook {
            what: WAITS[0],
            lost: "where threads wait",
            rungs: &[Rung::full(Mechanism::TpBtf, "profile_switch")],
        },
        Hook {
            what: WAITS[1],
            lost: "who ends a wait",
            rungs: &[
                Rung::full(Mechanism::TpBtf, "profile_waking"),
                Rung {
                    mechanism: Mechanism::TpBtf,
                    program: "profile_waking_any",
                    cannot: "an interrupt that ends a wait is told as the thread that it interrupted",
                },
            ],
        },
        Hook {
            what: WAITS[2],
            lost: "waits in system calls",
            rungs: &[Rung::full(Mechanism::TpBtf, "profile_wait")],
        },
    ],
    decode: decode::decode,
};
