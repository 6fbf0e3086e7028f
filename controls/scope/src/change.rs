//! From one scope to another while everything runs, without a gap for what is in both.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::Result;
use kernel::{Kernel, SharedMap};

use crate::{Plan, Scope, cgroup_id, cgroups, enter, pids, plan};

/// How often the tables are gone through. What is made below something on its way out comes in
/// with it, so one more pass is needed for each generation that is made meanwhile.
const PASSES: usize = 16;

/// Watches `to` instead of `from`; where that fails, `from` stays.
///
/// What is new is entered first and what is in neither leaves last, so what is in both is watched
/// throughout. A descendant of a process that leaves is told by its parents; one whose parents
/// are gone cannot be told from a descendant of a process that stays, and stays with it.
pub fn change(kernel: &Kernel, from: &[Scope], to: &[Scope]) -> Result<()> {
    let added: Vec<Scope> = to.iter().filter(|scope| !from.contains(scope)).cloned().collect();
    let entered = enter(kernel, &plan(&added));
    let (kept, done) = match entered {
        Ok(()) => (plan(to), kernel.set_scope(plan(to).mode)),
        Err(error) => (plan(from), Err(error)),
    };
    leave_cgroups(&cgroups(kernel)?, &kept);
    leave_pids(&pids(kernel)?, &kept, &plan(from).pids);
    done
}

/// Takes out every cgroup that is not below one of `kept`.
fn leave_cgroups(map: &SharedMap<'_>, kept: &Plan) {
    for _ in 0..PASSES {
        // Listed before the directories are read: what is made later is in neither.
        let listed = map.keys();
        let mut known = HashSet::new();
        for root in &kept.cgroups {
            collect(root, &mut known);
        }
        let stale = listed.iter().filter(|key| !known.contains(key.as_slice()));
        if stale.map(|key| map.remove(key)).count() == 0 {
            return;
        }
    }
}

fn collect(path: &Path, known: &mut HashSet<Vec<u8>>) {
    if let Ok(id) = cgroup_id(path) {
        known.insert(id.to_ne_bytes().to_vec());
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), known);
        }
    }
}

/// Takes out every process that is known to descend from none of `kept`.
fn leave_pids(map: &SharedMap<'_>, kept: &Plan, before: &[u32]) {
    for _ in 0..PASSES {
        let listed = map.keys();
        let pid = |key: &[u8]| key.first_chunk().map_or(0, |it| u32::from_ne_bytes(*it));
        let stale = listed.iter().filter(|key| leaves(pid(key), &kept.pids, before, parent));
        if stale.map(|key| map.remove(key)).count() == 0 {
            return;
        }
    }
}

/// Whether `pid` is to go: it descends from one of `before` and from none of `kept`.
fn leaves(pid: u32, kept: &[u32], before: &[u32], parent: impl Fn(u32) -> Option<u32>) -> bool {
    let line = || std::iter::successors(Some(pid), |&pid| parent(pid)).take(1024);
    if kept.is_empty() {
        return true;
    }
    !line().any(|it| kept.contains(&it)) && line().any(|it| before.contains(&it))
}

/// The parent's id; none for the first process and for one that is gone.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything: count from the last one.
    let (_, after) = stat.rsplit_once(')')?;
    let parent = after.split_whitespace().nth(1)?.parse().ok()?;
    (parent != 0).then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_is_told_by_the_parents() {
        // 1 ─ 10 ─ 11 ─ 12, 1 ─ 20 ─ 21, and 1 ─ 30, whose parent is gone
        let parent = |pid| match pid {
            12 => Some(11),
            11 => Some(10),
            21 => Some(20),
            10 | 20 | 30 => Some(1),
            _ => None,
        };
        let gone = |kept: &[u32], before: &[u32]| -> Vec<u32> {
            let all = [10, 11, 12, 20, 21, 30];
            all.into_iter().filter(|&pid| leaves(pid, kept, before, parent)).collect()
        };
        assert_eq!(gone(&[20], &[10, 20]), [10, 11, 12]);
        assert_eq!(gone(&[11, 20], &[10, 20]), [10]);
        assert_eq!(gone(&[], &[10, 20]), [10, 11, 12, 20, 21, 30]);
        assert_eq!(gone(&[10], &[10]), [] as [u32; 0]);
    }

    #[test]
    fn a_parent_is_read_from_proc() {
        assert_eq!(parent(std::process::id()), Some(std::os::unix::process::parent_id()));
        assert_eq!(parent(1), None);
    }
}
