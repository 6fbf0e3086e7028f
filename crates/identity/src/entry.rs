//! All that is known under one process key: its versions in the order of time.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::CgroupIndex;
use crate::version::{Legacy, Rest, Source, Stamps, Version};

/// One process, from its first row or change to a while after its exit.
#[derive(Default)]
pub(crate) struct Entry {
    /// Sorted by time. Empty where only the exit is known: then the entry keeps a snapshot that
    /// comes late from raising the dead.
    versions: Vec<Version>,
    exited: Option<u64>,
    touched: AtomicU64,
}

/// A version found: its place, and the span of time that it is valid for.
pub(crate) struct Found<'a> {
    pub(crate) version: &'a Version,
    pub(crate) from: u64,
    pub(crate) until: u64,
}

/// Execs of one process within the time that versions are kept.
const MOST_VERSIONS: usize = 32;

/// How exact `touched` is; writing it less often keeps its cache line shared.
const TOUCH_STEP: u64 = 100_000_000;

impl Entry {
    /// The version valid at `time`. A row older than all of them belongs to the first, but not
    /// to what an exec made: what the process was before that exec is not known.
    pub(crate) fn at(&self, time: u64) -> Option<Found<'_>> {
        let after = self.versions.partition_point(|version| version.since <= time);
        let until = self.versions.get(after).map_or(u64::MAX, |next| next.since);
        match after.checked_sub(1) {
            Some(place) => {
                let version = &self.versions[place];
                let from = if place == 0 && !version.source.is_exec() { 0 } else { version.since };
                Some(Found { version, from, until })
            }
            None => {
                let version = self.versions.first().filter(|first| !first.source.is_exec())?;
                let until = self.versions.get(1).map_or(u64::MAX, |next| next.since);
                Some(Found { version, from: 0, until })
            }
        }
    }

    pub(crate) fn at_mut(&mut self, time: u64) -> Option<&mut Version> {
        let stamp = self.at(time)?.version.stamp;
        self.versions.iter_mut().find(|version| version.stamp == stamp)
    }

    pub(crate) fn last(&self) -> Option<&Version> {
        self.versions.last()
    }

    pub(crate) fn rest(&self, time: u64) -> Option<Rest> {
        Some(self.at(time)?.version.rest())
    }

    /// Puts a version in its place in time.
    pub(crate) fn put(&mut self, version: Version, cgroups: &CgroupIndex, stamps: &Stamps) {
        let source = version.source;
        if source == Source::Forked && self.versions.iter().any(|v| v.source == Source::Forked) {
            return;
        }
        let order = (version.since, source);
        let mut place = self.versions.partition_point(|v| (v.since, v.source) < order);
        let same = self.versions.get(place).is_some_and(|v| (v.since, v.source) == order);
        if same {
            self.versions[place] = version;
        } else {
            self.versions.reserve_exact(1);
            self.versions.insert(place, version);
        }
        // The guess gives way to what is known of the same time.
        if place == 1 && self.versions[0].source == Source::Guess && !source.is_exec() {
            self.versions.remove(0);
            place = 0;
        }
        self.follow_from(place, cgroups, stamps);
        if self.versions.len() > MOST_VERSIONS {
            self.versions.remove(0);
        }
    }

    /// Puts a guess before all that is known.
    pub(crate) fn guess(&mut self, version: Version) {
        self.versions.reserve_exact(1);
        self.versions.insert(0, version);
    }

    /// Lets the version with `stamp` take over what its parent gives it.
    pub(crate) fn inherit(
        &mut self,
        stamp: u64,
        legacy: Legacy,
        cgroups: &CgroupIndex,
        stamps: &Stamps,
    ) {
        if let Some(place) = self.versions.iter().position(|version| version.stamp == stamp) {
            self.versions[place].inherit(legacy, cgroups, stamps);
            self.follow_from(place + 1, cgroups, stamps);
        }
    }

    /// Says whether this is the first that is heard of the exit.
    pub(crate) fn exit(&mut self, time: u64) -> bool {
        let first = self.exited.is_none();
        self.exited.get_or_insert(time);
        first
    }

    pub(crate) fn exited(&self) -> bool {
        self.exited.is_some()
    }

    /// Whether nothing ever announced the process.
    pub(crate) fn guessed(&self) -> bool {
        self.versions.last().is_none_or(|last| last.source == Source::Guess)
    }

    pub(crate) fn touch(&self, time: u64) {
        if time > self.touched().saturating_add(TOUCH_STEP) {
            self.touched.store(time, Ordering::Relaxed);
        }
    }

    pub(crate) fn touched(&self) -> u64 {
        self.touched.load(Ordering::Relaxed)
    }

    /// Forgets the versions that another followed by `horizon`.
    pub(crate) fn prune(&mut self, horizon: u64) {
        let current = self.versions.partition_point(|version| version.since <= horizon);
        if current > 1 {
            self.versions.drain(..current - 1);
            self.versions.shrink_to_fit();
        }
    }

    /// Lets each version from `place` on take what it lacks from the one before it.
    fn follow_from(&mut self, place: usize, cgroups: &CgroupIndex, stamps: &Stamps) {
        for at in place.max(1)..self.versions.len() {
            let (before, from) = self.versions.split_at_mut(at);
            from[0].follow(&before[at - 1], cgroups, stamps);
        }
    }
}

impl Source {
    fn is_exec(self) -> bool {
        self == Source::Execed
    }
}
