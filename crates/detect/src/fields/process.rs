//! Who acts: `proc.*` and `thread.*`.

use schema::plain;
use schema::{Ancestor, ImageFlags, Process};

use super::{Chosen, Event, Id, View};
use crate::value::Seen;

pub(super) fn read<'a>(field: &Chosen, event: &'a Event<'_>) -> Option<Seen<'a>> {
    let process = event.process();
    let facts = &process.facts;
    let parent = process.ancestors.first().map(|it| &**it);
    let image = |bit: u32| Seen::Bool(facts.image.0 & bit != 0);
    let known = || !process.reconstructed;
    Some(match field.id {
        Id::ProcName => Seen::text(comm(event)),
        Id::ProcExe => match first_argument(&facts.args) {
            _ if event.view != View::Given && !facts.exe.is_empty() => Seen::text(&*facts.exe),
            Some(exe) => Seen::text(exe),
            None if known() => Seen::text(comm(event)),
            None => Seen::Nothing,
        },
        Id::ProcExepath => present(&facts.exe),
        Id::ProcCmdline => Seen::owned(line(comm(event), &facts.args)),
        Id::ProcExeline => {
            Seen::owned(line(first_argument(&facts.args).unwrap_or_default(), &facts.args))
        }
        Id::ProcArgs => Seen::owned(arguments(&facts.args)),
        Id::ProcCmdnargs => Seen::number(plain::args(&facts.args).skip(1).count() as i64),
        Id::ProcCmdlenargs => Seen::number(arguments(&facts.args).len() as i64),
        Id::ProcCwd => {
            let cwd = event.around.state.directory(process);
            if cwd.is_empty() { Seen::Nothing } else { Seen::owned(with_slash(cwd)) }
        }
        Id::ProcPid => Seen::number(process.key.pid),
        Id::ProcPpid => Seen::number(facts.parent.pid),
        Id::ProcVpid => Seen::number(facts.vpid),
        Id::ProcPgid => Seen::number(facts.pgid),
        Id::ProcIsPgidLeader => Seen::Bool(facts.pgid == process.key.pid),
        Id::ProcSid => Seen::number(facts.session),
        Id::ProcSname => leader(event, |comm, _, _| Seen::text(comm)),
        Id::ProcSexe => leader(event, |_, args, _| Seen::maybe(first_argument(args), Seen::text)),
        Id::ProcSexepath => leader(event, |_, _, exe| present(exe)),
        Id::ProcTty => Seen::number(device(facts.tty)),
        Id::ProcLoginshellid => {
            let shells = process.ancestors.iter().rev().find(|it| is_shell(&it.comm));
            let own = is_shell(&facts.comm).then_some(process.key.pid);
            Seen::maybe(shells.map(|it| it.key.pid).or(own), Seen::number)
        }
        Id::ProcDuration => {
            Seen::maybe(event.around.names.age(process, event.time()), Seen::number)
        }
        Id::ProcPduration => {
            let parent = parent.map(|it| it.key);
            let age = parent.and_then(|key| event.around.names.age_of(key, event.time()));
            Seen::maybe(age, Seen::number)
        }
        Id::ProcPname => Seen::maybe(parent, |it| Seen::text(&*it.comm)),
        Id::ProcPexe => Seen::maybe(parent, ancestor_exe),
        Id::ProcPexepath => Seen::maybe(parent, |it| present(&it.exe)),
        Id::ProcPcmdline => {
            Seen::maybe(parent, |it| Seen::owned(line(it.comm.as_bytes(), &it.args)))
        }
        Id::ProcAname => generations(field, event, Id::ProcName, |it| Seen::text(&*it.comm)),
        Id::ProcAexe => generations(field, event, Id::ProcExe, ancestor_exe),
        Id::ProcAexepath => generations(field, event, Id::ProcExepath, |it| present(&it.exe)),
        Id::ProcAcmdline => generations(field, event, Id::ProcCmdline, |it| {
            Seen::owned(line(it.comm.as_bytes(), &it.args))
        }),
        Id::ProcApid => generations(field, event, Id::ProcPid, |it| Seen::number(it.key.pid)),
        Id::ProcIsExeWritable => {
            let mode = event.number(crate::columns::Role::Mode).unwrap_or(0);
            Seen::Bool(writable(process, mode))
        }
        Id::ProcIsExeUpperLayer => image(ImageFlags::OVERLAY_UPPER),
        Id::ProcIsExeFromMemfd => image(ImageFlags::MEMFD),
        Id::ProcIsExeDeleted => image(ImageFlags::DELETED),
        Id::ProcExeIno if facts.exe_inode != 0 => Seen::number(facts.exe_inode),
        Id::ProcExeIno => Seen::Nothing,
        Id::ProcExeInoCtime => time(facts.exe_ctime),
        Id::ProcExeInoMtime => time(facts.exe_mtime),
        Id::ProcExeInoCtimeStart => match event.around.names.age(process, event.time()) {
            Some(age) if facts.exe_ctime > 0 => Seen::number(event.time() - age - facts.exe_ctime),
            _ => Seen::Nothing,
        },
        Id::ProcIsContainerInit => Seen::Bool(facts.vpid == 1 && process.key.pid != 1),
        Id::ProcKey => Seen::owned(process.key.to_string()),
        Id::ThreadTid => Seen::number(event.batch.origin[event.row].tid),
        Id::ThreadVtid => Seen::number(facts.vpid),
        Id::ThreadIsmain => Seen::Bool(event.batch.origin[event.row].tid == process.key.pid),
        Id::ThreadCgroup => Seen::number(event.batch.origin[event.row].cgroup),
        _ => return None,
    })
}

/// The acting thread's name at that moment. A thread that the kernel made for io_uring acts for its
/// process, under a name that no rule knows.
fn comm<'a>(event: &'a Event<'_>) -> &'a [u8] {
    let comm = &event.batch.origin[event.row].comm;
    let end = comm.iter().position(|&byte| byte == 0).unwrap_or(comm.len());
    let of_ring = comm.starts_with(b"iou-wrk-") || comm.starts_with(b"iou-sqp-");
    match end {
        0 => event.process().facts.comm.as_bytes(),
        _ if of_ring => event.process().facts.comm.as_bytes(),
        end => &comm[..end],
    }
}

fn first_argument(args: &[u8]) -> Option<&[u8]> {
    plain::args(args).next()
}

/// The arguments behind the first, with blanks between them.
fn arguments(args: &[u8]) -> Vec<u8> {
    let rest: Vec<&[u8]> = plain::args(args).skip(1).collect();
    rest.join(&b' ')
}

/// A command line: what is run, and its arguments.
pub(crate) fn line(first: &[u8], args: &[u8]) -> Vec<u8> {
    let mut line = first.to_vec();
    for arg in plain::args(args).skip(1) {
        line.push(b' ');
        line.extend_from_slice(arg);
    }
    line
}

fn present(text: &[u8]) -> Seen<'_> {
    if text.is_empty() { Seen::Nothing } else { Seen::text(text) }
}

/// Nanoseconds since 1970; 0 where it is not known.
fn time(time: i64) -> Seen<'static> {
    if time == 0 { Seen::Nothing } else { Seen::number(time) }
}

fn ancestor_exe(ancestor: &Ancestor) -> Seen<'_> {
    match first_argument(&ancestor.args) {
        Some(exe) => Seen::text(exe),
        // A kernel thread, or one that nobody told the arguments of.
        None => present(&ancestor.exe),
    }
}

/// One generation, or all above.
fn generations<'a>(
    field: &Chosen,
    event: &'a Event<'_>,
    own: Id,
    of: impl Fn(&'a Ancestor) -> Seen<'a>,
) -> Seen<'a> {
    let ancestors = &event.process().ancestors;
    match field.index {
        Some(0) => {
            let own = Chosen { id: own, index: None, key: String::new() };
            read(&own, event).unwrap_or(Seen::Nothing)
        }
        Some(number) => Seen::maybe(ancestors.get(number - 1), |it| of(it)),
        None => Seen::Several(ancestors.iter().map(|it| of(it)).collect()),
    }
}

/// The leader of the session: itself or an ancestor.
fn leader<'a>(
    event: &'a Event<'_>,
    of: impl Fn(&'a str, &'a [u8], &'a [u8]) -> Seen<'a>,
) -> Seen<'a> {
    let process = event.process();
    let session = process.facts.session;
    if session == process.key.pid {
        return of(&process.facts.comm, &process.facts.args, &process.facts.exe);
    }
    let above = process.ancestors.iter().find(|it| it.key.pid == session && session != 0);
    Seen::maybe(above, |it| of(&it.comm, &it.args, &it.exe))
}

fn with_slash(path: &[u8]) -> Vec<u8> {
    let mut path = path.to_vec();
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path
}

/// A device number as user space writes it, from the kernel's `major << 20 | minor`.
fn device(number: u32) -> u32 {
    let (major, minor) = (number >> 20, number & 0xf_ffff);
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

fn is_shell(comm: &str) -> bool {
    ["ash", "bash", "csh", "dash", "fish", "ksh", "sh", "tcsh", "zsh"].contains(&comm)
}

/// Whether the process may write to the file that it runs: by a capability, or because everybody
/// may. What its owner may is not known here.
pub(super) fn writable(process: &Process, mode: i64) -> bool {
    const CAP_DAC_OVERRIDE: u64 = 1 << 1;
    process.facts.credentials.cap_effective & CAP_DAC_OVERRIDE != 0 || mode & 0o002 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_has_the_number_that_stat_gives() {
        assert_eq!(device(136 << 20), 34816);
        assert_eq!(device(0), 0);
    }

    #[test]
    fn a_command_line_begins_with_the_name() {
        assert_eq!(line(b"sh", b"/bin/sh\0-c\0a  b\0"), b"sh -c a  b");
        assert_eq!(line(b"sh", b""), b"sh");
    }
}
