//! Whoever makes a storm of these rows must not push out the life of processes.

use std::process::{Command, Stdio, exit};

use kernel::{Cgroup, Features, Kernel, Mechanism, Options, Ring};
use scope::{SCOPE, Scope};
use signal_privilege::PRIVILEGE;
use testkit::watch::not_run;
use wire::Reader;

/// Signals that the storm sends, to itself: more than half of a `facts` ring takes.
const STORM: usize = 20_000;
/// Set in the child that sends them; it is this very test program.
const ACT: &str = "FATHOM_TEST_STORM";
/// `PRIVILEGE_KILL` of wire.h.
const KILL: u16 = 2;

#[test]
fn a_storm_leaves_half_of_the_ring() {
    let (features, options) = (Features::probe(), Options::default());
    if let Some(obstacle) = features.obstacle(Mechanism::TpBtf) {
        return not_run("a_storm_leaves_half_of_the_ring", obstacle);
    }
    let kernel = Kernel::load(&[&SCOPE, &PRIVILEGE], &features, &options).expect("it loads");
    let cgroup = Cgroup::create().expect("a cgroup");
    scope::apply(&kernel, &[Scope::Cgroup(cgroup.path().into())]).expect("a scope");
    let mut command = Command::new(std::env::current_exe().expect("we have a path"));
    command.args(["--exact", "storm::actor", "--nocapture"]).env(ACT, "1").stdout(Stdio::null());
    let mut child = cgroup.spawn(&mut command).expect("it starts");
    assert!(child.wait().expect("our own child").success());

    let facts = sizes(Ring::facts(&kernel, 0).expect("a ring"));
    let bulk = sizes(Ring::bulk(&kernel, 0).expect("a ring"));
    assert_eq!(facts.len() + bulk.len(), STORM, "none is lost");
    let (taken, room) = (facts.iter().sum::<usize>(), options.facts_bytes as usize);
    // The one that crosses the line, and what else the child did.
    assert!(taken <= room / 2 + 128, "{taken} bytes of {room}");
    assert!(taken > room / 2 - 8192, "{taken} bytes of {room}: it goes to `facts` first");
}

/// Not a test of its own: what the child does.
#[test]
fn actor() {
    if std::env::var_os(ACT).is_some() {
        for _ in 0..STORM {
            rustix::process::test_kill_process(rustix::process::getpid()).expect("we are there");
        }
        exit(0);
    }
}

/// What each record of the storm takes in the ring.
fn sizes(mut ring: Ring) -> Vec<usize> {
    let mut sizes = Vec::new();
    ring.drain(usize::MAX >> 1, |record| {
        let (header, _) = Reader::new(record).expect("a record");
        if header.signal == 1 && header.kind == KILL {
            // 8 bytes are the ring's own.
            sizes.push(record.len().next_multiple_of(8) + 8);
        }
    });
    sizes
}
