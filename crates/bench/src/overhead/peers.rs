//! Other tools that watch the same workload. They trace our own child and nothing else.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use kernel::Cgroup;
use testkit::workload::Scratch;

use crate::place;
use crate::run;
use crate::work::{Took, Work};

/// A tool to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Strace,
    Bpftrace,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Strace => "strace",
            Peer::Bpftrace => "bpftrace",
        }
    }

    /// Runs `work` several times while the tool watches it.
    pub(crate) fn watch(self, work: &Work, times: usize) -> Result<Took> {
        match self {
            Peer::Strace => strace(work, times),
            Peer::Bpftrace => bpftrace(work, times),
        }
    }
}

/// It follows its own child, through ptrace.
fn strace(work: &Work, times: usize) -> Result<Took> {
    let timed = work.timed(times, None)?;
    let mut strace = Command::new(place::installed("strace")?);
    strace.args(["-f", "-q", "-o", "/dev/null"]).arg(timed.get_program()).args(timed.get_args());
    Took::parse(&run::to_end(&mut strace)?.out)
}

/// It attaches before it lets its child go on, and looks at nobody outside the child's cgroup.
fn bpftrace(work: &Work, times: usize) -> Result<Took> {
    let bpftrace = place::installed("bpftrace")?;
    let cgroup = Cgroup::create()?;
    let scratch = Scratch::new("bench-bpftrace")?;
    let script = scratch.path().join("same.bt");
    fs::write(&script, script_for(cgroup.path())?)?;
    let timed = work.timed(times, Some(cgroup.path()))?;
    let words: Vec<&OsStr> = [timed.get_program()].into_iter().chain(timed.get_args()).collect();
    let child = words.join(OsStr::new(" "));
    let mut command = with_tracefs();
    // Strings are cut at 64 bytes unless it is told otherwise; ours are not.
    command.env("BPFTRACE_STRLEN", "200").arg(bpftrace).args(["-o", "/dev/null", "-c"]);
    let said = run::to_end(command.arg(child).arg(&script))?;
    Took::parse(&said.out).with_context(|| format!("bpftrace: {}", run::tail(&said.err)))
}

/// What sees tracefs, which bpftrace looks for below debugfs. Where it is not mounted, it is
/// mounted in a mount namespace that nobody else sees and that goes with the command.
fn with_tracefs() -> Command {
    if Path::new("/sys/kernel/debug/tracing/events").is_dir() {
        return Command::new("env");
    }
    let script = "mount -t debugfs debugfs /sys/kernel/debug && \
                  mount -t tracefs tracefs /sys/kernel/debug/tracing && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]);
    command
}

/// The rows of our tables, as bpftrace can tell them: by tracepoints, with the paths that the
/// callers gave. It asks for the cgroup first of all.
fn script_for(cgroup: &Path) -> Result<String> {
    let path = cgroup.to_str().context("the cgroup's path is not UTF-8")?;
    ensure!(!path.contains('"'), "the cgroup's path has a quote");
    let ours = format!("/cgroup == cgroupid(\"{path}\")/");
    // Only what began in the cgroup is there.
    let begun = |map: &str| format!("/@{map}[tid]/");
    let mut script = String::new();
    let files = [
        ("open", "filename"),
        ("creat", "pathname"),
        ("openat", "filename"),
        ("openat2", "filename"),
        ("unlink", "pathname"),
        ("unlinkat", "pathname"),
        ("mkdir", "pathname"),
        ("mkdirat", "pathname"),
        ("rmdir", "pathname"),
        ("rename", "oldname"),
        ("renameat", "oldname"),
        ("renameat2", "oldname"),
    ];
    for (call, path) in files {
        script += &format!(
            "tracepoint:syscalls:sys_enter_{call} {ours} {{ @path[tid] = args->{path}; }}\n"
        );
        script += &format!(
            "tracepoint:syscalls:sys_exit_{call} {} {{ printf(\"%lld %d %d %s {call} %s %d\\n\", \
             nsecs, pid, tid, comm, str(@path[tid]), args->ret); delete(@path[tid]); }}\n",
            begun("path")
        );
    }
    for call in ["connect", "accept", "accept4", "bind", "listen"] {
        script += &format!(
            "tracepoint:syscalls:sys_enter_{call} {ours} {{ @fd[tid] = args->fd + 1; }}\n"
        );
        script += &format!(
            "tracepoint:syscalls:sys_exit_{call} {} {{ printf(\"%lld %d %d %s {call} %d %d\\n\", \
             nsecs, pid, tid, comm, @fd[tid] - 1, args->ret); delete(@fd[tid]); }}\n",
            begun("fd")
        );
    }
    script += &format!(
        "tracepoint:sched:sched_process_fork {ours} {{ printf(\"%lld %d fork %d\\n\", nsecs, pid, args->child_pid); }}\n\
         tracepoint:sched:sched_process_exec {ours} {{ printf(\"%lld %d exec %s\\n\", nsecs, pid, str(args->filename)); }}\n\
         tracepoint:syscalls:sys_enter_execve {ours} {{ join(args->argv); }}\n\
         tracepoint:sched:sched_process_exit {ours} {{ printf(\"%lld %d %d %s exit\\n\", nsecs, pid, tid, comm); }}\n\
         tracepoint:sock:inet_sock_set_state {ours} {{ printf(\"%lld %d %s state %d %d %s %d %s %d\\n\", nsecs, pid, comm, \
         args->oldstate, args->newstate, ntop(args->saddr), args->sport, ntop(args->daddr), args->dport); }}\n"
    );
    Ok(script)
}
