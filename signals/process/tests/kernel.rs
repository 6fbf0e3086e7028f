//! Acts, and expects the rows; on this host and on every kernel of the matrix.

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio, exit};

use signal_process::PROCESS;
use testkit::watch::{MECHANISMS, Seen, Watch, mechanisms};

/// Set in the child that acts; it is this very test program.
const ACT: &str = "FATHOM_TEST_ACT";
/// Longer than what is read of an argument vector.
const LONG: usize = 6000;

#[test]
fn the_life_of_processes() {
    let Some(rows) = watch("the_life_of_processes", MECHANISMS) else { return };
    let execs: Vec<&Seen> = rows.iter().filter(|row| row.table == "process_exec").collect();
    let exits: Vec<&Seen> = rows.iter().filter(|row| row.table == "process_exit").collect();

    let failed = execs.iter().find(|row| row.text("path") == Some("/nonexistent/program"));
    let failed = failed.expect("the failed exec is seen");
    assert_eq!(failed.number("error"), Some(2));
    assert_eq!(failed.text("path_resolved"), None);
    assert_eq!((failed.text("call"), failed.number("exe_mtime")), (Some("execve"), None));
    assert_eq!(failed.text("args"), Some("/nonexistent/program\\u{0}one\\u{0}"));

    let ran: Vec<_> = execs.iter().filter(|row| row.number("error").is_none()).collect();
    // The actor, and the three that it runs.
    assert_eq!(ran.len(), 4, "{ran:#?}");
    let own = std::fs::read_link("/proc/self/exe").expect("/proc is mounted");
    let file = own.metadata().expect("it is there");
    let nanoseconds = |seconds: i64, rest: i64| seconds * 1_000_000_000 + rest;
    // Nobody made a group of his own, so all are of ours.
    let group = own_group();
    for row in &ran {
        assert_eq!(row.text("path_resolved"), own.to_str());
        assert_eq!(row.number("uid"), Some(0));
        assert!(row.number("inode") > Some(0));
        assert_eq!(row.text("call"), Some("execve"));
        assert_eq!(row.number("exe_ctime"), Some(nanoseconds(file.ctime(), file.ctime_nsec())));
        assert_eq!(row.number("exe_mtime"), Some(nanoseconds(file.mtime(), file.mtime_nsec())));
        assert_eq!(row.number("pgid"), Some(group));
        // No namespace is between us. What init starts in a guest is of no group: of number 0.
        assert_eq!(row.number("vpgid"), (group != 0).then_some(group));
    }
    let long = ran.iter().find(|row| row.text("args").is_some_and(|args| args.contains("xxx")));
    let long = long.expect("the exec with the long vector is seen");
    assert_eq!(long.text("args_truncated"), Some("true"));
    assert!(long.text("args").map_or(0, str::len) >= 4000);

    // In the order in which they ended: by code, by signal, the actor itself at last.
    let ends: Vec<_> =
        exits.iter().map(|row| (row.number("exit_code"), row.number("signal"))).collect();
    let (code, signal) = (|code| (Some(code), None), |signal| (None, Some(signal)));
    // A failed exec ends the child that tried it, by the means of the standard library.
    let without_failed: Vec<_> = ends.iter().filter(|end| **end != code(127)).copied().collect();
    assert_eq!(without_failed, [code(7), signal(6), code(0), code(3)], "{exits:#?}");

    let forks = rows.iter().filter(|row| row.table == "process_fork").count();
    assert!(forks >= 3, "{forks} forks");
}

#[test]
fn every_rung_sees_when_an_exec_began() {
    for mechanism in &mechanisms() {
        let name = "every_rung_sees_when_an_exec_began";
        let watch = Watch::start(name, &[&PROCESS], &[mechanism]).expect("it loads");
        let Some(watch) = watch else { continue };
        let taken = watch.mechanism("exec latency");
        if taken != *mechanism {
            // Before 6.10 there is no such tracepoint, and nothing is claimed.
            assert_eq!((taken, *mechanism), ("", "tp_btf"));
            continue;
        }
        let rows = act(&watch);
        let ran = |row: &&Seen| row.table == "process_exec" && row.number("error").is_none();
        for row in rows.iter().filter(ran) {
            let latency = row.number("latency");
            assert!(
                latency.is_some_and(|it| it > 0 && it < 10_000_000_000),
                "{mechanism}: {row:?}"
            );
        }
    }
}

/// Not a test of its own: what the child does.
#[test]
fn actor() {
    match std::env::var(ACT).as_deref() {
        Ok("all") => {
            let run = |what: &str, argument: &str| {
                let own = std::env::current_exe().expect("we have a path");
                let mut command = Command::new(own);
                command.args(["--exact", "actor", "--nocapture", argument]).env(ACT, what);
                command.output().expect("it runs").status
            };
            run("seven", "--test-threads=1");
            run("abort", "--test-threads=1");
            run("zero", &format!("--skip={}", "x".repeat(LONG)));
            Command::new("/nonexistent/program").arg("one").spawn().expect_err("there is none");
            exit(3);
        }
        Ok("seven") => exit(7),
        Ok("abort") => std::process::abort(),
        Ok("zero") => exit(0),
        _ => {}
    }
}

/// Our process group, from the fifth field of `stat`.
fn own_group() -> i64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc is mounted");
    let (_, rest) = stat.rsplit_once(") ").expect("a name in brackets");
    rest.split(' ').nth(2).and_then(|field| field.parse().ok()).expect("a number")
}

fn watch(test: &str, mechanisms: &[&str]) -> Option<Vec<Seen>> {
    Watch::start(test, &[&PROCESS], mechanisms).expect("it loads").map(|watch| act(&watch))
}

fn act(watch: &Watch) -> Vec<Seen> {
    let own = std::env::current_exe().expect("we have a path");
    let mut command = Command::new(own);
    command.args(["--exact", "actor", "--nocapture"]).env(ACT, "all").stdout(Stdio::null());
    let (status, rows) = watch.run(&mut command).expect("it runs");
    assert_eq!(status.code(), Some(3));
    rows
}
