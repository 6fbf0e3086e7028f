//! Records to rows.

use schema::{Origin, ProcessKey, Sink};
use wire::{Malformed, PATH_UNREACHABLE, Reader, RecordHeader, call_name, join_names, path_marks};

use crate::behind::{self, Ends};
use crate::event::{
    BpfCommand, CapabilityChange, CredentialChange, FdDup, KernelFeature, MemfdCreate, ModuleLoad,
    NamespaceChange, ProcessChdir, ProcessKill, ProcessMemory, ProcessPrctl, ProcessPtrace,
    SocketCreate, UringSetup,
};
use crate::names::{
    ATTACH_TYPES, BPF_COMMANDS, DOMAINS, MAP_TYPES, PERF_TYPES, PRCTL_OPTIONS, PROGRAM_TYPES,
    PTRACE_REQUESTS, SOCKET_TYPES, name,
};
use crate::record::{
    self, PrivilegeBpfRecord, PrivilegeCallRecord, PrivilegeChdirRecord, PrivilegeCredentialRecord,
    PrivilegeDupRecord, PrivilegeFeatureRecord, PrivilegeMemfdRecord, PrivilegeModuleRecord,
    PrivilegeNamespaceRecord, PrivilegePrctlRecord, PrivilegeSocketRecord, PrivilegeTargetRecord,
    PrivilegeUringRecord,
};

/// Turns one record into one row.
pub(crate) fn decode(
    header: &RecordHeader,
    origin: Origin,
    reader: Reader<'_>,
    sink: &mut Sink,
) -> Result<(), Malformed> {
    let decode = match u32::from(header.kind) {
        record::PRIVILEGE_PTRACE | record::PRIVILEGE_MEMORY | record::PRIVILEGE_KILL => target,
        record::PRIVILEGE_MODULE => module,
        record::PRIVILEGE_NAMESPACE => namespace,
        record::PRIVILEGE_CREDENTIAL | record::PRIVILEGE_CAPABILITY => credential,
        record::PRIVILEGE_PRCTL => prctl,
        record::PRIVILEGE_CHDIR => chdir,
        record::PRIVILEGE_DUP => dup,
        record::PRIVILEGE_MEMFD => memfd,
        record::PRIVILEGE_URING => uring,
        record::PRIVILEGE_BPF => bpf,
        record::PRIVILEGE_SOCKET => socket,
        record::PRIVILEGE_FEATURE => feature,
        _ => return Err(Malformed::Kind),
    };
    decode(origin, reader, sink)
}

/// How a call went.
struct Call {
    name: &'static str,
    number: u32,
    kind: u32,
    result: i64,
    error: Option<i32>,
}

impl Call {
    fn read(record: &PrivilegeCallRecord) -> Call {
        // Without `..`, here and below: a field that the kernel side gains has to be thought of.
        let PrivilegeCallRecord { header, result, number, spare: _ } = *record;
        // The kernel side tells of no other calls than those that have names.
        let name = u16::try_from(number).ok().and_then(call_name).unwrap_or_default();
        let error = (result < 0).then(|| result.wrapping_neg() as i32);
        Call { name, number, kind: header.kind.into(), result, error }
    }

    /// The descriptor that the call gave.
    fn fd(&self) -> Option<i32> {
        (self.result >= 0).then_some(self.result as i32)
    }
}

fn target(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, _) = reader.record::<PrivilegeTargetRecord>()?;
    let PrivilegeTargetRecord { call, target_start, target_tgid, target_pid, request, spare: _ } =
        record;
    let Call { name: call_name, kind, result, error, .. } = Call::read(&call);
    let (call, given) = (call_name, (target_pid != 0).then_some(target_pid));
    let target = relative(origin, target_start, target_tgid);
    match kind {
        record::PRIVILEGE_PTRACE => {
            let request = &*name(PTRACE_REQUESTS, request);
            let target_pid = given;
            sink.row(origin, ProcessPtrace { call, request, target, target_pid, error });
        }
        record::PRIVILEGE_MEMORY => {
            let bytes = u64::try_from(result).ok();
            sink.row(origin, ProcessMemory { call, target, target_pid, bytes, error });
        }
        _ => {
            let target_pid = (call != "pidfd_send_signal").then_some(target_pid);
            let signal = request as i32;
            sink.row(origin, ProcessKill { call, signal, target, target_pid, error });
        }
    }
    Ok(())
}

fn module(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, mut tail) = reader.record::<PrivilegeModuleRecord>()?;
    let PrivilegeModuleRecord {
        call,
        fd,
        flags,
        name_length,
        args_length,
        path_length,
        path_marks,
    } = record;
    let call = Call::read(&call);
    // Unloading, the caller's name stands where the kernel gave none.
    let from_caller = call.number == 176;
    let name = tail.string(name_length)?;
    let args = tail.string(args_length)?;
    let path = join_names(tail.take(path_length)?, path_marks);
    sink.row(
        origin,
        ModuleLoad {
            call: call.name,
            name: some(name),
            fd: (fd >= 0).then_some(fd),
            path_resolved: path.as_deref(),
            args: if from_caller { None } else { some(args) },
            flags,
            error: call.error,
        },
    );
    Ok(())
}

fn namespace(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, _) = reader.record::<PrivilegeNamespaceRecord>()?;
    let PrivilegeNamespaceRecord {
        call,
        inode,
        target_start,
        target_tgid,
        flags,
        fd,
        spare: _,
        name,
    } = record;
    let call = Call::read(&call);
    // The lowest byte of clone's is the signal that tells of the child's end.
    let flags = if call.number == 56 { flags & !0xff } else { flags };
    let kind = String::from_utf8_lossy(until_nul(&name));
    sink.row(
        origin,
        NamespaceChange {
            call: call.name,
            flags,
            fd: (call.number == 308).then_some(fd),
            namespace_kind: (!kind.is_empty()).then_some(&kind),
            namespace_inode: (inode != 0).then_some(inode),
            target: relative(origin, target_start, target_tgid),
            error: call.error,
        },
    );
    Ok(())
}

fn credential(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, _) = reader.record::<PrivilegeCredentialRecord>()?;
    let PrivilegeCredentialRecord {
        call,
        effective,
        permitted,
        inheritable,
        asked,
        uid: uid_after,
        euid: euid_after,
        gid: gid_after,
        egid: egid_after,
        target_pid,
    } = record;
    let call = Call::read(&call);
    if call.kind == record::PRIVILEGE_CAPABILITY {
        sink.row(
            origin,
            CapabilityChange {
                call: call.name,
                target_pid,
                cap_effective: effective,
                cap_permitted: permitted,
                cap_inheritable: inheritable,
                error: call.error,
            },
        );
        return Ok(());
    }
    let place = |numbers: &[u32], at: usize| {
        (numbers.contains(&call.number) && asked[at] != u32::MAX).then_some(asked[at])
    };
    sink.row(
        origin,
        CredentialChange {
            call: call.name,
            uid: place(&[105, 113, 117], 0),
            euid: place(&[113, 117], 1),
            suid: place(&[117], 2),
            fsuid: place(&[122], 0),
            gid: place(&[106, 114, 119], 0),
            egid: place(&[114, 119], 1),
            sgid: place(&[119], 2),
            fsgid: place(&[123], 0),
            groups: place(&[116], 0),
            uid_after,
            euid_after,
            gid_after,
            egid_after,
            cap_effective: effective,
            error: call.error.filter(|_| ![122, 123].contains(&call.number)),
        },
    );
    Ok(())
}

const PR_SET_NAME: u32 = 15;
const PR_SET_MM: u32 = 35;
const PR_CAP_AMBIENT: u32 = 47;

fn prctl(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, _) = reader.record::<PrivilegePrctlRecord>()?;
    let PrivilegePrctlRecord { call, value, second, option, spare: _ } = record;
    let call = Call::read(&call);
    sink.row(
        origin,
        ProcessPrctl {
            call: call.name,
            option: &name(PRCTL_OPTIONS, option),
            value: (option != PR_SET_NAME).then_some(value),
            second: (option == PR_CAP_AMBIENT || option == PR_SET_MM).then_some(second),
            error: call.error,
        },
    );
    Ok(())
}

fn chdir(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, mut tail) = reader.record::<PrivilegeChdirRecord>()?;
    let PrivilegeChdirRecord {
        call,
        fd,
        given_length,
        second_length,
        resolved_length,
        resolved_marks,
        spare: _,
    } = record;
    let call = Call::read(&call);
    let given = tail.string(given_length)?;
    let second = tail.string(second_length)?;
    let resolved = join_names(tail.take(resolved_length)?, resolved_marks);
    sink.row(
        origin,
        ProcessChdir {
            call: call.name,
            path: (given_length > 0).then_some(given),
            put_old: (second_length > 0).then_some(second),
            fd: (call.number == 81).then_some(fd),
            path_resolved: resolved.as_deref(),
            path_marks: path_marks(resolved_marks),
            error: call.error,
        },
    );
    Ok(())
}

fn dup(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, mut tail) = reader.record::<PrivilegeDupRecord>()?;
    let PrivilegeDupRecord {
        call,
        ends,
        inode,
        filesystem,
        source_start,
        file_mode,
        old_fd,
        flags,
        source_tgid,
        path_length,
        path_marks: marks,
        spare: _,
    } = record;
    let call = Call::read(&call);
    let path = join_names(tail.take(path_length)?, marks);
    // A pipe has no name at all.
    let nameless = path_length <= 1 && u32::from(marks) & PATH_UNREACHABLE != 0;
    let path = path.filter(|_| !nameless);
    let socket = behind::is_socket(file_mode).then(|| Ends::read(&ends));
    let kind = behind::kind(file_mode, filesystem, ends.family, path.as_deref());
    sink.row(
        origin,
        FdDup {
            call: call.name,
            old_fd,
            source: relative(origin, source_start, source_tgid),
            fd: call.fd(),
            flags,
            r#type: kind,
            inode: kind.map(|_| inode),
            path_resolved: path.as_deref(),
            path_marks: path_marks(marks),
            socket: socket.as_ref().map(|it| it.socket),
            protocol: socket.as_ref().map(|it| it.protocol),
            local_ip: socket.as_ref().and_then(|it| it.local_ip),
            local_port: socket.as_ref().and_then(|it| it.local_port),
            peer_ip: socket.as_ref().and_then(|it| it.peer_ip),
            peer_port: socket.as_ref().and_then(|it| it.peer_port),
            peer_pod: schema::Later,
            peer_namespace: schema::Later,
            peer_workload: schema::Later,
            peer_service: schema::Later,
            peer_node: schema::Later,
            error: call.error,
        },
    );
    Ok(())
}

fn memfd(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, _) = reader.record::<PrivilegeMemfdRecord>()?;
    let PrivilegeMemfdRecord { call, flags, spare: _, name } = record;
    let call = Call::read(&call);
    let name = until_nul(&name);
    let name = match call.error {
        None => name.strip_prefix(b"memfd:").unwrap_or(name),
        Some(_) => name,
    };
    sink.row(
        origin,
        MemfdCreate { call: call.name, name, flags, fd: call.fd(), error: call.error },
    );
    Ok(())
}

fn uring(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, _) = reader.record::<PrivilegeUringRecord>()?;
    let PrivilegeUringRecord { call, entries, flags } = record;
    let call = Call::read(&call);
    sink.row(
        origin,
        UringSetup { call: call.name, entries, flags, fd: call.fd(), error: call.error },
    );
    Ok(())
}

/// Commands of bpf(2) whose result is a new descriptor.
const GIVE_FD: &[u32] = &[0, 5, 7, 13, 14, 17, 18, 19, 28, 30, 32, 33, 36];
const RAW_TRACEPOINT_OPEN: u32 = 17;
/// Those that say where to attach: PROG_ATTACH, PROG_DETACH, LINK_CREATE.
const ATTACH: &[u32] = &[8, 9, 28];

fn bpf(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, _) = reader.record::<PrivilegeBpfRecord>()?;
    let PrivilegeBpfRecord {
        call,
        command,
        object,
        object_type,
        id,
        attach_type,
        spare: _,
        name: object_name,
        path,
    } = record;
    let call = Call::read(&call);
    let object = match object {
        record::OBJECT_PROGRAM => Some("program"),
        record::OBJECT_MAP => Some("map"),
        record::OBJECT_LINK => Some("link"),
        _ => None,
    };
    let program_type = name(PROGRAM_TYPES, object_type);
    let map_type = name(MAP_TYPES, object_type);
    let attach_type = name(ATTACH_TYPES, attach_type);
    let path = some(until_nul(&path));
    let is_map = object == Some("map");
    let traced = command == RAW_TRACEPOINT_OPEN;
    sink.row(
        origin,
        BpfCommand {
            call: call.name,
            command: &name(BPF_COMMANDS, command),
            object,
            program_type: (object.is_some() && !is_map).then_some(&program_type),
            map_type: is_map.then_some(&map_type),
            name: some(until_nul(&object_name)),
            id: (id != 0).then_some(id),
            attach_type: ATTACH.contains(&command).then_some(&attach_type),
            path: if traced { None } else { path },
            tracepoint: if traced { path } else { None },
            fd: call.fd().filter(|_| GIVE_FD.contains(&command)),
            error: call.error,
        },
    );
    Ok(())
}

fn socket(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, _) = reader.record::<PrivilegeSocketRecord>()?;
    let PrivilegeSocketRecord {
        call,
        socket,
        second_socket,
        family,
        socket_type,
        protocol,
        fd,
        second_fd,
        spare: _,
    } = record;
    let call = Call::read(&call);
    let kind = socket_type & 0xf;
    let domain = name(DOMAINS, family);
    sink.row(
        origin,
        SocketCreate {
            call: call.name,
            domain: &domain,
            family: behind::family(family),
            r#type: &name(SOCKET_TYPES, kind),
            flags: socket_type & !0xf,
            protocol: behind::protocol(family, kind, protocol),
            protocol_number: protocol,
            fd: (fd >= 0).then_some(fd),
            socket: (socket != 0).then_some(socket),
            second_fd: (second_fd >= 0).then_some(second_fd),
            second_socket: (second_socket != 0).then_some(second_socket),
            error: call.error,
        },
    );
    Ok(())
}

fn feature(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, _) = reader.record::<PrivilegeFeatureRecord>()?;
    let PrivilegeFeatureRecord {
        call,
        config,
        target_start,
        target_tgid,
        target_pid,
        event_type,
        flags,
        cpu,
        spare: _,
    } = record;
    let call = Call::read(&call);
    let perf = call.number == 298;
    let event_type = name(PERF_TYPES, event_type);
    let flags = u64::from(flags);
    sink.row(
        origin,
        KernelFeature {
            call: call.name,
            r#type: perf.then_some(&event_type),
            config: perf.then_some(config),
            target: relative(origin, target_start, target_tgid),
            target_pid: perf.then_some(target_pid),
            cpu: perf.then_some(cpu),
            flags: if perf { flags } else { flags & !1 | (flags & 1) << 32 },
            fd: call.fd(),
            error: call.error,
        },
    );
    Ok(())
}

/// The key of another process on the same boot of the same node.
fn relative(origin: Origin, start: u64, pid: u32) -> Option<ProcessKey> {
    (pid != 0).then_some(ProcessKey { start, pid, boot: origin.process.boot })
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

fn some(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty()).then_some(text)
}
