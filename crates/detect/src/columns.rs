//! Which columns of which tables rules read: the one place in this room where columns are named.

use schema::{Batch, Table, Value};

/// What a column says to a rule, whatever its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Role {
    Args,
    Backlog,
    BytesMoved,
    Call,
    CapEffective,
    CapInheritable,
    CapPermitted,
    Command,
    Created,
    Cwd,
    Device,
    Differs,
    Dir,
    Direction,
    Domain,
    Egid,
    EgidAfter,
    Entries,
    Error,
    Euid,
    EuidAfter,
    ExitCode,
    Family,
    Fd,
    FileMode,
    FileSystem,
    FileType,
    Flags,
    Gid,
    ImageFlags,
    Inode,
    LocalIp,
    LocalPort,
    Mode,
    Name,
    NamespaceKind,
    NewDiffers,
    NewDir,
    NewPath,
    NewResolved,
    OldFd,
    Option,
    Parent,
    Path,
    PeerIp,
    PeerPort,
    PeerSource,
    ProgramType,
    Protocol,
    Request,
    Resolved,
    Signal,
    Size,
    Socket,
    Sgid,
    Source,
    Suid,
    Target,
    TargetPid,
    Uid,
    Vpid,
}

/// The names under which tables have them.
const NAMES: &[(Role, &str)] = &[
    (Role::Args, "args"),
    (Role::Backlog, "backlog"),
    (Role::BytesMoved, "bytes"),
    (Role::Call, "call"),
    (Role::CapEffective, "cap_effective"),
    (Role::CapInheritable, "cap_inheritable"),
    (Role::CapPermitted, "cap_permitted"),
    (Role::Command, "command"),
    (Role::Created, "created"),
    (Role::Cwd, "cwd"),
    (Role::Device, "device"),
    (Role::Differs, "path_differs"),
    (Role::Dir, "dir"),
    (Role::Direction, "direction"),
    (Role::Domain, "domain"),
    (Role::Egid, "egid"),
    (Role::EgidAfter, "egid_after"),
    (Role::Entries, "entries"),
    (Role::Error, "error"),
    (Role::Euid, "euid"),
    (Role::EuidAfter, "euid_after"),
    (Role::ExitCode, "exit_code"),
    (Role::Family, "family"),
    (Role::Fd, "fd"),
    (Role::FileMode, "file_mode"),
    (Role::FileSystem, "filesystem"),
    (Role::FileType, "type"),
    (Role::Flags, "flags"),
    (Role::Gid, "gid"),
    (Role::ImageFlags, "image_flags"),
    (Role::Inode, "inode"),
    (Role::LocalIp, "local_ip"),
    (Role::LocalPort, "local_port"),
    (Role::Mode, "mode"),
    (Role::Name, "name"),
    (Role::NamespaceKind, "namespace_kind"),
    (Role::NewDiffers, "new_path_differs"),
    (Role::NewDir, "new_dir"),
    (Role::NewPath, "new_path"),
    (Role::NewResolved, "new_path_resolved"),
    (Role::OldFd, "old_fd"),
    (Role::Option, "option"),
    (Role::Parent, "parent"),
    (Role::Path, "path"),
    (Role::PeerIp, "peer_ip"),
    (Role::PeerPort, "peer_port"),
    (Role::PeerSource, "peer_source"),
    (Role::ProgramType, "program_type"),
    (Role::Protocol, "protocol"),
    (Role::Request, "request"),
    (Role::Resolved, "path_resolved"),
    (Role::Signal, "signal"),
    (Role::Size, "size"),
    (Role::Socket, "socket"),
    (Role::Sgid, "sgid"),
    (Role::Source, "source"),
    (Role::Suid, "suid"),
    (Role::Target, "target"),
    (Role::TargetPid, "target_pid"),
    (Role::Uid, "uid"),
    (Role::Vpid, "vpid"),
];

const ROLES: usize = NAMES.len();

/// The events of Falco that the rows of a table are; the first where the row's `call` is none of
/// them, as for what came through io_uring.
pub(crate) const EVENTS: &[(&str, &[&str])] = &[
    ("process_exec", &["execve", "execveat"]),
    ("process_fork", &["clone", "clone3", "fork", "vfork"]),
    ("process_exit", &["procexit"]),
    ("file_open", &["openat", "open", "openat2", "creat"]),
    ("file_rename", &["renameat2", "rename", "renameat"]),
    ("file_unlink", &["unlinkat", "unlink"]),
    ("file_rmdir", &["rmdir", "unlinkat"]),
    ("file_link", &["linkat", "link"]),
    ("file_symlink", &["symlinkat", "symlink"]),
    ("file_chmod", &["fchmodat", "chmod", "fchmod", "fchmodat2"]),
    ("file_chown", &["fchownat", "chown", "lchown", "fchown"]),
    ("file_mkdir", &["mkdirat", "mkdir"]),
    ("file_mount", &["mount", "move_mount"]),
    ("file_umount", &["umount2", "umount"]),
    ("file_truncate", &["truncate", "ftruncate"]),
    ("socket_create", &["socket", "socketpair"]),
    ("socket_bind", &["bind"]),
    ("socket_listen", &["listen"]),
    ("socket_connect", &["connect"]),
    ("socket_accept", &["accept4", "accept"]),
    ("socket_datagram", &["sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg"]),
    // No event to rules: it only ends what is remembered of a socket.
    ("socket_close", &[]),
    ("fd_dup", &["dup", "dup2", "dup3", "fcntl", "pidfd_getfd"]),
    ("process_ptrace", &["ptrace"]),
    ("process_memory", &["process_vm_writev", "process_vm_readv"]),
    ("module_load", &["finit_module", "init_module", "delete_module"]),
    ("namespace_change", &["setns", "unshare", "clone", "clone3"]),
    (
        "credential_change",
        &[
            "setuid",
            "setgid",
            "setreuid",
            "setregid",
            "setresuid",
            "setresgid",
            "setfsuid",
            "setfsgid",
            "setgroups",
        ],
    ),
    ("capability_change", &["capset"]),
    ("process_prctl", &["prctl"]),
    ("process_chdir", &["chdir", "fchdir", "chroot", "pivot_root"]),
    ("memfd_create", &["memfd_create"]),
    ("uring_setup", &["io_uring_setup"]),
    ("bpf_command", &["bpf"]),
    ("kernel_feature", &["perf_event_open", "userfaultfd"]),
    ("process_kill", &["kill", "tkill", "tgkill", "pidfd_send_signal"]),
];

/// An open by exec is a row of its own, but to rules it is part of the exec.
const NOT_EVENTS: &[&str] = &["execve", "execveat"];

/// One table, as rules read it.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) table: &'static Table,
    /// The table's events.
    pub(crate) events: &'static [&'static str],
    at: [u8; ROLES],
}

const ABSENT: u8 = u8::MAX;

impl Columns {
    /// How rules read `table`; none where its rows are no events to them.
    pub(crate) fn of(table: &'static Table) -> Option<Columns> {
        let (_, events) = EVENTS.iter().find(|(name, _)| *name == table.name)?;
        let mut at = [ABSENT; ROLES];
        for &(role, name) in NAMES {
            if let Some(place) = table.field(name) {
                at[role as usize] = place as u8;
            }
        }
        Some(Columns { table, events, at })
    }

    pub(crate) fn has(&self, role: Role) -> bool {
        self.at[role as usize] != ABSENT
    }

    /// The value; null where the table has no such column, too.
    #[inline]
    pub(crate) fn value<'a>(&self, batch: &'a Batch, row: usize, role: Role) -> Value<'a> {
        match self.at[role as usize] {
            ABSENT => Value::Null,
            place => batch.columns[usize::from(place)].value(row),
        }
    }

    /// The value as its kind is shown.
    pub(crate) fn plain(&self, batch: &Batch, row: usize, role: Role) -> Option<String> {
        let place = self.at[role as usize];
        let value = self.value(batch, row, role);
        if value == Value::Null {
            return None;
        }
        let mut out = Vec::new();
        let kind = self.table.fields[usize::from(place)].kind;
        schema::plain::write(&mut out, &mut schema::plain::Clock::new(), kind, value);
        Some(String::from_utf8_lossy(&out).into_owned())
    }

    /// Which of the table's events the row is.
    #[inline]
    pub(crate) fn event(&self, batch: &Batch, row: usize) -> Option<usize> {
        match self.events {
            [] => return None,
            [_] => return Some(0),
            _ => {}
        }
        let Value::Text(call) = self.value(batch, row, Role::Call) else {
            return Some(self.unnamed(batch, row));
        };
        let is = |name: &&str| name.as_bytes() == call;
        if let Some(place) = self.events.iter().position(is) {
            return Some(place);
        }
        (!NOT_EVENTS.iter().any(is)).then(|| self.unnamed(batch, row))
    }

    /// The one that it is where no call is named: the direction tells what is sent.
    fn unnamed(&self, batch: &Batch, row: usize) -> usize {
        let received = self.value(batch, row, Role::Direction) == Value::Text(b"in");
        let name = if received { "recvfrom" } else { self.events[0] };
        self.events.iter().position(|it| *it == name).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_its_name_in_its_place() {
        for (place, (role, _)) in NAMES.iter().enumerate() {
            assert_eq!(*role as usize, place, "{role:?}");
        }
    }
}
