//! What cgroups are called: read from the cgroup file system, for the process table.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use identity::Identity;
use schema::Change;

/// Names cgroups as they turn up; one for each worker.
pub struct CgroupNames {
    mount: Option<PathBuf>,
    /// Ids that could not be named when they were first met; not asked for again.
    nameless: BTreeSet<u64>,
}

/// So many are remembered as nameless at most: a bound, not a number that matters.
const NAMELESS_MOST: usize = 4096;

impl CgroupNames {
    /// For this node's cgroup2 hierarchy.
    pub fn here() -> CgroupNames {
        CgroupNames { mount: kernel::cgroup2_mount(), nameless: BTreeSet::new() }
    }

    /// Names every cgroup that is there now.
    pub fn name_all(&self, identity: &Identity) {
        if let Some(mount) = &self.mount {
            walk(mount, mount, &mut |id, path| identity.cgroups().insert(id, path));
        }
    }

    /// Names the cgroups of processes that came to be or run a new image, before their rows are
    /// told. A process that is gone already leaves its cgroup to be found in the tree.
    pub fn name_new(&mut self, identity: &Identity, changes: &[Change]) {
        for change in changes {
            let (pid, id) = match change {
                Change::Forked { key, cgroup, .. } => (key.pid, *cgroup),
                Change::Execed { key, facts, .. } | Change::Seen { key, facts, .. } => {
                    (key.pid, facts.cgroup)
                }
                Change::Exited { .. } | Change::CgroupMade { .. } | Change::CgroupGone { .. } => {
                    continue;
                }
            };
            if identity.cgroups().knows(id) || self.nameless.contains(&id) {
                continue;
            }
            match self.path_of(pid, id) {
                Some(path) => identity.cgroups().insert(id, &path),
                None => {
                    self.name_all(identity);
                    if !identity.cgroups().knows(id) && self.nameless.len() < NAMELESS_MOST {
                        self.nameless.insert(id);
                    }
                }
            }
        }
    }

    /// The path of the cgroup `id`, if the process `pid` is (still) in it.
    fn path_of(&self, pid: u32, id: u64) -> Option<Vec<u8>> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
        let directory = self.mount.as_ref()?.join(path.trim_start_matches('/'));
        let is_it = fs::metadata(directory).ok()?.ino() == id;
        is_it.then(|| path.as_bytes().to_vec())
    }
}

fn walk(root: &Path, path: &Path, name: &mut impl FnMut(u64, &[u8])) {
    // A cgroup that goes away meanwhile needs no name.
    let Ok(about) = fs::metadata(path) else { return };
    let below = path.strip_prefix(root).unwrap_or(path).to_string_lossy();
    name(about.ino(), format!("/{below}").as_bytes());
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(root, &entry.path(), name);
        }
    }
}
