//! A concurrent map of entries: several maps, each behind a lock of its own.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use schema::ProcessKey;

use crate::entry::Entry;

/// The entries of one shard.
pub(crate) type Entries = HashMap<ProcessKey, Entry, BuildHasherDefault<KeyHasher>>;

/// All entries. No caller holds the locks of two shards at once.
pub(crate) struct Shards([RwLock<Entries>; SHARDS]);

/// A hash for keys that nobody outside chooses: much cheaper than the standard one.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

const SHARDS: usize = 32;

impl Shards {
    pub(crate) fn new() -> Shards {
        Shards(std::array::from_fn(|_| RwLock::default()))
    }

    pub(crate) fn read(&self, key: ProcessKey) -> RwLockReadGuard<'_, Entries> {
        self.0[place(key)].read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self, key: ProcessKey) -> RwLockWriteGuard<'_, Entries> {
        self.0[place(key)].write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every shard, the one that `key` belongs to first.
    pub(crate) fn all_from(
        &self,
        key: ProcessKey,
    ) -> impl Iterator<Item = RwLockWriteGuard<'_, Entries>> {
        let shards = self.0.iter().cycle().skip(place(key)).take(SHARDS);
        shards.map(|shard| shard.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Pids are given out in sequence, so neighbours land in different shards.
fn place(key: ProcessKey) -> usize {
    key.pid as usize % SHARDS
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0xf135_7aea_2e62_a9c5);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}
