//! Process operations: children of every kind, each waited for and logged to its end.

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, CWD, MemfdFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions};

use super::fixture::Fixture;
use crate::bytes::Bytes;
use crate::columns as c;
use crate::log::{Expect, LogEntry, Recorder, UNKNOWN_PID, errno_name};
use crate::rng::Rng;

const SHELL: &str = "/bin/sh";

/// What a thread needs to make processes.
#[derive(Debug)]
pub(super) struct Processes<'a> {
    fixture: &'a Fixture,
    cwd: Vec<u8>,
}

/// A program as it is passed to exec.
#[derive(Debug, Clone)]
struct Exec {
    path: Vec<u8>,
    args: Vec<Vec<u8>>,
    /// What it resolves to; any of several where the kernel has several names for it.
    resolved: Vec<Vec<u8>>,
}

impl Exec {
    fn new(path: &(impl AsRef<[u8]> + ?Sized), args: &[&[u8]]) -> Exec {
        let path = path.as_ref().to_vec();
        let mut full = vec![path.clone()];
        full.extend(args.iter().map(|arg| arg.to_vec()));
        Exec { resolved: vec![], path, args: full }
    }

    fn resolving_to(mut self, paths: &[&[u8]]) -> Exec {
        self.resolved = paths.iter().map(|path| path.to_vec()).collect();
        self
    }

    fn shell(fixture: &Fixture, script: &str) -> Exec {
        Exec::new(SHELL, &[b"-c", script.as_bytes()]).resolving_to(&[&fixture.shell])
    }

    fn command(&self, fixture: &Fixture) -> Command {
        let mut command = Command::new(OsStr::from_bytes(&self.path));
        command.arg0(OsStr::from_bytes(&self.args[0]));
        command.args(self.args[1..].iter().map(|arg| OsStr::from_bytes(arg)));
        command.stdin(fixture.null()).stdout(fixture.null()).stderr(fixture.null());
        command
    }
}

impl<'a> Processes<'a> {
    /// Makes processes that start in the directory `cwd`, which is the calling thread's.
    pub(super) fn new(fixture: &'a Fixture, cwd: Vec<u8>) -> Processes<'a> {
        Processes { fixture, cwd }
    }

    /// Does one operation.
    pub(super) fn step(&self, rng: &mut Rng, rec: &mut Recorder) {
        match rng.below(15) {
            0..3 => self.plain(rng, rec),
            3 => self.many_arguments(rng, rec),
            4 => self.exit_code(rng, rec),
            5 => self.signal(rng, rec),
            6 => self.chain(rng, rec),
            7 => self.script(rng, rec),
            8 => self.failing(rng, rec),
            9 => self.failing_in_shell(rng, rec),
            10 => self.subshells(rng, rec),
            11 => self.orphan(rng, rec),
            12 => self.threaded(rng, rec),
            13 => self.deleted(rng, rec),
            _ => self.memfd(rng, rec),
        }
    }

    fn plain(&self, rng: &mut Rng, rec: &mut Recorder) {
        let mut exec = Exec::new("/bin/true", &[]).resolving_to(&[&self.fixture.true_path]);
        for _ in 0..rng.below(5) {
            exec.args.push(some_argument(rng));
        }
        if rng.chance(10) {
            exec.args[0] = b"not the program's name".to_vec();
        }
        let mut command = exec.command(self.fixture);
        if rng.chance(30) {
            // A plain fork in place of posix_spawn.
            command.uid(rustix::process::getuid().as_raw());
        }
        self.run(rec, &exec, command, &[]);
    }

    fn many_arguments(&self, rng: &mut Rng, rec: &mut Recorder) {
        let mut exec = Exec::new("/bin/true", &[]).resolving_to(&[&self.fixture.true_path]);
        match rng.below(4) {
            0 => exec.args.extend((0..200).map(|at| at.to_string().into_bytes())),
            1 => exec.args.extend((0..100).map(|_| vec![b'y'; 1 + rng.below(200)])),
            // To the byte what a page holds, one less and one more.
            2 => {
                let room = c::ARGS_LIMIT - exec.path.len() - 1;
                exec.args.push(vec![b'x'; room - 2 + rng.below(3)]);
            }
            _ => exec.args.push(vec![b'z'; 100_000]),
        }
        let command = exec.command(self.fixture);
        self.run(rec, &exec, command, &[]);
    }

    fn exit_code(&self, rng: &mut Rng, rec: &mut Recorder) {
        let exec = Exec::shell(self.fixture, &format!("exit {}", rng.below(256)));
        let command = exec.command(self.fixture);
        self.run(rec, &exec, command, &[]);
    }

    fn signal(&self, rng: &mut Rng, rec: &mut Recorder) {
        let name = *rng.pick(&["TERM", "KILL", "HUP", "USR1", "ABRT", "SEGV", "ALRM", "PIPE"]);
        let exec = Exec::shell(self.fixture, &format!("ulimit -c 0; kill -{name} $$"));
        let command = exec.command(self.fixture);
        self.run(rec, &exec, command, &[]);
    }

    fn chain(&self, rng: &mut Rng, rec: &mut Recorder) {
        let links = 1 + rng.below(3);
        let last = Exec::new("/bin/true", &[b"end"]).resolving_to(&[&self.fixture.true_path]);
        let mut then = vec![last];
        let mut script = "exec /bin/true end".to_owned();
        for _ in 0..links {
            let exec = Exec::shell(self.fixture, &script);
            script = format!("exec {SHELL} -c '{}'", script.replace('\'', "'\\''"));
            then.insert(0, exec);
        }
        let first = then.remove(0);
        let command = first.command(self.fixture);
        self.run(rec, &first, command, &then);
    }

    fn script(&self, rng: &mut Rng, rec: &mut Recorder) {
        let code = rng.below(256).to_string();
        let script = &self.fixture.script;
        // What runs is the interpreter; what was asked for is the script.
        let exec =
            Exec::new(script, &[code.as_bytes()]).resolving_to(&[script, &self.fixture.shell]);
        let mut entry = self.exec_entry(&exec, None);
        let asked = exec.args.clone();
        let made = [&[SHELL.as_bytes().to_vec(), script.clone()], &exec.args[1..]].concat();
        let list = |args: Vec<Vec<u8>>| Expect::List(args.into_iter().map(Bytes).collect());
        entry = entry.with(c::ARGS, Expect::one_of([list(asked), list(made)]));
        let child = exec.command(self.fixture).spawn().expect("the script runs");
        let pid = child.id();
        self.forked(rec, pid, rec.pid());
        rec.add(entry.of(pid));
        self.wait(rec, child);
    }

    /// An exec that fails in the child of a spawn: nobody learns the child's pid.
    fn failing(&self, rng: &mut Rng, rec: &mut Recorder) {
        static UNKNOWN: AtomicU32 = AtomicU32::new(UNKNOWN_PID);
        let pid = UNKNOWN.fetch_add(1, Ordering::Relaxed);
        // A path that no other exec has tells which child it was.
        let mark = format!("?{pid}");
        let (path, exists) = match rng.below(6) {
            0 => ([&self.fixture.home[..], b"/missing", mark.as_bytes()].concat(), None),
            1 => ([&self.fixture.script[..], b"/", mark.as_bytes()].concat(), None),
            2 => self.fixture.marked(&self.fixture.no_exec, pid),
            3 => self.fixture.marked(&self.fixture.not_a_program, pid),
            4 => self.fixture.marked(&self.fixture.bad_interpreter, pid),
            _ => self.fixture.marked(&self.fixture.busy, pid),
        };
        let mut exec = Exec::new(&path, &[b"argument"]);
        exec.resolved.extend(exists);
        if rng.chance(20) {
            // E2BIG, which comes before or after everything else as the kernel likes.
            exec.args.push(vec![b'w'; 140_000]);
        }
        let mut command = exec.command(self.fixture);
        // After a plain fork std calls execvp, which gives what is no program to the shell.
        let plain_fork = rng.chance(30) && exec.resolved != [self.fixture.not_a_program.clone()];
        if plain_fork {
            command.uid(rustix::process::getuid().as_raw());
        }
        let Err(error) = command.spawn() else { panic!("{:?} ran", Bytes(path)) };
        let errno = Errno::from_io_error(&error).expect("a failed exec has a number");
        self.forked(rec, pid, rec.pid());
        rec.add(self.exec_entry(&exec, Some(errno)).of(pid));
        // glibc's and std's own exit codes for a child that could not exec.
        rec.add(exit_entry(ExitStatus::from_raw(if plain_fork { 1 } else { 127 } << 8)).of(pid));
    }

    /// An exec that fails in a shell, which tells what went wrong by its exit code.
    fn failing_in_shell(&self, rng: &mut Rng, rec: &mut Recorder) {
        let fixture = self.fixture;
        let (path, errno, exists) = match rng.below(3) {
            0 => ([&fixture.home[..], b"/missing"].concat(), Errno::NOENT, false),
            1 => (fixture.no_exec.clone(), Errno::ACCESS, true),
            _ => ([&fixture.script[..], b"/x"].concat(), Errno::NOTDIR, false),
        };
        let text = String::from_utf8(path.clone()).expect("the fixture's paths are plain");
        let first = Exec::shell(fixture, &format!("exec {text} a"));
        let mut then = Exec::new(&path, &[b"a"]);
        then.resolved.extend(exists.then_some(path));
        let child = first.command(fixture).spawn().expect("the shell runs");
        let pid = child.id();
        self.forked(rec, pid, rec.pid());
        rec.add(self.exec_entry(&first, None).of(pid));
        rec.add(self.exec_entry(&then, Some(errno)).of(pid));
        self.wait(rec, child);
    }

    /// Forks without exec.
    fn subshells(&self, rng: &mut Rng, rec: &mut Recorder) {
        let count = 1 + rng.below(5);
        let script = format!(
            "i=0; while [ $i -lt {count} ]; do ( exit $i ) & echo $!; wait $!; i=$((i+1)); done"
        );
        let (exec, child, told) = self.talking_shell(rec, &script);
        let pid = child.id();
        for (code, line) in told.lines().enumerate() {
            let sub = line.parse().expect("the shell tells pids");
            self.forked(rec, sub, pid);
            rec.add(exit_entry(ExitStatus::from_raw((code as i32) << 8)).of(sub));
        }
        assert_eq!(told.lines().count(), count, "{exec:?}");
        self.wait(rec, child);
    }

    /// A double fork: the grandchild outlives its parent and comes to the workload, which is a
    /// subreaper.
    fn orphan(&self, rng: &mut Rng, rec: &mut Recorder) {
        let lively = rng.chance(50);
        let work = if lively { "exec /bin/sleep 0.003" } else { "exit 5" };
        let script = format!("( ( {work} ) & echo o $! ) & echo b $!; wait $!");
        let (_, child, told) = self.talking_shell(rec, &script);
        let pid_after = |letter: char| -> u32 {
            let line = told.lines().find_map(|line| line.strip_prefix(letter));
            let pid = line.and_then(|pid| pid.trim().parse().ok());
            pid.unwrap_or_else(|| panic!("the shell and its child each tell a pid: {told}"))
        };
        let (shell, between, orphan) = (child.id(), pid_after('b'), pid_after('o'));
        self.wait_later(child);
        // Ours to reap, if its parent ended first; else that shell has seen to it.
        let reaped = rustix::process::waitpid(Pid::from_raw(orphan as i32), WaitOptions::empty());
        let status = if lively { 0 } else { 5 << 8 };
        if let Ok(Some((_, found))) = reaped {
            assert_eq!(found.as_raw(), status);
        }
        self.forked(rec, between, shell);
        self.forked(rec, orphan, between);
        if lively {
            let exec = Exec::new("/bin/sleep", &[b"0.003"]).resolving_to(&[&self.fixture.sleep]);
            rec.add(self.exec_entry(&exec, None).of(orphan));
        }
        rec.add(exit_entry(ExitStatus::from_raw(0)).of(between));
        rec.add(exit_entry(ExitStatus::from_raw(status)).of(orphan));
        rec.add(exit_entry(ExitStatus::from_raw(0)).of(shell));
    }

    /// A program whose second thread calls exec, or that ends while it has threads.
    fn threaded(&self, rng: &mut Rng, rec: &mut Recorder) {
        let own = &self.fixture.own;
        let path = if rng.chance(50) { own.as_slice() } else { b"/proc/self/exe" };
        let (words, then): (&[&[u8]], &[Exec]) = match rng.chance(60) {
            true => (
                &[b"child", b"exec-thread", b"/bin/true", b"t"],
                &[Exec::new("/bin/true", &[b"t"]).resolving_to(&[&self.fixture.true_path])],
            ),
            false => (&[b"child", b"threads", b"3"], &[]),
        };
        let exec = Exec::new(path, words).resolving_to(&[own]);
        let command = exec.command(self.fixture);
        self.run(rec, &exec, command, then);
    }

    /// A program whose file has no name any more.
    fn deleted(&self, rng: &mut Rng, rec: &mut Recorder) {
        let path = [&self.cwd[..], b"/doomed-", rng.draw().to_string().as_bytes()].concat();
        let copy = &self.fixture.true_copy;
        let file_row = |table, call| {
            LogEntry::new(table, call).with(c::DIR, Expect::Null).with(c::ERROR, Expect::Null)
        };
        rustix::fs::linkat(CWD, copy, CWD, &path, AtFlags::empty()).expect("a link to a copy");
        rec.add(
            file_row(c::LINK, "linkat")
                .with(c::PATH, copy.as_slice())
                .with(c::PATH_RESOLVED, copy.as_slice())
                .with(c::NEW_PATH, path.as_slice())
                .with(c::NEW_PATH_RESOLVED, path.as_slice()),
        );
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&path, flags, Mode::empty()).expect("the link opens");
        rec.add(
            file_row(c::OPEN, "open")
                .with(c::PATH, path.as_slice())
                .with(c::PATH_RESOLVED, path.as_slice())
                .with(c::FLAGS, vec!["O_PATH", "O_CLOEXEC"])
                .with(c::FD, i64::from(fd.as_raw_fd())),
        );
        rustix::fs::unlinkat(CWD, &path, AtFlags::empty()).expect("the link goes");
        rec.add(
            file_row(c::UNLINK, "unlinkat")
                .with(c::PATH, path.as_slice())
                .with(c::PATH_RESOLVED, path.as_slice()),
        );
        let names = [[&path[..], b" (deleted)"].concat(), path];
        self.run_fd(rec, &fd, &names);
    }

    /// A program that never had a name.
    fn memfd(&self, rng: &mut Rng, rec: &mut Recorder) {
        let name = format!("kit-{}", rng.below(1000));
        let fd = rustix::fs::memfd_create(&name, MemfdFlags::CLOEXEC).expect("a memfd");
        let mut left = self.fixture.true_image.as_slice();
        while !left.is_empty() {
            let count = rustix::io::write(&fd, left).expect("a memfd takes a program");
            left = &left[count..];
        }
        let names =
            [format!("/memfd:{name} (deleted)"), format!("/memfd:{name}"), format!("memfd:{name}")];
        self.run_fd(rec, &fd, &names.map(String::into_bytes));
    }

    fn run_fd(&self, rec: &mut Recorder, fd: &OwnedFd, names: &[Vec<u8>]) {
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let exec = Exec::new(&path, &[b"x"]).resolving_to(&names);
        let command = exec.command(self.fixture);
        self.run(rec, &exec, command, &[]);
    }

    /// Runs `exec`, which goes on to `then`, to its end.
    fn run(&self, rec: &mut Recorder, exec: &Exec, mut command: Command, then: &[Exec]) {
        let child = command.spawn().unwrap_or_else(|error| panic!("{exec:?}: {error}"));
        let pid = child.id();
        self.forked(rec, pid, rec.pid());
        for exec in std::iter::once(exec).chain(then) {
            rec.add(self.exec_entry(exec, None).of(pid));
        }
        self.wait(rec, child);
    }

    /// A shell that prints; with what it printed until all who could print are gone.
    fn talking_shell(&self, rec: &mut Recorder, script: &str) -> (Exec, Child, String) {
        let exec = Exec::shell(self.fixture, script);
        let mut command = exec.command(self.fixture);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the shell runs");
        self.forked(rec, child.id(), rec.pid());
        rec.add(self.exec_entry(&exec, None).of(child.id()));
        let mut told = String::new();
        let mut pipe = child.stdout.take().expect("the shell's output is a pipe");
        pipe.read_to_string(&mut told).expect("pids are text");
        (exec, child, told)
    }

    /// What is shared by all threads.
    pub(super) fn fixture(&self) -> &Fixture {
        self.fixture
    }

    /// Logs that `child` runs this program with `args`.
    pub(super) fn started(&self, rec: &mut Recorder, child: &Child, args: &[String]) {
        let own = &self.fixture.own;
        let args: Vec<&[u8]> = args.iter().map(String::as_bytes).collect();
        let exec = Exec::new(own, &args).resolving_to(&[own]);
        self.forked(rec, child.id(), rec.pid());
        rec.add(self.exec_entry(&exec, None).of(child.id()));
    }

    /// Waits for `child` and logs how it ended.
    pub(super) fn wait(&self, rec: &mut Recorder, mut child: Child) {
        let pid = child.id();
        let status = child.wait().expect("a child can be waited for");
        rec.add(exit_entry(status).of(pid));
    }

    fn wait_later(&self, mut child: Child) {
        let status = child.wait().expect("a child can be waited for");
        assert!(status.success(), "the shell ended with {status}");
    }

    fn forked(&self, rec: &mut Recorder, child: u32, parent: u32) {
        rec.add(LogEntry::new(c::FORK, "clone").with(c::PARENT_PID, parent).of(child));
    }

    fn exec_entry(&self, exec: &Exec, failed: Option<Errno>) -> LogEntry {
        let resolved = exec.resolved.iter().map(Expect::text);
        let resolved = match failed {
            Some(_) => Expect::one_of(std::iter::once(Expect::Null).chain(resolved)),
            None => Expect::one_of(resolved),
        };
        let size: usize = exec.args.iter().map(|arg| arg.len() + 1).sum();
        let args: Vec<Bytes> = exec.args.iter().map(Bytes::from).collect();
        let cut = size > c::ARGS_LIMIT;
        let args = match cut {
            true => Expect::Begins { begins: args, least: c::ARGS_LIMIT / 2 },
            false => Expect::List(args),
        };
        LogEntry::new(c::EXEC, "execve")
            .with(c::PATH, exec.path.as_slice())
            .with(c::PATH_RESOLVED, resolved)
            .with(c::ARGS, args)
            .with(c::ARGS_TRUNCATED, cut)
            .with(c::CWD, self.cwd.as_slice())
            .with(c::ERROR, failed.map(errno_name))
    }
}

/// What the exit of a process has to say.
pub(super) fn exit_entry(status: ExitStatus) -> LogEntry {
    let signal = status.signal().map(|number| {
        let signal = rustix::process::Signal::from_named_raw(number);
        signal_name(signal.expect("a signal that kills has a name"))
    });
    let code = match status.code() {
        Some(code) => Expect::Int(code.into()),
        None => Expect::one_of([Expect::Null, 0i64.into()]),
    };
    LogEntry::new(c::EXIT, "exit").with(c::EXIT_CODE, code).with(c::SIGNAL, signal)
}

fn signal_name(signal: rustix::process::Signal) -> String {
    use rustix::process::Signal;
    let name = match signal {
        Signal::HUP => "SIGHUP",
        Signal::INT => "SIGINT",
        Signal::QUIT => "SIGQUIT",
        Signal::ABORT => "SIGABRT",
        Signal::KILL => "SIGKILL",
        Signal::USR1 => "SIGUSR1",
        Signal::SEGV => "SIGSEGV",
        Signal::PIPE => "SIGPIPE",
        Signal::ALARM => "SIGALRM",
        Signal::TERM => "SIGTERM",
        other => return format!("{other:?}"),
    };
    name.to_owned()
}

fn some_argument(rng: &mut Rng) -> Vec<u8> {
    match rng.below(8) {
        0 => Vec::new(),
        1 => b"two words".to_vec(),
        2 => b"quote\"'\\".to_vec(),
        3 => b"line\nbreak\ttab".to_vec(),
        4 => b"\xff\x80odd\xc3".to_vec(),
        5 => "größe 🦀".into(),
        6 => b"--flag=value".to_vec(),
        _ => vec![b'a'; rng.below(300)],
    }
}
