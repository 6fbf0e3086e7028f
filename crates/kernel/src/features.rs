//! Which mechanisms this kernel really runs, found by running each.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result};
use libbpf_rs::{MapCore, MapFlags, ObjectBuilder};

use crate::Mechanism;

const OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probe.bpf.o"));

/// One mechanism: whether it works and, if not, why.
#[derive(Debug, Clone)]
pub struct Feature {
    /// The mechanism's name.
    pub name: &'static str,
    /// What is in its way; none where it works.
    pub obstacle: Option<String>,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Features {
    /// The mechanisms tried.
    pub list: Vec<Feature>,
    /// What the node calls our own process, which in a container is not what we call it.
    pub own_tgid: u32,
    /// Whether a task can be preempted half-way through a program on a BTF tracepoint (since 7.0),
    /// so that others do not run the program meanwhile. Classic tracepoints are free of it.
    pub preempted: bool,
}

const PROBES: &[(&str, &str)] = &[
    ("lsm", "probe_lsm"),
    ("fentry", "probe_fentry"),
    ("tp_btf", "probe_tp_btf"),
    ("tracepoint", "probe_tracepoint"),
    ("kprobe", "probe_kprobe"),
];

impl Features {
    /// Tries each mechanism on our own process.
    pub fn probe() -> Features {
        crate::said::quiet();
        let (mut own_tgid, mut preempted) = (std::process::id(), false);
        let list = PROBES.iter().map(|&(name, program)| {
            let obstacle = match try_program(program) {
                Ok(found) => {
                    own_tgid = found.own_tgid;
                    preempted |= found.preempted;
                    None
                }
                Err(error) => Some(explain(name, &error)),
            };
            Feature { name, obstacle }
        });
        let list = list.collect();
        Features { list, own_tgid, preempted }
    }

    /// Whether programs on BTF tracepoints are to be put on classic ones.
    pub(crate) fn classic(&self) -> bool {
        self.preempted && self.named("tracepoint").is_none()
    }

    /// Whether `mechanism` works here; the obstacle where not.
    pub fn obstacle(&self, mechanism: Mechanism) -> Option<&str> {
        let name = match mechanism {
            Mechanism::Iter | Mechanism::Syscall(_) | Mechanism::SyscallBehind(_) => "tp_btf",
            other => other.name(),
        };
        self.named(name)
    }

    fn named(&self, name: &str) -> Option<&str> {
        self.list.iter().find(|feature| feature.name == name)?.obstacle.as_deref()
    }

    /// The same, but with only the mechanisms in `names` (and iterators and system calls, which
    /// need `tp_btf`).
    pub fn only(mut self, names: &[String]) -> Features {
        for feature in &mut self.list {
            if !names.iter().any(|name| name == feature.name) {
                feature.obstacle = Some("switched off by the configuration".to_string());
            }
        }
        self
    }
}

/// The places of `probe_state`; see `enum probe_place`.
const PID: u32 = 0;
const NAMESPACE: u32 = 1;
const HITS: u32 = 2;
const TGID: u32 = 3;
const PREEMPTED: u32 = 4;

/// What a program that ran has seen.
struct Found {
    own_tgid: u32,
    preempted: bool,
}

/// Loads and attaches one program, opens a file, and sees whether it ran.
fn try_program(name: &str) -> Result<Found> {
    let mut object = ObjectBuilder::default().open_memory(OBJECT).context("cannot open")?;
    for mut program in object.progs_mut() {
        let wanted = program.name() == name;
        program.set_autoload(wanted);
    }
    let object = object.load().context("refused at load")?;
    let state = object.maps().find(|map| map.name() == "probe_state").context("no state map")?;
    let namespace = fs::metadata("/proc/self/ns/pid").context("/proc is not mounted")?.ino();
    for (place, value) in [(PID, u64::from(std::process::id())), (NAMESPACE, namespace)] {
        let value = value.to_ne_bytes();
        state.update(&place.to_ne_bytes(), &value, MapFlags::ANY).context("cannot write a map")?;
    }
    let program =
        object.progs_mut().find(|program| program.name() == name).context("no program")?;
    let link = program.attach().context("refused at attach")?;
    drop(File::open("/dev/null"));
    let read = |place: u32| -> Result<u64> {
        let value = state.lookup(&place.to_ne_bytes(), MapFlags::ANY)?.unwrap_or_default();
        Ok(value.first_chunk().map_or(0, |it| u64::from_ne_bytes(*it)))
    };
    let (hits, tgid, preempted) = (read(HITS)?, read(TGID)?, read(PREEMPTED)? != 0);
    drop(link);
    anyhow::ensure!(hits > 0, "attached, but never called");
    Ok(Found { own_tgid: u32::try_from(tgid)?, preempted })
}

/// The obstacle in words that help.
fn explain(name: &str, error: &anyhow::Error) -> String {
    let said = format!("{error:#}");
    match name {
        "lsm" if said.contains("never called") => {
            "`bpf` is not among the active LSMs (add it to `lsm=` on the kernel's command line)"
                .into()
        }
        _ => said,
    }
}
