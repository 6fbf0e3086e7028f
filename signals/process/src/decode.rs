//! Records to rows, and to what changed about processes.

use schema::{Change, Credentials, ImageFlags, Namespaces, Origin, ProcessFacts, ProcessKey, Sink};
use wire::{
    Malformed, PATH_KNOWN, PATH_UNREACHABLE, Reader, RecordHeader, Tail, call_name, differs,
    join_names,
};

use crate::event::{ProcessExec, ProcessExit, ProcessFork};
use crate::record::{
    self, ProcessExecRecord, ProcessExitRecord, ProcessFactsRecord, ProcessForkRecord,
};

/// Turns one record into rows and changes.
pub(crate) fn decode(
    header: &RecordHeader,
    origin: Origin,
    reader: Reader<'_>,
    sink: &mut Sink,
) -> Result<(), Malformed> {
    match u32::from(header.kind) {
        record::PROCESS_FORK => fork(origin, reader, sink),
        kind @ (record::PROCESS_EXEC | record::PROCESS_EXEC_FAILED | record::PROCESS_SEEN) => {
            image(kind, origin, reader, sink)
        }
        record::PROCESS_EXIT => exit(origin, reader, sink),
        _ => Err(Malformed::Kind),
    }
}

fn fork(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, _) = reader.record::<ProcessForkRecord>()?;
    let ProcessForkRecord { header, parent_start, parent_tgid, vpid } = record;
    let key = origin.process;
    let parent = relative(key, parent_start, parent_tgid);
    let (time, comm, cgroup) = (header.time, name(&header.comm), header.cgroup);
    sink.change(Change::Forked { time, key, parent, comm, cgroup, vpid });
    sink.row(origin, ProcessFork { parent, parent_pid: parent_tgid, vpid });
    Ok(())
}

fn exit(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, _) = reader.record::<ProcessExitRecord>()?;
    let ProcessExitRecord { header, user_time, system_time, status, spare: _ } = record;
    let signal = status & 0x7f;
    sink.change(Change::Exited { time: header.time, key: origin.process });
    sink.row(
        origin,
        ProcessExit {
            exit_code: (signal == 0).then_some((status >> 8 & 0xff) as i32),
            signal: (signal != 0).then_some(signal as i32),
            core_dumped: status & 0x80 != 0,
            duration: header.time.saturating_sub(header.start),
            user_time,
            system_time,
        },
    );
    Ok(())
}

/// The records that describe a whole process: exec, failed exec, and seen at the start.
fn image(kind: u32, origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, tail) = reader.record::<ProcessExecRecord>()?;
    let image = Image::read(origin, &record, tail)?;
    let (time, key) = (record.header.time, origin.process);
    match kind {
        record::PROCESS_SEEN => {
            let ancestor_only = u32::from(record.marks) & record::PROCESS_ANCESTOR != 0;
            let facts = Box::new(image.into_facts(&record, origin));
            sink.change(Change::Seen { time, key, facts, ancestor_only });
        }
        record::PROCESS_EXEC => {
            sink.row(origin, image.row(&record, origin));
            let facts = Box::new(image.into_facts(&record, origin));
            sink.change(Change::Execed { time, key, facts });
        }
        _ => sink.row(origin, image.row(&record, origin)),
    }
    Ok(())
}

/// The strings of an image record, put in order.
struct Image<'a> {
    exe: Option<Vec<u8>>,
    cwd: Option<Vec<u8>>,
    given: Option<&'a [u8]>,
    args: &'a [u8],
    flags: u32,
}

impl<'a> Image<'a> {
    fn read(
        _: Origin,
        record: &ProcessExecRecord,
        mut tail: Tail<'a>,
    ) -> Result<Image<'a>, Malformed> {
        let exe = join_names(tail.take(record.exe_length)?, record.exe_marks);
        let cwd = join_names(tail.take(record.cwd_length)?, record.cwd_marks);
        let given = tail.string(record.given_length)?;
        let args = tail.take(record.args_length)?;
        let flags = image_flags(record, exe.as_deref());
        Ok(Image { exe, cwd, given: (record.given_length > 0).then_some(given), args, flags })
    }

    fn row(&self, record: &ProcessExecRecord, origin: Origin) -> ProcessExec<'_> {
        // Without `..`: a column that the kernel side gains has to be thought of here.
        let ProcessExecRecord {
            header: _,
            facts,
            latency,
            error,
            marks,
            call,
            spare: _,
            exe_length: _,
            cwd_length: _,
            given_length: _,
            args_length: _,
            exe_marks: _,
            cwd_marks: _,
        } = *record;
        let ProcessFactsRecord {
            parent_start,
            parent_tgid,
            cap_permitted,
            cap_effective,
            cap_inheritable,
            exe_inode,
            exe_ctime,
            exe_mtime,
            vpid,
            session,
            pgid,
            vpgid,
            tty,
            loginuid,
            uid,
            gid,
            euid,
            egid,
            ns_mnt,
            ns_pid,
            ns_net,
            ns_uts,
            ns_ipc,
            ns_user,
            ns_cgroup,
            ns_time,
            exe_device,
            exe_mode,
            exe_links: _,
        } = facts;
        let ran = error == 0;
        let resolved = if ran { self.exe.as_deref() } else { None };
        let difference = self.given.and_then(|given| differs(given, self.cwd.as_deref(), resolved));
        ProcessExec {
            path: self.given,
            path_resolved: resolved,
            path_differs: difference,
            args: self.args,
            args_truncated: u32::from(marks) & record::PROCESS_ARGS_TRUNCATED != 0,
            cwd: self.cwd.as_deref(),
            error: (!ran).then_some(error.wrapping_neg()),
            latency: (latency > 0).then_some(latency),
            parent: relative(origin.process, parent_start, parent_tgid),
            parent_pid: parent_tgid,
            vpid,
            session,
            pgid,
            vpgid: (vpgid != 0).then_some(vpgid),
            tty: (tty != 0).then_some(tty),
            uid,
            gid,
            euid,
            egid,
            loginuid: (loginuid != u32::MAX).then_some(loginuid),
            cap_permitted,
            cap_effective,
            cap_inheritable,
            ns_mnt,
            ns_pid,
            ns_net,
            ns_uts,
            ns_ipc,
            ns_user,
            ns_cgroup,
            ns_time: (ns_time != 0).then_some(ns_time),
            inode: ran.then_some(exe_inode),
            device: ran.then_some(exe_device),
            mode: ran.then_some(exe_mode),
            image_flags: ran.then_some(self.flags),
            exe_ctime: ran.then_some(exe_ctime),
            exe_mtime: ran.then_some(exe_mtime),
            call: call_name(call),
        }
    }

    fn into_facts(self, record: &ProcessExecRecord, origin: Origin) -> ProcessFacts {
        let facts = &record.facts;
        ProcessFacts {
            parent: relative(origin.process, facts.parent_start, facts.parent_tgid),
            comm: name(&record.header.comm),
            exe: self.exe.unwrap_or_default().into(),
            args: self.args.into(),
            args_truncated: u32::from(record.marks) & record::PROCESS_ARGS_TRUNCATED != 0,
            cwd: self.cwd.unwrap_or_default().into(),
            cgroup: record.header.cgroup,
            vpid: facts.vpid,
            session: facts.session,
            pgid: facts.pgid,
            tty: facts.tty,
            loginuid: facts.loginuid,
            credentials: Credentials {
                uid: facts.uid,
                gid: facts.gid,
                euid: facts.euid,
                egid: facts.egid,
                cap_permitted: facts.cap_permitted,
                cap_effective: facts.cap_effective,
                cap_inheritable: facts.cap_inheritable,
            },
            namespaces: Namespaces {
                mnt: facts.ns_mnt,
                pid: facts.ns_pid,
                net: facts.ns_net,
                uts: facts.ns_uts,
                ipc: facts.ns_ipc,
                user: facts.ns_user,
                cgroup: facts.ns_cgroup,
                time: facts.ns_time,
            },
            exe_inode: facts.exe_inode,
            exe_device: facts.exe_device,
            exe_ctime: facts.exe_ctime,
            exe_mtime: facts.exe_mtime,
            image: ImageFlags(self.flags),
        }
    }
}

fn image_flags(record: &ProcessExecRecord, exe: Option<&[u8]>) -> u32 {
    let unreachable = u32::from(record.exe_marks) & PATH_UNREACHABLE != 0;
    let known = u32::from(record.exe_marks) & PATH_KNOWN != 0;
    let memfd = unreachable && exe.is_some_and(|path| path.starts_with(b"memfd:"));
    let upper = u32::from(record.marks) & record::PROCESS_OVERLAY_UPPER != 0;
    let bits = [
        (known && record.facts.exe_links == 0 && !memfd, ImageFlags::DELETED),
        (memfd, ImageFlags::MEMFD),
        (upper, ImageFlags::OVERLAY_UPPER),
        (record.facts.exe_mode & 0o4000 != 0, ImageFlags::SETUID),
        (record.facts.exe_mode & 0o2000 != 0, ImageFlags::SETGID),
    ];
    bits.iter().filter(|(is_so, _)| *is_so).map(|(_, bit)| bit).sum()
}

/// The key of another process on the same boot of the same node.
fn relative(key: ProcessKey, start: u64, pid: u32) -> ProcessKey {
    if pid == 0 { ProcessKey::default() } else { ProcessKey { start, pid, boot: key.boot } }
}

fn name(comm: &[u8; 16]) -> Box<str> {
    let end = comm.iter().position(|&byte| byte == 0).unwrap_or(comm.len());
    String::from_utf8_lossy(&comm[..end]).into()
}
