//! Loading: each object once, each hook on the first rung that holds, shared maps shared.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use libbpf_rs::{
    Link, MapCore, MapFlags, MapHandle, MapType, Object, ObjectBuilder, OpenObject, OpenProgram,
    ProgramType, UprobeMultiOpts,
};

use crate::attach::{self, Dispatcher, attach};
use crate::ladder;
use crate::said::{culprit, quiet, said, summary};
use crate::targets::Targets;
use crate::{Capability, Features, Mechanism, Signal};

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
    /// How often a second each CPU's clock ticks for programs that stand on it.
    pub hertz: u32,
    /// Hooks that are not wanted, by what they see.
    pub left_out: Vec<&'static str>,
}

/// Everything that is loaded. Dropping it detaches and frees all of it.
pub struct Kernel {
    pub(crate) objects: Vec<Loaded>,
    pub(crate) shared: BTreeMap<String, MapHandle>,
    pub(crate) links: Vec<Link>,
    pub(crate) rings: Rings,
    pub(crate) own_tgid: u32,
    /// Before 6.1 a program on a clock may use no table whose entries are made when they are needed.
    allocated_before: bool,
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

/// A program on functions, until this is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "they are kept so that the kernel keeps the program where it is")]
pub struct Probes(Vec<Link>);

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

/// The map in which an object is told what it has to know; see `struct fathom_told`.
const TOLD: &str = ".rodata.fathom";

/// The number under which the dispatcher counts; no signal has it.
pub(crate) const DISPATCHER: u32 = 15;
/// A function of kernels whose tables grow without asking the allocator for it, in any context.
const ALLOCATES: &str = "bpf_mem_alloc_init";

impl Default for Options {
    fn default() -> Options {
        Options {
            workers: 1,
            facts_bytes: 2 << 20,
            bulk_bytes: 4 << 20,
            hertz: 99,
            left_out: Vec::new(),
        }
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
        let targets = Targets::of(signals, &[ALLOCATES]);
        let mut kernel = Kernel {
            objects: Vec::new(),
            shared: BTreeMap::new(),
            links: Vec::new(),
            rings: Rings::default(),
            own_tgid: features.own_tgid,
            allocated_before: has_clock(signals) && !targets.has(ALLOCATES),
            capabilities: Vec::new(),
            rejections: Vec::new(),
            signals: signals.to_vec(),
        };
        let dispatch = kernel.load_dispatcher(features.classic())?;
        for (number, signal) in signals.iter().enumerate() {
            kernel.load_signal(signal, number as u32, features, options, &targets)?;
            if kernel.rings.facts.is_empty() {
                kernel.make_rings(options)?;
            }
        }
        // The dispatcher comes last: by now it knows where to jump.
        let links = dispatch.attach(&kernel)?;
        kernel.links.extend(links);
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

    /// Attaches `program` of `signal` to the functions at `offsets` in the file `path`, at their entry or
    /// their return: in the process `pid`, or wherever the file is run. Until what it gives is dropped.
    ///
    /// Since 6.6 that is one link; before, one for each, and the kernel waits for all CPUs at the
    /// coming and going of each of them.
    pub fn attach_to_functions(
        &self,
        signal: &str,
        (program, at_return): (&str, bool),
        path: &Path,
        offsets: &[u64],
        pid: Option<u32>,
    ) -> Result<Probes> {
        let mut objects = self.objects.iter().filter(|loaded| loaded.name == signal);
        let object = objects.next().context("the signal is not loaded")?;
        let mut programs = object.object.progs_mut();
        let program = programs.find(|it| it.name() == program && it.autoload());
        let program = program.context("the program is not loaded")?;
        let pid = pid.map_or(-1, |pid| pid as i32);
        let options = UprobeMultiOpts {
            offsets: offsets.iter().map(|it| *it as usize).collect(),
            retprobe: at_return,
            ..UprobeMultiOpts::default()
        };
        if let Ok(link) = program.attach_uprobe_multi_with_opts(pid, path, "", options) {
            return Ok(Probes(vec![link]));
        }
        let one = |offset: &u64| program.attach_uprobe(at_return, pid, path, *offset as usize);
        let links: Result<Vec<Link>, _> = offsets.iter().map(one).collect();
        Ok(Probes(links.with_context(|| format!("cannot attach to {}", path.display()))?))
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
        self.allocate_before(&mut open)?;
        let object = open
            .load()
            .with_context(|| format!("the system call dispatcher does not load:\n{}", said()))?;
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
        options: &Options,
        targets: &Targets,
    ) -> Result<()> {
        let mut refused = targets.missing(signal);
        refused.extend(ladder::left_out(signal, &options.left_out));
        let (classic, mut verified) = (features.classic(), Verified::default());
        loop {
            let begun = Instant::now();
            // What it said before was about another try.
            said();
            let chosen = ladder::choose(signal, features, &refused);
            let asked = verified.to_ask(&chosen);
            let open = self.open(signal, number, classic, |name| asked.contains(name))?;
            let order = order(&open, &asked);
            let failed = match open.load() {
                Err(error) => error.into(),
                Ok(_) if asked.len() < chosen.len() => {
                    verified = Verified::default();
                    continue;
                }
                Ok(object) => {
                    match attach(signal, &object, features, &refused, self, options.hertz) {
                        Ok(links) => {
                            self.keep_shared(&object)?;
                            self.keep_own(signal.name, &object)?;
                            self.links.extend(links);
                            let load_time = begun.elapsed();
                            self.objects.push(Loaded { name: signal.name, object, load_time });
                            break;
                        }
                        Err(error) => error,
                    }
                }
            };
            let log = said();
            let Some(program) = culprit(signal, &log, &format!("{failed:#}")) else {
                return Err(failed)
                    .with_context(|| format!("cannot load `{}`:\n{log}", signal.name));
            };
            verified.failed_at(program, order);
            refused.push((program, summary(&log, &failed)));
            self.rejections.push(Rejection { signal: signal.name, program, log });
        }
        let object = self.objects.last().map(|loaded| &loaded.object);
        let classic = |name: &str| {
            let mut programs = object.into_iter().flat_map(Object::progs);
            programs.any(|it| it.name() == name && it.prog_type() == ProgramType::Tracepoint)
        };
        let reported = ladder::report(signal, features, &refused, classic);
        let wanted = reported.into_iter().filter(|it| !options.left_out.contains(&it.what));
        self.capabilities.extend(wanted);
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
            .with_context(|| format!("the object of `{}` is not one:\n{}", signal.name, said()))?;
        tell(&mut open, number, classic)?;
        for mut map in open.maps_mut() {
            let name = map.name().to_string_lossy().into_owned();
            if let Some(shared) = self.shared.get(&name) {
                map.reuse_fd(shared.as_fd()).with_context(|| format!("cannot share {name}"))?;
            }
        }
        self.allocate_before(&mut open)?;
        for mut program in open.progs_mut() {
            let wanted = wanted(&program.name().to_string_lossy());
            program.set_autoload(wanted);
        }
        Ok(open)
    }

    /// Has the tables made whole where they may not grow.
    fn allocate_before(&self, open: &mut OpenObject) -> Result<()> {
        for mut map in open.maps_mut() {
            let shared = self.shared.contains_key(&*map.name().to_string_lossy());
            if self.allocated_before && !shared && map.map_type() == MapType::Hash {
                map.set_map_flags(map.map_flags() & !libbpf_sys::BPF_F_NO_PREALLOC)?;
            }
        }
        Ok(())
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
        let ring = MapHandle::create(MapType::RingBuf, Some(name), 0, 0, bytes, &opts)
            .with_context(|| format!("cannot make a ring of {bytes} bytes"))?;
        let outer = self.shared.get(outer).context("no signal declares the rings")?;
        let fd = ring.as_fd().as_raw_fd().to_ne_bytes();
        outer.update(&worker.to_ne_bytes(), &fd, MapFlags::ANY).context("cannot enter a ring")?;
        Ok(ring)
    }
}

/// What the kernel took in tries that failed at a later program. Most of a try is the verifier's time,
/// so where it goes wrong again and again it is asked about the rest alone, and about all once the rest
/// is found good.
#[derive(Default)]
struct Verified {
    programs: BTreeSet<&'static str>,
    tries: u32,
}

impl Verified {
    fn to_ask(&self, chosen: &BTreeSet<&'static str>) -> BTreeSet<&'static str> {
        // After one failure alone, two more tries would take longer than one with all.
        if self.tries > 1 { chosen - &self.programs } else { chosen.clone() }
    }

    /// The kernel was asked about programs in this order, and took all before `program`.
    fn failed_at(&mut self, program: &'static str, order: Vec<&'static str>) {
        self.tries += 1;
        self.programs.extend(order.into_iter().take_while(|name| *name != program));
    }
}

/// The programs `asked` for in the order in which they are loaded, which is the object's own.
fn order(open: &OpenObject, asked: &BTreeSet<&'static str>) -> Vec<&'static str> {
    let name = |program: OpenProgram<'_>| asked.get(&*program.name().to_string_lossy()).copied();
    open.progs().filter_map(name).collect()
}

/// Whether any of `signals` stands on the clock.
fn has_clock(signals: &[&'static Signal]) -> bool {
    let mut rungs = signals.iter().flat_map(|signal| signal.hooks).flat_map(|hook| hook.rungs);
    rungs.any(|rung| rung.mechanism == Mechanism::Clock)
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
        attach::make_classic(open);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_two_failures_only_the_rest_is_asked_for() {
        let chosen = BTreeSet::from(["a", "b", "c", "d"]);
        let mut verified = Verified::default();
        assert_eq!(verified.to_ask(&chosen), chosen);
        verified.failed_at("b", vec!["a", "b", "c", "d"]);
        assert_eq!(verified.to_ask(&chosen), chosen);
        verified.failed_at("d", vec!["a", "c", "d"]);
        // Another was chosen in place of each that failed.
        let chosen = BTreeSet::from(["a", "b2", "c", "d2"]);
        assert_eq!(verified.to_ask(&chosen), BTreeSet::from(["b2", "d2"]));
    }
}
