//! The tables of the process signal: the only place where their columns are named.

use schema::{Event, ImageFlags, ProcessKey};

/// A process came to be, sharing its parent's image. The row's process is the child.
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

/// A process runs a new image, or tried to: then `error` is set, and the process is as it was.
#[derive(Event)]
#[event(table = "process_exec", since = "0.1")]
pub struct ProcessExec<'a> {
    /// The path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The file that the kernel runs; for a script this is its interpreter. Null on failure.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two name different files.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// The argument vector, up to 4096 bytes.
    #[event(kind = Args, personal)]
    pub args: &'a [u8],
    /// Whether the vector is longer than `args`.
    #[event(kind = Bool)]
    pub args_truncated: bool,
    /// The working directory.
    #[event(kind = Path, personal)]
    pub cwd: Option<&'a [u8]>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// From the start of exec to the new image being ready; null where no hook sees the start.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub latency: Option<u64>,
    /// The key of the parent.
    #[event(kind = Process)]
    pub parent: ProcessKey,
    /// The process id of the parent.
    #[event(kind = Pid)]
    pub parent_pid: u32,
    /// The process id in its own pid namespace.
    #[event(kind = Pid)]
    pub vpid: u32,
    /// The session id.
    #[event(kind = Pid)]
    pub session: u32,
    /// The process group id.
    #[event(kind = Pid)]
    pub pgid: u32,
    /// The process group id in the process's own pid namespace; null where the group is of another.
    #[event(kind = Pid)]
    pub vpgid: Option<u32>,
    /// The controlling terminal; null without one.
    #[event(kind = Device)]
    pub tty: Option<u32>,
    /// Real user id.
    #[event(kind = Uid)]
    pub uid: u32,
    /// Real group id.
    #[event(kind = Gid)]
    pub gid: u32,
    /// Effective user id.
    #[event(kind = Uid)]
    pub euid: u32,
    /// Effective group id.
    #[event(kind = Gid)]
    pub egid: u32,
    /// The user that logged in; null where no login set one.
    #[event(kind = Uid)]
    pub loginuid: Option<u32>,
    /// Capabilities that it may take on.
    #[event(kind = Capabilities)]
    pub cap_permitted: u64,
    /// Capabilities in force.
    #[event(kind = Capabilities)]
    pub cap_effective: u64,
    /// Capabilities kept across exec.
    #[event(kind = Capabilities)]
    pub cap_inheritable: u64,
    /// The mount namespace's inode number.
    #[event(kind = Uint)]
    pub ns_mnt: u32,
    /// The pid namespace's inode number.
    #[event(kind = Uint)]
    pub ns_pid: u32,
    /// The network namespace's inode number.
    #[event(kind = Uint)]
    pub ns_net: u32,
    /// The UTS namespace's inode number.
    #[event(kind = Uint)]
    pub ns_uts: u32,
    /// The IPC namespace's inode number.
    #[event(kind = Uint)]
    pub ns_ipc: u32,
    /// The user namespace's inode number.
    #[event(kind = Uint)]
    pub ns_user: u32,
    /// The cgroup namespace's inode number.
    #[event(kind = Uint)]
    pub ns_cgroup: u32,
    /// The time namespace's inode number; null on kernels without time namespaces.
    #[event(kind = Uint)]
    pub ns_time: Option<u32>,
    /// The executable's inode number; null on failure, as all that follows.
    #[event(kind = Uint)]
    pub inode: Option<u64>,
    /// The executable's device number.
    #[event(kind = Device)]
    pub device: Option<u32>,
    /// The executable's type and permission bits.
    #[event(kind = Mode)]
    pub mode: Option<u32>,
    /// What is odd about the executable: deleted, a memfd, changed since the image was made …
    #[event(kind = Flags(ImageFlags::NAMES))]
    pub image_flags: Option<u32>,
    /// When the executable's inode was last changed (ctime).
    #[event(kind = Time)]
    pub exe_ctime: Option<i64>,
    /// When the executable was last written (mtime).
    #[event(kind = Time)]
    pub exe_mtime: Option<i64>,
    /// The system call: `execve` (on success for `execveat`, too), or `execveat` where it failed.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// A process ended: its last thread did.
#[derive(Event)]
#[event(table = "process_exit", since = "0.1")]
pub struct ProcessExit {
    /// What it passed to `exit`; null where a signal ended it.
    #[event(kind = Int)]
    pub exit_code: Option<i32>,
    /// The signal that ended it; null where it exited.
    #[event(kind = Signal)]
    pub signal: Option<i32>,
    /// Whether its memory was dumped.
    #[event(kind = Bool)]
    pub core_dumped: bool,
    /// From the process's start to its end.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub duration: u64,
    /// CPU time in user space, all threads together.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub user_time: u64,
    /// CPU time in the kernel, all threads together.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub system_time: u64,
}
