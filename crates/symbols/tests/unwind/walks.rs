//! Walks of real stacks: against framehop's, and against the calls that were really made.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use symbols::walk::{Registers, Stop};

use crate::child::{Program, Traced};

/// Instructions that are followed one by one.
const STEPS: usize = 40_000;
/// Moments at which a program that runs freely is stopped.
const SAMPLES: usize = 150;

/// After each instruction the walk gives the very calls that are open.
#[test]
fn after_each_instruction_the_walk_is_exact() {
    let test = "after_each_instruction_the_walk_is_exact";
    let ways = [
        &["-O2", "-fomit-frame-pointer"][..],
        &["-O0", "-no-pie"],
        &["-O3", "-static-pie"],
        // All that is said of it is in .debug_frame.
        &["-O2", "-g", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"],
    ];
    for flags in ways.map(|flags| [flags, &["-Wl,-z,now"]].concat()) {
        let Some(path) = build(test, &flags) else { continue };
        let found = follow(&path, &flags);
        // The compiler's own entries are wrong for an instruction of a realigned frame's end.
        assert!(found.wrong * 1000 < STEPS && found.cut == 0, "{found:#?}");
    }
}

/// While the loader binds a function at its first call, too, but for the few instructions at which
/// its own functions begin.
#[test]
fn while_functions_are_bound_the_walk_is_exact() {
    let test = "while_functions_are_bound_the_walk_is_exact";
    let flags = ["-O2", "-Wl,-z,lazy"];
    let Some(path) = build(test, &flags) else { return };
    let found = follow(&path, &flags);
    assert!(found.wrong == 0 && found.cut * 1000 < STEPS, "{found:#?}");
}

/// What was found of a program that was followed.
#[derive(Debug, Default)]
struct Found {
    /// Walks that gave other calls than were made.
    wrong: usize,
    /// Walks that gave the right calls, but not all of them.
    cut: usize,
    /// One of either.
    example: String,
}

fn follow(path: &Path, flags: &[&str]) -> Found {
    let mut program = Program::start(&mut Command::new(path));
    let mut traced = Traced::stop(program.pid(), program.pid());
    let mut registers = traced.registers();
    let (addresses, stop) = traced.walk(&registers);
    assert_eq!(stop, Stop::Bottom, "{addresses:#x?}");
    let mut calls = Calls::new(&addresses);
    program.go();
    let (mut signal, mut signals, mut deepest) = (None, 0, 0);
    let mut found = Found::default();
    for _ in 0..STEPS {
        let came = traced.step(signal.take());
        let now = traced.registers();
        if let Some(came) = came {
            signal = Some(came);
            registers = now;
            continue;
        }
        calls.follow(&registers, &now, |address| traced.read(address));
        signals += u64::from(calls.interrupted);
        registers = now;
        let (addresses, stop) = traced.walk(&registers);
        deepest = deepest.max(addresses.len());
        let truth: Vec<u64> = calls.addresses(registers.pc);
        if addresses == truth && stop == Stop::Bottom {
            continue;
        }
        if truth.starts_with(&addresses) && stop != Stop::Bottom {
            found.cut += 1;
        } else {
            found.wrong += 1;
        }
        found.example = format!("{stop:?}: {addresses:x?}, not {truth:x?}");
    }
    let Found { wrong, cut, .. } = found;
    println!(
        "{flags:?}: of {STEPS} instructions {wrong} wrong, {cut} cut, the others exact; \
         {signals} signals, {deepest} frames deep"
    );
    assert!(signals > 0 && deepest > 25, "it did not do what it should");
    found
}

#[test]
fn walks_agree_with_framehop() {
    let test = "walks_agree_with_framehop";
    if let Some(path) = build(test, &["-O2", "-fomit-frame-pointer"]) {
        let mut program = Program::start(Command::new(&path).arg("threads"));
        program.go();
        for thread in program.threads(2) {
            let mut traced = Traced::stop(program.pid(), thread);
            sample("a C program", &mut traced, 0.98);
        }
    }
    let python = "
print('ready', flush=True)
input()
def work(depth):
    if depth: return work(depth - 1) + sorted([3, 1, 2], key=lambda it: -it)[0]
    return sum(len(repr(it)) for it in range(300))
while True: work(12)
";
    interpreter(test, "/usr/bin/python3.11", &["-c", python], 0.98);
    let node = "
console.log('ready');
function work(depth) {
    if (depth) return work(depth - 1) + JSON.stringify([depth, { depth }]).length;
    return [5, 3, 1].sort((l, r) => l - r).map(String).join().length;
}
process.stdin.once('data', () => { for (;;) work(12); });
";
    // Generated code has no tables: both guess there, each in its way.
    interpreter(test, "/usr/bin/node", &["-e", node], 0.0);
}

/// Go has no `.eh_frame`, and its functions that call no others keep no frame pointer.
#[test]
fn walks_of_go_are_exact() {
    let test = "walks_of_go_are_exact";
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/unwind/program.go");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = directory.join(test);
    let mut go = Command::new("go");
    go.args(["build", "-ldflags=-s -w", "-o"]).arg(&path).arg(source);
    go.env("CGO_ENABLED", "0").env("GOCACHE", directory.join("go-cache"));
    match go.current_dir(directory).status() {
        Ok(status) if status.success() => {}
        failed => return println!("not run: {test}: go: {failed:?}"),
    }
    let elf = crate::binaries::open(&path);
    let functions = symbols::GoTable::read(&elf).expect("a Go program");
    let mut program = Program::start(
        Command::new(&path).env("GODEBUG", "asyncpreemptoff=1").env("GOMAXPROCS", "1"),
    );
    let mut traced = Traced::stop(program.pid(), program.pid());
    let (addresses, stop) = traced.walk(&traced.registers());
    assert_eq!(stop, Stop::Bottom, "{addresses:x?}");
    program.go();
    let (mut exact, mut wrong, mut idle, mut example) = (0, 0, 0, String::new());
    for turn in 0..20 * SAMPLES {
        if exact + wrong == SAMPLES {
            break;
        }
        traced.run(turn % 50);
        let (addresses, stop) = traced.walk(&traced.registers());
        let at = |index: usize| addresses[index] - u64::from(index > 0);
        let names = (0..addresses.len()).map(|index| functions.lookup(at(index)));
        let names: Vec<&str> = names.map(|it| it.map_or("?", |it| it.name)).collect();
        let inner = names.iter().position(|name| *name != "main.leaf").unwrap_or(0);
        let depth = names[inner..].iter().take_while(|name| **name == "main.recursive").count();
        let outer = ["main.main", "runtime.main", "runtime.goexit"];
        let last = names[names.len() - 1];
        if inner < 2 && depth < 22 && names[inner + depth..] == outer && stop == Stop::Bottom {
            exact += 1;
        } else if ["runtime.mcall", "runtime.morestack", "runtime.systemstack"].contains(&last) {
            // The thread is on the scheduler's stack: the goroutine has to wait its turn.
            idle += 1;
        } else if names.ends_with(&outer) && !names.contains(&"main.recursive") {
            // It has not read yet that it may begin, and its stack is whole.
            idle += 1;
        } else {
            wrong += 1;
            example = format!("{stop:?}: {names:?}");
        }
    }
    // What a signal interrupts is seen from its handler.
    while traced.step(None).is_some() {}
    let (before, _) = traced.walk(&traced.registers());
    assert_eq!(traced.step(Some(Signal::SIGURG)), None);
    let (addresses, stop) = traced.walk(&traced.registers());
    let name = |address: u64| functions.lookup(address).map_or("?", |it| it.name);
    assert_eq!(name(addresses[0]), "runtime.sigtramp");
    assert!(name(addresses[1]).starts_with("runtime.sigreturn"), "{}", name(addresses[1]));
    assert_eq!((&addresses[2..], stop), (&before[..], Stop::Bottom));
    println!("Go: {exact} exact, {wrong} wrong, {idle} in the scheduler; {example}");
    // The first ones may be on their way into the main function.
    assert!(exact > 0 && wrong <= 2, "{exact}, {wrong}, {idle}: {example}");
}

fn interpreter(test: &str, path: &str, arguments: &[&str], agree: f64) {
    if !Path::new(path).exists() {
        return println!("not run: {test}: no {path}");
    }
    let mut program = Program::start(Command::new(path).args(arguments));
    program.go();
    let mut traced = Traced::stop(program.pid(), program.pid());
    sample(path, &mut traced, agree);
}

fn sample(name: &str, traced: &mut Traced, agree: f64) {
    let (mut same, mut complete, mut frames) = (0, 0, 0);
    let (mut by_tables, mut by_framehop) = (Duration::ZERO, Duration::ZERO);
    let mut differences = Vec::new();
    for turn in 0..SAMPLES {
        traced.run(turn % 50);
        let registers = traced.registers();
        let started = Instant::now();
        let walked = traced.walk(&registers);
        by_tables += started.elapsed();
        let started = Instant::now();
        let unwound = traced.unwind(&registers);
        by_framehop += started.elapsed();
        frames += walked.0.len();
        complete += usize::from(walked.1 == Stop::Bottom);
        if walked == unwound {
            same += 1;
        } else {
            differences.push((walked, unwound));
        }
    }
    println!(
        "{name}: {same} of {SAMPLES} the same as framehop's, {complete} complete, {} frames each; \
         {:.0?} each by tables, {:.0?} by framehop",
        frames / SAMPLES,
        by_tables / SAMPLES as u32,
        by_framehop / SAMPLES as u32,
    );
    if let Some((walked, unwound)) = differences.first() {
        println!("    as: {walked:x?}\n    framehop: {unwound:x?}");
    }
    assert!(same as f64 >= agree * SAMPLES as f64, "{name}: {same} of {SAMPLES}");
    assert!(complete as f64 >= agree * SAMPLES as f64, "{name}: {complete} of {SAMPLES}");
}

/// The calls of a thread that are open, outermost first.
struct Calls {
    open: Vec<Call>,
    /// Whether the last step was a signal's delivery.
    interrupted: bool,
}

struct Call {
    /// Where it will go on.
    back: u64,
    /// The stack pointer has to be above this for that.
    slot: u64,
}

impl Calls {
    /// Those that a walk saw before the first step.
    fn new(addresses: &[u64]) -> Calls {
        let open = addresses[1..].iter().rev().map(|&back| Call { back, slot: 0 }).collect();
        Calls { open, interrupted: false }
    }

    /// Learns from one step.
    fn follow(&mut self, before: &Registers, after: &Registers, read: impl Fn(u64) -> Option<u64>) {
        self.interrupted = false;
        let top = read(after.sp).unwrap_or(0);
        if self.open.last().is_some_and(|call| call.back == after.pc && call.slot < after.sp) {
            self.open.pop();
        } else if after.sp == before.sp - 8 && (2..=7).contains(&top.wrapping_sub(before.pc)) {
            let is_call = after.pc != top;
            if is_call {
                self.open.push(Call { back: top, slot: after.sp });
            }
        } else if after.sp < before.sp - 400 && after.sp % 16 == 8 && self.is_frame(after, before) {
            // The kernel made a frame: the handler returns to the restorer, which returns here.
            self.open.push(Call { back: before.pc, slot: after.sp + 8 });
            self.open.push(Call { back: top, slot: after.sp });
            self.interrupted = true;
        }
    }

    /// A handler begins with the signal's number in rdi, and rax is 0.
    fn is_frame(&self, after: &Registers, before: &Registers) -> bool {
        let all = after.all.expect("all");
        all[5] == 10 && all[0] == 0 && after.pc.abs_diff(before.pc) > 16
    }

    /// What a walk should give.
    fn addresses(&self, pc: u64) -> Vec<u64> {
        std::iter::once(pc).chain(self.open.iter().rev().map(|call| call.back)).collect()
    }
}

/// Compiles the program; None where there is no compiler.
fn build(test: &str, flags: &[&str]) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/unwind/program.c");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("{test}{}", flags.concat().replace(',', "")));
    let built =
        Command::new("gcc").args(flags).args(["-pthread", "-o"]).arg(&path).arg(source).status();
    match built {
        Ok(status) if status.success() => Some(path),
        failed => {
            println!("not run: {test} {flags:?}: gcc: {failed:?}");
            None
        }
    }
}
