//! The process table.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schema::{Ancestor, Change, Process, ProcessFacts, ProcessKey};

use crate::pods::{PodLimits, Pods};
use crate::shards::Shards;
use crate::version::{Legacy, Rest, Source, Stamps, Version};
use crate::{CgroupIndex, Resolver};

/// How much the process table keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most entries. Above it the oldest of the exited go first, then, counted, the live
    /// ones that no row spoke of for longest.
    pub processes: usize,
    /// How long an entry stays after its exit, and a version after the next one began.
    pub keep_exited: Duration,
    /// The most ancestors of one process.
    pub ancestors: usize,
}

/// The process table: every process that was announced or spoken of, as it was at any time that
/// a row may still speak of. Shared by reference among workers.
pub struct Identity {
    limits: Limits,
    cgroups: CgroupIndex,
    pods: Pods,
    shards: Shards,
    /// When each of the exited entries exited, the earliest on top.
    exits: Mutex<BinaryHeap<Reverse<(u64, ProcessKey)>>>,
    stamps: Stamps,
    generation: AtomicU64,
    len: AtomicUsize,
    live: AtomicUsize,
    reconstructed: AtomicU64,
    evicted: AtomicU64,
}

/// What a [`Resolver`] may remember: the entry, and for which times it is the answer.
pub(crate) struct Answer {
    pub(crate) process: Arc<Process>,
    pub(crate) from: u64,
    pub(crate) until: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { processes: 32_768, keep_exited: Duration::from_secs(10), ancestors: 32 }
    }
}

impl Identity {
    /// An empty table.
    pub fn new(limits: Limits) -> Identity {
        Identity {
            limits,
            cgroups: CgroupIndex::new(),
            pods: Pods::new(PodLimits::default()),
            shards: Shards::new(),
            exits: Mutex::default(),
            stamps: Stamps::default(),
            generation: AtomicU64::new(0),
            len: AtomicUsize::new(0),
            live: AtomicUsize::new(0),
            reconstructed: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    /// The cgroups that tell the processes' containers; to be kept up to date by the agent.
    pub fn cgroups(&self) -> &CgroupIndex {
        &self.cgroups
    }

    /// What the cluster says; to be kept up to date by the agent.
    pub fn pods(&self) -> &Pods {
        &self.pods
    }

    /// Gives containers the names that are known by now; whether anything came since the last call.
    pub fn name_containers(&self) -> bool {
        self.cgroups.name_containers(&self.pods)
    }

    /// A worker's own way into the table.
    pub fn resolver(&self) -> Resolver<'_> {
        Resolver::new(self)
    }

    /// Takes in what happened to a process. Changes may come in any order and more than once:
    /// for each time, the last change before it counts.
    pub fn apply(&self, change: Change) {
        match change {
            Change::Seen { time, key, facts, .. } => self.put(Source::Seen, time, key, *facts),
            Change::Execed { time, key, facts } => self.put(Source::Execed, time, key, *facts),
            Change::Forked { time, key, parent, comm, cgroup, vpid } => {
                let facts = ProcessFacts { parent, comm, cgroup, vpid, ..ProcessFacts::default() };
                self.put(Source::Forked, time, key, facts);
            }
            Change::Exited { time, key } => self.exit(time, key),
            Change::CgroupMade { id, path, .. } => self.cgroups.insert_new(id, &path),
            Change::CgroupGone { time, id } => self.cgroups.remove(id, time),
        }
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The process `key` as it was at `time` (boot clock), in `cgroup` (0 where it is not known).
    /// A process that was never announced is remembered by its key and `comm`.
    pub fn resolve(
        &self,
        key: ProcessKey,
        time: u64,
        comm: &[u8; 16],
        cgroup: u64,
    ) -> Arc<Process> {
        self.answer(key, time, comm, cgroup).process
    }

    /// The process `key` as it is now.
    pub fn get(&self, key: ProcessKey) -> Option<Arc<Process>> {
        self.refresh(key, u64::MAX, self.limits.ancestors);
        let cgroup = {
            let entries = self.shards.read(key);
            let form = entries.get(&key)?.last()?.latest();
            if form.placed || !self.cgroups.knows(form.process.facts.cgroup) {
                return Some(form.process.clone());
            }
            form.process.facts.cgroup
        };
        let mut entries = self.shards.write(key);
        let version = entries.get_mut(&key)?.at_mut(u64::MAX)?;
        Some(version.place(cgroup, &self.cgroups))
    }

    /// The ancestors of `key`, parent first; empty where the process is not known.
    pub fn ancestors(&self, key: ProcessKey) -> Arc<[Arc<Ancestor>]> {
        self.get(key).map_or_else(|| Arc::from([]), |process| process.ancestors.clone())
    }

    /// Forgets what was kept long enough: exited processes, past versions of running ones,
    /// removed cgroups, and never announced processes that no row speaks of any more.
    pub fn expire(&self, now: u64) {
        let horizon = now.saturating_sub(self.keep());
        while let Some(key) = self.pop_exit(horizon) {
            self.remove_exited(key);
        }
        for mut entries in self.shards.all_from(ProcessKey::default()) {
            let before = entries.len();
            entries.retain(|_, entry| {
                entry.prune(horizon);
                entry.exited() || !entry.guessed() || entry.touched() > horizon
            });
            let gone = before - entries.len();
            self.len.fetch_sub(gone, Ordering::Relaxed);
            self.live.fetch_sub(gone, Ordering::Relaxed);
        }
        self.cgroups.expire(horizon);
        self.pods.expire(now);
    }

    /// How many processes are in the table, the exited ones included.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of the processes in the table have not exited.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// How often a row spoke of a process that nothing had announced.
    pub fn reconstructed(&self) -> u64 {
        self.reconstructed.load(Ordering::Relaxed)
    }

    /// How many live processes were forgotten because the table was full.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Changes whenever an answer may have become another.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire).wrapping_add(self.cgroups.generation())
    }

    pub(crate) fn answer(
        &self,
        key: ProcessKey,
        time: u64,
        comm: &[u8; 16],
        cgroup: u64,
    ) -> Answer {
        if let Some(answer) = self.peek(key, time, cgroup, true) {
            return answer;
        }
        self.refresh(key, time, self.limits.ancestors);
        self.peek(key, time, cgroup, false)
            .unwrap_or_else(|| self.answer_slowly(key, time, comm, cgroup))
    }

    /// The answer, if it is there as it should be; where `settled`, only if it will stay so.
    fn peek(&self, key: ProcessKey, time: u64, cgroup: u64, settled: bool) -> Option<Answer> {
        let entries = self.shards.read(key);
        let entry = entries.get(&key)?;
        let found = entry.at(time)?;
        let form = found.version.form(cgroup)?;
        let placed = form.placed || !self.cgroups.knows(form.process.facts.cgroup);
        if !placed || (settled && self.may_change(&found.version.rest(), time)) {
            return None;
        }
        entry.touch(time);
        Some(Answer { process: form.process.clone(), from: found.from, until: found.until })
    }

    /// Makes what is missing for an answer: the entry, the form for the cgroup, the container.
    #[cold]
    fn answer_slowly(&self, key: ProcessKey, time: u64, comm: &[u8; 16], cgroup: u64) -> Answer {
        let mut entries = self.shards.write(key);
        let known = entries.len();
        let entry = entries.entry(key).or_default();
        entry.touch(time);
        if entry.at(time).is_none() {
            let comm = comm.split(|&byte| byte == 0).next().unwrap_or_default();
            let comm = String::from_utf8_lossy(comm).into();
            let facts = ProcessFacts { comm, cgroup, ..ProcessFacts::default() };
            let (cgroups, stamps) = (&self.cgroups, &self.stamps);
            entry.guess(Version::new(Source::Guess, 0, key, facts, cgroups, stamps));
            self.reconstructed.fetch_add(1, Ordering::Relaxed);
        }
        let span = entry.at(time).map_or((0, 0), |found| (found.from, found.until));
        let process = match entry.at_mut(time) {
            Some(version) => version.place(cgroup, &self.cgroups),
            None => Arc::new(Process::unknown(key, "", cgroup)),
        };
        let new = self.count_new(entries.len() - known);
        drop(entries);
        if new {
            self.make_room(key);
        }
        Answer { process, from: span.0, until: span.1 }
    }

    fn put(&self, source: Source, time: u64, key: ProcessKey, facts: ProcessFacts) {
        let (cgroups, stamps) = (&self.cgroups, &self.stamps);
        let version = Version::new(source, time, key, facts, cgroups, stamps);
        let new = {
            let mut entries = self.shards.write(key);
            let known = entries.len();
            let entry = entries.entry(key).or_default();
            entry.touch(time);
            entry.put(version, cgroups, stamps);
            self.count_new(entries.len() - known)
        };
        self.refresh(key, time, self.limits.ancestors);
        if new {
            self.make_room(key);
        }
    }

    fn exit(&self, time: u64, key: ProcessKey) {
        let (new, first) = {
            let mut entries = self.shards.write(key);
            let known = entries.len();
            let first = entries.entry(key).or_default().exit(time);
            let new = self.count_new(entries.len() - known);
            if first {
                self.live.fetch_sub(1, Ordering::Relaxed);
            }
            (new, first)
        };
        if first {
            self.exits().push(Reverse((time, key)));
        }
        if new {
            self.make_room(key);
        }
    }

    /// Brings the ancestors of `key`'s version at `time` up to date with what is known by now of
    /// its parent, having done the same for the parent first, `depth` generations up.
    fn refresh(&self, key: ProcessKey, time: u64, depth: usize) {
        let rest = self.shards.read(key).get(&key).and_then(|entry| entry.rest(time));
        let known = rest.filter(|rest| !rest.parent.is_none() && rest.parent != key && depth > 0);
        let Some(rest) = known else { return };
        let above = self
            .shards
            .read(rest.parent)
            .get(&rest.parent)
            .and_then(|parent| parent.rest(rest.link.at));
        if above.is_some_and(|above| self.may_change(&above, rest.link.at)) {
            self.refresh(rest.parent, rest.link.at, depth - 1);
        }
        let Some(legacy) = self.legacy(rest.parent, rest.link.at) else { return };
        if legacy.stamp != rest.link.stamp {
            let mut entries = self.shards.write(key);
            if let Some(entry) = entries.get_mut(&key) {
                entry.inherit(rest.stamp, legacy, &self.cgroups, &self.stamps);
            }
        }
    }

    fn legacy(&self, parent: ProcessKey, time: u64) -> Option<Legacy> {
        let entries = self.shards.read(parent);
        let version = entries.get(&parent)?.at(time)?.version;
        Some(version.legacy(self.limits.ancestors))
    }

    /// Whether news of an ancestor may still come: while one is missing, and for a while after
    /// the version began, since workers take in the changes of different processes in any order.
    fn may_change(&self, rest: &Rest, time: u64) -> bool {
        !rest.parent.is_none() && (rest.link.open || time < rest.since.saturating_add(self.keep()))
    }

    /// Counts new entries, while their shard is still locked; says whether there are any.
    fn count_new(&self, count: usize) -> bool {
        self.len.fetch_add(count, Ordering::Relaxed);
        self.live.fetch_add(count, Ordering::Relaxed);
        count > 0
    }

    /// Keeps the table within its bound, and `newest` in it.
    fn make_room(&self, newest: ProcessKey) {
        while self.len() > self.limits.processes.max(1) {
            match self.pop_exit(u64::MAX) {
                Some(key) => self.remove_exited(key),
                None if self.evict(newest) => {}
                None => return,
            }
        }
    }

    /// Forgets one live process, of the first shard that has another than `newest`.
    fn evict(&self, newest: ProcessKey) -> bool {
        for mut entries in self.shards.all_from(newest) {
            let others = entries.iter().filter(|&(&key, entry)| key != newest && !entry.exited());
            let oldest = others.min_by_key(|(_, entry)| (!entry.guessed(), entry.touched()));
            if let Some(key) = oldest.map(|(&key, _)| key) {
                entries.remove(&key);
                self.len.fetch_sub(1, Ordering::Relaxed);
                self.live.fetch_sub(1, Ordering::Relaxed);
                self.evicted.fetch_add(1, Ordering::Relaxed);
                return true;
            }
        }
        false
    }

    fn remove_exited(&self, key: ProcessKey) {
        let mut entries = self.shards.write(key);
        if entries.remove(&key).is_some() {
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The process that exited first, if by `horizon`.
    fn pop_exit(&self, horizon: u64) -> Option<ProcessKey> {
        let mut exits = self.exits();
        let &Reverse((time, key)) = exits.peek()?;
        (time <= horizon).then(|| {
            exits.pop();
            key
        })
    }

    fn exits(&self) -> MutexGuard<'_, BinaryHeap<Reverse<(u64, ProcessKey)>>> {
        self.exits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self) -> u64 {
        u64::try_from(self.limits.keep_exited.as_nanos()).unwrap_or(u64::MAX)
    }
}
