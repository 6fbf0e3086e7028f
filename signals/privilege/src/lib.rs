//! The privilege signal: what gives, changes or takes power beside files, sockets and processes.
//!
//! See the folder's `README.md` for what it sees, what it does not, and what it costs.
#![forbid(unsafe_code)]

mod behind;
mod decode;
mod event;
mod flags;
mod names;

pub use event::{
    BpfCommand, CapabilityChange, CredentialChange, FdDup, KernelFeature, MemfdCreate, ModuleLoad,
    NamespaceChange, ProcessChdir, ProcessKill, ProcessMemory, ProcessPrctl, ProcessPtrace,
    SocketCreate, UringSetup,
};

use kernel::{Hook, Mechanism, Rung, Signal};
use schema::Event;

#[allow(dead_code)]
mod record {
    include!(concat!(env!("OUT_DIR"), "/privilege.rs"));
}

/// The signal, as the loader takes it.
pub static PRIVILEGE: Signal = Signal {
    name: "privilege",
    object: include_bytes!(concat!(env!("OUT_DIR"), "/privilege.bpf.o")),
    layout: record::LAYOUT,
    tables: &[
        ProcessPtrace::TABLE,
        ProcessMemory::TABLE,
        ProcessKill::TABLE,
        ModuleLoad::TABLE,
        NamespaceChange::TABLE,
        CredentialChange::TABLE,
        CapabilityChange::TABLE,
        ProcessPrctl::TABLE,
        ProcessChdir::TABLE,
        FdDup::TABLE,
        MemfdCreate::TABLE,
        UringSetup::TABLE,
        BpfCommand::TABLE,
        SocketCreate::TABLE,
        KernelFeature::TABLE,
    ],
    kinds: &[
        "process_ptrace",
        "process_memory",
        "process_kill",
        "module_load",
        "namespace_change",
        "credential_change",
        "capability_change",
        "process_prctl",
        "process_chdir",
        "fd_dup",
        "memfd_create",
        "uring_setup",
        "bpf_command",
        "socket_create",
        "kernel_feature",
    ],
    hooks: &[
        Hook {
            what: "ptrace",
            lost: "who traces and changes whom",
            rungs: &[Rung::full(Mechanism::Syscall(&[101]), "privilege_ptrace")],
        },
        Hook {
            what: "other processes' memory",
            lost: "who reads and writes whose memory",
            rungs: &[Rung::full(Mechanism::Syscall(&[310, 311]), "privilege_memory")],
        },
        Hook {
            what: "signals sent",
            lost: "who sends signals to whom",
            rungs: &[Rung::full(Mechanism::Syscall(&[62, 200, 234, 424]), "privilege_kill")],
        },
        Hook {
            what: "kernel modules",
            lost: "which modules are loaded and unloaded",
            rungs: &[Rung::full(Mechanism::Syscall(&[175, 176, 313]), "privilege_module")],
        },
        Hook {
            what: "names of modules loaded",
            lost: "the module's name, of `init_module` and `finit_module`",
            rungs: &[Rung::full(Mechanism::TpBtf, "privilege_module_loaded")],
        },
        Hook {
            what: "names of modules unloaded",
            lost: "the kernel's word on the name, of `delete_module`: the caller's is told",
            rungs: &[Rung::full(Mechanism::TpBtf, "privilege_module_freed")],
        },
        Hook {
            what: "namespaces",
            lost: "who enters and makes namespaces",
            rungs: &[Rung::full(Mechanism::Syscall(&[56, 272, 308, 435]), "privilege_namespace")],
        },
        Hook {
            what: "users and groups",
            lost: "who becomes which user",
            rungs: &[Rung::full(
                Mechanism::Syscall(&[105, 106, 113, 114, 116, 117, 119, 122, 123]),
                "privilege_credential",
            )],
        },
        Hook {
            what: "capabilities",
            lost: "who takes on and gives up capabilities",
            rungs: &[Rung::full(Mechanism::Syscall(&[126]), "privilege_capability")],
        },
        Hook {
            what: "prctl",
            lost: "new names, and limits that processes put upon themselves",
            rungs: &[Rung::full(Mechanism::Syscall(&[157]), "privilege_prctl")],
        },
        Hook {
            what: "working and root directories",
            lost: "where processes are, after they started",
            rungs: &[Rung::full(Mechanism::Syscall(&[80, 81, 155, 161]), "privilege_chdir")],
        },
        Hook {
            what: "copies of descriptors",
            lost: "which files and sockets became standard input and output",
            rungs: &[Rung::full(Mechanism::Syscall(&[32, 33, 72, 292, 438]), "privilege_dup")],
        },
        Hook {
            what: "files in memory",
            lost: "who makes files that lie only in memory",
            rungs: &[Rung::full(Mechanism::Syscall(&[319]), "privilege_memfd")],
        },
        Hook {
            what: "io_uring",
            lost: "who can act without system calls",
            rungs: &[Rung::full(Mechanism::Syscall(&[425]), "privilege_uring")],
        },
        Hook {
            what: "bpf",
            lost: "what others do with BPF",
            rungs: &[Rung::full(Mechanism::Syscall(&[321]), "privilege_bpf")],
        },
        Hook {
            what: "new sockets",
            lost: "sockets of any family, as they are made",
            rungs: &[Rung::full(Mechanism::Syscall(&[41, 53]), "privilege_socket")],
        },
        Hook {
            what: "perf events and userfaultfd",
            lost: "who uses these two, of which exploits make use",
            rungs: &[Rung::full(Mechanism::Syscall(&[298, 323]), "privilege_feature")],
        },
    ],
    decode: decode::decode,
};
