//! The arguments of events: `evt.arg[NAME]`.

use crate::columns::Role;

/// How an argument is shown.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// As its kind is shown everywhere.
    Plain,
    /// A path as the process gave it.
    Path,
    /// Permissions by their names: `S_ISUID|S_IRUSR`.
    Permissions,
    /// A user, by name.
    User,
    /// The two ends of a socket.
    Tuple,
    /// What is odd about an executable.
    ImageFlags,
    /// `AF_…`
    Domain,
}

/// An argument's name, its column, and how it is shown.
type Argument = (&'static str, Role, Shape);

/// The arguments of events by the table, in Falco's order.
pub(super) const ARGUMENTS: &[(&str, &[Argument])] = &[
    (
        "process_exec",
        &[
            ("res", Role::Error, Shape::Plain),
            ("exe", Role::Path, Shape::Path),
            ("args", Role::Args, Shape::Plain),
            ("cwd", Role::Cwd, Shape::Path),
            ("filename", Role::Path, Shape::Path),
            ("flags", Role::ImageFlags, Shape::ImageFlags),
            ("cap_inheritable", Role::CapInheritable, Shape::Plain),
            ("cap_permitted", Role::CapPermitted, Shape::Plain),
            ("cap_effective", Role::CapEffective, Shape::Plain),
            ("exe_ino", Role::Inode, Shape::Plain),
            ("uid", Role::Euid, Shape::User),
            ("trusted_exepath", Role::Resolved, Shape::Path),
        ],
    ),
    ("process_fork", &[("ptid", Role::Parent, Shape::Plain), ("vpid", Role::Vpid, Shape::Plain)]),
    (
        "process_exit",
        &[("status", Role::ExitCode, Shape::Plain), ("sig", Role::Signal, Shape::Plain)],
    ),
    (
        "file_open",
        &[
            ("fd", Role::Fd, Shape::Plain),
            ("name", Role::Path, Shape::Path),
            ("flags", Role::Flags, Shape::Plain),
            ("mode", Role::Mode, Shape::Plain),
            ("dev", Role::Device, Shape::Plain),
            ("ino", Role::Inode, Shape::Plain),
        ],
    ),
    (
        "file_rename",
        &[
            ("oldpath", Role::Path, Shape::Path),
            ("newpath", Role::NewPath, Shape::Path),
            ("flags", Role::Flags, Shape::Plain),
        ],
    ),
    ("file_unlink", &[("path", Role::Path, Shape::Path), ("name", Role::Path, Shape::Path)]),
    ("file_rmdir", &[("path", Role::Path, Shape::Path), ("name", Role::Path, Shape::Path)]),
    (
        "file_link",
        &[
            ("oldpath", Role::Path, Shape::Path),
            ("newpath", Role::NewPath, Shape::Path),
            ("flags", Role::Flags, Shape::Plain),
        ],
    ),
    (
        "file_symlink",
        &[("target", Role::Target, Shape::Path), ("linkpath", Role::Path, Shape::Path)],
    ),
    (
        "file_chmod",
        &[
            ("fd", Role::Fd, Shape::Plain),
            ("filename", Role::Path, Shape::Path),
            ("mode", Role::Mode, Shape::Permissions),
        ],
    ),
    (
        "file_chown",
        &[
            ("fd", Role::Fd, Shape::Plain),
            ("path", Role::Path, Shape::Path),
            ("uid", Role::Uid, Shape::Plain),
            ("gid", Role::Gid, Shape::Plain),
        ],
    ),
    ("file_mkdir", &[("path", Role::Path, Shape::Path), ("mode", Role::Mode, Shape::Plain)]),
    (
        "file_mount",
        &[
            ("dev", Role::Source, Shape::Path),
            ("dir", Role::Path, Shape::Path),
            ("type", Role::FileSystem, Shape::Plain),
            ("flags", Role::Flags, Shape::Plain),
        ],
    ),
    ("file_umount", &[("name", Role::Path, Shape::Path), ("flags", Role::Flags, Shape::Plain)]),
    ("file_truncate", &[("path", Role::Path, Shape::Path), ("len", Role::Size, Shape::Plain)]),
    (
        "socket_create",
        &[
            ("fd", Role::Fd, Shape::Plain),
            ("domain", Role::Domain, Shape::Domain),
            ("type", Role::FileType, Shape::Plain),
            ("proto", Role::Protocol, Shape::Plain),
        ],
    ),
    ("socket_bind", &[("fd", Role::Fd, Shape::Plain), ("addr", Role::LocalIp, Shape::Tuple)]),
    ("socket_listen", &[("fd", Role::Fd, Shape::Plain), ("backlog", Role::Backlog, Shape::Plain)]),
    (
        "socket_connect",
        &[
            ("res", Role::Error, Shape::Plain),
            ("tuple", Role::PeerIp, Shape::Tuple),
            ("fd", Role::Fd, Shape::Plain),
        ],
    ),
    ("socket_accept", &[("fd", Role::Fd, Shape::Plain), ("tuple", Role::PeerIp, Shape::Tuple)]),
    (
        "socket_datagram",
        &[("size", Role::BytesMoved, Shape::Plain), ("tuple", Role::PeerIp, Shape::Tuple)],
    ),
    (
        "fd_dup",
        &[
            ("res", Role::Fd, Shape::Plain),
            ("oldfd", Role::OldFd, Shape::Plain),
            ("newfd", Role::Fd, Shape::Plain),
        ],
    ),
    (
        "process_ptrace",
        &[("request", Role::Request, Shape::Plain), ("pid", Role::TargetPid, Shape::Plain)],
    ),
    (
        "process_memory",
        &[("pid", Role::TargetPid, Shape::Plain), ("size", Role::BytesMoved, Shape::Plain)],
    ),
    (
        "module_load",
        &[
            ("fd", Role::Resolved, Shape::Path),
            ("name", Role::Name, Shape::Plain),
            ("uargs", Role::Args, Shape::Plain),
            ("flags", Role::Flags, Shape::Plain),
        ],
    ),
    (
        "namespace_change",
        &[
            ("fd", Role::Fd, Shape::Plain),
            ("flags", Role::Flags, Shape::Plain),
            ("nstype", Role::NamespaceKind, Shape::Plain),
        ],
    ),
    (
        "credential_change",
        &[
            ("uid", Role::Uid, Shape::User),
            ("gid", Role::Gid, Shape::Plain),
            ("ruid", Role::Uid, Shape::User),
            ("euid", Role::Euid, Shape::User),
            ("suid", Role::Suid, Shape::User),
            ("egid", Role::Egid, Shape::Plain),
            ("sgid", Role::Sgid, Shape::Plain),
        ],
    ),
    (
        "capability_change",
        &[
            ("cap_inheritable", Role::CapInheritable, Shape::Plain),
            ("cap_permitted", Role::CapPermitted, Shape::Plain),
            ("cap_effective", Role::CapEffective, Shape::Plain),
        ],
    ),
    ("process_prctl", &[("option", Role::Option, Shape::Plain)]),
    ("process_chdir", &[("path", Role::Path, Shape::Path), ("fd", Role::Fd, Shape::Plain)]),
    (
        "memfd_create",
        &[
            ("fd", Role::Fd, Shape::Plain),
            ("name", Role::Name, Shape::Plain),
            ("flags", Role::Flags, Shape::Plain),
        ],
    ),
    (
        "uring_setup",
        &[("entries", Role::Entries, Shape::Plain), ("flags", Role::Flags, Shape::Plain)],
    ),
    (
        "bpf_command",
        &[
            ("cmd", Role::Command, Shape::Plain),
            ("fd", Role::Fd, Shape::Plain),
            ("program_type", Role::ProgramType, Shape::Plain),
            ("name", Role::Name, Shape::Plain),
        ],
    ),
    (
        "kernel_feature",
        &[
            ("type", Role::FileType, Shape::Plain),
            ("pid", Role::TargetPid, Shape::Plain),
            ("flags", Role::Flags, Shape::Plain),
        ],
    ),
    (
        "process_kill",
        &[("pid", Role::TargetPid, Shape::Plain), ("sig", Role::Signal, Shape::Plain)],
    ),
];

/// The arguments that an event of `table` has, by name.
pub(crate) fn argument_names(table: &str) -> impl Iterator<Item = &'static str> {
    let list = ARGUMENTS.iter().find(|(name, _)| *name == table).map_or(&[][..], |it| it.1);
    list.iter().map(|(name, ..)| *name)
}
