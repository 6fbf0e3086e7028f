//! Tables and rows in the shape of the real ones, for tests and benches.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::net::IpAddr;
use std::sync::Arc;

use schema::{Batch, Container, Decoded, Event, FlagNames, Origin, Process, ProcessKey, Runtime};

/// 2026-11-21T22:10:05.123456789Z
pub const TIME: i64 = 1_795_299_005_123_456_789;

pub const OPEN_FLAGS: FlagNames =
    &[(1, "O_WRONLY"), (2, "O_RDWR"), (0o100, "O_CREAT"), (0o2_000_000, "O_CLOEXEC")];

/// A file was opened, or someone tried to.
#[derive(Event, Clone, Copy)]
#[event(table = "file_open", since = "0.1")]
pub struct FileOpen<'a> {
    /// The path as the caller gave it.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// Where a relative path starts.
    #[event(kind = Path, personal)]
    pub dir: Option<&'a [u8]>,
    /// The path as the kernel resolved it; null on failure.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two differ.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// How it was to be opened.
    #[event(kind = Flags(OPEN_FLAGS))]
    pub flags: u32,
    /// The permissions of a file that is made.
    #[event(kind = Mode)]
    pub mode: Option<u32>,
    /// The descriptor.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// The inode number.
    #[event(kind = Uint)]
    pub inode: Option<u64>,
    /// The device.
    #[event(kind = Device)]
    pub device: Option<u32>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A file got another name.
#[derive(Event)]
#[event(table = "file_rename", since = "0.1")]
pub struct FileRename<'a> {
    /// The old path.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The old path as the kernel resolved it.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// The new path.
    #[event(kind = Path, personal)]
    pub new_path: Option<&'a [u8]>,
    /// The new path as the kernel resolved it.
    #[event(kind = Path, personal)]
    pub new_path_resolved: Option<&'a [u8]>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A file got another owner.
#[derive(Event)]
#[event(table = "file_chown", since = "0.1")]
pub struct FileChown<'a> {
    /// The path.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The new owner.
    #[event(kind = Uid)]
    pub uid: Option<u32>,
    /// The new group.
    #[event(kind = Gid)]
    pub gid: Option<u32>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A process came to be.
#[derive(Event)]
#[event(table = "process_fork", since = "0.1")]
pub struct ProcessFork {
    /// The key of the parent.
    #[event(kind = Process)]
    pub parent: ProcessKey,
    /// The process id of the parent.
    #[event(kind = Pid)]
    pub parent_pid: u32,
    /// The child's process id in its own pid namespace.
    #[event(kind = Pid)]
    pub vpid: u32,
}

/// A process runs a new image.
#[derive(Event)]
#[event(table = "process_exec", since = "0.1")]
pub struct ProcessExec<'a> {
    /// The path as the caller gave it.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The file that the kernel runs.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two name different files.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// The argument vector.
    #[event(kind = Args, personal)]
    pub args: &'a [u8],
    /// Whether the vector is longer.
    #[event(kind = Bool)]
    pub args_truncated: bool,
    /// The working directory.
    #[event(kind = Path, personal)]
    pub cwd: Option<&'a [u8]>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// From the start of exec to the new image being ready.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub latency: Option<u64>,
    /// The key of the parent.
    #[event(kind = Process)]
    pub parent: ProcessKey,
    /// The process id of the parent.
    #[event(kind = Pid)]
    pub parent_pid: u32,
    /// The session id.
    #[event(kind = Pid)]
    pub session: u32,
    /// The controlling terminal.
    #[event(kind = Device)]
    pub tty: Option<u32>,
    /// Real user id.
    #[event(kind = Uid)]
    pub uid: u32,
    /// Effective user id.
    #[event(kind = Uid)]
    pub euid: u32,
    /// Capabilities in force.
    #[event(kind = Capabilities)]
    pub cap_effective: u64,
    /// The mount namespace's inode number.
    #[event(kind = Uint)]
    pub ns_mnt: u32,
    /// The pid namespace's inode number.
    #[event(kind = Uint)]
    pub ns_pid: u32,
    /// The executable's type and permission bits.
    #[event(kind = Mode)]
    pub file_mode: Option<u32>,
}

/// A process ended.
#[derive(Event)]
#[event(table = "process_exit", since = "0.1")]
pub struct ProcessExit {
    /// What it passed to `exit`.
    #[event(kind = Int)]
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[event(kind = Signal)]
    pub signal: Option<i32>,
    /// Whether its memory was dumped.
    #[event(kind = Bool)]
    pub core_dumped: bool,
    /// From its start to its end.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub duration: u64,
    /// CPU time in user space.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub user_time: u64,
}

/// A socket was connected, or someone tried to.
#[derive(Event)]
#[event(table = "socket_connect", since = "0.1")]
pub struct SocketConnect<'a> {
    /// The socket's cookie.
    #[event(kind = Uint)]
    pub socket: u64,
    /// The protocol.
    #[event(kind = Text)]
    pub protocol: &'a str,
    /// Our address.
    #[event(kind = Ip)]
    pub local_ip: Option<IpAddr>,
    /// Our port.
    #[event(kind = Port)]
    pub local_port: Option<u16>,
    /// The peer's address.
    #[event(kind = Ip)]
    pub peer_ip: Option<IpAddr>,
    /// The peer's port.
    #[event(kind = Port)]
    pub peer_port: Option<u16>,
    /// How long it took.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub latency: Option<u64>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// A TCP socket went from one state to another.
#[derive(Event)]
#[event(table = "socket_state", since = "0.1")]
pub struct SocketState<'a> {
    /// The protocol.
    #[event(kind = Text)]
    pub protocol: &'a str,
    /// Our address.
    #[event(kind = Ip)]
    pub local_ip: Option<IpAddr>,
    /// Our port.
    #[event(kind = Port)]
    pub local_port: Option<u16>,
    /// The state before.
    #[event(kind = Text)]
    pub old_state: &'a str,
    /// The state after.
    #[event(kind = Text)]
    pub new_state: &'a str,
}

/// A symbolic link was made.
#[derive(Event)]
#[event(table = "file_symlink", since = "0.1")]
pub struct FileSymlink<'a> {
    /// What it holds.
    #[event(kind = Path, personal)]
    pub target: Option<&'a [u8]>,
    /// Where it is.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// Where a relative path starts.
    #[event(kind = Path, personal)]
    pub dir: Option<&'a [u8]>,
}

/// A socket was closed.
#[derive(Event)]
#[event(table = "socket_close", since = "0.1")]
pub struct SocketClose<'a> {
    /// The socket's cookie.
    #[event(kind = Uint)]
    pub socket: u64,
    /// The protocol.
    #[event(kind = Text)]
    pub protocol: &'a str,
    /// Our address.
    #[event(kind = Ip)]
    pub local_ip: Option<IpAddr>,
    /// Our port.
    #[event(kind = Port)]
    pub local_port: Option<u16>,
    /// The peer's address.
    #[event(kind = Ip)]
    pub peer_ip: Option<IpAddr>,
    /// The peer's port.
    #[event(kind = Port)]
    pub peer_port: Option<u16>,
    /// Bytes that went out.
    #[event(kind = Uint, unit = Bytes)]
    pub bytes_sent: u64,
    /// Bytes that came in.
    #[event(kind = Uint, unit = Bytes)]
    pub bytes_received: u64,
    /// Segments sent again.
    #[event(kind = Uint, unit = Count)]
    pub retransmits: u64,
    /// The smoothed round-trip time.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub rtt: Option<u64>,
}

/// A process as the tests see it.
pub fn process(pid: u32, exe: &str, container: bool) -> Arc<Process> {
    let key = ProcessKey { start: 0x2f9c_8e51_0000 + u64::from(pid), pid, boot: 0x1a2b_3c4d };
    let comm = exe.rsplit('/').next().unwrap_or_default();
    let mut process = Process::unknown(key, comm, 7);
    process.facts.exe = exe.as_bytes().into();
    process.container = container.then(|| {
        let id = "4f9c2d1e".repeat(8);
        let (pod_uid, qos) = (None, None);
        Arc::new(Container::new(id, Runtime::Containerd, pod_uid, qos))
    });
    Arc::new(process)
}

/// A batch of one table, with `milliseconds` after [`TIME`] and the process of each row.
pub fn batch<E: Event>(rows: impl IntoIterator<Item = (i64, Arc<Process>, E)>) -> Batch {
    let mut decoded = Decoded::new(E::TABLE);
    let mut processes = Vec::new();
    for (milliseconds, process, event) in rows {
        let mut comm = [0; 16];
        let name = process.facts.comm.as_bytes();
        comm[..name.len().min(15)].copy_from_slice(&name[..name.len().min(15)]);
        let (key, tid) = (process.key, process.key.pid);
        let time = TIME + milliseconds * 1_000_000;
        decoded.push(Origin { time, process: key, tid, cgroup: 7, comm }, event);
        processes.push(process);
    }
    decoded.with_processes("node-1".into(), processes)
}

/// One row.
pub fn one<E: Event>(event: E) -> Batch {
    batch([(0, process(4711, "/usr/bin/cat", false), event)])
}

/// An ordinary open.
pub fn open() -> FileOpen<'static> {
    FileOpen {
        path: Some(b"/etc/hosts"),
        dir: None,
        path_resolved: Some(b"/etc/hosts"),
        path_differs: Some(false),
        flags: 0o2_000_000,
        mode: None,
        fd: Some(3),
        inode: Some(1_234_567),
        device: Some(8 << 20 | 1),
        error: None,
    }
}
