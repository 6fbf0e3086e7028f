//! Which mechanisms this kernel really runs, found by running each.

use std::fs::File;

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
}

const PROBES: &[(&str, &str)] = &[
    ("lsm", "probe_lsm"),
    ("fentry", "probe_fentry"),
    ("tp_btf", "probe_tp_btf"),
    ("kprobe", "probe_kprobe"),
];

impl Features {
    /// Tries each mechanism on our own process.
    pub fn probe() -> Features {
        crate::load::quiet();
        let list = PROBES.iter().map(|&(name, program)| Feature {
            name,
            obstacle: try_program(program).err().map(|error| explain(name, &error)),
        });
        Features { list: list.collect() }
    }

    /// Whether `mechanism` works here; the obstacle where not.
    pub fn obstacle(&self, mechanism: Mechanism) -> Option<&str> {
        let name = match mechanism {
            Mechanism::Iter | Mechanism::Syscall(_) => "tp_btf",
            other => other.name(),
        };
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

/// Loads and attaches one program, opens a file, and sees whether it ran.
fn try_program(name: &str) -> Result<()> {
    let mut object = ObjectBuilder::default().open_memory(OBJECT).context("cannot open")?;
    for mut program in object.progs_mut() {
        let wanted = program.name() == name;
        program.set_autoload(wanted);
    }
    let object = object.load().context("refused at load")?;
    let state = object.maps().find(|map| map.name() == "probe_state").context("no state map")?;
    let own = u64::from(std::process::id()).to_ne_bytes();
    state.update(&0u32.to_ne_bytes(), &own, MapFlags::ANY).context("cannot write a map")?;
    let program =
        object.progs_mut().find(|program| program.name() == name).context("no program")?;
    let link = program.attach().context("refused at attach")?;
    drop(File::open("/dev/null"));
    let hits = state.lookup(&1u32.to_ne_bytes(), MapFlags::ANY)?.unwrap_or_default();
    drop(link);
    anyhow::ensure!(hits.iter().any(|&byte| byte != 0), "attached, but never called");
    Ok(())
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
