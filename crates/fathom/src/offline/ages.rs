//! Names for rules where nobody can be asked: users but root have none, and a process's age follows
//! from when its node was booted, which the rows tell well enough.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use detect::Names;
use schema::{Process, ProcessKey};

/// When each boot of a node was at the latest; nanoseconds since 1970.
///
/// No row is older than its process: the rows of forks tell the moment exactly.
#[derive(Debug, Default)]
pub(crate) struct Ages(Mutex<HashMap<u32, i64>>);

impl Ages {
    /// There is a row of `process` with this time.
    pub(crate) fn note(&self, process: ProcessKey, time: i64) {
        if process.start == 0 {
            return;
        }
        let booted = time.saturating_sub(process.start as i64);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(process.boot).or_insert(booted);
        *known = booted.min(*known);
    }
}

impl Names for Ages {
    fn user(&self, _: &Process, uid: u32) -> Option<Arc<str>> {
        (uid == 0).then(|| "root".into())
    }

    fn group(&self, _: &Process, gid: u32) -> Option<Arc<str>> {
        (gid == 0).then(|| "root".into())
    }

    fn hosts(&self, _: IpAddr) -> Vec<Arc<str>> {
        Vec::new()
    }

    fn interest(&self, _: &[String]) {}

    fn age_of(&self, process: ProcessKey, time: i64) -> Option<i64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let booted = all.get(&process.boot)?;
        (process.start > 0).then(|| (time - booted).saturating_sub(process.start as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_follow_from_the_oldest_row_of_the_youngest_process() {
        let ages = Ages::default();
        let key = |start, boot| ProcessKey { start, pid: 7, boot };
        ages.note(key(50, 1), 1_080);
        assert_eq!(ages.age_of(key(50, 1), 1_080), Some(0));
        // A fork is told as it happens: the boot was at 1000, and the first process 30 old.
        ages.note(key(100, 1), 1_100);
        ages.note(key(100, 1), 1_200);
        assert_eq!(ages.age_of(key(50, 1), 1_080), Some(30));
        assert_eq!(ages.age_of(key(50, 2), 1_080), None);
    }
}
