//! Loading: each object once, each hook on the first rung that holds, shared maps shared.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use libbpf_rs::{
    Link, MapCore, MapFlags, MapHandle, Object, ObjectBuilder, OpenObject, PrintLevel,
    ProgramAttachType, ProgramMut, ProgramType, TracepointCategory,
};

use crate::ladder::{self, Refused};
use crate::targets;
use crate::{Capability, Features, Mechanism, Rung, Signal};

const SYSCALL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/syscall.bpf.o"));

/// How to load.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many rings of each kind, and so how many threads read them; a power of two.
    pub workers: u32,
    /// Bytes of each `facts` ring; a power of two.
    pub facts_bytes: u32,
    /// Bytes of each `bulk` ring; a power of two.
    pub bulk_bytes: u32,
}

/// Everything that is loaded. Dropping it detaches and frees all of it.
pub struct Kernel {
    pub(crate) objects: Vec<Loaded>,
    pub(crate) shared: BTreeMap<String, MapHandle>,
    pub(crate) links: Vec<Link>,
    pub(crate) rings: Rings,
    pub(crate) own_tgid: u32,
    capabilities: Vec<Capability>,
    rejections: Vec<Rejection>,
    signals: Vec<&'static Signal>,
}

/// One loaded object.
pub(crate) struct Loaded {
    pub(crate) name: &'static str,
    pub(crate) object: Object,
    pub(crate) load_time: Duration,
}

/// The rings' maps, by worker.
#[derive(Default)]
pub(crate) struct Rings {
    pub(crate) facts: Vec<MapHandle>,
    pub(crate) bulk: Vec<MapHandle>,
}

/// A program that the kernel turned down, with all that the verifier said.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// The signal.
    pub signal: &'static str,
    /// The program.
    pub program: &'static str,
    /// libbpf's and the verifier's log.
    pub log: String,
}

/// What libbpf said since it was last asked. It prints from wherever it is called, through one
/// function pointer, so the place is a static.
static SAID: Mutex<String> = Mutex::new(String::new());

/// The map in which an object is told what it has to know; see `struct fathom_told`.
const TOLD: &str = ".rodata.fathom";

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

/// The number under which the dispatcher counts; no signal has it.
pub(crate) const DISPATCHER: u32 = 15;

impl Default for Options {
    fn default() -> Options {
        Options { workers: 1, facts_bytes: 2 << 20, bulk_bytes: 4 << 20 }
    }
}

impl Kernel {
    /// Loads and attaches `signals`, in order. Nothing is watched until a scope is set.
    pub fn load(
        signals: &[&'static Signal],
        features: &Features,
        options: &Options,
    ) -> Result<Kernel> {
        quiet();
        if let Some(obstacle) = features.obstacle(Mechanism::TpBtf) {
            bail!("this kernel does not let us trace: {obstacle} (`fathom doctor` says more)");
        }
        let mut kernel = Kernel {
            objects: Vec::new(),
            shared: BTreeMap::new(),
            links: Vec::new(),
            rings: Rings::default(),
            own_tgid: features.own_tgid,
            capabilities: Vec::new(),
            rejections: Vec::new(),
            signals: signals.to_vec(),
        };
        let dispatch = kernel.load_dispatcher(features.classic())?;
        for (number, signal) in signals.iter().enumerate() {
            kernel.load_signal(signal, number as u32, features)?;
            if kernel.rings.facts.is_empty() {
                kernel.make_rings(options)?;
            }
        }
        // The dispatcher comes last: by now it knows where to jump.
        kernel.links.push(dispatch.attach(&kernel)?);
        Ok(kernel)
    }

    /// Which rung each hook took.
    pub fn capabilities(&self) -> &[Capability] {
        &self.capabilities
    }

    /// The programs that this kernel turned down.
    pub fn rejections(&self) -> &[Rejection] {
        &self.rejections
    }

    /// The signals, by the number that is in their records.
    pub fn signals(&self) -> &[&'static Signal] {
        &self.signals
    }

    /// Runs every iterator program of `signal` and gives what they wrote.
    pub fn read_iterators(&self, signal: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for loaded in self.objects.iter().filter(|loaded| loaded.name == signal) {
            for program in loaded.object.progs_mut() {
                if !program.section().to_string_lossy().starts_with("iter") || !program.autoload() {
                    continue;
                }
                let what = || format!("cannot read the iterator {:?}", program.name());
                let link = program.attach().with_context(what)?;
                let mut iter = libbpf_rs::Iter::new(&link).with_context(what)?;
                std::io::Read::read_to_end(&mut iter, &mut bytes).with_context(what)?;
            }
        }
        Ok(bytes)
    }

    fn load_dispatcher(&mut self, classic: bool) -> Result<Dispatcher> {
        let begun = Instant::now();
        let mut open = ObjectBuilder::default().open_memory(SYSCALL)?;
        tell(&mut open, DISPATCHER, classic)?;
        let said =
            |_: &_| std::mem::take(&mut *SAID.lock().unwrap_or_else(PoisonError::into_inner));
        let object = open.load();
        let object = object.map_err(|error| {
            let log = said(&error);
            anyhow::Error::from(error)
                .context(format!("the system call dispatcher does not load:\n{log}"))
        })?;
        self.keep_shared(&object)?;
        self.objects.push(Loaded { name: "syscall", object, load_time: begun.elapsed() });
        Ok(Dispatcher { classic })
    }

    /// Tries until every hook stands on a rung that the kernel takes, or has none left.
    fn load_signal(
        &mut self,
        signal: &'static Signal,
        number: u32,
        features: &Features,
    ) -> Result<()> {
        let mut refused = targets::missing(signal);
        loop {
            let begun = Instant::now();
            SAID.lock().unwrap_or_else(PoisonError::into_inner).clear();
            let chosen = ladder::choose(signal, features, &refused);
            let classic = features.classic();
            let open = self.open(signal, number, classic, |name| chosen.contains(name))?;
            let failed = match open.load() {
                Err(error) => error.into(),
                Ok(object) => match attach(signal, &object, features, &refused, self) {
                    Ok(links) => {
                        self.keep_shared(&object)?;
                        self.keep_own(signal.name, &object)?;
                        self.links.extend(links);
                        let load_time = begun.elapsed();
                        self.objects.push(Loaded { name: signal.name, object, load_time });
                        break;
                    }
                    Err(error) => error,
                },
            };
            let log = std::mem::take(&mut *SAID.lock().unwrap_or_else(PoisonError::into_inner));
            let Some(program) = culprit(signal, &log, &format!("{failed:#}")) else {
                return Err(failed)
                    .with_context(|| format!("cannot load `{}`:\n{log}", signal.name));
            };
            refused.push((program, summary(&log, &failed)));
            self.rejections.push(Rejection { signal: signal.name, program, log });
        }
        let object = self.objects.last().map(|loaded| &loaded.object);
        let classic = |name: &str| {
            let mut programs = object.into_iter().flat_map(Object::progs);
            programs.any(|it| it.name() == name && it.prog_type() == ProgramType::Tracepoint)
        };
        self.capabilities.extend(ladder::report(signal, features, &refused, classic));
        Ok(())
    }

    fn open(
        &self,
        signal: &Signal,
        number: u32,
        classic: bool,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<OpenObject> {
        let mut open = ObjectBuilder::default()
            .open_memory(signal.object)
            .with_context(|| format!("the object of `{}` is not one", signal.name))?;
        tell(&mut open, number, classic)?;
        for mut map in open.maps_mut() {
            let name = map.name().to_string_lossy().into_owned();
            if let Some(shared) = self.shared.get(&name) {
                map.reuse_fd(shared.as_fd()).with_context(|| format!("cannot share {name}"))?;
            }
        }
        for mut program in open.progs_mut() {
            let wanted = wanted(&program.name().to_string_lossy());
            program.set_autoload(wanted);
        }
        Ok(open)
    }

    /// Maps named for the house or the scope are made once and given to every later object.
    fn keep_shared(&mut self, object: &Object) -> Result<()> {
        for map in object.maps() {
            let name = map.name().to_string_lossy().into_owned();
            let ours = name.starts_with("fathom_") || name.starts_with("scope_");
            if ours && !self.shared.contains_key(&name) {
                self.shared.insert(name, MapHandle::try_from(&map)?);
            }
        }
        Ok(())
    }

    /// Maps named for their signal are kept for it, see [`Kernel::signal_map`].
    fn keep_own(&mut self, signal: &str, object: &Object) -> Result<()> {
        for map in object.maps() {
            let name = map.name().to_string_lossy().into_owned();
            if name.strip_prefix(signal).is_some_and(|rest| rest.starts_with('_')) {
                self.shared.insert(format!("{signal}/{name}"), MapHandle::try_from(&map)?);
            }
        }
        Ok(())
    }

    fn make_rings(&mut self, options: &Options) -> Result<()> {
        for worker in 0..options.workers {
            let facts = self.make_ring("fathom_facts", worker, options.facts_bytes)?;
            self.rings.facts.push(facts);
            let bulk = self.make_ring("fathom_bulk", worker, options.bulk_bytes)?;
            self.rings.bulk.push(bulk);
        }
        Ok(())
    }

    fn make_ring(&self, outer: &str, worker: u32, bytes: u32) -> Result<MapHandle> {
        let opts = libbpf_sys::bpf_map_create_opts {
            sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
            ..Default::default()
        };
        let name = format!("{}{worker}", &outer["fathom_".len()..]);
        let ring = MapHandle::create(libbpf_rs::MapType::RingBuf, Some(name), 0, 0, bytes, &opts)
            .with_context(|| format!("cannot make a ring of {bytes} bytes"))?;
        let outer = self.shared.get(outer).context("no signal declares the rings")?;
        let fd = ring.as_fd().as_raw_fd().to_ne_bytes();
        outer.update(&worker.to_ne_bytes(), &fd, MapFlags::ANY).context("cannot enter a ring")?;
        Ok(ring)
    }
}

/// Tells an object the number under which it counts and writes, and whether its programs on BTF
/// tracepoints are to stand on the classic ones, which it makes of them.
fn tell(open: &mut OpenObject, number: u32, classic: bool) -> Result<()> {
    let told = [number, u32::from(classic)].map(u32::to_ne_bytes).concat();
    for mut map in open.maps_mut() {
        if map.name().to_string_lossy().ends_with(TOLD) {
            map.set_initial_value(&told)?;
        }
    }
    if classic {
        for mut program in open.progs_mut() {
            if classic_group(&program.section().to_string_lossy()).is_some() {
                program.set_prog_type(ProgramType::Tracepoint);
                // Number 0, which is also what programs without an attach type have.
                program.set_attach_type(ProgramAttachType::CgroupInetIngress);
            }
        }
    }
    Ok(())
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

/// The program at the end of every system call.
struct Dispatcher {
    classic: bool,
}

impl Dispatcher {
    fn attach(self, kernel: &Kernel) -> Result<Link> {
        let object = &kernel.objects[0].object;
        let program = object.progs_mut().next().context("the dispatcher has no program")?;
        attach_tracepoint(&program, self.classic)
            .context("cannot attach to the end of system calls")
    }
}

/// Attaches what was loaded; on an error all of it comes off again.
fn attach(
    signal: &Signal,
    object: &Object,
    features: &Features,
    refused: &Refused,
    kernel: &Kernel,
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
        attach_rung(rung, &program, kernel, features.classic(), &mut links)
            .with_context(|| format!("prog '{}': failed to attach", rung.program))?;
    }
    Ok(links)
}

fn attach_rung(
    rung: &Rung,
    program: &ProgramMut<'_>,
    kernel: &Kernel,
    classic: bool,
    links: &mut Vec<Link>,
) -> Result<()> {
    match rung.mechanism {
        Mechanism::Iter => {}
        Mechanism::Syscall(numbers) => {
            let table = kernel.shared.get("fathom_syscalls").context("no dispatcher")?;
            let fd = program.as_fd().as_raw_fd().to_ne_bytes();
            for number in numbers {
                // A table of programs can be asked whether a place is taken, by its program's id.
                let taken = table.lookup(&number.to_ne_bytes(), MapFlags::ANY).ok().flatten();
                ensure!(taken.is_none(), "system call {number} is another signal's already");
                table.update(&number.to_ne_bytes(), &fd, MapFlags::ANY)?;
            }
        }
        Mechanism::Lsm => links.push(program.attach_lsm()?),
        Mechanism::TpBtf => links.push(attach_tracepoint(program, classic)?),
        Mechanism::Fentry | Mechanism::Kprobe => links.push(program.attach()?),
    }
    Ok(())
}

/// The program that a failure speaks of.
fn culprit(signal: &'static Signal, log: &str, error: &str) -> Option<&'static str> {
    let said = |line: &str| {
        let (_, after) = line.split_once("prog '")?;
        let (name, rest) = after.split_once('\'')?;
        let rungs = signal.hooks.iter().flat_map(|hook| hook.rungs);
        let rung = rungs.clone().find(|rung| rung.program == name)?;
        rest.contains("fail").then_some(rung.program)
    };
    log.lines().chain(error.lines()).find_map(said)
}

/// One line out of a long log: the verifier's last word before its statistics.
fn summary(log: &str, error: &anyhow::Error) -> String {
    let mut verdict = log.lines().filter(|line| {
        let line = line.trim();
        !line.is_empty()
            && !line.starts_with("libbpf:")
            && !line.starts_with("processed ")
            && !line.starts_with("--")
    });
    let missing = log.lines().find(|line| line.contains("failed to find"));
    let words = missing.or(verdict.next_back()).map(str::trim).unwrap_or_default();
    let words = words.trim_start_matches("libbpf: ");
    if words.is_empty() { format!("{error:#}") } else { words.to_string() }
}

/// Keeps what libbpf says for [`Rejection`], instead of letting it print.
pub(crate) fn quiet() {
    fn keep(_: PrintLevel, text: String) {
        let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() < 1 << 20 {
            said.push_str(&text);
        }
    }
    libbpf_rs::set_print(Some((PrintLevel::Warn, keep)));
}
