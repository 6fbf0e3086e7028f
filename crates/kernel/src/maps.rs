//! The shared maps: what the agent tells every program, and what every program counts.

use anyhow::{Context, Result};
use libbpf_rs::{MapCore, MapFlags, MapHandle};

use crate::Kernel;

/// What is watched; the bits of `enum scope_mode`, so they can be combined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScopeMode(pub u32);

/// A shared map that a control writes.
#[derive(Debug)]
pub struct SharedMap<'a> {
    map: &'a MapHandle,
}

impl ScopeMode {
    /// Nothing.
    pub const NOTHING: ScopeMode = ScopeMode(0);
    /// The whole node.
    pub const NODE: ScopeMode = ScopeMode(1);
    /// The cgroups in `scope_cgroups`.
    pub const CGROUPS: ScopeMode = ScopeMode(2);
    /// The processes in `scope_pids`.
    pub const PIDS: ScopeMode = ScopeMode(4);
    /// The cgroups in `scope_cgroups`, and what is made where pods are made.
    pub const PODS: ScopeMode = ScopeMode(2 | 8);
}

impl Kernel {
    /// Tells every program what is watched. A map write; nothing is attached anew.
    pub fn set_scope(&self, mode: ScopeMode) -> Result<()> {
        let map = self.shared.get("fathom_config").context("no signal is loaded")?;
        let own = self.own_tgid;
        let workers = self.rings.facts.len() as u32;
        let smallest =
            self.rings.bulk.iter().chain(&self.rings.facts).map(|ring| ring.max_entries());
        let wake_at = smallest.min().unwrap_or(0) / 4;
        let mut config = Vec::new();
        for word in [mode.0, own, workers - 1, wake_at] {
            config.extend_from_slice(&word.to_ne_bytes());
        }
        map.update(&0u32.to_ne_bytes(), &config, MapFlags::ANY).context("cannot set the scope")
    }

    /// The shared map `name`.
    pub fn shared_map(&self, name: &str) -> Option<SharedMap<'_>> {
        self.shared.get(name).map(|map| SharedMap { map })
    }

    /// The map `map` of `signal`'s own, which has to be named `SIGNAL_…`.
    pub fn signal_map(&self, signal: &str, map: &str) -> Option<SharedMap<'_>> {
        self.shared_map(&format!("{signal}/{map}"))
    }

    /// How many 32-bit system calls were passed over that would have been told as 64-bit ones.
    pub fn compat_calls(&self) -> u64 {
        self.fate(crate::load::DISPATCHER as usize, 0, wire::FATE_COMPAT)
    }

    /// How many records of `kind` of the signal `number` met `fate`, on all CPUs together.
    pub fn fate(&self, number: usize, kind: usize, fate: u32) -> u64 {
        const KINDS: usize = 32;
        let place = (number * KINDS + kind) as u32 * wire::FATE_COUNT + fate;
        let Some(map) = self.shared.get("fathom_fates") else { return 0 };
        let Ok(Some(values)) = map.lookup_percpu(&place.to_ne_bytes(), MapFlags::ANY) else {
            return 0;
        };
        let count = |value: &Vec<u8>| value.first_chunk().map_or(0, |it| u64::from_ne_bytes(*it));
        values.iter().map(count).sum()
    }
}

impl SharedMap<'_> {
    pub(crate) fn map(&self) -> &MapHandle {
        self.map
    }

    /// Enters or changes a key.
    pub fn set(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.map.update(key, value, MapFlags::ANY).context("cannot write to a map; it may be full")
    }

    /// Takes a key out; one that is not there is no error.
    pub fn remove(&self, key: &[u8]) {
        // The only failures are "not there" and "not a key", and both leave the map as wanted.
        let _ = self.map.delete(key);
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.map.lookup(key, MapFlags::ANY).ok().flatten()
    }

    /// Takes a key out and gives its value, in one step where the kernel can (since 5.14).
    pub fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        if let Ok(value) = self.map.lookup_and_delete(key) {
            return value;
        }
        let value = self.get(key);
        self.remove(key);
        value
    }

    /// All keys with their values, as they are now; some thousands for each system call.
    pub fn entries(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let batches = self.map.lookup_batch(4096, MapFlags::ANY, MapFlags::ANY);
        batches.map_or_else(|_| Vec::new(), Iterator::collect)
    }

    /// All keys, as they are now.
    pub fn keys(&self) -> Vec<Vec<u8>> {
        self.map.keys().collect()
    }
}
