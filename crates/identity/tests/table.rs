//! The process table: versions, ancestors, races, bounds, and many workers.

use std::sync::Arc;

use identity::{Identity, Limits};
use proptest::prelude::*;
use schema::{Change, Process, ProcessFacts, ProcessKey};

const SECOND: u64 = 1_000_000_000;
const COMM: &[u8; 16] = b"worker\0\0\0\0\0\0\0\0\0\0";

fn key(pid: u32) -> ProcessKey {
    ProcessKey { start: u64::from(pid) * 10, pid, boot: 7 }
}

fn facts(parent: u32, exe: &str) -> Box<ProcessFacts> {
    let parent = if parent == 0 { ProcessKey::default() } else { key(parent) };
    let (comm, args) = (exe.into(), format!("{exe}\0-v\0").into_bytes().into());
    let (exe, cwd) = (format!("/bin/{exe}").into_bytes().into(), b"/root".as_slice().into());
    Box::new(ProcessFacts { parent, comm, exe, args, cwd, cgroup: 1, ..ProcessFacts::default() })
}

fn seen(time: u64, pid: u32, facts: Box<ProcessFacts>) -> Change {
    Change::Seen { time, key: key(pid), facts, ancestor_only: false }
}

fn forked(time: u64, pid: u32, parent: u32) -> Change {
    let (key, parent) = (key(pid), key(parent));
    Change::Forked { time, key, parent, comm: "child".into(), cgroup: 1, vpid: pid }
}

fn execed(time: u64, pid: u32, facts: Box<ProcessFacts>) -> Change {
    Change::Execed { time, key: key(pid), facts }
}

fn exited(time: u64, pid: u32) -> Change {
    Change::Exited { time, key: key(pid) }
}

fn table(changes: impl IntoIterator<Item = Change>) -> Identity {
    let identity = Identity::new(Limits::default());
    changes.into_iter().for_each(|change| identity.apply(change));
    identity
}

fn exe(identity: &Identity, pid: u32, time: u64) -> String {
    let process = identity.resolve(key(pid), time, COMM, 0);
    String::from_utf8_lossy(&process.facts.exe).into_owned()
}

fn names(process: &Process) -> Vec<&str> {
    process.ancestors.iter().map(|ancestor| &*ancestor.comm).collect()
}

#[test]
fn a_row_finds_its_process_as_it_was_then() {
    let changes = [
        seen(100, 1, facts(0, "init")),
        forked(200, 2, 1),
        execed(300, 2, facts(0, "sh")),
        execed(400, 2, facts(1, "cat")),
    ];
    let identity = table(changes);
    assert_eq!(exe(&identity, 2, 250), "/bin/init");
    assert_eq!(exe(&identity, 2, 300), "/bin/sh");
    assert_eq!(exe(&identity, 2, 399), "/bin/sh");
    assert_eq!(exe(&identity, 2, 400), "/bin/cat");
    assert_eq!(exe(&identity, 2, 150), "/bin/init", "older than the fork: still the fork's");
    let child = identity.resolve(key(2), 250, COMM, 1);
    assert_eq!((&*child.facts.comm, &*child.facts.cwd), ("child", b"/root".as_slice()));
    assert_eq!(child.facts.vpid, 2);
    let sh = identity.resolve(key(2), 300, COMM, 1);
    assert_eq!((sh.facts.parent, names(&sh)), (key(1), vec!["init"]), "kept across the exec");
    assert_eq!(sh.facts.vpid, 2);
    assert_eq!(identity.reconstructed(), 0);
}

#[test]
fn ancestors_are_as_they_were_at_the_fork() {
    let changes = [
        seen(100, 1, facts(0, "init")),
        forked(200, 2, 1),
        execed(210, 2, facts(0, "sh")),
        forked(220, 3, 2),
        execed(230, 2, facts(0, "other")),
        execed(240, 3, facts(0, "cat")),
    ];
    let identity = table(changes);
    assert_eq!(names(&identity.get(key(3)).unwrap()), ["sh", "init"]);
    assert_eq!(identity.ancestors(key(3))[0].key, key(2));
    assert!(identity.ancestors(key(9)).is_empty());
}

#[test]
fn a_long_line_of_ancestors_is_cut_and_says_so() {
    let limits = Limits { ancestors: 3, ..Limits::default() };
    let identity = Identity::new(limits);
    identity.apply(seen(10, 1, facts(0, "init")));
    (2..=6).for_each(|pid| identity.apply(forked(u64::from(pid) * 100, pid, pid - 1)));
    let cut = |pid| {
        let process = identity.get(key(pid)).unwrap();
        (process.ancestors.len(), process.ancestors_cut)
    };
    assert_eq!([cut(3), cut(4), cut(5), cut(6)], [(2, false), (3, false), (3, true), (3, true)]);
}

#[test]
fn siblings_share_their_ancestors() {
    let identity = table([seen(1, 1, facts(0, "init")), forked(20, 2, 1), forked(30, 3, 1)]);
    let (one, other) = (identity.get(key(2)).unwrap(), identity.get(key(3)).unwrap());
    assert!(Arc::ptr_eq(&one.ancestors, &other.ancestors));
}

#[test]
fn news_of_a_parent_reach_children_that_were_announced_first() {
    let identity = table([forked(300, 3, 2)]);
    assert_eq!(exe(&identity, 3, 310), "");
    identity.apply(execed(250, 2, facts(1, "sh")));
    assert_eq!(exe(&identity, 3, 310), "/bin/sh", "the image comes from the parent");
    identity.apply(seen(400, 1, facts(0, "init")));
    let child = identity.resolve(key(3), 320, COMM, 1);
    assert_eq!(names(&child), ["sh", "init"]);
    assert_eq!(&*child.facts.comm, "child");
    // Long after, the rest of the line is still taken in as long as it is open.
    let identity = table([seen(100, 3, facts(2, "sh")), seen(100, 2, facts(1, "login"))]);
    identity.apply(seen(100 + 60 * SECOND, 1, facts(0, "init")));
    identity.apply(forked(100 + 61 * SECOND, 4, 3));
    assert_eq!(names(&identity.get(key(4)).unwrap()), ["sh", "login", "init"]);
}

#[test]
fn a_snapshot_does_not_hide_what_the_events_knew() {
    let mut poor = facts(1, "sh");
    (poor.args, poor.cwd) = (Arc::default(), Box::default());
    let events = [forked(200, 2, 1), execed(300, 2, facts(1, "sh"))];
    for late in [true, false] {
        let identity = Identity::new(Limits::default());
        if !late {
            identity.apply(seen(400, 2, poor.clone()));
        }
        events.iter().for_each(|event| identity.apply(event.clone()));
        if late {
            identity.apply(seen(400, 2, poor.clone()));
        }
        let process = identity.get(key(2)).unwrap();
        assert_eq!(*process.facts.args, *b"sh\0-v\0");
        assert_eq!(*process.facts.cwd, *b"/root");
    }
}

#[test]
fn a_snapshot_that_comes_after_the_exit_does_not_raise_the_dead() {
    let identity = table([exited(500, 2), seen(400, 2, facts(1, "sh"))]);
    assert_eq!((identity.live(), identity.len()), (0, 1));
    assert_eq!(exe(&identity, 2, 450), "/bin/sh", "yet its rows are known");
    identity.expire(500 + 10 * SECOND);
    assert!(identity.is_empty());
}

#[test]
fn an_exited_process_stays_a_while() {
    let identity = table([forked(10, 2, 1), exited(SECOND, 2), exited(2 * SECOND, 2)]);
    assert_eq!((identity.live(), identity.len()), (0, 1));
    identity.expire(11 * SECOND - 1);
    assert!(identity.get(key(2)).is_some());
    identity.expire(11 * SECOND);
    assert!(identity.get(key(2)).is_none());
    assert_eq!((identity.live(), identity.len()), (0, 0));
}

#[test]
fn past_versions_go_and_the_last_one_stays() {
    let identity = table([seen(1, 1, facts(0, "init")), forked(20, 2, 1)]);
    identity.apply(execed(30, 2, facts(0, "sh")));
    identity.expire(30 + 10 * SECOND);
    assert_eq!(exe(&identity, 2, 11 * SECOND), "/bin/sh");
    assert_eq!(names(&identity.get(key(2)).unwrap()), ["init"]);
    let before = identity.resolve(key(2), 25, COMM, 0);
    assert!(before.reconstructed, "what it was before the exec is forgotten, and not made up");
}

#[test]
fn an_unknown_process_is_remembered_until_it_is_announced() {
    let identity = table([]);
    let unknown = identity.resolve(key(2), 50, COMM, 4);
    assert!(unknown.reconstructed);
    assert_eq!((&*unknown.facts.comm, unknown.facts.cgroup), ("worker", 4));
    assert!(Arc::ptr_eq(&unknown, &identity.resolve(key(2), 60, COMM, 4)));
    assert_eq!((identity.reconstructed(), identity.live()), (1, 1));
    identity.apply(execed(70, 2, facts(1, "sh")));
    assert!(identity.resolve(key(2), 60, COMM, 0).reconstructed, "not the shell yet");
    assert_eq!(exe(&identity, 2, 80), "/bin/sh");
    identity.apply(seen(65, 2, facts(1, "init")));
    let complete = identity.resolve(key(2), 50, COMM, 1);
    assert_eq!((complete.reconstructed, &*complete.facts.comm), (false, "init"));
    assert_eq!((identity.reconstructed(), identity.len()), (1, 1));
}

#[test]
fn an_unknown_process_that_falls_silent_is_forgotten() {
    let identity = table([]);
    identity.resolve(key(2), SECOND, COMM, 0);
    identity.expire(10 * SECOND);
    assert_eq!(identity.live(), 1);
    identity.expire(12 * SECOND);
    assert_eq!((identity.live(), identity.len()), (0, 0));
}

#[test]
fn a_row_from_another_cgroup_says_that_the_process_moved() {
    let identity = table([seen(100, 2, facts(1, "sh"))]);
    let id = "ab".repeat(32);
    identity.cgroups().insert(1, b"/");
    identity.cgroups().insert(5, format!("/docker/{id}").as_bytes());
    assert_eq!(identity.resolve(key(2), 200, COMM, 1).container, None);
    let moved = identity.resolve(key(2), 300, COMM, 5);
    assert_eq!(moved.container.as_ref().map(|it| &it.id), Some(&id));
    assert_eq!((moved.facts.cgroup, &*moved.facts.exe), (5, b"/bin/sh".as_slice()));
    assert!(Arc::ptr_eq(&moved, &identity.resolve(key(2), 400, COMM, 5)));
    assert!(Arc::ptr_eq(&moved, &identity.get(key(2)).unwrap()));
    // Threads in turn in many cgroups do not pile up.
    (0..1000).for_each(|cgroup| drop(identity.resolve(key(2), 500, COMM, 6 + cgroup)));
    assert_eq!(identity.resolve(key(2), 500, COMM, 7).facts.cgroup, 7);
    // The exec keeps the cgroup where it names none.
    let mut other = facts(1, "cat");
    other.cgroup = 0;
    identity.resolve(key(2), 600, COMM, 5);
    identity.apply(execed(700, 2, other));
    assert!(identity.resolve(key(2), 700, COMM, 0).facts.cgroup != 0);
}

#[test]
fn a_container_is_told_as_soon_as_its_cgroup_is_known() {
    let identity = table([seen(100, 2, facts(1, "sh"))]);
    let mut resolver = identity.resolver();
    assert_eq!(resolver.resolve(key(2), 200, COMM, 1).container, None);
    let path = format!("/docker/{}", "ab".repeat(32));
    identity.cgroups().insert(1, path.as_bytes());
    assert!(resolver.resolve(key(2), 200, COMM, 1).container.is_some());
    assert!(identity.get(key(2)).unwrap().container.is_some());
    identity.apply(forked(300, 3, 2));
    assert!(identity.get(key(3)).unwrap().container.is_some());
    identity.cgroups().remove(1, SECOND);
    identity.expire(10 * SECOND);
    assert!(identity.cgroups().container(1).is_some(), "rows may still speak of it");
    identity.expire(11 * SECOND);
    assert!(identity.cgroups().is_empty());
    assert!(identity.get(key(2)).unwrap().container.is_some(), "what was known stays known");
}

#[test]
fn a_resolver_sees_every_change_at_once() {
    let identity = table([seen(100, 2, facts(1, "sh"))]);
    let mut resolver = identity.resolver();
    let first = resolver.resolve(key(2), 200, COMM, 1);
    assert!(Arc::ptr_eq(&first, &resolver.resolve(key(2), 300, COMM, 1)));
    identity.apply(execed(250, 2, facts(1, "cat")));
    assert_eq!(*resolver.resolve(key(2), 300, COMM, 1).facts.exe, *b"/bin/cat");
    assert_eq!(*resolver.resolve(key(2), 249, COMM, 1).facts.exe, *b"/bin/sh");
    assert_eq!(*resolver.resolve(key(2), 250, COMM, 1).facts.exe, *b"/bin/cat");
}

#[test]
fn a_full_table_forgets_the_exited_first_and_counts_the_rest() {
    let identity = Identity::new(Limits { processes: 4, ..Limits::default() });
    (1..=4).for_each(|pid| identity.apply(seen(SECOND, pid, facts(0, "sh"))));
    identity.apply(exited(3 * SECOND, 2));
    identity.apply(exited(2 * SECOND, 3));
    identity.apply(seen(SECOND, 5, facts(0, "sh")));
    assert!(identity.get(key(3)).is_none(), "it exited before the other");
    identity.apply(seen(SECOND, 6, facts(0, "sh")));
    assert!(identity.get(key(2)).is_none());
    assert_eq!((identity.len(), identity.live(), identity.evicted()), (4, 4, 0));
    (7..=1000).for_each(|pid| identity.apply(seen(2 * SECOND, pid, facts(0, "sh"))));
    assert_eq!((identity.len(), identity.live(), identity.evicted()), (4, 4, 994));
    assert!(identity.get(key(1000)).is_some(), "the newest is never the one to go");
}

#[test]
fn parents_in_a_circle_end() {
    let changes = [seen(1, 1, facts(2, "a")), seen(1, 2, facts(1, "b")), seen(1, 3, facts(3, "c"))];
    let identity = table(changes);
    for pid in [1, 2, 3] {
        identity.resolve(key(pid), 5, COMM, 0);
        assert!(identity.get(key(pid)).unwrap().ancestors.len() <= 32);
    }
}

#[test]
fn a_million_short_processes_leave_nothing_behind() {
    let identity = table([seen(1, 1, facts(0, "sh"))]);
    for n in 0..1_000_000u32 {
        let time = SECOND + u64::from(n) * 1_000_000;
        identity.apply(forked(time, n + 2, 1));
        identity.apply(exited(time + 1000, n + 2));
        if n % 1000 == 0 {
            identity.expire(time);
            assert!(identity.len() <= 11_001);
        }
    }
    identity.expire(u64::MAX);
    assert_eq!((identity.len(), identity.live(), identity.evicted()), (1, 1, 0));
}

#[test]
fn workers_share_the_table() {
    let identity = Identity::new(Limits { processes: 500, ..Limits::default() });
    identity.apply(seen(1, 1, facts(0, "init")));
    std::thread::scope(|scope| {
        for worker in 0..4u32 {
            let identity = &identity;
            scope.spawn(move || {
                let mut resolver = identity.resolver();
                for n in 0..5_000u32 {
                    let pid = 2 + worker + n * 4;
                    let time = 100 + u64::from(n) * 10;
                    identity.apply(forked(time, pid, 1));
                    let child = resolver.resolve(key(pid), time, COMM, 1);
                    assert_eq!((child.key, names(&child)), (key(pid), vec!["init"]));
                    identity.apply(execed(time + 1, pid, facts(1, "sh")));
                    assert_eq!(
                        *resolver.resolve(key(pid), time + 2, COMM, 1).facts.exe,
                        *b"/bin/sh"
                    );
                    // Rows of another worker's process never fail, known or not.
                    resolver.resolve(key(pid / 2), time, COMM, 1);
                    identity.apply(exited(time + 3, pid));
                    if n % 100 == 0 {
                        identity.expire(time);
                    }
                }
            });
        }
    });
    assert!(identity.len() <= 500);
    identity.expire(u64::MAX);
    assert_eq!(identity.len(), identity.live());
    assert!(identity.live() <= 2, "{} live", identity.live());
}

/// What one process and its parents go through, in the order of time.
fn story() -> Vec<Change> {
    let mut poor = facts(2, "vim");
    (poor.args, poor.parent) = (Arc::default(), ProcessKey::default());
    vec![
        seen(100, 1, facts(0, "init")),
        forked(200, 2, 1),
        execed(300, 2, facts(0, "sh")),
        forked(400, 3, 2),
        execed(450, 2, facts(1, "zsh")),
        execed(500, 3, facts(2, "vim")),
        seen(600, 3, poor),
        execed(700, 3, facts(1, "cat")),
        seen(650, 2, facts(1, "zsh")),
        forked(800, 4, 3),
        exited(900, 3),
    ]
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter(
        order in Just((0..story().len()).collect::<Vec<_>>()).prop_shuffle(),
        twice in 0..story().len(),
        early in proptest::option::of(0..story().len()),
    ) {
        let expected = table(story());
        let identity = Identity::new(Limits::default());
        for (at, &next) in order.iter().enumerate() {
            identity.apply(story()[next].clone());
            if early == Some(at) {
                (1..=4).for_each(|pid| drop(identity.get(key(pid))));
            }
        }
        identity.apply(story()[twice].clone());
        for pid in 1..=4 {
            for time in (50..=1000).step_by(50) {
                let process = identity.resolve(key(pid), time, COMM, 1);
                prop_assert_eq!(process, expected.resolve(key(pid), time, COMM, 1));
            }
        }
        prop_assert_eq!((identity.live(), identity.len()), (expected.live(), expected.len()));
        prop_assert_eq!(identity.reconstructed(), 0);
    }
}
