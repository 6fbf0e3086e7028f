//! The names of Fathom's tables and columns as the truth test knows them: the one place to
//! change when a name changes.

#![allow(missing_docs)]

pub const TABLE: &str = "table";
pub const TIME: &str = "time";
pub const PID: &str = "pid";
pub const TID: &str = "tid";

pub const FORK: &str = "process_fork";
pub const EXEC: &str = "process_exec";
pub const EXIT: &str = "process_exit";
pub const PARENT_PID: &str = "parent_pid";
pub const ARGS: &str = "args";
pub const ARGS_TRUNCATED: &str = "args_truncated";
pub const CWD: &str = "cwd";
pub const EXIT_CODE: &str = "exit_code";
pub const SIGNAL: &str = "signal";

pub const OPEN: &str = "file_open";
pub const RENAME: &str = "file_rename";
pub const UNLINK: &str = "file_unlink";
pub const LINK: &str = "file_link";
pub const SYMLINK: &str = "file_symlink";
pub const CHMOD: &str = "file_chmod";
pub const CHOWN: &str = "file_chown";
pub const MKDIR: &str = "file_mkdir";
pub const RMDIR: &str = "file_rmdir";
pub const MOUNT: &str = "file_mount";
pub const UMOUNT: &str = "file_umount";
pub const TRUNCATE: &str = "file_truncate";
pub const PATH: &str = "path";
pub const DIR: &str = "dir";
pub const PATH_RESOLVED: &str = "path_resolved";
pub const PATH_DIFFERS: &str = "path_differs";
pub const NEW_PATH: &str = "new_path";
pub const NEW_DIR: &str = "new_dir";
pub const NEW_PATH_RESOLVED: &str = "new_path_resolved";
pub const NEW_PATH_DIFFERS: &str = "new_path_differs";
pub const TARGET: &str = "target";
pub const FLAGS: &str = "flags";
pub const MODE: &str = "mode";
pub const FD: &str = "fd";
pub const INODE: &str = "inode";
pub const CREATED: &str = "created";
pub const UID: &str = "uid";
pub const GID: &str = "gid";
pub const SIZE: &str = "size";
pub const SOURCE: &str = "source";
pub const FILESYSTEM: &str = "filesystem";
pub const ERROR: &str = "error";

pub const BIND: &str = "socket_bind";
pub const LISTEN: &str = "socket_listen";
pub const CONNECT: &str = "socket_connect";
pub const ACCEPT: &str = "socket_accept";
pub const CLOSE: &str = "socket_close";
pub const DATAGRAM: &str = "socket_datagram";
pub const STATE: &str = "socket_state";
pub const SOCKET: &str = "socket";
pub const FAMILY: &str = "family";
pub const PROTOCOL: &str = "protocol";
pub const LOCAL_IP: &str = "local_ip";
pub const LOCAL_PORT: &str = "local_port";
pub const PEER_IP: &str = "peer_ip";
pub const PEER_PORT: &str = "peer_port";
pub const BACKLOG: &str = "backlog";
pub const BYTES_SENT: &str = "bytes_sent";
pub const BYTES_RECEIVED: &str = "bytes_received";
pub const DATAGRAMS_SENT: &str = "datagrams_sent";
pub const DATAGRAMS_RECEIVED: &str = "datagrams_received";
pub const DIRECTION: &str = "direction";
pub const BYTES: &str = "bytes";
pub const CLOSED_BY: &str = "closed_by";
pub const ROLE: &str = "role";
pub const LOCAL_SOURCE: &str = "local_source";
pub const PEER_SOURCE: &str = "peer_source";
pub const OLD_STATE: &str = "old_state";
pub const NEW_STATE: &str = "new_state";
pub const DURATION: &str = "duration";
pub const LATENCY: &str = "latency";
pub const SEGMENTS_SENT: &str = "segments_sent";
pub const SEGMENTS_RECEIVED: &str = "segments_received";
pub const RETRANSMITS: &str = "retransmits";
pub const RTT: &str = "rtt";
pub const CALL: &str = "call";

/// Which rows of a table a log entry may be found among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those of the thread that acted, between its two markers.
    Thread,
    /// Those of the process, which descends from the workload.
    Process,
    /// Those of the workload's processes, told apart by the socket's cookie.
    Socket,
    /// The same, and those of one socket in their order: the first of it is the first.
    SocketInOrder,
}

impl Scope {
    /// Whether rows are told apart by their socket.
    pub fn is_socket(self) -> bool {
        matches!(self, Scope::Socket | Scope::SocketInOrder)
    }
}

/// How the rows of one table are told apart.
#[derive(Debug)]
pub struct Compared {
    /// The table's name.
    pub table: &'static str,
    /// Whose rows are looked at.
    pub scope: Scope,
    /// What the caller himself said, which makes a row the one of a log entry; among equals the
    /// order in time decides.
    pub identity: &'static [&'static str],
}

/// The tables whose rows name the system call, where that is the one of their log entry.
pub const CALLED: &[&str] = &[
    EXEC, OPEN, RENAME, UNLINK, LINK, SYMLINK, CHMOD, CHOWN, MKDIR, RMDIR, MOUNT, UMOUNT, TRUNCATE,
    BIND, LISTEN, CONNECT, ACCEPT,
];

/// The tables that are compared.
pub const COMPARED: &[Compared] = &[
    Compared { table: FORK, scope: Scope::Process, identity: &[PARENT_PID] },
    Compared { table: EXEC, scope: Scope::Process, identity: &[PATH, ERROR] },
    Compared { table: EXIT, scope: Scope::Process, identity: &[] },
    Compared { table: OPEN, scope: Scope::Thread, identity: &[PATH] },
    Compared { table: RENAME, scope: Scope::Thread, identity: &[PATH, NEW_PATH] },
    Compared { table: UNLINK, scope: Scope::Thread, identity: &[PATH] },
    Compared { table: LINK, scope: Scope::Thread, identity: &[PATH, NEW_PATH] },
    Compared { table: SYMLINK, scope: Scope::Thread, identity: &[TARGET, PATH] },
    Compared { table: CHMOD, scope: Scope::Thread, identity: &[PATH, FD] },
    Compared { table: CHOWN, scope: Scope::Thread, identity: &[PATH, FD] },
    Compared { table: MKDIR, scope: Scope::Thread, identity: &[PATH] },
    Compared { table: RMDIR, scope: Scope::Thread, identity: &[PATH] },
    Compared { table: MOUNT, scope: Scope::Thread, identity: &[PATH] },
    Compared { table: UMOUNT, scope: Scope::Thread, identity: &[PATH] },
    Compared { table: TRUNCATE, scope: Scope::Thread, identity: &[PATH, FD] },
    Compared { table: BIND, scope: Scope::Socket, identity: &[SOCKET] },
    Compared { table: LISTEN, scope: Scope::Socket, identity: &[SOCKET] },
    Compared { table: CONNECT, scope: Scope::Socket, identity: &[SOCKET] },
    Compared { table: ACCEPT, scope: Scope::Socket, identity: &[SOCKET] },
    Compared { table: STATE, scope: Scope::SocketInOrder, identity: &[SOCKET] },
    Compared { table: CLOSE, scope: Scope::Socket, identity: &[SOCKET, PEER_IP, PEER_PORT] },
    Compared { table: DATAGRAM, scope: Scope::Socket, identity: &[SOCKET, PEER_IP, PEER_PORT] },
];

/// How `table` is compared; none where it is not.
pub fn compared(table: &str) -> Option<&'static Compared> {
    COMPARED.iter().find(|compared| compared.table == table)
}

/// Flags that say nothing of their own: the zero access mode, and what the kernel or libc adds.
pub const SILENT_FLAGS: &[&str] = &["O_RDONLY", "O_LARGEFILE"];

/// Flags that include another, which a row may name or leave out.
pub const INCLUDED_FLAGS: &[(&str, &str)] = &[("O_TMPFILE", "O_DIRECTORY"), ("O_SYNC", "O_DSYNC")];

/// The most bytes of arguments that a row holds.
pub const ARGS_LIMIT: usize = 4096;
