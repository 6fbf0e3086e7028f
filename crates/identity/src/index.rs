//! What the cgroups are: from the id that the kernel gives to a path and a container.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use schema::Container;

use crate::cgroup;

/// The cgroups known on this node, by the inode numbers of their directories.
///
/// The agent fills it: at start from the directory tree, then whenever a cgroup comes or goes.
#[derive(Default)]
pub struct CgroupIndex {
    cgroups: RwLock<HashMap<u64, Cgroup>>,
    generation: AtomicU64,
}

struct Cgroup {
    path: Box<[u8]>,
    container: Option<Arc<Container>>,
    removed: Option<u64>,
}

impl CgroupIndex {
    /// An empty index.
    pub fn new() -> CgroupIndex {
        CgroupIndex::default()
    }

    /// Takes in that the cgroup `id` is at `path`, as seen from the root of its hierarchy.
    pub fn insert(&self, id: u64, path: &[u8]) {
        let mut cgroups = self.write();
        if let Some(known) = cgroups.get_mut(&id).filter(|known| *known.path == *path) {
            known.removed = None;
            return;
        }
        let container = cgroup::container(path).map(Arc::new);
        cgroups.insert(id, Cgroup { path: path.into(), container, removed: None });
        drop(cgroups);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Takes in that the cgroup was removed at `time`; rows may still speak of it for a while.
    pub fn remove(&self, id: u64, time: u64) {
        if let Some(cgroup) = self.write().get_mut(&id) {
            cgroup.removed.get_or_insert(time);
        }
    }

    /// Forgets the cgroups that were removed by `horizon`. [`crate::Identity::expire`] calls it.
    pub fn expire(&self, horizon: u64) {
        self.write().retain(|_, cgroup| cgroup.removed.is_none_or(|time| time > horizon));
    }

    /// The container that the cgroup belongs to; `None` too where the cgroup is not known.
    pub fn container(&self, id: u64) -> Option<Arc<Container>> {
        self.place(id).flatten()
    }

    /// The path of the cgroup.
    pub fn path(&self, id: u64) -> Option<Box<[u8]>> {
        self.read().get(&id).map(|cgroup| cgroup.path.clone())
    }

    /// Whether the cgroup is known.
    pub fn knows(&self, id: u64) -> bool {
        self.read().contains_key(&id)
    }

    /// How many cgroups are known.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether no cgroup is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The container, in `Some` where the cgroup is known.
    pub(crate) fn place(&self, id: u64) -> Option<Option<Arc<Container>>> {
        self.read().get(&id).map(|cgroup| cgroup.container.clone())
    }

    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<u64, Cgroup>> {
        self.cgroups.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<u64, Cgroup>> {
        self.cgroups.write().unwrap_or_else(PoisonError::into_inner)
    }
}
