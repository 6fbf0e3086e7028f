//! A worker's way into the process table.

use std::sync::Arc;

use schema::{Process, ProcessKey};

use crate::Identity;

/// Resolves one worker's rows, remembering its last answers: rows come in runs of the same few
/// processes. What is remembered holds until any process or cgroup changes.
pub struct Resolver<'a> {
    identity: &'a Identity,
    hits: [Option<Hit>; HITS],
}

struct Hit {
    key: ProcessKey,
    cgroup: u64,
    generation: u64,
    from: u64,
    until: u64,
    process: Arc<Process>,
}

const HITS: usize = 16;

impl<'a> Resolver<'a> {
    pub(crate) fn new(identity: &'a Identity) -> Resolver<'a> {
        Resolver { identity, hits: [const { None }; HITS] }
    }

    /// As [`Identity::resolve`].
    #[inline]
    pub fn resolve(
        &mut self,
        key: ProcessKey,
        time: u64,
        comm: &[u8; 16],
        cgroup: u64,
    ) -> Arc<Process> {
        // Read before the answer is looked up: what changes meanwhile makes it void.
        let generation = self.identity.generation();
        let slot = &mut self.hits[key.pid as usize % HITS];
        if let Some(hit) = slot
            && hit.generation == generation
            && hit.key == key
            && hit.cgroup == cgroup
            && (hit.from..hit.until).contains(&time)
        {
            return hit.process.clone();
        }
        let answer = self.identity.answer(key, time, comm, cgroup);
        let (from, until, process) = (answer.from, answer.until, answer.process.clone());
        *slot = Some(Hit { key, cgroup, generation, from, until, process });
        answer.process
    }
}
