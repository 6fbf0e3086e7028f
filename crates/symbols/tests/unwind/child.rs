//! A process of ours that is stopped and looked into.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::copied::{Copied, Mapped};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use symbols::elf::Elf;
use symbols::unwind::{Limits, UnwindTable};
use symbols::walk::{self, Code, Registers, Stop};

use crate::binaries;

/// Frames that are asked for.
pub(crate) const DEPTH: usize = 512;

/// A child that said "ready" and waits for a line. It is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    input: ChildStdin,
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Program {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        let input = child.stdin.take().expect("a pipe");
        Program { child, input }
    }

    /// Lets it begin its work.
    pub(crate) fn go(&mut self) {
        self.input.write_all(b"\n").expect("it reads");
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Its threads, as soon as there are `count`.
    pub(crate) fn threads(&self, count: usize) -> Vec<Pid> {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("threads");
            let names = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
            let threads: Vec<Pid> = names.map(Pid::from_raw).collect();
            if threads.len() >= count {
                return threads;
            }
            assert!(std::time::Instant::now() < until, "it started no thread");
            std::thread::yield_now();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A thread that is traced: it runs only when it is told to.
pub(crate) struct Traced {
    thread: Pid,
    memory: File,
    mapped: Vec<Mapped>,
    stacks: Vec<std::ops::Range<u64>>,
    tables: HashMap<u64, UnwindTable>,
    copied: Copied,
}

impl Traced {
    /// Takes and stops a thread of `process`.
    pub(crate) fn stop(process: Pid, thread: Pid) -> Traced {
        ptrace::seize(thread, ptrace::Options::empty()).expect("seized");
        let memory = File::open(format!("/proc/{process}/mem")).expect("memory");
        let mut traced = Traced {
            thread,
            memory,
            mapped: Vec::new(),
            stacks: Vec::new(),
            tables: HashMap::new(),
            copied: Copied::new(256 << 20),
        };
        traced.interrupt();
        traced.read_maps(process);
        traced
    }

    /// Lets it run for a moment: until as many turns of the scheduler have gone by.
    pub(crate) fn run(&mut self, turns: usize) {
        ptrace::cont(self.thread, None).expect("it goes on");
        for _ in 0..turns {
            std::thread::yield_now();
        }
        self.interrupt();
    }

    fn interrupt(&mut self) {
        ptrace::interrupt(self.thread).expect("interrupted");
        loop {
            match self.wait() {
                // The stop that was asked for comes as a trap; signals on the way are passed on.
                WaitStatus::PtraceEvent(..) => break,
                WaitStatus::Stopped(_, Signal::SIGTRAP) => break,
                WaitStatus::Stopped(_, signal) => {
                    ptrace::cont(self.thread, signal).expect("it goes on");
                }
                other => panic!("it stopped to live: {other:?}"),
            }
        }
    }

    /// Runs one instruction. Gives the signal that came instead, if one did.
    pub(crate) fn step(&mut self, signal: Option<Signal>) -> Option<Signal> {
        ptrace::step(self.thread, signal).expect("a step");
        match self.wait() {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => None,
            WaitStatus::Stopped(_, signal) => Some(signal),
            other => panic!("it stopped to live: {other:?}"),
        }
    }

    fn wait(&self) -> WaitStatus {
        waitpid(self.thread, Some(WaitPidFlag::__WALL)).expect("a child")
    }

    pub(crate) fn registers(&self) -> Registers {
        let it = ptrace::getregs(self.thread).expect("registers");
        let all = [
            it.rax, it.rdx, it.rcx, it.rbx, it.rsi, it.rdi, it.rbp, it.rsp, it.r8, it.r9, it.r10,
            it.r11, it.r12, it.r13, it.r14, it.r15,
        ];
        Registers { pc: it.rip, sp: it.rsp, fp: it.rbp, all: Some(all) }
    }

    pub(crate) fn read(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.memory.read_exact_at(&mut bytes, address).ok()?;
        Some(u64::from_ne_bytes(bytes))
    }

    /// By our tables.
    pub(crate) fn walk(&self, registers: &Registers) -> (Vec<u64>, Stop) {
        walk::walk(registers, DEPTH, |pc| self.code(pc), |address| self.read(address))
    }

    /// By framehop, from a copy of the stack.
    pub(crate) fn unwind(&mut self, registers: &Registers) -> (Vec<u64>, Stop) {
        // What is below the stack pointer may be in use, too.
        let base = registers.sp - 512;
        let stack = self.stacks.iter().find(|stack| stack.contains(&base)).expect("a stack");
        let mut bytes = vec![0; (stack.end - base) as usize];
        self.memory.read_exact_at(&mut bytes, base).expect("it can be read");
        let Traced { copied, mapped, .. } = self;
        copied.unwind(mapped, registers, DEPTH, base, &bytes)
    }

    fn code(&self, pc: u64) -> Code<'_> {
        let Some(mapped) = self.mapped.iter().find(|mapped| mapped.range.contains(&pc)) else {
            return Code::Unmapped;
        };
        match self.tables.get(&mapped.binary) {
            Some(table) => Code::Table { table, bias: mapped.bias },
            None => Code::NoTable,
        }
    }

    fn read_maps(&mut self, process: Pid) {
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("maps");
        let mut numbers: HashMap<PathBuf, u64> = HashMap::new();
        for line in maps.lines() {
            let mut words = line.split_ascii_whitespace();
            let mut next = || words.next().unwrap_or_default();
            let (range, mode, offset) = (next(), next(), next());
            let hex = |number| u64::from_str_radix(number, 16).expect("a number");
            let (start, end) = range.split_once('-').expect("a range");
            let range = hex(start)..hex(end);
            let path = PathBuf::from(words.nth(2).unwrap_or_default());
            if mode.starts_with("rw") {
                self.stacks.push(range.clone());
            }
            if mode.as_bytes()[2] != b'x' {
                continue;
            }
            let number = numbers.len() as u64;
            let binary = *numbers.entry(path.clone()).or_insert(number);
            let elf = match path.to_str() {
                Some("[vdso]") => self.vdso(&range),
                Some(name) if name.starts_with('/') => Some(binaries::open(&path)),
                _ => None,
            };
            let mut bias = 0;
            if let Some(elf) = elf {
                let svma = elf.svma_of_offset(hex(offset)).expect("it is mapped code");
                bias = range.start.wrapping_sub(svma);
                let (table, _) = UnwindTable::build(&elf, &Limits::default()).expect("a table");
                self.tables.insert(binary, table);
                self.copied.add(binary, &elf).expect("it fits");
            }
            self.mapped.push(Mapped { binary, range, bias });
        }
    }

    fn vdso(&self, range: &std::ops::Range<u64>) -> Option<Elf> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.memory.read_exact_at(&mut bytes, range.start).ok()?;
        Elf::from_bytes(bytes).ok()
    }
}

impl Drop for Traced {
    /// A thread that is still traced would keep its process from being gone.
    fn drop(&mut self) {
        let _ = ptrace::detach(self.thread, None);
    }
}
