//! The truth cases: how each program is run, and what its profile has to be.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

use super::chain::Chain;
use super::folded::Folded;
use super::judge::{Judged, Truth, Who};
use super::programs::{self, Built};
use super::symbols::Symbols;
use crate::workload::Scratch;

/// One program, run in one way.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub about: &'static str,
    /// What it belongs to.
    pub group: Group,
    /// The words of its command. `{NAME}` is the file of the program `NAME`, `{NAME:dir}` the
    /// directory that it lies in, `{home}` a directory of the run's own, `{seconds}` for how long,
    /// `{sources}` where the sources are.
    run: Vec<String>,
    truth: Truth,
    /// Whether it has to be root.
    root: bool,
}

/// What cases belong to; each is a test of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// How code was compiled, linked and stripped.
    Compiled,
    /// What the stack looks like.
    Shapes,
    /// Files that come late, change, or are not where they seem to be.
    Files,
    /// Short processes and threads.
    Processes,
    /// Interpreters and just-in-time compilers.
    Interpreted,
    /// Threads that do not run: to be watched with `--off-cpu`.
    Waits,
}

/// A case that can be run: everything is built.
#[derive(Debug)]
pub struct Ready {
    /// The case's name.
    pub name: String,
    /// What to run.
    pub command: Vec<String>,
    /// Where it may write; also for who runs it.
    pub home: Scratch,
    symbols: Symbols,
    truth: Truth,
    group: Group,
}

/// What C programs do, innermost first; `burn` is inlined, and DWARF tells of it where there is some.
const CHAIN: &str = "leaf hot_a|hot_b|hot_c dispatch rec*20 burn? main";
const SIGNALLED: &str = "leaf hot_a|hot_b|hot_c dispatch on_signal ? interrupt rec*20 main";
const CALLING: &str = "? hot_a|hot_b|hot_c dispatch rec*20 main";
const KERNEL: &str = "?4 hot_a|hot_b|hot_c dispatch rec*20 main";
const SCRIPTED: &str = "leaf hot_a|hot_b|hot_c dispatch rec*20 body main";
const WAITING: &str = "?6 wait_a|wait_b hot_a|hot_b dispatch rec*20 waiter";

/// How often a CPU is looked at.
const HERTZ: f64 = 99.0;

/// All cases; each takes so many seconds of CPU time, those of [`Group::Waits`] so much time.
pub fn all(seconds: f64) -> Vec<Case> {
    let mut cases = vec![];
    for (group, some) in [
        (Group::Compiled, compiled()),
        (Group::Shapes, shapes()),
        (Group::Files, files()),
        (Group::Processes, processes()),
        (Group::Interpreted, interpreted()),
        (Group::Waits, waits()),
    ] {
        cases.extend(some.into_iter().map(|case| Case { group, ..case }));
    }
    for case in &mut cases {
        case.truth.samples = case.truth.samples.map(|share| share * seconds * HERTZ);
        case.run.iter_mut().for_each(|it| *it = it.replace("{seconds}", &seconds.to_string()));
    }
    cases
}

/// The cases of one group.
pub fn of(group: Group, seconds: f64) -> Vec<Case> {
    all(seconds).into_iter().filter(|case| case.group == group).collect()
}

impl Case {
    /// `run` is divided at blanks; a script stands behind it as one word.
    fn new(name: &str, about: &'static str, run: &str, truth: Truth) -> Case {
        let run = run.split(' ').map(str::to_string).collect();
        Case { name: name.to_string(), about, group: Group::Compiled, run, truth, root: false }
    }

    fn script(name: &str, about: &'static str, script: &str, truth: Truth) -> Case {
        let run = ["sh", "-c", script].map(str::to_string).to_vec();
        Case { run, ..Case::new(name, about, "", truth) }
    }

    /// Adds one word, whatever is in it.
    fn with(mut self, word: &str) -> Case {
        self.run.push(word.to_string());
        self
    }

    fn only_root(self) -> Case {
        Case { root: true, ..self }
    }

    /// Builds what it needs; an error says why it cannot be run here.
    pub fn prepare(&self) -> Result<Ready> {
        ensure!(!self.root || rustix::process::geteuid().is_root(), "only root can");
        // The same case may be run more than once at a time.
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let home = Scratch::new(&format!("truth-{}-{run}", self.name))?;
        let (mut command, mut symbols) = (vec![], Symbols::default());
        for word in &self.run {
            let word = word.replace("{home}", &home.path().display().to_string());
            command.push(self.fill(word, &mut symbols)?);
        }
        programs::tool(&command[0])?;
        let (name, truth, group) = (self.name.clone(), self.truth.clone(), self.group);
        Ok(Ready { name, command, home, symbols, truth, group })
    }

    /// Puts the paths of programs where their names are.
    fn fill(&self, mut word: String, symbols: &mut Symbols) -> Result<String> {
        while let Some((begin, end)) = word.find('{').zip(word.find('}')) {
            let (name, is_directory) = match word[begin + 1..end].split_once(":dir") {
                Some((name, _)) => (name, true),
                None => (&word[begin + 1..end], false),
            };
            let path = if name == "sources" {
                programs::sources()?
            } else {
                let program = programs::find(name).with_context(|| format!("no program {name}"))?;
                let Built { directory, file, symbols: own } = program.build()?;
                *symbols = own;
                if is_directory { directory } else { file }
            };
            word.replace_range(begin..=end, &path.display().to_string());
        }
        Ok(word)
    }
}

impl Ready {
    /// Compares a profile of its run, which has ended, with what it has to be.
    pub fn judge(&self, profile: &Folded) -> Result<Judged> {
        let mut truth = self.truth.clone();
        if self.group == Group::Waits {
            let told =
                fs::read_to_string(self.home.path().join("told")).context("it told nothing")?;
            tell(&mut truth, &told)?;
        }
        Ok(truth.judge(&self.name, &profile.named(&self.symbols)))
    }

    /// Whether it is about threads that wait, so that `--off-cpu` is wanted.
    pub fn waits(&self) -> bool {
        self.group == Group::Waits
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        // What a runtime left in /tmp for whoever wants to know its functions' names.
        if let Ok(pid) = fs::read_to_string(self.home.path().join("pid")) {
            let _ = fs::remove_file(Path::new("/tmp").join(format!("perf-{}.map", pid.trim())));
        }
    }
}

/// Puts in what the program measured itself: lines `wait_a SECONDS TIMES`.
fn tell(truth: &mut Truth, told: &str) -> Result<()> {
    let line = |line: &str| {
        let mut words = line.split(' ').skip(1).map(|word| word.parse::<f64>().ok());
        Some((words.next()??, words.next()??))
    };
    let told: Option<Vec<(f64, f64)>> = told.lines().map(line).collect();
    let told = told.filter(|it| it.len() == 2).context("it did not tell how long it waited")?;
    let whole: f64 = told.iter().map(|(seconds, _)| seconds).sum();
    let shares = ["wait_a", "wait_b"].into_iter().zip(&told);
    truth.shares = shares.map(|(name, it)| (Who::Function(name), it.0 / whole)).collect();
    truth.whole = Some(whole * 1e9);
    truth.observed = Some(told.iter().map(|(_, times)| times).sum());
    Ok(())
}

/// Seven, two and one tenth.
fn hot(chain: &'static str) -> Truth {
    let shares = [("hot_a", 0.7), ("hot_b", 0.2), ("hot_c", 0.1)];
    Truth {
        shares: shares.map(|(name, share)| (Who::Function(name), share)).to_vec(),
        chain: Some(Chain::parse(chain)),
        samples: Some(1.0),
        ..Truth::default()
    }
}

fn compiled() -> Vec<Case> {
    let c =
        |name: &str, about| Case::new(name, about, &format!("{{{name}}} {{seconds}}"), hot(CHAIN));
    let inlined = hot("leaf repeat hot_a|hot_b|hot_c dispatch rec*20 main");
    // rustc gives its `main` neither tables nor a frame pointer then: nobody can know its caller.
    let abort = Truth { least_complete: 0.0, ..hot(CHAIN) };
    let go = || hot("leaf|bare_leaf hot_a|hot_b|hot_c dispatch rec*20 main.main");
    vec![
        c("c-pointers", "C with frame pointers"),
        c("c-plain", "C without frame pointers"),
        c("c-clang", "C without frame pointers, by clang"),
        c("c-tableless", "C with frame pointers and without tables"),
        c("c-static", "C, linked statically"),
        c("c-static-pie", "C, linked statically, at any address"),
        c("c-fixed", "C at a fixed address"),
        c("c-gold", "C, linked by gold"),
        c("c-musl", "C with musl"),
        c("debug-link", "stripped; names in a file beside it"),
        c("dynamic-names", "stripped; only exported names"),
        c("nameless", "stripped; places instead of names"),
        c("sectionless", "no section headers, and no names"),
        Case::new(
            "cpp-inlined",
            "C++; hot functions are inlined",
            "{cpp-inlined} {seconds}",
            inlined,
        ),
        c("rust-unwind", "Rust"),
        Case::new("rust-abort", "Rust, panic=abort", "{rust-abort} {seconds}", abort),
        c("rust-tableless", "Rust, panic=abort, without tables of its own"),
        Case::new("go", "Go", "{go} {seconds}", go()),
        Case::new("go-bare", "Go; the innermost has no frame", "{go} {seconds} bare", go()),
        Case::new("go-stripped", "Go without symbols and DWARF", "{go-stripped} {seconds}", go()),
    ]
}

fn shapes() -> Vec<Case> {
    let c = |name: &str, about, run: &str, chain| Case::new(name, about, run, hot(chain));
    let entry = "leaf hot_a|hot_b|hot_c dispatch on_signal ? interrupt_entry interrupt rec*20 main";
    // The kernel's own part in raising a signal is below no hot function.
    let signal = |name: &str, about, way, chain| {
        let truth = Truth { least_seen: 0.9, ..hot(chain) };
        Case::new(name, about, &format!("{{signal}} {{seconds}} {way}"), truth)
    };
    let waiting = Truth { least_seen: 0.75, samples: None, ..hot(SIGNALLED) };
    let system = Truth { under: &[("hot_a", "vfs_read", 0.4)], ..hot(KERNEL) };
    vec![
        c("big-frames", "frames of 40,000 bytes", "{big-frames} {seconds}", CHAIN),
        c("aligned", "a realigned frame of changing size", "{aligned} {seconds}", CHAIN),
        signal("signal", "in a signal handler", "sync", SIGNALLED),
        signal("signal-stack", "the same on its own stack", "alternate", SIGNALLED),
        signal("signal-entry", "at a function's first instruction", "entry", entry),
        Case::new("signal-timer", "at any instruction", "{signal} {seconds} async", waiting),
        c("plt", "calls through the PLT", "{plt} {seconds}", CALLING),
        c("plt-sec", "calls through .plt.sec", "{plt-sec} {seconds}", CALLING),
        Case::new("system-calls", "mostly the kernel", "{kernel} {seconds} syscalls", system),
        c("vdso", "mostly the vDSO", "{kernel} {seconds} vdso", KERNEL),
    ]
}

fn files() -> Vec<Case> {
    let shares = |one, other, chain| {
        let shares = [one, other].map(|(name, share)| (Who::Function(name), share)).to_vec();
        Truth { shares, ..hot(chain) }
    };
    let late = "leaf|one_leaf one_hot? hot_a|hot_b dispatch rec*20 main";
    let late = shares(("hot_a", 0.3), ("one_hot", 0.7), late);
    let swap = "one_leaf|two_leaf one_hot|two_hot hot_b dispatch rec*20 main";
    let swap = shares(("one_hot", 0.7), ("two_hot", 0.3), swap);
    vec![
        Case::new(
            "load-late",
            "a library that is loaded late",
            "{load} {seconds} late {load:dir}/one.so",
            late,
        ),
        Case::new(
            "load-swap",
            "two libraries in turn at one place",
            "{load} {seconds} swap {load:dir}/one.so {load:dir}/two.so",
            swap,
        ),
        Case::script(
            "deleted",
            "its file is deleted as it starts",
            "cp {c-plain} {home}/gone && exec {home}/gone {seconds} unlink",
            hot(CHAIN),
        ),
        Case::script(
            "replaced",
            "another file takes its file's name",
            "cp {c-plain} {home}/own && cp {other} {home}/next && \
             exec {home}/own {seconds} replace {home}/next",
            hot(CHAIN),
        ),
        Case::new(
            "other-mounts",
            "its file is only seen in its own mount namespace",
            "unshare -m sh -c",
            hot(CHAIN),
        )
        .with(
            "mkdir {home}/inside && mount -t tmpfs none {home}/inside && \
             cp {c-plain} {home}/inside/own && exec {home}/inside/own {seconds}",
        )
        .only_root(),
        Case::script(
            "other-root",
            "its root is another directory",
            "mkdir {home}/inside && cp {c-static} {home}/inside/own && \
             exec chroot {home}/inside /own {seconds}",
            hot(CHAIN),
        )
        .only_root(),
    ]
}

fn processes() -> Vec<Case> {
    // Of a tenth of a second some goes to starting and ending.
    let short = || Truth { least_seen: 0.8, ..hot(CHAIN) };
    let c = |name: &str, about, run: &str| Case::new(name, about, run, short());
    let workers = [("body_a", 0.7), ("body_b", 0.2), ("body_c", 0.1)];
    let threads = Truth {
        shares: workers.map(|(name, share)| (Who::Function(name), share)).to_vec(),
        ..hot("leaf hot_a|hot_b|hot_c dispatch rec*20 body_a|body_b|body_c")
    };
    vec![
        c(
            "short-exec",
            "processes of 100 ms, by vfork and exec",
            "{spawn} {seconds} exec {c-plain}",
        ),
        c("short-spawn", "the same by posix_spawn", "{spawn} {seconds} posix {c-plain}"),
        c("short-fork", "the same without exec", "{spawn} {seconds} fork"),
        c("short-vfork", "the same in their parent's memory", "{spawn} {seconds} vfork"),
        Case::new("threads", "three threads with names", "{threads} {seconds}", threads),
    ]
}

fn interpreted() -> Vec<Case> {
    let scripted = || Truth { among: true, least_seen: 0.9, ..hot(SCRIPTED) };
    let mut cases = vec![];
    for (name, python) in pythons() {
        for way in ["plain", "generator", "callback", "threads"] {
            let run = format!("{} {{sources}}/chain.py {{seconds}} {way}", python.display());
            let mut truth = scripted();
            if way == "threads" {
                truth.chain = Some(Chain::parse("leaf hot_a|hot_b|hot_c dispatch rec*20 body"));
            }
            cases.push(Case::new(&format!("{name}-{way}"), "Python", &run, truth));
        }
    }
    let node = "node --perf-basic-prof --interpreted-frames-native-stack --no-turbo-inlining \
                {sources}/chain.js {seconds} {home}/pid";
    let body = Some(Chain::parse("leaf hot_a|hot_b|hot_c dispatch rec*20 body"));
    cases.push(Case::new("node", "Node.js", node, Truth { chain: body, ..scripted() }));
    let java = "java -XX:+PreserveFramePointer -XX:-TieredCompilation -Xbatch \
                -XX:CompileThreshold=100 -XX:CompileCommand=quiet \
                -XX:CompileCommand=dontinline,Chain.* -cp {java:dir} Chain {seconds} {home}/pid";
    // It has no names of its functions before it is warm; main stays in the interpreter.
    let chain = Some(Chain::parse("leaf hot_a|hot_b|hot_c dispatch rec*20"));
    let warm = Truth { comms: &["java"], least_seen: 0.7, least_exact: 0.95, chain, ..scripted() };
    cases.push(Case::new("java", "Java", java, warm));
    cases
}

/// Pythons of this machine: those that `FATHOM_PYTHONS` says, divided by `:`, or Debian's and
/// pyenv's from 3.11 on.
fn pythons() -> Vec<(String, PathBuf)> {
    if let Some(list) = env::var_os("FATHOM_PYTHONS") {
        let numbered = env::split_paths(&list).enumerate();
        return numbered.map(|(number, path)| (format!("python{}", number + 1), path)).collect();
    }
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let versions = fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten().flatten();
    let mut found: Vec<(String, PathBuf)> = versions
        .filter_map(|entry| {
            let version = entry.file_name().into_string().ok()?;
            let minor: u32 = version.strip_prefix("3.")?.split('.').next()?.parse().ok()?;
            let path = entry.path().join("bin/python3");
            (minor >= 11 && path.exists()).then(|| (format!("python3.{minor}"), path))
        })
        .collect();
    found.sort();
    let debian = PathBuf::from("/usr/bin/python3");
    if debian.exists() || found.is_empty() {
        found.insert(0, ("python".to_string(), debian));
    }
    found
}

fn waits() -> Vec<Case> {
    // main and the waker wait, too, elsewhere: it is the time that tells whether all was seen.
    let truth = || Truth { least_seen: 0.0, samples: None, ..hot(WAITING) };
    let about = [
        ("sleep", "sleeping"),
        ("futex", "a futex that another thread wakes"),
        ("socket", "reading from a socket over loopback"),
        ("pipe", "reading from a pipe"),
        ("disk", "writing to a disk"),
        ("lock", "a lock that another thread holds"),
    ];
    let case = |(way, about)| {
        let run = format!("{{waits}} {{seconds}} {way} {{home}}/told {{home}}/file");
        // A write takes the CPU as well, the more of it the longer it is, and that is no waiting.
        let is_disk = way == "disk";
        let (whole_within, shares_within) = if is_disk { (0.4, 0.08) } else { (0.1, 0.02) };
        let truth = Truth { whole_within, shares_within, ..truth() };
        Case::new(&format!("wait-{way}"), about, &run, truth)
    };
    about.map(case).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own_and_programs_that_are_there() {
        let cases = all(5.0);
        let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for word in cases.iter().flat_map(|case| &case.run) {
            for part in word.split('{').skip(1) {
                let name = part.split(['}', ':']).next().unwrap_or_default();
                let known = ["home", "sources"].contains(&name) || programs::find(name).is_some();
                assert!(known, "{word}");
            }
        }
    }

    #[test]
    fn what_a_program_tells_is_its_truth() {
        let mut truth = Truth::default();
        tell(&mut truth, "wait_a 3.0 100\nwait_b 1.0 100\n").unwrap();
        assert_eq!(truth.shares[0], (Who::Function("wait_a"), 0.75));
        assert_eq!((truth.observed, truth.whole), (Some(200.0), Some(4e9)));
        assert!(tell(&mut truth, "wait_a 3.0\n").is_err());
    }
}
