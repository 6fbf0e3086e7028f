//! The fields that rules speak of: what they are called, what they mean, and what becomes of one
//! that is asked for and not there.

mod arguments;
mod credentials;
mod descriptor;
mod event;
mod process;
mod target;
mod view;
mod workload;

pub(crate) use arguments::argument_names;
pub(crate) use descriptor::{Descriptor, lexical};
pub(crate) use event::{Event, Surroundings};
pub use view::View;

use crate::language::Argument;
use crate::value::Seen;

/// One field.
#[derive(Debug)]
pub struct FieldInfo {
    /// Its name, without an argument.
    pub name: &'static str,
    /// What its values are.
    pub kind: FieldKind,
    /// What may stand in brackets behind it.
    pub argument: ArgumentRule,
    /// What it says.
    pub doc: &'static str,
    pub(crate) id: Id,
}

/// What a field's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Text, or bytes.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Bool,
    /// An address.
    Ip,
    /// An address, compared with networks.
    Net,
}

/// What may stand in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentRule {
    /// Nothing.
    None,
    /// A number; without it the field is each of its values.
    Index,
    /// A number, always.
    NeedsIndex,
    /// A name, always.
    NeedsKey,
}

/// A field with its argument, found once and for all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Chosen {
    pub(crate) id: Id,
    pub(crate) index: Option<usize>,
    pub(crate) key: String,
}

macro_rules! fields {
    ($($id:ident $name:literal $kind:ident $rule:ident $doc:literal;)+) => {
        /// Every field.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Id { $($id),+ }

        /// The fields that rules may ask for, by name. `evt.arg.NAME` stands for `evt.arg[NAME]`.
        pub static FIELDS: &[FieldInfo] = &[$(FieldInfo {
            name: $name,
            kind: FieldKind::$kind,
            argument: ArgumentRule::$rule,
            doc: $doc,
            id: Id::$id,
        }),+];
    };
}

fields! {
    EvtNum "evt.num" Number None "A number of its own for each event, from 1.";
    EvtTime "evt.time" Text None "The time of day, UTC, to the nanosecond.";
    EvtTimeS "evt.time.s" Text None "The time of day, UTC, to the second.";
    EvtTimeIso "evt.time.iso8601" Text None "The time as ISO 8601, UTC, to the nanosecond.";
    EvtDatetime "evt.datetime" Text None "Date and time of day, UTC, to the nanosecond.";
    EvtRawtime "evt.rawtime" Number None "Nanoseconds since 1970, UTC.";
    EvtRawtimeS "evt.rawtime.s" Number None "Seconds since 1970, UTC.";
    EvtRawtimeNs "evt.rawtime.ns" Number None "The nanoseconds of the second.";
    EvtType "evt.type" Text None "The event: the system call's name, without its variants' tricks.";
    SyscallType "syscall.type" Text None "As evt.type, for system calls.";
    EvtCategory "evt.category" Text None "file, net, process, ipc or other.";
    EvtSource "evt.source" Text None "Always syscall.";
    EvtHostname "evt.hostname" Text None "The node's name.";
    EvtDir "evt.dir" Text None "Always <: events are told when the call has ended.";
    EvtRes "evt.res" Text None "SUCCESS, or the error's name.";
    EvtRawres "evt.rawres" Number None "What the call returned; a negative errno where it failed.";
    EvtFailed "evt.failed" Bool None "Whether the call failed.";
    EvtArgs "evt.args" Text None "All arguments: NAME=VALUE, with blanks between them.";
    EvtArg "evt.arg" Text NeedsKey "One argument, by name or number, as it is shown.";
    EvtRawarg "evt.rawarg" Text NeedsKey "One argument as a number where it is one.";
    EvtInfo "evt.info" Text None "As evt.args.";
    EvtIsOpenRead "evt.is_open_read" Bool None "Whether a file was to be opened for reading.";
    EvtIsOpenWrite "evt.is_open_write" Bool None "Whether a file was to be opened for writing.";
    EvtIsOpenExec "evt.is_open_exec" Bool None "Whether a file was to be made that can be run.";
    EvtIsOpenCreate "evt.is_open_create" Bool None "Whether the call made the file.";
    EvtIsIo "evt.is_io" Bool None "Whether data moved: datagrams.";
    EvtBytes "evt.buflen" Number None "Bytes of a datagram.";

    ProcName "proc.name" Text None "The thread's name (comm, 15 characters at most).";
    ProcExe "proc.exe" Text None "The first argument (argv[0]); what a process says of itself.";
    ProcExepath "proc.exepath" Text None "The executable's path, as the kernel has it.";
    ProcCmdline "proc.cmdline" Text None "proc.name and proc.args.";
    ProcExeline "proc.exeline" Text None "proc.exe and proc.args.";
    ProcArgs "proc.args" Text None "The arguments behind the first, with blanks between them.";
    ProcCmdnargs "proc.cmdnargs" Number None "How many arguments there are behind the first.";
    ProcCmdlenargs "proc.cmdlenargs" Number None "The bytes of proc.args.";
    ProcCwd "proc.cwd" Text None "The working directory, with a slash at its end.";
    ProcPid "proc.pid" Number None "The process id.";
    ProcPpid "proc.ppid" Number None "The parent's process id.";
    ProcVpid "proc.vpid" Number None "The process id in its own pid namespace.";
    ProcPgid "proc.pgid" Number None "The process group's id.";
    ProcIsPgidLeader "proc.is_vpgid_leader" Bool None "Whether it leads its process group.";
    ProcSid "proc.sid" Number None "The session's id.";
    ProcSname "proc.sname" Text None "The name of the session's leader.";
    ProcSexe "proc.sid.exe" Text None "The first argument of the session's leader.";
    ProcSexepath "proc.sid.exepath" Text None "The executable of the session's leader.";
    ProcTty "proc.tty" Number None "The controlling terminal's device number; 0 without one.";
    ProcLoginshellid "proc.loginshellid" Number None "The pid of the oldest shell above it.";
    ProcDuration "proc.duration" Number None "Nanoseconds since the process came to be.";
    ProcPname "proc.pname" Text None "The parent's name.";
    ProcPexe "proc.pexe" Text None "The parent's first argument.";
    ProcPexepath "proc.pexepath" Text None "The parent's executable.";
    ProcPcmdline "proc.pcmdline" Text None "The parent's name and arguments.";
    ProcPduration "proc.ppid.duration" Number None "Nanoseconds since the parent came to be.";
    ProcAname "proc.aname" Text Index "An ancestor's name: 0 itself, 1 its parent; without a number any ancestor.";
    ProcAexe "proc.aexe" Text Index "An ancestor's first argument.";
    ProcAexepath "proc.aexepath" Text Index "An ancestor's executable.";
    ProcAcmdline "proc.acmdline" Text Index "An ancestor's name and arguments.";
    ProcApid "proc.apid" Number Index "An ancestor's process id.";
    ProcIsExeWritable "proc.is_exe_writable" Bool None "Whether the process may write to its own executable.";
    ProcIsExeUpperLayer "proc.is_exe_upper_layer" Bool None "Whether the executable came after the container's image.";
    ProcIsExeFromMemfd "proc.is_exe_from_memfd" Bool None "Whether the executable never had a name.";
    ProcIsExeDeleted "proc.is_exe_deleted" Bool None "Whether the executable has no name any more.";
    ProcExeIno "proc.exe_ino" Number None "The executable's inode number.";
    ProcExeInoCtime "proc.exe_ino.ctime" Number None "When the executable's inode was changed; nanoseconds since 1970.";
    ProcExeInoMtime "proc.exe_ino.mtime" Number None "When the executable's content was changed; nanoseconds since 1970.";
    ProcExeInoCtimeStart "proc.exe_ino.ctime_duration_proc_start" Number None "Nanoseconds from the change of the executable's inode to the process's start.";
    ProcIsContainerInit "proc.is_container_init" Bool None "Whether it is process 1 of its pid namespace.";
    ProcKey "proc.key" Text None "Fathom: the process's name across the cluster.";

    ThreadTid "thread.tid" Number None "The thread's id.";
    ThreadVtid "thread.vtid" Number None "The process id in its own pid namespace.";
    ThreadIsmain "thread.ismain" Bool None "Whether the thread is the process's first.";
    ThreadCapPermitted "thread.cap_permitted" Text None "The capabilities that it may take on.";
    ThreadCapEffective "thread.cap_effective" Text None "The capabilities in force.";
    ThreadCapInheritable "thread.cap_inheritable" Text None "The capabilities kept across exec.";
    ThreadCgroup "thread.cgroup" Number None "Fathom: the cgroup's id.";

    UserUid "user.uid" Number None "The effective user id.";
    UserName "user.name" Text None "The effective user's name, as the process's own /etc/passwd has it.";
    UserLoginuid "user.loginuid" Number None "The user that logged in; -1 where no login set one.";
    UserLoginname "user.loginname" Text None "The name of the user that logged in.";
    GroupGid "group.gid" Number None "The effective group id.";
    GroupName "group.name" Text None "The effective group's name.";

    FdNum "fd.num" Number None "The descriptor; -1 where the call failed.";
    FdType "fd.type" Text None "file, directory, ipv4, ipv6, unix, pipe, event …";
    FdTypechar "fd.typechar" Text None "The type as one letter: f, d, 4, 6, u, p, e …";
    FdName "fd.name" Text None "The path, put in order but with links not followed; of a socket CLIENT->SERVER.";
    FdNameraw "fd.nameraw" Text None "The path as the process gave it.";
    FdDirectory "fd.directory" Text None "The directory of fd.name.";
    FdFilename "fd.filename" Text None "The last part of fd.name.";
    FdResolved "fd.resolved" Text None "Fathom: the path as the kernel found it.";
    FdMismatch "fd.mismatch" Bool None "Fathom: whether the kernel found another file than the path says: a link, a bind mount, a race.";
    FdIno "fd.ino" Number None "The file's inode number.";
    FdDev "fd.dev" Number None "The file's device number.";
    FdIp "fd.ip" Ip None "Either end's address.";
    FdCip "fd.cip" Ip None "The client's address.";
    FdSip "fd.sip" Ip None "The server's address.";
    FdLip "fd.lip" Ip None "The address of this end.";
    FdRip "fd.rip" Ip None "The address of the other end.";
    FdNet "fd.net" Net None "Either end's address, for comparison with networks.";
    FdCnet "fd.cnet" Net None "The client's address, for comparison with networks.";
    FdSnet "fd.snet" Net None "The server's address, for comparison with networks.";
    FdLnet "fd.lnet" Net None "This end's address, for comparison with networks.";
    FdRnet "fd.rnet" Net None "The other end's address, for comparison with networks.";
    FdPort "fd.port" Number None "Either end's port.";
    FdCport "fd.cport" Number None "The client's port.";
    FdSport "fd.sport" Number None "The server's port.";
    FdLport "fd.lport" Number None "This end's port.";
    FdRport "fd.rport" Number None "The other end's port.";
    FdCipName "fd.cip.name" Text None "A host's name that has the client's address.";
    FdSipName "fd.sip.name" Text None "A host's name that has the server's address.";
    FdLipName "fd.lip.name" Text None "A host's name that has this end's address.";
    FdRipName "fd.rip.name" Text None "A host's name that has the other end's address.";
    FdL4proto "fd.l4proto" Text None "tcp, udp, icmp or raw.";
    FdSockfamily "fd.sockfamily" Text None "ip or unix.";
    FdIsServer "fd.is_server" Bool None "Whether this end is the server.";
    FdConnected "fd.connected" Bool None "Whether the socket is connected.";
    FdNameChanged "fd.name_changed" Bool None "Whether the event gave the socket another peer.";
    FdContainername "fd.containername" Text None "The container's id and fd.name.";
    FdContainerdirectory "fd.containerdirectory" Text None "The container's id and fd.directory.";
    FdUid "fd.uid" Text None "The process id and the descriptor.";

    FsPathName "fs.path.name" Text None "The path that a call on a file names.";
    FsPathNameraw "fs.path.nameraw" Text None "That path as the process gave it.";
    FsPathSource "fs.path.source" Text None "Of a rename, link or symlink: what was there.";
    FsPathSourceraw "fs.path.sourceraw" Text None "As the process gave it.";
    FsPathTarget "fs.path.target" Text None "Of a rename, link or symlink: what is there now.";
    FsPathTargetraw "fs.path.targetraw" Text None "As the process gave it.";

    ContainerShort "container.id" Text None "The first 12 characters of the container's id; host outside of any.";
    ContainerLong "container.full_id" Text None "The container's id; empty outside of any.";
    ContainerName "container.name" Text None "The container's name; host outside of any.";
    ContainerType "container.type" Text None "docker, containerd, cri-o, podman; host outside of any.";
    ContainerImage "container.image" Text None "The image, as the pod asked for it.";
    ContainerImageRepository "container.image.repository" Text None "The image without tag and digest.";
    ContainerImageTag "container.image.tag" Text None "The image's tag.";
    ContainerImageDigest "container.image.digest" Text None "The image's digest.";
    ContainerPrivileged "container.privileged" Bool None "Whether a process of the container may take on every capability.";
    ContainerStartTs "container.start_ts" Number None "When the container's first process that was seen came to be; nanoseconds since 1970.";
    ContainerDuration "container.duration" Number None "Nanoseconds since then.";
    K8sPodName "k8s.pod.name" Text None "The pod's name.";
    K8sPodUid "k8s.pod.uid" Text None "The pod's uid.";
    K8sNsName "k8s.ns.name" Text None "The pod's namespace.";
    K8sWorkload "k8s.workload" Text None "Fathom: what the pod belongs to, as Deployment/web.";

    TargetPid "target.pid" Number None "Fathom: the process that a signal, ptrace or access to memory is for, as the node numbers it.";
    TargetName "target.name" Text None "Fathom: that process's name, where it is known.";
    TargetExepath "target.exepath" Text None "Fathom: that process's executable, where it is known.";
    TargetIsSelf "target.is_self" Bool None "Fathom: whether that process is the acting one itself.";
    TargetIsChild "target.is_child" Bool None "Fathom: whether that process descends from the acting one, where it is known.";

    Novel "workload.novel" Bool NeedsKey "Fathom: whether the workload's image never had this value of the named field before.";
}

/// Fields of Falco that Fathom does not have, with what to do instead; so that whoever asks for one
/// is not told of a typing error.
const NOT_HERE: &[(&str, &str)] = &[
    ("evt.buffer", "Fathom copies no payload for rules"),
    ("evt.cpu", "events are not told by CPU"),
    ("evt.latency", "use SQL over the table's `latency`"),
    ("evt.delta", "use SQL over `time`"),
    ("evt.count", "use SQL: `count(*)`"),
    ("evt.around", "use SQL over `time`"),
    ("proc.env", "Fathom reads no environments"),
    ("proc.aenv", "Fathom reads no environments"),
    ("proc.cmdlinehash", "use proc.cmdline"),
    ("proc.vpgid", "use proc.pgid"),
    ("proc.is_pidns_init", "use proc.is_container_init"),
    ("container.mounts", "use SQL over `file_mount`"),
    ("container.mount", "use SQL over `file_mount`"),
    ("container.mount.dest", "use SQL over `file_mount`"),
    ("container.ip", "use fd.lip"),
    ("thread.cpu", "use a profile"),
];

/// Finds a field by name, with what is in its brackets; else says what is wrong, and what to do.
pub(crate) fn find(
    name: &str,
    argument: Option<&Argument>,
) -> Result<(&'static FieldInfo, Chosen), (String, String)> {
    // `evt.arg.flags` and `evt.arg[flags]` are the same.
    for prefix in ["evt.arg.", "evt.rawarg."] {
        if let (Some(key), None) = (name.strip_prefix(prefix), argument) {
            let key = Argument::Key(key.to_string());
            return find(prefix.trim_end_matches('.'), Some(&key));
        }
    }
    let Some(info) = FIELDS.iter().find(|field| field.name == name) else {
        let known = NOT_HERE.iter().find(|(field, _)| *field == name);
        let message = match known {
            Some(_) => format!("Fathom does not have the field `{name}`"),
            None => format!("there is no field `{name}`"),
        };
        let help = match known {
            Some((_, instead)) => (*instead).to_string(),
            None => near(name, FIELDS.iter().map(|field| field.name))
                .map_or_else(String::new, |near| format!("did you mean `{near}`?")),
        };
        return Err((message, help));
    };
    let chosen = |index, key: &str| Chosen { id: info.id, index, key: key.to_string() };
    match (info.argument, argument) {
        (ArgumentRule::None | ArgumentRule::Index, None) => Ok((info, chosen(None, ""))),
        (ArgumentRule::Index | ArgumentRule::NeedsIndex, Some(Argument::Index(index))) => {
            Ok((info, chosen(Some(usize::try_from(*index).unwrap_or(usize::MAX)), "")))
        }
        (ArgumentRule::NeedsKey, Some(Argument::Key(key))) => Ok((info, chosen(None, key))),
        (ArgumentRule::NeedsKey, Some(Argument::Index(index))) => {
            Ok((info, chosen(Some(usize::try_from(*index).unwrap_or(usize::MAX)), "")))
        }
        (ArgumentRule::None, Some(_)) => Err((
            format!("the field `{name}` takes no argument"),
            "leave out what is in the brackets".to_string(),
        )),
        (ArgumentRule::Index | ArgumentRule::NeedsIndex, _) => {
            Err((format!("the field `{name}` takes a number"), format!("write `{name}[1]`")))
        }
        (ArgumentRule::NeedsKey, None) => {
            Err((format!("the field `{name}` needs an argument"), format!("write `{name}[NAME]`")))
        }
    }
}

/// The field whose novelty `field` asks for, if it does.
pub(crate) fn asked_by_novelty(field: &Chosen) -> Option<Chosen> {
    (field.id == Id::Novel).then(|| find(&field.key, None).ok()).flatten().map(|(_, of)| of)
}

/// The value of a field, or its values.
pub(crate) fn read<'a>(field: &Chosen, event: &'a Event<'_>) -> Seen<'a> {
    event
        .own(field)
        .or_else(|| process::read(field, event))
        .or_else(|| credentials::read(field, event))
        .or_else(|| descriptor::read(field, event))
        .or_else(|| workload::read(field, event))
        .or_else(|| target::read(field, event))
        .unwrap_or(Seen::Nothing)
}

/// The name that is meant most likely, if any is near.
pub(crate) fn near<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let limit = name.chars().count() / 3 + 1;
    let near = names.into_iter().map(|it| (distance(name, it), it));
    near.filter(|(far, _)| *far <= limit).min().map(|(_, it)| it)
}

/// How many letters have to be changed, added or left out.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], at + 1);
        for (place, &it) in other.iter().enumerate() {
            let here =
                (before + usize::from(it != letter)).min(row[place] + 1).min(row[place + 1] + 1);
            before = std::mem::replace(&mut row[place + 1], here);
        }
    }
    row[other.len()]
}
