//! What the process table costs: bytes a process, and rows and changes a second.
//!
//! `cargo run --release -p identity --example cost`

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use identity::{Identity, Limits};
use schema::{Change, ProcessFacts, ProcessKey};
use telemetry::Usage;

const COMM: &[u8; 16] = b"worker\0\0\0\0\0\0\0\0\0\0";
const SECOND: u64 = 1_000_000_000;

fn key(pid: u32) -> ProcessKey {
    ProcessKey { start: u64::from(pid) * 1_000, pid, boot: 7 }
}

fn facts(parent: ProcessKey) -> Box<ProcessFacts> {
    Box::new(ProcessFacts {
        parent,
        comm: "postgres".into(),
        exe: b"/usr/lib/postgresql/15/bin/postgres".as_slice().into(),
        args: [b"postgres: app orders 10.0.3.17(51234) idle in transaction\0".as_slice(); 2]
            .concat()
            .into(),
        cwd: b"/var/lib/postgresql/15/main".as_slice().into(),
        cgroup: 42,
        ..ProcessFacts::default()
    })
}

/// A table of `count` live processes, four children each, found running or just started.
fn table(count: u32, started: bool) -> Identity {
    let identity = Identity::new(Limits { processes: 1 << 20, ..Limits::default() });
    let path = format!("/kubepods/burstable/pod{}/{}", "ab".repeat(16), "cd".repeat(32));
    identity.cgroups().insert(42, path.as_bytes());
    let none = ProcessKey::default();
    identity.apply(Change::Seen { time: 1, key: key(1), facts: facts(none), ancestor_only: false });
    for pid in 2..=count {
        let (time, parent) = (u64::from(pid) * 1_000, key((pid + 2) / 4));
        if !started {
            let facts = facts(parent);
            identity.apply(Change::Seen { time, key: key(pid), facts, ancestor_only: false });
            continue;
        }
        let comm = "postgres".into();
        identity.apply(Change::Forked { time, key: key(pid), parent, comm, cgroup: 42, vpid: pid });
        identity.apply(Change::Execed { time: time + 500, key: key(pid), facts: facts(parent) });
    }
    identity
}

fn rate(what: &str, count: u64, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    let seconds = start.elapsed().as_secs_f64();
    let (millions, nanoseconds) = (count as f64 / seconds / 1e6, seconds * 1e9 / count as f64);
    println!("{what:<58} {millions:8.2} M/s {nanoseconds:8.0} ns");
}

/// The life of `count` processes, with `rows` rows each, at one worker.
fn storm(identity: &Identity, first: u32, count: u32, rows: u32) {
    let mut resolver = identity.resolver();
    for n in 0..count {
        let (pid, time) = (first + n, 100 * SECOND + u64::from(n) * 100_000);
        let key = key(pid);
        let comm = "sh".into();
        let parent = self::key(1);
        identity.apply(Change::Forked { time, key, parent, comm, cgroup: 42, vpid: pid });
        identity.apply(Change::Execed { time: time + 1_000, key, facts: facts(parent) });
        for row in 0..rows {
            black_box(resolver.resolve(key, time + 2_000 + u64::from(row), COMM, 42));
        }
        identity.apply(Change::Exited { time: time + 50_000, key });
        if n % 10_000 == 0 {
            identity.expire(time);
        }
    }
}

/// The memory of one table, in a process of its own so that nothing is reused.
fn memory(count: u32, what: &str) {
    let before = Usage::now().resident;
    let identity = table(count, what == "started");
    let each = (Usage::now().resident - before) / u64::from(count);
    identity.expire(1_000 * SECOND);
    let start = Instant::now();
    identity.expire(1_001 * SECOND);
    println!(
        "{} processes {what}: {each} bytes each, expire() {:?}",
        identity.live(),
        start.elapsed()
    );
}

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if let [_, count, what] = &args[..] {
        memory(count.parse().unwrap_or(10_000), what);
        return Ok(());
    }
    for [count, what] in [["10000", "found"], ["10000", "started"], ["100000", "found"]] {
        Command::new(std::env::current_exe()?).args([count, what]).status()?;
    }
    let identity = table(10_000, true);
    identity.expire(1_000 * SECOND);
    let time = 1_000 * SECOND;
    const ROWS: u64 = 20_000_000;
    rate("one process, resolver", ROWS, || {
        let mut resolver = identity.resolver();
        (0..ROWS).for_each(|row| drop(black_box(resolver.resolve(key(77), time + row, COMM, 42))));
    });
    rate("runs of 20 rows over 10,000 processes, resolver", ROWS, || {
        let mut resolver = identity.resolver();
        for row in 0..ROWS {
            let pid = 1 + (row / 20 * 7919 % 10_000) as u32;
            black_box(resolver.resolve(key(pid), time + row, COMM, 42));
        }
    });
    rate("another of 10,000 processes each row, no resolver", ROWS, || {
        for row in 0..ROWS {
            let pid = 1 + (row * 7919 % 10_000) as u32;
            black_box(identity.resolve(key(pid), time + row, COMM, 42));
        }
    });
    rate("the same at two workers, rows of both", 2 * ROWS, || {
        std::thread::scope(|scope| {
            for worker in 0..2 {
                let identity = &identity;
                scope.spawn(move || {
                    for row in 0..ROWS {
                        let pid = 1 + (row * (7919 + worker) % 10_000) as u32;
                        black_box(identity.resolve(key(pid), time + row, COMM, 42));
                    }
                });
            }
        });
    });
    let storms = [("lives of fork, exec, exit", 0), ("lives with 20 rows", 20)];
    for (n, (what, rows)) in (1..).zip(storms) {
        const LIVES: u32 = 200_000;
        rate(what, LIVES.into(), || storm(&identity, n * 10_000_000, LIVES, rows));
    }
    Ok(())
}
