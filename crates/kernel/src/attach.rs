//! Attaching: each program to what its rung stands on.

use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result, ensure};
use libbpf_rs::{
    Link, MapCore, MapFlags, Object, OpenObject, ProgramAttachType, ProgramMut, ProgramType,
    TracepointCategory,
};

use crate::clock;
use crate::ladder::{self, Refused};
use crate::{Features, Kernel, Mechanism, Rung, Signal};

/// The BTF tracepoints whose programs can stand on the classic ones, and those ones' group.
const CLASSIC: &[(&str, &str)] = &[
    ("sys_exit", "raw_syscalls"),
    ("sched_process_fork", "sched"),
    ("sched_process_exec", "sched"),
    ("sched_process_exit", "sched"),
    ("sched_prepare_exec", "sched"),
    ("io_uring_submit_req", "io_uring"),
    ("io_uring_complete", "io_uring"),
];

/// Makes the programs on these tracepoints programs on the classic ones.
pub(crate) fn make_classic(open: &mut OpenObject) {
    for mut program in open.progs_mut() {
        if classic_group(&program.section().to_string_lossy()).is_some() {
            program.set_prog_type(ProgramType::Tracepoint);
            // Number 0, which is also what programs without an attach type have.
            program.set_attach_type(ProgramAttachType::CgroupInetIngress);
        }
    }
}

/// The group and name of the classic tracepoint for a program's section, if there is one.
fn classic_group(section: &str) -> Option<(&'static str, &'static str)> {
    let name = section.strip_prefix("tp_btf/")?;
    CLASSIC.iter().find(|(known, _)| *known == name).map(|&(name, group)| (group, name))
}

/// Attaches a program to its tracepoint, of whichever kind it was made for.
fn attach_tracepoint(program: &ProgramMut<'_>, classic: bool) -> Result<Link> {
    match classic_group(&program.section().to_string_lossy()) {
        Some((group, name)) if classic => {
            let category = TracepointCategory::Custom(group.to_string());
            Ok(program.attach_tracepoint(category, name)?)
        }
        _ => Ok(program.attach()?),
    }
}

/// The programs at the end of every system call.
pub(crate) struct Dispatcher {
    pub(crate) classic: bool,
}

impl Dispatcher {
    /// The second one only where a signal stands behind others.
    pub(crate) fn attach(self, kernel: &Kernel) -> Result<Vec<Link>> {
        let object = &kernel.objects[0].object;
        let behind = kernel.signals().iter().any(|signal| stands_behind(signal));
        let wanted = |program: &ProgramMut<'_>| behind || program.name() == "syscall_exit";
        let attach = |program: ProgramMut<'_>| {
            attach_tracepoint(&program, self.classic)
                .context("cannot attach to the end of system calls")
        };
        object.progs_mut().filter(wanted).map(attach).collect()
    }
}

/// Whether any of the signal's programs stands behind others'.
fn stands_behind(signal: &Signal) -> bool {
    let mut rungs = signal.hooks.iter().flat_map(|hook| hook.rungs);
    rungs.any(|rung| matches!(rung.mechanism, Mechanism::SyscallBehind(_)))
}

/// Attaches what was loaded; on an error all of it comes off again.
pub(crate) fn attach(
    signal: &Signal,
    object: &Object,
    features: &Features,
    refused: &Refused,
    kernel: &Kernel,
    hertz: u32,
) -> Result<Vec<Link>> {
    let chosen = ladder::choose(signal, features, refused);
    let rungs = signal.hooks.iter().flat_map(|hook| hook.rungs);
    let mut links = Vec::new();
    let mut done: Vec<&str> = Vec::new();
    for rung in rungs.filter(|rung| chosen.contains(rung.program)) {
        if done.contains(&rung.program) {
            continue;
        }
        done.push(rung.program);
        let mut programs = object.progs_mut();
        let program = programs.find(|program| program.name() == rung.program);
        let program = program.with_context(|| format!("prog '{}': is not there", rung.program))?;
        attach_rung(rung, &program, kernel, (features.classic(), hertz), &mut links)
            .with_context(|| format!("prog '{}': failed to attach", rung.program))?;
    }
    Ok(links)
}

fn attach_rung(
    rung: &Rung,
    program: &ProgramMut<'_>,
    kernel: &Kernel,
    (classic, hertz): (bool, u32),
    links: &mut Vec<Link>,
) -> Result<()> {
    match rung.mechanism {
        Mechanism::Iter | Mechanism::Uprobe => {}
        Mechanism::Clock => clock::attach(program, hertz, links)?,
        Mechanism::Syscall(numbers) => enter(program, "fathom_syscalls", numbers, kernel)?,
        Mechanism::SyscallBehind(numbers) => {
            enter(program, "fathom_syscalls_behind", numbers, kernel)?;
        }
        Mechanism::Lsm => links.push(program.attach_lsm()?),
        Mechanism::TpBtf => links.push(attach_tracepoint(program, classic)?),
        Mechanism::Fentry | Mechanism::Kprobe => links.push(program.attach()?),
    }
    Ok(())
}

/// Puts a program where the dispatcher looks for it, at the end of these system calls.
fn enter(program: &ProgramMut<'_>, table: &str, numbers: &[u32], kernel: &Kernel) -> Result<()> {
    let table = kernel.shared.get(table).context("no dispatcher")?;
    let fd = program.as_fd().as_raw_fd().to_ne_bytes();
    for number in numbers {
        // A table of programs can be asked whether a place is taken, by its program's id.
        let taken = table.lookup(&number.to_ne_bytes(), MapFlags::ANY).ok().flatten();
        ensure!(taken.is_none(), "system call {number} is another signal's already");
        table.update(&number.to_ne_bytes(), &fd, MapFlags::ANY)?;
    }
    Ok(())
}
