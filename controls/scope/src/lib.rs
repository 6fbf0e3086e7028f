//! The scope: whom to watch. Changing it is a map write, never a re-attach.
//!
//! The kernel side keeps it as cgroups and processes come and go; this side says where to begin.
#![forbid(unsafe_code)]

mod change;
mod decode;
mod members;
mod plan;

pub use change::change;
pub use members::Members;
pub use plan::{Plan, Scope, plan};

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use kernel::{Hook, Kernel, Mechanism, Rung, SharedMap, Signal};

/// The control, as the loader takes it. It comes before every signal: see `scope_process_made`.
pub static SCOPE: Signal = Signal {
    name: "scope",
    object: include_bytes!(concat!(env!("OUT_DIR"), "/scope.bpf.o")),
    layout: record::LAYOUT,
    tables: &[],
    kinds: &["cgroup_in_scope", "process_in_scope", "cgroup_made", "cgroup_gone"],
    hooks: &[
        Hook {
            what: "new cgroups below a watched one",
            lost: "processes in cgroups made after the start, and what cgroups are called",
            rungs: &[Rung::full(Mechanism::TpBtf, "scope_cgroup_made")],
        },
        Hook {
            what: "cgroups that go",
            lost: "room in the scope's table",
            rungs: &[Rung::full(Mechanism::TpBtf, "scope_cgroup_gone")],
        },
        Hook {
            what: "children of watched processes",
            lost: "descendants of a watched pid",
            rungs: &[Rung::full(Mechanism::TpBtf, "scope_process_made")],
        },
        Hook {
            what: "processes that are gone",
            lost: "room in the scope's table",
            rungs: &[Rung::full(Mechanism::TpBtf, "scope_process_gone")],
        },
        Hook {
            what: "running descendants of a watched pid",
            lost: "descendants older than the agent",
            rungs: &[Rung::full(Mechanism::Iter, "scope_descendants")],
        },
    ],
    decode: decode::decode,
};

#[allow(dead_code)]
mod record {
    include!(concat!(env!("OUT_DIR"), "/scope.rs"));
}

impl Scope {
    /// The cgroup at `path`: absolute, or below the cgroup2 mount, as /proc/PID/cgroup shows it
    /// (`/kubepods.slice`). None where cgroup2 is not mounted.
    pub fn cgroup(path: &Path) -> Option<Scope> {
        let mount = kernel::cgroup2_mount()?;
        let below = path.strip_prefix("/").unwrap_or(path);
        Some(Scope::Cgroup(if path.starts_with(&mount) { path.into() } else { mount.join(below) }))
    }
}

/// Puts `scopes` into the kernel, together: a process in any of them is watched.
pub fn apply(kernel: &Kernel, scopes: &[Scope]) -> Result<()> {
    let plan = plan(scopes);
    enter(kernel, &plan)?;
    kernel.set_scope(plan.mode)
}

/// Enters the roots of `plan` and all below them.
///
/// Roots are entered before their trees are read, so what is made meanwhile is not missed.
fn enter(kernel: &Kernel, plan: &Plan) -> Result<()> {
    let entered = cgroups(kernel)?;
    for path in &plan.cgroups {
        let id = cgroup_id(path)?;
        entered.set(&id.to_ne_bytes(), &record::SCOPE_MEMBER.to_ne_bytes())?;
        enter_below(&entered, path)?;
    }
    if plan.pids.is_empty() {
        return Ok(());
    }
    let entered = pids(kernel)?;
    for &pid in &plan.pids {
        // One that is there already, as a descendant of another, stays as it is: it is watched.
        if entered.get(&pid.to_ne_bytes()).is_none() {
            entered.set(&pid.to_ne_bytes(), &0u64.to_ne_bytes())?;
        }
    }
    // Completes the entries and takes in the descendants that run already.
    kernel.read_iterators(SCOPE.name)?;
    for &pid in &plan.pids {
        let start = entered.get(&pid.to_ne_bytes()).unwrap_or_default();
        if start.iter().all(|&byte| byte == 0) {
            entered.remove(&pid.to_ne_bytes());
            bail!("there is no process {pid}");
        }
    }
    Ok(())
}

fn cgroups(kernel: &Kernel) -> Result<SharedMap<'_>> {
    kernel.shared_map("scope_cgroups").context("the scope control is not loaded")
}

fn pids(kernel: &Kernel) -> Result<SharedMap<'_>> {
    kernel.shared_map("scope_pids").context("the scope control is not loaded")
}

fn enter_below(map: &SharedMap<'_>, path: &Path) -> Result<()> {
    // A directory that goes away while it is read is a cgroup that is gone: nothing to enter.
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if let Ok(id) = cgroup_id(&entry.path()) {
                map.set(&id.to_ne_bytes(), &record::SCOPE_MEMBER.to_ne_bytes())?;
            }
            enter_below(map, &entry.path())?;
        }
    }
    Ok(())
}

/// The kernel's id of a cgroup is its directory's inode number.
fn cgroup_id(path: &Path) -> Result<u64> {
    let about =
        fs::metadata(path).with_context(|| format!("there is no cgroup {}", path.display()))?;
    ensure!(
        path.join("cgroup.procs").exists(),
        "{} is not a cgroup2 directory (they lie below {})",
        path.display(),
        kernel::cgroup2_mount().unwrap_or_default().display()
    );
    Ok(about.ino())
}
