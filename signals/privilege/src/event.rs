//! The tables of the privilege signal: the only place where their columns are named.

use std::net::IpAddr;

use schema::{Event, Later, ProcessKey};
use wire::PATH_MARKS;

use crate::flags::{
    CLONE_FLAGS, FD_FLAGS, FEATURE_FLAGS, MEMFD_FLAGS, MODULE_FLAGS, SOCKET_FLAGS, URING_FLAGS,
};

/// A process asked to trace another, or to be traced, or wrote to what it traces. Requests that
/// only read or step are not told.
#[derive(Event)]
#[event(table = "process_ptrace", since = "0.1")]
pub struct ProcessPtrace<'a> {
    /// The system call: `ptrace`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// What was asked for: `PTRACE_ATTACH`, `PTRACE_POKEDATA` …; one without a name as a number.
    #[event(kind = Text)]
    pub request: &'a str,
    /// The key of the process acted upon, by `PTRACE_TRACEME` the caller itself; null where the
    /// kernel has none of that number.
    #[event(kind = Process)]
    pub target: Option<ProcessKey>,
    /// The thread as the caller numbers it, in its own pid namespace; null for `PTRACE_TRACEME`.
    #[event(kind = Int)]
    pub target_pid: Option<i32>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A process read or wrote the memory of another by `process_vm_readv` or `process_vm_writev`.
#[derive(Event)]
#[event(table = "process_memory", since = "0.1")]
pub struct ProcessMemory<'a> {
    /// The system call: `process_vm_readv`, `process_vm_writev`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// The key of the other process; null where the kernel has none of that number.
    #[event(kind = Process)]
    pub target: Option<ProcessKey>,
    /// The other process as the caller numbers it, in its own pid namespace.
    #[event(kind = Int)]
    pub target_pid: i32,
    /// How much went over; null on failure.
    #[event(kind = Uint, unit = Bytes)]
    pub bytes: Option<u64>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A process sent a signal. Those of one thread to another of its own process, by `tkill` and
/// `tgkill`, are not told.
#[derive(Event)]
#[event(table = "process_kill", since = "0.1")]
pub struct ProcessKill<'a> {
    /// The system call: `kill`, `tkill`, `tgkill`, `pidfd_send_signal`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// The signal; 0 only asks whether it could be sent.
    #[event(kind = Signal)]
    pub signal: i32,
    /// The key of the process that it was sent to; null for a group of processes, and where the
    /// kernel has none of that number, any more.
    #[event(kind = Process)]
    pub target: Option<ProcessKey>,
    /// To whom, as the caller numbers it in its own pid namespace; 0 and negative numbers are
    /// groups of processes. Null where the call gives a descriptor.
    #[event(kind = Int)]
    pub target_pid: Option<i32>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A kernel module was loaded or unloaded, or an attempt failed.
#[derive(Event)]
#[event(table = "module_load", since = "0.1")]
pub struct ModuleLoad<'a> {
    /// The system call: `init_module`, `finit_module`, `delete_module`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// The module's name by the kernel; by the caller where unloading failed; null where loading
    /// failed before the kernel knew it.
    #[event(kind = Text)]
    pub name: Option<&'a [u8]>,
    /// The descriptor that `finit_module` reads from; null for others.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// The file that `finit_module` reads, by the kernel; null for others.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// The module's parameters as the caller gave them, up to 4096 bytes; null where there are none.
    #[event(kind = Text, personal)]
    pub args: Option<&'a [u8]>,
    /// What was asked for beside.
    #[event(kind = Flags(MODULE_FLAGS))]
    pub flags: u32,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A process entered or made namespaces, or an attempt failed. Of `clone` and `clone3` only those
/// are told that ask for a new namespace.
#[derive(Event)]
#[event(table = "namespace_change", since = "0.1")]
pub struct NamespaceChange<'a> {
    /// The system call: `setns`, `unshare`, `clone`, `clone3`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// What was asked for; `setns` with 0 takes whatever the descriptor is. Of `clone3` read from
    /// the caller's memory.
    #[event(kind = Flags(CLONE_FLAGS))]
    pub flags: u32,
    /// The descriptor that `setns` was given; null for others.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// What kind of namespace the descriptor is by the kernel: `mnt`, `net`, `pid`, `user`, `uts`,
    /// `ipc`, `cgroup`, `time`; null where it is none.
    #[event(kind = Text)]
    pub namespace_kind: Option<&'a str>,
    /// That namespace's inode number; null where the descriptor is none.
    #[event(kind = Uint)]
    pub namespace_inode: Option<u64>,
    /// The key of the process whose namespaces are entered, if `setns` was given a pidfd; of the
    /// child for `clone` and `clone3`; else null.
    #[event(kind = Process)]
    pub target: Option<ProcessKey>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A process changed the users or groups it acts for, or an attempt failed. The ids asked for are
/// in the caller's user namespace, those it has then in the node's.
#[derive(Event)]
#[event(table = "credential_change", since = "0.1")]
pub struct CredentialChange<'a> {
    /// The system call: `setuid`, `setgid`, `setreuid`, `setregid`, `setresuid`, `setresgid`,
    /// `setfsuid`, `setfsgid`, `setgroups`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// The user id asked for, of `setreuid` and `setresuid` the real one; null where none was, as
    /// in the next six.
    #[event(kind = Uid)]
    pub uid: Option<u32>,
    /// The effective user id asked for.
    #[event(kind = Uid)]
    pub euid: Option<u32>,
    /// The saved user id asked for.
    #[event(kind = Uid)]
    pub suid: Option<u32>,
    /// The user id asked for by `setfsuid`, which never says that it failed.
    #[event(kind = Uid)]
    pub fsuid: Option<u32>,
    /// The group id asked for, of `setregid` and `setresgid` the real one.
    #[event(kind = Gid)]
    pub gid: Option<u32>,
    /// The effective group id asked for.
    #[event(kind = Gid)]
    pub egid: Option<u32>,
    /// The saved group id asked for.
    #[event(kind = Gid)]
    pub sgid: Option<u32>,
    /// The group id asked for by `setfsgid`, which never says that it failed.
    #[event(kind = Gid)]
    pub fsgid: Option<u32>,
    /// How many groups `setgroups` was given; null for others.
    #[event(kind = Uint, unit = Count)]
    pub groups: Option<u32>,
    /// The real user id when the call ended.
    #[event(kind = Uid)]
    pub uid_after: u32,
    /// The effective user id when the call ended.
    #[event(kind = Uid)]
    pub euid_after: u32,
    /// The real group id when the call ended.
    #[event(kind = Gid)]
    pub gid_after: u32,
    /// The effective group id when the call ended.
    #[event(kind = Gid)]
    pub egid_after: u32,
    /// The capabilities in force when the call ended.
    #[event(kind = Capabilities)]
    pub cap_effective: u64,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A thread changed its capabilities by `capset`, or an attempt failed.
#[derive(Event)]
#[event(table = "capability_change", since = "0.1")]
pub struct CapabilityChange<'a> {
    /// The system call: `capset`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// Whose were to be set, as the caller gave it: 0 is itself, and only its own can be.
    #[event(kind = Int)]
    pub target_pid: i32,
    /// The capabilities in force when the call ended.
    #[event(kind = Capabilities)]
    pub cap_effective: u64,
    /// The capabilities that it may take on, when the call ended.
    #[event(kind = Capabilities)]
    pub cap_permitted: u64,
    /// The capabilities kept across exec, when the call ended.
    #[event(kind = Capabilities)]
    pub cap_inheritable: u64,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A process changed by `prctl` what it may do or what it seems to be; other options are not told.
#[derive(Event)]
#[event(table = "process_prctl", since = "0.1")]
pub struct ProcessPrctl<'a> {
    /// The system call: `prctl`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// The option: `PR_SET_NO_NEW_PRIVS`, `PR_SET_DUMPABLE`, `PR_SET_NAME` (the new name is in
    /// `comm`), `PR_CAP_AMBIENT`, `PR_SET_SECCOMP`, `PR_SET_SECUREBITS`, `PR_SET_KEEPCAPS`,
    /// `PR_SET_MM`, `PR_SET_PTRACER`.
    #[event(kind = Text)]
    pub option: &'a str,
    /// The option's first argument; null where it is an address.
    #[event(kind = Uint)]
    pub value: Option<u64>,
    /// The second argument of `PR_CAP_AMBIENT`: which capability; else null.
    #[event(kind = Uint)]
    pub second: Option<u64>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A process changed its working or its root directory, or an attempt failed.
#[derive(Event)]
#[event(table = "process_chdir", since = "0.1")]
pub struct ProcessChdir<'a> {
    /// The system call: `chdir`, `fchdir`, `chroot`, `pivot_root`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// The path as the caller gave it; null for `fchdir` and where it could not be read.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// Where `pivot_root` was to put the old root, as the caller gave it; null for others.
    #[event(kind = Path, personal)]
    pub put_old: Option<&'a [u8]>,
    /// The descriptor that `fchdir` was given; null for others.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// The working directory when the call ended, or the root for `chroot` and `pivot_root`, by the
    /// kernel, from the root of the mount namespace; null on failure.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// What is odd about `path_resolved`: cut, deleted, or not below the namespace's root.
    #[event(kind = Flags(PATH_MARKS))]
    pub path_marks: u64,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A descriptor was copied, or an attempt failed. A connected socket that becomes the standard
/// input of a shell is such a row, with both its ends.
#[derive(Event)]
#[event(table = "fd_dup", since = "0.1")]
pub struct FdDup<'a> {
    /// The system call: `dup`, `dup2`, `dup3`, `fcntl` with `F_DUPFD` or `F_DUPFD_CLOEXEC`, and
    /// `pidfd_getfd`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// The descriptor that was to be copied; for `pidfd_getfd` the number that it has in `source`.
    #[event(kind = Int)]
    pub old_fd: i32,
    /// The key of the process that `pidfd_getfd` takes it from; null for others.
    #[event(kind = Process)]
    pub source: Option<ProcessKey>,
    /// The copy; null on failure.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// What was asked for of the copy.
    #[event(kind = Flags(FD_FLAGS))]
    pub flags: u32,
    /// What is behind it: `file`, `directory`, `device`, `pipe`, `fifo`, `ipv4`, `ipv6`, `unix`,
    /// `netlink`, `packet`, `event`, `eventpoll`, `signalfd`, `timerfd`, `inotify`, `fanotify`,
    /// `bpf`, `memfd`, `pidfd`, `io_uring`, `userfaultfd`, `perf_event`, `namespace`, `socket` (of
    /// another family), `other`; null where there is no such descriptor.
    #[event(kind = Text)]
    pub r#type: Option<&'a str>,
    /// The file's inode number; null where there is none.
    #[event(kind = Uint)]
    pub inode: Option<u64>,
    /// The file's path by the kernel, from the root of the mount namespace; null for sockets.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// What is odd about `path_resolved`: cut, deleted, or not below the namespace's root.
    #[event(kind = Flags(PATH_MARKS))]
    pub path_marks: u64,
    /// The socket's cookie; where the kernel had given none its inode number with the top bit set.
    /// Null for what is no socket, as in the next ten columns.
    #[event(kind = Uint)]
    pub socket: Option<u64>,
    /// `tcp`, `udp`, `unix_stream`, `unix_dgram`, `unix_seqpacket` …
    #[event(kind = Text)]
    pub protocol: Option<&'a str>,
    /// The address of this end; unspecified where it takes any, null where it has none.
    #[event(kind = Ip)]
    pub local_ip: Option<IpAddr>,
    /// The port of this end; null where it has none.
    #[event(kind = Port)]
    pub local_port: Option<u16>,
    /// The address of the other end; null where the socket is not connected.
    #[event(kind = Ip)]
    pub peer_ip: Option<IpAddr>,
    /// The port of the other end; null where the socket is not connected.
    #[event(kind = Port)]
    pub peer_port: Option<u16>,
    /// The pod that had the peer's address then; null where it was none, or is not known. Of this
    /// and the next four columns the cluster is asked, so they are null without one.
    #[event(kind = Peer(PeerPart::Pod))]
    pub peer_pod: Later,
    /// The namespace of that pod or service.
    #[event(kind = Peer(PeerPart::Namespace))]
    pub peer_namespace: Later,
    /// What that pod belongs to, as `Deployment/web`.
    #[event(kind = Peer(PeerPart::Workload))]
    pub peer_workload: Later,
    /// The service that has the peer's address, or that the pod answers for; of several the first
    /// by name.
    #[event(kind = Peer(PeerPart::Service))]
    pub peer_service: Later,
    /// The node that has the peer's address, or that the pod is on.
    #[event(kind = Peer(PeerPart::Node))]
    pub peer_node: Later,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A file that lies only in memory was made, or an attempt failed.
#[derive(Event)]
#[event(table = "memfd_create", since = "0.1")]
pub struct MemfdCreate<'a> {
    /// The system call: `memfd_create`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// The file's name, without the `memfd:` that the kernel puts in front; on failure as the
    /// caller gave it.
    #[event(kind = Text, personal)]
    pub name: &'a [u8],
    /// What was asked for.
    #[event(kind = Flags(MEMFD_FLAGS))]
    pub flags: u32,
    /// The new descriptor; null on failure.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// An io_uring was set up, or an attempt failed. What goes through it makes no system calls.
#[derive(Event)]
#[event(table = "uring_setup", since = "0.1")]
pub struct UringSetup<'a> {
    /// The system call: `io_uring_setup`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// How many submissions the ring holds, by the kernel; on failure as asked for.
    #[event(kind = Uint, unit = Count)]
    pub entries: u32,
    /// What the ring is like, by the kernel; on failure as asked for.
    #[event(kind = Flags(URING_FLAGS))]
    pub flags: u32,
    /// The new descriptor; null on failure.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A process made, loaded, attached, pinned or got hold of BPF programs, maps or links. Reading
/// and writing of a map's elements, test runs and questions are not told.
#[derive(Event)]
#[event(table = "bpf_command", since = "0.1")]
pub struct BpfCommand<'a> {
    /// The system call: `bpf`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// The command: `BPF_PROG_LOAD`, `BPF_MAP_CREATE`, `BPF_LINK_CREATE`, `BPF_OBJ_PIN` …; one
    /// without a name as a number.
    #[event(kind = Text)]
    pub command: &'a str,
    /// What it was about: `program`, `map`, `link`; null where that is not known.
    #[event(kind = Text)]
    pub object: Option<&'a str>,
    /// The program's type, of a link its program's: `BPF_PROG_TYPE_KPROBE` …; null for others. Of
    /// a failed load, as the names are, by the caller.
    #[event(kind = Text)]
    pub program_type: Option<&'a str>,
    /// The map's type: `BPF_MAP_TYPE_HASH` …; null for others.
    #[event(kind = Text)]
    pub map_type: Option<&'a str>,
    /// The name of the program or map; null where it has none.
    #[event(kind = Text)]
    pub name: Option<&'a [u8]>,
    /// The kernel's number for the program or map; null where it is not known.
    #[event(kind = Uint)]
    pub id: Option<u32>,
    /// Where it is attached, by the caller: `BPF_XDP`, `BPF_TRACE_FENTRY` …; null for commands that
    /// attach nothing.
    #[event(kind = Text)]
    pub attach_type: Option<&'a str>,
    /// The path of `BPF_OBJ_PIN` and `BPF_OBJ_GET` as the caller gave it, up to 255 bytes; null for
    /// others.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The tracepoint of `BPF_RAW_TRACEPOINT_OPEN` as the caller gave it; null for others, and for
    /// programs that know theirs.
    #[event(kind = Text)]
    pub tracepoint: Option<&'a [u8]>,
    /// The new descriptor; null where there is none.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A socket or a pair of them was made, or an attempt failed.
#[derive(Event)]
#[event(table = "socket_create", since = "0.1")]
pub struct SocketCreate<'a> {
    /// The system call: `socket`, `socketpair`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// The address family as the kernel's headers name it: `AF_INET`, `AF_PACKET` …; one without a
    /// name as a number.
    #[event(kind = Text)]
    pub domain: &'a str,
    /// The same as other tables name it: `ipv4`, `ipv6`, `unix`, `netlink`, `packet` …
    #[event(kind = Text)]
    pub family: &'a str,
    /// `SOCK_STREAM`, `SOCK_DGRAM`, `SOCK_RAW` …; one without a name as a number.
    #[event(kind = Text)]
    pub r#type: &'a str,
    /// What was asked for with the type.
    #[event(kind = Flags(SOCKET_FLAGS))]
    pub flags: u32,
    /// `tcp`, `udp`, `icmp`, `raw`, `unix_stream` …; `other` for other families.
    #[event(kind = Text)]
    pub protocol: &'a str,
    /// The protocol's number, as the kernel chose it where the caller gave none; on failure as asked
    /// for.
    #[event(kind = Uint)]
    pub protocol_number: u32,
    /// The new descriptor; null on failure.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// The socket's cookie; where the kernel had given none its inode number with the top bit set.
    /// Null on failure.
    #[event(kind = Uint)]
    pub socket: Option<u64>,
    /// The descriptor of the other end of a pair; null for `socket`.
    #[event(kind = Int)]
    pub second_fd: Option<i32>,
    /// The other end of a pair, as `socket`; null for `socket`.
    #[event(kind = Uint)]
    pub second_socket: Option<u64>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A process opened a perf event or a userfaultfd, or an attempt failed: parts of the kernel that
/// few programs need and many exploits do.
#[derive(Event)]
#[event(table = "kernel_feature", since = "0.1")]
pub struct KernelFeature<'a> {
    /// The system call: `perf_event_open`, `userfaultfd`.
    #[event(kind = Text)]
    pub call: &'a str,
    /// What sort of perf event: `PERF_TYPE_SOFTWARE`, `PERF_TYPE_TRACEPOINT` …; one without a name
    /// as a number. By the caller; null for `userfaultfd`, as in the next four columns.
    #[event(kind = Text)]
    pub r#type: Option<&'a str>,
    /// Which of that sort, by the caller: of tracepoints the id.
    #[event(kind = Uint)]
    pub config: Option<u64>,
    /// The key of the process that is measured; null for all of a CPU.
    #[event(kind = Process)]
    pub target: Option<ProcessKey>,
    /// The process that is measured, as the caller numbers it: 0 is itself, -1 all of a CPU.
    #[event(kind = Int)]
    pub target_pid: Option<i32>,
    /// The CPU that is measured; -1 is any.
    #[event(kind = Int)]
    pub cpu: Option<i32>,
    /// What was asked for.
    #[event(kind = Flags(FEATURE_FLAGS))]
    pub flags: u64,
    /// The new descriptor; null on failure.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}
