//! Real Python programs are sampled while they run, and the functions are expected that they ran.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use schema::{PythonEnd, RawStack, StackNews};
use signal_profile::PROFILE;
use symbols::elf::Elf;
use symbols::python::{Codes, Interpreter, Version};
use symbols::{Images, Limits, Naming, PlaceKind, Told};
use telemetry::Ledger;
use testkit::watch::{MECHANISMS, Watch, not_run};

const PROGRAM: &str = include_str!("python/program.py");
const CLOCK_NANOSLEEP: u32 = 230;
/// So many of a hundred samples have to have the very chain.
const EXACT: usize = 98;

#[test]
fn chains_are_what_the_program_ran() {
    let Some(mut lab) = Lab::start("chains_are_what_the_program_ran") else { return };
    for python in interpreters("chains_are_what_the_program_ran") {
        let bottom = ["main", "<module>"];
        let with = |inner: &[&'static str]| [inner, &bottom].concat();
        let rec = |times| vec!["rec"; times];
        lab.expect(&python, "deep", &[&["hot"][..], &rec(10), &["deep"], &bottom].concat());
        lab.expect(&python, "generators", &with(&["hot", "generate", "delegate", "generators"]));
        lab.expect(&python, "callback", &with(&["hot", "key", "callback"]));
        let lambda = "callbacks.<locals>.<lambda>";
        lab.expect(&python, "callbacks", &with(&["hot", "key", lambda, "callbacks"]));
        lab.expect(&python, "construct", &with(&["hot", "Thing.__init__", "construct"]));
        lab.expect(&python, "letters", &with(&["hot", "named_\u{3bb}", "letters"]));
    }
}

#[test]
fn entries_from_c_and_lines_are_known() {
    let name = "entries_from_c_and_lines_are_known";
    let Some(mut lab) = Lab::start(name) else { return };
    for python in interpreters(name) {
        let run = lab.run(&python, "callbacks").expect("it runs");
        let stacks: Vec<_> = run.cpu().filter(|stack| stack.python.len() == 6).collect();
        assert!(stacks.len() > 50, "{python}: {} samples", stacks.len());
        for stack in stacks {
            let entries: Vec<bool> = stack.python.iter().map(|frame| frame.entry).collect();
            assert_eq!(entries, [false, true, true, false, false, true], "{python}");
        }

        let run = lab.run(&python, "deep").expect("it runs");
        let mut hot = HashMap::new();
        let mut others = HashMap::new();
        for stack in run.cpu() {
            let frames = lab.frames(stack);
            // Before and behind it the program begins and ends.
            if frames.first().is_none_or(|(name, _)| name != "hot") {
                continue;
            }
            for (at, (name, line)) in frames.iter().enumerate() {
                let is = if at == 0 { &mut hot } else { &mut others };
                *is.entry((name.clone(), *line)).or_insert(0) += 1;
            }
        }
        // Most of the time goes into the loop, the rest into its head.
        let in_loop = hot.get(&("hot".into(), line_of("# hot"))).copied().unwrap_or(0);
        let head = hot.get(&("hot".into(), line_of("# hot") - 1)).copied().unwrap_or(0);
        let all: usize = hot.values().sum();
        assert!(in_loop * 2 > all && (in_loop + head) * 100 >= all * 95, "{python}: {hot:?}");
        for (name, mark) in
            [("rec", "# rec"), ("rec", "# rec calls"), ("deep", "# deep"), ("main", "# main")]
        {
            let count = others.get(&(name.to_string(), line_of(mark))).copied().unwrap_or(0);
            assert!(count * 100 >= all * EXACT, "{python} {mark}: {others:?}");
        }
    }
}

#[test]
fn threads_have_their_own_frames() {
    let name = "threads_have_their_own_frames";
    let Some(mut lab) = Lab::start(name) else { return };
    for python in interpreters(name) {
        let run = lab.run(&python, "threads").expect("it runs");
        let threads: HashMap<u32, String> = run
            .said
            .iter()
            .filter_map(|line| {
                let (tid, work) = line.strip_prefix("thread ")?.split_once(' ')?;
                Some((tid.parse().ok()?, work.to_string()))
            })
            .collect();
        assert_eq!(threads.len(), 2, "{:?}", run.said);
        for (tid, work) in &threads {
            let recs = if work == "worker_a" { 3 } else { 6 };
            let bottom = ["threads.<locals>.run", "Thread.run", "Thread._bootstrap_inner"];
            let chain =
                [&["hot"][..], &vec!["rec"; recs], &[work], &bottom, &["Thread._bootstrap"]]
                    .concat();
            let own = run.cpu().filter(|stack| stack.origin.tid == *tid);
            lab.compare(&python, work, own, &chain);
        }
    }
}

#[test]
fn waits_have_frames_too() {
    let Some(mut lab) = Lab::start("waits_have_frames_too") else { return };
    for python in interpreters("waits_have_frames_too") {
        let run = lab.run(&python, "sleep").expect("it runs");
        let slept = |stack: &&RawStack| {
            stack.wait.as_ref().is_some_and(|wait| wait.call == Some(CLOCK_NANOSLEEP))
        };
        let waits: Vec<_> = run.stacks.iter().filter(slept).collect();
        assert_eq!(waits.len(), 12, "{python}");
        for wait in waits {
            let chain = lab.frames(wait);
            let names: Vec<&str> = chain.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["sleeper", "sleep", "main", "<module>"], "{python}");
            assert_eq!(chain[0].1, line_of("# sleeper"), "{python}");
        }
    }
}

#[test]
fn what_is_too_deep_is_said_to_be() {
    let Some(mut lab) = Lab::start("what_is_too_deep_is_said_to_be") else { return };
    for python in interpreters("what_is_too_deep_is_said_to_be") {
        let run = lab.run(&python, "deeper").expect("it runs");
        let deep = run.cpu().filter(|stack| stack.python.len() == 128);
        let deep: Vec<_> = deep.collect();
        assert!(deep.len() > 50, "{python}: {} samples", deep.len());
        assert!(deep.iter().all(|stack| stack.python_end == PythonEnd::Deep), "{python}");
    }
}

/// Offsets that make no sense, or are another version's, lead nowhere and hurt nobody.
#[test]
fn wrong_offsets_end_the_walk() {
    let Some(mut lab) = Lab::start("wrong_offsets_end_the_walk") else { return };
    let mut rng = testkit::rng::Rng::new(3);
    for python in interpreters("wrong_offsets_end_the_walk").into_iter().take(1) {
        let noise: Vec<u8> = (0..26 * 4).map(|_| rng.below(256) as u8).collect();
        for offsets in [vec![0; 26 * 4], vec![0xff; 26 * 4], vec![8; 26 * 4], noise] {
            lab.offsets = Some(offsets);
            let run = lab.run(&python, "callback").expect("it runs");
            assert!(run.cpu().count() > 50, "{python}");
            assert!(run.cpu().all(|stack| stack.python_end != PythonEnd::None), "{python}");
        }
        // And a runtime that is nowhere.
        lab.offsets = None;
        lab.runtime = Some(0xdead_0000);
        let run = lab.run(&python, "callback").expect("it runs");
        assert!(run.cpu().all(|stack| stack.python_end == PythonEnd::NoThread), "{python}");
        lab.runtime = None;
    }
}

/// All of it together: the walk up the stack of C by tables, names, and Python's frames among the others.
#[test]
fn both_come_in_one_stack() {
    let Some(lab) = Lab::start("both_come_in_one_stack") else { return };
    for python in interpreters("both_come_in_one_stack") {
        let stacks = lab.joined(&python, "callback").expect("it runs");
        // Before and behind it the program begins and ends.
        let is_hot =
            |it: &(Vec<(PlaceKind, String)>, bool)| it.0.iter().any(|(_, name)| name == "hot");
        let first = stacks.iter().position(is_hot).unwrap_or(0);
        let last = stacks.iter().rposition(is_hot).map_or(0, |at| at + 1);
        let stacks = &stacks[first..last];
        let mut wrong = Vec::new();
        let mut uncertain = 0;
        for (places, exact) in stacks {
            uncertain += usize::from(!exact);
            // From the first frame of Python on; what that calls is a matter of chance.
            let from = places.iter().position(|(kind, _)| *kind == PlaceKind::Python);
            let rest = &places[from.unwrap_or(places.len())..];
            let words: Vec<&str> = rest.iter().map(|(_, name)| name.as_str()).collect();
            let begin = words.get(..2) == Some(&["hot", "key"]);
            let back = words.iter().position(|&it| it == "callback").unwrap_or(0);
            let end = words.get(back..back + 3) == Some(&["callback", "main", "<module>"]);
            let native = |range: &[(PlaceKind, String)]| {
                !range.is_empty() && range.iter().all(|(kind, _)| *kind == PlaceKind::Native)
            };
            let bottom = rest.get(back + 3..).is_some_and(native);
            if !(begin && back > 2 && native(&rest[2..back]) && end && bottom) {
                wrong.push(words.join(" "));
            }
        }
        let (all, example) =
            (stacks.len(), stacks.iter().map(|it| &it.0).max_by_key(|it| it.len()));
        println!(
            "{python}: {} of {all} are not exact, {uncertain} uncertain; {example:?}",
            wrong.len()
        );
        assert!(all > 50, "{python}: {all} stacks");
        assert!(wrong.len() * 100 <= all * (100 - EXACT), "{python}: {wrong:#?}");
    }
}

/// The kernel side, and what it tells.
struct Lab {
    watch: Watch,
    codes: Codes,
    spaces: u32,
    /// Instead of those that were found.
    offsets: Option<Vec<u8>>,
    runtime: Option<u64>,
}

/// What came of one run.
struct Run {
    stacks: Vec<RawStack>,
    said: Vec<String>,
}

impl Run {
    fn cpu(&self) -> impl Iterator<Item = &RawStack> {
        self.stacks.iter().filter(|stack| stack.wait.is_none())
    }
}

impl Lab {
    fn start(test: &str) -> Option<Lab> {
        let watch = Watch::start(test, &[&PROFILE], MECHANISMS).expect("it loads")?;
        let told = [1_000_000_000 / 99u64, 10_000_000].map(u64::to_ne_bytes).concat();
        let told = [told, [0u32, 1000, 1, 0].map(u32::to_ne_bytes).concat()].concat();
        let map = watch.kernel.signal_map("profile", "profile_told").expect("it is there");
        map.set(&0u32.to_ne_bytes(), &told).expect("it can be told");
        let codes = Codes::new(1 << 20);
        Some(Lab { watch, codes, spaces: 0, offsets: None, runtime: None })
    }

    /// Runs a part of the program: nearly all of its samples have to be of `chain`.
    fn expect(&mut self, python: &Python, what: &str, chain: &[&str]) {
        let run = self.run(python, what).expect("it runs");
        self.compare(python, what, run.cpu(), chain);
    }

    fn compare<'a>(
        &mut self,
        python: &Python,
        what: &str,
        stacks: impl Iterator<Item = &'a RawStack>,
        chain: &[&str],
    ) {
        let chain: Vec<String> = chain.iter().map(|name| name.to_string()).collect();
        let names: Vec<Vec<String>> = stacks
            .map(|stack| self.frames(stack).into_iter().map(|(name, _)| name).collect())
            .collect();
        // Before the first and behind the last the program, or the thread, begins and ends.
        let first = names.iter().position(|it| *it == chain).unwrap_or(names.len());
        let last = names.iter().rposition(|it| *it == chain).map_or(first, |at| at + 1);
        let mut counts: HashMap<&[String], usize> = HashMap::new();
        names[first..last].iter().for_each(|names| *counts.entry(names).or_default() += 1);
        let all = last - first;
        let exact = counts.remove(&chain[..]).unwrap_or(0);
        println!("{python} {what}: {exact} of {all} samples are exact");
        assert!(all > 50, "{python} {what}: {all} samples");
        assert!(exact * 100 >= all * EXACT, "{python} {what}: {exact} of {all}; {counts:#?}");
    }

    /// Runs `what` of the program, and gives its stacks on CPUs as the agent would: kind and function of
    /// each place, innermost first, and whether all stand where they belong for certain.
    #[allow(clippy::type_complexity)]
    fn joined(&self, python: &Python, what: &str) -> Result<Vec<(Vec<(PlaceKind, String)>, bool)>> {
        let mut images =
            Images::new(self.watch.kernel.clone(), Limits::default(), &Ledger::default());
        let period = 1_000_000_000 / 99;
        Told { period, wait_period: u64::MAX >> 16, every: 1, copies: 1000, waits: 0 }
            .tell(&self.watch.kernel)?;
        let clock = Instant::now();
        let mut naming = Naming::new(0, 1_000_000_000);
        let mut child = self.watch.spawn(&mut python.command(what))?;
        let mut door = child.stdin.take().context("no door")?;
        let said = BufReader::new(child.stdout.take().context("no output")?).lines();
        writeln!(door)?;
        // What comes before is of the interpreter's own start.
        let burnt = said.map_while(Result::ok).any(|line| line == "burnt");
        ensure!(burnt, "{python} did not begin");
        let mut stacks = Vec::new();
        let mut begun = false;
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let ended = child.try_wait()?;
            for news in self.watch.stacks()? {
                let now = 1_000_000_000 + clock.elapsed().as_nanos() as u64;
                match news {
                    StackNews::Image(origin, image) => images.image(origin.process, &image, now),
                    StackNews::Mapped(origin, mapped) => {
                        images.mapped(origin.process, &mapped, now);
                    }
                    StackNews::Code(_, code) => images.code(*code),
                    StackNews::Stack(stack) => {
                        let (spots, end) = images.read(&stack, now);
                        let places = spots.iter().map(|spot| naming.name(spot, now)).collect();
                        let (places, exact) = images.join(&stack, end, places);
                        let places = places.iter().flat_map(|it| it.iter());
                        let user = places.filter(|it| it.kind != PlaceKind::Kernel);
                        let words = user.map(|it| (it.kind, it.function.to_string()));
                        // The process's first is still without.
                        if begun && !stack.python.is_empty() {
                            stacks.push((words.collect(), exact));
                        }
                    }
                }
            }
            if ended.is_some() {
                return Ok(stacks);
            }
            if !begun {
                begun = true;
                writeln!(door)?;
            }
            ensure!(Instant::now() < deadline, "{python} does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Function and line of each frame; those that are nobody's left out.
    fn frames(&mut self, stack: &RawStack) -> Vec<(String, u32)> {
        let mut frames = Vec::new();
        for frame in &stack.python {
            match self.codes.get(stack.space, frame.code) {
                Some(code) if code.is_glue() => {}
                Some(code) => frames.push((code.name.to_string(), code.line(frame.instruction))),
                None => frames.push((format!("? {:#x}", frame.code), 0)),
            }
        }
        frames
    }

    /// Runs `what` of the program, and gives its stacks once its interpreter is known to the kernel.
    fn run(&mut self, python: &Python, what: &str) -> Result<Run> {
        let mut child = self.watch.spawn(&mut python.command(what))?;
        let run = self.follow(python, &mut child);
        let _ = child.kill();
        let _ = child.wait();
        run
    }

    fn follow(&mut self, python: &Python, child: &mut Child) -> Result<Run> {
        let mut door = child.stdin.take().context("no door")?;
        let mut said = BufReader::new(child.stdout.take().context("no output")?).lines();
        let first = said.next().context("it said nothing")??;
        ensure!(first == "ready", "it said {first}");
        self.watch.stacks()?;
        writeln!(door)?;
        let start = self.first_start(child.id())?;
        let burnt = said.next().context("it said no more")??;
        ensure!(burnt == "burnt", "it said {burnt}");
        let (interpreter, bias) = interpreter_of(child.id())?;
        ensure!(interpreter.version == python.version, "{python} has {:?}", interpreter.version);

        let place = 1 + self.spaces % 255;
        let offsets = self.offsets.clone().unwrap_or_else(|| interpreter.offsets.to_bytes());
        let map = self.watch.kernel.signal_map("profile", "profile_pythons").context("no map")?;
        map.set(&place.to_ne_bytes(), &offsets)?;
        self.spaces += 1;
        let runtime = self.runtime.unwrap_or(interpreter.runtime.wrapping_add(bias));
        let space = [start.to_ne_bytes().to_vec(), self.spaces.to_ne_bytes().to_vec()].concat();
        let space = [space, place.to_ne_bytes().to_vec(), runtime.to_ne_bytes().to_vec()].concat();
        let map = self.watch.kernel.signal_map("profile", "profile_spaces").context("no map")?;
        map.set(&child.id().to_ne_bytes(), &space)?;
        writeln!(door)?;

        let mut stacks = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let ended = child.try_wait()?;
            for news in self.watch.stacks()? {
                match news {
                    StackNews::Stack(stack) if stack.space == self.spaces => stacks.push(*stack),
                    StackNews::Code(_, code) => self.codes.tell(*code),
                    _ => {}
                }
            }
            if let Some(status) = ended {
                ensure!(status.success(), "{python} ended with {status}");
                return Ok(Run { stacks, said: said.collect::<Result<_, _>>()? });
            }
            ensure!(Instant::now() < deadline, "{python} does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// When the process started, as its first stack says.
    fn first_start(&self, pid: u32) -> Result<u64> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            for news in self.watch.stacks()? {
                if let StackNews::Stack(stack) = news
                    && stack.origin.process.pid == pid
                {
                    return Ok(stack.origin.process.start);
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        anyhow::bail!("no stack came")
    }
}

/// An interpreter of this machine.
struct Python {
    path: PathBuf,
    version: Version,
}

impl std::fmt::Display for Python {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.path.display())
    }
}

impl Python {
    /// Runs a part of the program.
    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(&self.path);
        command.args(["-c", PROGRAM, what]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }
}

/// All that are found, and a note for each version of which there is none.
fn interpreters(test: &str) -> Vec<Python> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let own = fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten().flatten();
    let own = own.map(|version| version.path().join("bin"));
    let folders: Vec<PathBuf> =
        ["/usr/bin", "/usr/local/bin"].map(PathBuf::from).into_iter().chain(own).collect();
    let mut all = Vec::new();
    for minor in 11..=14 {
        let paths = folders.iter().map(|folder| folder.join(format!("python3.{minor}")));
        let found: Vec<PathBuf> = paths.filter(|path| path.exists()).collect();
        if found.is_empty() {
            not_run(test, &format!("there is no Python 3.{minor}"));
        }
        all.extend(found.into_iter().map(|path| Python { path, version: (3, minor) }));
    }
    all
}

/// The interpreter of a process, and what is added to its addresses there.
fn interpreter_of(pid: u32) -> Result<(Interpreter, u64)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mut seen = Vec::new();
    for line in maps.lines().filter(|line| line.contains("python")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [range, _, offset, _, _, path] = words[..] else { continue };
        if seen.contains(&path) {
            continue;
        }
        seen.push(path);
        let Some(interpreter) = Interpreter::find(&Elf::open(File::open(Path::new(path))?)?)?
        else {
            continue;
        };
        let elf = Elf::open(File::open(path)?)?;
        let begin = u64::from_str_radix(range.split_once('-').context("no range")?.0, 16)?;
        let svma = elf.svma_of_offset(u64::from_str_radix(offset, 16)?).context("not mapped")?;
        return Ok((interpreter, begin.wrapping_sub(svma)));
    }
    anyhow::bail!("no interpreter is mapped:\n{maps}")
}

fn line_of(mark: &str) -> u32 {
    let found = PROGRAM.lines().position(|line| line.contains(mark)).expect("it is there");
    found as u32 + 1
}
