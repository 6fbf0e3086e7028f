//! What the cgroups are: from the id that the kernel gives to a path, a container, a pod.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use schema::{Container, ContainerNames, PodName};

use crate::cgroup;
use crate::pods::Pods;

/// The cgroups known on this node, by the inode numbers of their directories.
///
/// The agent fills it: at start from the directory tree, then whenever a cgroup comes or goes.
#[derive(Default)]
pub struct CgroupIndex {
    cgroups: RwLock<HashMap<u64, Cgroup>>,
    generation: AtomicU64,
    nameless: Mutex<Nameless>,
}

/// A cgroup, as far as Kubernetes is concerned.
#[derive(Debug, Clone)]
pub struct Cgroup {
    /// Where it is, as seen from the root of its hierarchy.
    pub path: Arc<[u8]>,
    /// The container that it is in.
    pub container: Option<Arc<Container>>,
    /// The pod that it is in, or is the cgroup of.
    pub pod_uid: Option<Arc<str>>,
    /// Whether the node makes its pods below it.
    pub nursery: bool,
    /// Whether it was told of when it was made, so that nothing ran in it before.
    pub told: bool,
    /// When it was removed (boot clock); rows may still speak of it for a while.
    pub removed: Option<u64>,
}

/// Containers that have not all their names yet, and what was known when they were last looked up.
#[derive(Default)]
struct Nameless {
    containers: Vec<Weak<Container>>,
    asked: Option<(u64, u64)>,
}

impl CgroupIndex {
    /// An empty index.
    pub fn new() -> CgroupIndex {
        CgroupIndex::default()
    }

    /// Takes in that the cgroup `id` is at `path`, as seen from the root of its hierarchy.
    pub fn insert(&self, id: u64, path: &[u8]) {
        self.put(id, path, false);
    }

    /// The same of one that was just made.
    pub fn insert_new(&self, id: u64, path: &[u8]) {
        self.put(id, path, true);
    }

    fn put(&self, id: u64, path: &[u8], told: bool) {
        let mut cgroups = self.write();
        if let Some(known) = cgroups.get_mut(&id).filter(|known| *known.path == *path) {
            known.removed = None;
            return;
        }
        let place = cgroup::place(path);
        let container = place.container.map(Arc::new);
        if let Some(container) = &container {
            self.nameless().containers.push(Arc::downgrade(container));
        }
        let (pod_uid, nursery) = (place.pod_uid.map(Arc::from), place.nursery);
        cgroups.insert(
            id,
            Cgroup { path: path.into(), container, pod_uid, nursery, told, removed: None },
        );
        drop(cgroups);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Takes in that the cgroup was removed at `time`; rows may still speak of it for a while.
    pub fn remove(&self, id: u64, time: u64) {
        if let Some(cgroup) = self.write().get_mut(&id) {
            cgroup.removed.get_or_insert(time);
        }
    }

    /// Gives containers the names that are known by now, and says whether there was anything new to
    /// look at since the last call.
    pub fn name_containers(&self, pods: &Pods) -> bool {
        let mut nameless = self.nameless();
        let asked = Some((pods.generation(), self.generation()));
        if nameless.asked == asked {
            return false;
        }
        nameless.asked = asked;
        let is_left = |it: &Weak<Container>| it.upgrade().is_some_and(|it| !name(&it, pods));
        nameless.containers.retain(is_left);
        true
    }

    /// Forgets the cgroups that were removed by `horizon`. [`crate::Identity::expire`] calls it.
    pub fn expire(&self, horizon: u64) {
        self.write().retain(|_, cgroup| cgroup.removed.is_none_or(|time| time > horizon));
        self.nameless().containers.retain(|container| container.strong_count() > 0);
    }

    /// The container that the cgroup belongs to; `None` too where the cgroup is not known.
    pub fn container(&self, id: u64) -> Option<Arc<Container>> {
        self.place(id).flatten()
    }

    /// The path of the cgroup.
    pub fn path(&self, id: u64) -> Option<Arc<[u8]>> {
        self.read().get(&id).map(|cgroup| cgroup.path.clone())
    }

    /// All that are known, with their ids.
    pub fn all(&self) -> Vec<(u64, Cgroup)> {
        self.read().iter().map(|(&id, cgroup)| (id, cgroup.clone())).collect()
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

    /// Changes whenever a cgroup came, or became another.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<u64, Cgroup>> {
        self.cgroups.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<u64, Cgroup>> {
        self.cgroups.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn nameless(&self) -> std::sync::MutexGuard<'_, Nameless> {
        self.nameless.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names one container as far as that is known; whether nothing is left to name.
fn name(container: &Container, pods: &Pods) -> bool {
    let names = &container.names;
    let listed = pods.by_container(&container.id);
    let by_uid = || container.pod_uid.as_deref().and_then(|uid| pods.by_uid(uid));
    // A name that is there already is the same: neither pods nor containers are renamed.
    if let Some((_, listed)) = &listed {
        let _ = names.name.set(listed.name.clone());
        set_image(names, &listed.image);
    } else if let Some(told) = pods.runtime_container(&container.id) {
        let _ = names.name.set(told.name.clone());
        set_image(names, &told.image);
    }
    if let Some(pod) = listed.map(|(pod, _)| pod).or_else(by_uid) {
        let (namespace, name) = (pod.namespace.clone(), pod.name.clone());
        let _ = names.pod.set(PodName { namespace, name });
        if let Some(workload) = &pod.workload {
            let _ = names.workload.set(workload.to_string().into());
        }
    }
    names.known() == 4
}

/// A pod's sandbox runs an image that nobody tells: then there is none, instead of an empty one.
fn set_image(names: &ContainerNames, image: &Arc<str>) {
    if !image.is_empty() {
        let _ = names.image.set(image.clone());
    }
}
