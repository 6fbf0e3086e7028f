//! What a signal or a control is to the loader: data, not behaviour.

use schema::{Origin, Sink, Table};
use wire::{Malformed, Reader, RecordHeader};

/// One signal (what the kernel tells us) or control (what we tell the kernel).
#[derive(Debug)]
pub struct Signal {
    /// The folder's name.
    pub name: &'static str,
    /// The compiled object.
    pub object: &'static [u8],
    /// A hash of its records' layout, made when it was built.
    pub layout: u64,
    /// The tables it fills.
    pub tables: &'static [&'static Table],
    /// The table of each record kind, by number; what the ledger counts under.
    pub kinds: &'static [&'static str],
    /// Where it hooks in.
    pub hooks: &'static [Hook],
    /// Turns one record into rows.
    pub decode: Decode,
}

/// Reads one record into `sink`.
pub type Decode = fn(&RecordHeader, Origin, Reader<'_>, &mut Sink) -> Result<(), Malformed>;

/// Something a signal needs to see, and the ways to see it, best first.
#[derive(Debug)]
pub struct Hook {
    /// What is seen, as `fathom doctor` says it.
    pub what: &'static str,
    /// What is lost where no rung works.
    pub lost: &'static str,
    /// The ways, best first.
    pub rungs: &'static [Rung],
}

/// One way to see something.
#[derive(Debug)]
pub struct Rung {
    /// How it hooks in.
    pub mechanism: Mechanism,
    /// The program in the object.
    pub program: &'static str,
    /// What this way cannot know; empty where it knows everything.
    pub cannot: &'static str,
}

/// How a program hooks in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// A BPF LSM program.
    Lsm,
    /// The entry or exit of a kernel function, through a trampoline.
    Fentry,
    /// A tracepoint with typed arguments.
    TpBtf,
    /// A kprobe.
    Kprobe,
    /// A BPF iterator, read once when the agent starts.
    Iter,
    /// The tick of each CPU's clock, as often as the loader is told.
    Clock,
    /// The entry or the return of a function of a program or library: loaded, and attached where the
    /// function is found, see [`crate::Kernel::attach_to_functions`].
    Uprobe,
    /// The end of these system calls, by number; costs the others nothing.
    Syscall(&'static [u32]),
    /// The same, behind another signal's program, if there is one. Programs of one signal only.
    SyscallBehind(&'static [u32]),
}

impl Mechanism {
    /// The name that `fathom doctor` prints.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Lsm => "lsm",
            Mechanism::Fentry => "fentry",
            Mechanism::TpBtf => "tp_btf",
            Mechanism::Kprobe => "kprobe",
            Mechanism::Iter => "iter",
            Mechanism::Clock => "perf_event",
            Mechanism::Uprobe => "uprobe",
            Mechanism::Syscall(_) | Mechanism::SyscallBehind(_) => "tp_btf/sys_exit",
        }
    }

    /// The name where the program stands on the classic tracepoint of the same name.
    pub(crate) fn classic_name(self) -> &'static str {
        match self {
            Mechanism::Syscall(_) | Mechanism::SyscallBehind(_) => "tracepoint/sys_exit",
            _ => "tracepoint",
        }
    }
}

impl Rung {
    /// A rung that knows everything its hook is to see.
    pub const fn full(mechanism: Mechanism, program: &'static str) -> Rung {
        Rung { mechanism, program, cannot: "" }
    }
}
