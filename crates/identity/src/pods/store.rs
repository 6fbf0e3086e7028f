//! The index of what the cluster says.

mod known;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use self::known::Known;
use super::{ClusterChange, Labels, Peer, Pod, PodContainer, RuntimeContainer};

/// How much the index keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodLimits {
    /// The most pods. Above it those that are gone are forgotten first; then pods that were told
    /// without containers, as those of other nodes are, are not taken in.
    pub pods: usize,
    /// How long what is gone can still be asked for.
    pub keep: Duration,
    /// The most of what is gone that is kept, of each sort.
    pub past: usize,
}

/// What the cluster says: by uid, by name, by container, by address and time.
///
/// One thread tells it changes, any number ask.
#[derive(Default)]
pub struct Pods {
    limits: PodLimits,
    known: RwLock<Known>,
    generation: AtomicU64,
    evicted: AtomicU64,
}

impl Default for PodLimits {
    fn default() -> PodLimits {
        PodLimits { pods: 65_536, keep: Duration::from_secs(300), past: 16_384 }
    }
}

impl Pods {
    /// An empty index.
    pub fn new(limits: PodLimits) -> Pods {
        Pods { limits, ..Pods::default() }
    }

    /// Takes in a change, told at `time` (boot clock).
    pub fn apply(&self, time: u64, change: ClusterChange) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let evicted = known.apply(time, change, &self.limits) + known.expire(time, &self.limits);
        drop(known);
        self.evicted.fetch_add(evicted, Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Forgets what was gone for long enough; to be called now and then, since without changes
    /// nothing else does it.
    pub fn expire(&self, now: u64) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let evicted = known.expire(now, &self.limits);
        drop(known);
        self.evicted.fetch_add(evicted, Ordering::Relaxed);
    }

    /// The pod with the uid: the API server's or, for a static pod, the node's own.
    pub fn by_uid(&self, uid: &str) -> Option<Arc<Pod>> {
        self.read().by_uid(uid).cloned()
    }

    /// The pod of the name that is there, or was there last.
    pub fn by_name(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        self.read().by_name(namespace, name).cloned()
    }

    /// The pod that a container belongs to, and what the container is there.
    pub fn by_container(&self, id: &str) -> Option<(Arc<Pod>, PodContainer)> {
        let known = self.read();
        let (uid, container) = known.pod_container(id)?;
        Some((known.by_uid(uid)?.clone(), container.clone()))
    }

    /// A container, as the node's runtime describes it.
    pub fn runtime_container(&self, id: &str) -> Option<Arc<RuntimeContainer>> {
        self.read().runtime_container(id).cloned()
    }

    /// Who had the address at `time`.
    pub fn peer(&self, ip: IpAddr, time: u64) -> Option<Arc<Peer>> {
        self.read().peer(ip.to_canonical(), time).cloned()
    }

    /// The labels of a namespace.
    pub fn namespace_labels(&self, name: &str) -> Option<Labels> {
        self.read().namespace_labels(name).cloned()
    }

    /// The pods that are there now, in no order.
    pub fn live(&self) -> Vec<Arc<Pod>> {
        self.read().live().cloned().collect()
    }

    /// How many pods are known, those that are gone but kept included.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether no pod is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many addresses are known.
    pub fn addresses(&self) -> usize {
        self.read().addresses()
    }

    /// How much was forgotten, or not taken in, because there was too much.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Changes whenever an answer may have become another.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}
