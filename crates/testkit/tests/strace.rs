//! The workload's own log against what `strace` saw: the log must be true before it can judge
//! anybody else. Rows are made from strace's lines, so this also tries the comparison.

mod lines;

use std::collections::BTreeSet;
use std::process::Command;

use testkit::log;
use testkit::truth::{Report, Rung, compare_with};

/// Runs the workload under strace and compares.
fn traced(mix: &str, seed: u64, ops: usize, threads: usize) -> Report {
    let dir = std::env::temp_dir().join(format!("strace-{mix}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (trace, own) = (dir.join("trace"), dir.join("log"));
    let calls = "trace=%file,%process,fchmod,fchown,ftruncate";
    let status = Command::new("strace")
        .args(["-f", "-q", "-y", "-v", "-xx", "-s", "200000", "-e", calls])
        .arg("-o")
        .arg(&trace)
        .arg(env!("CARGO_BIN_EXE_testkit"))
        .args(["run", "--mix", mix])
        .args(["--seed", &seed.to_string(), "--ops", &ops.to_string()])
        .args(["--threads", &threads.to_string()])
        .arg("--log")
        .arg(&own)
        .env_clear()
        .status()
        .expect("strace is installed");
    assert!(status.success(), "the workload ended with {status}");
    let read = |path| std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let rows = lines::rows(read(&trace));
    let entries = log::read::<log::LogEntry>(read(&own)).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>();
    let rung = Rung {
        nulls: names(&[
            "*.dir",
            "*.new_dir",
            "*.path_resolved",
            "*.new_path_resolved",
            "*.path_differs",
            "*.new_path_differs",
            "file_open.inode",
            "file_open.created",
            "*.cwd",
        ]),
        skipped: names(&[
            "process_exec.args_truncated",
            "socket_bind",
            "socket_listen",
            "socket_connect",
            "socket_accept",
            "socket_close",
            "socket_state",
            "socket_datagram",
        ]),
        ..Rung::full()
    };
    compare_with(&entries, &rows, &rung)
}

#[test]
fn files_are_as_strace_saw_them() {
    if no_strace("files_are_as_strace_saw_them") {
        return;
    }
    let report = traced("files", 11, 4000, 2);
    assert!(report.is_clean(), "{report}");
    assert!(report.matched >= 4000, "{report}");
}

#[test]
fn processes_are_as_strace_saw_them() {
    if no_strace("processes_are_as_strace_saw_them") {
        return;
    }
    let report = traced("processes", 12, 1500, 1);
    assert!(report.is_clean(), "{report}");
    assert!(report.matched >= 1500, "{report}");
}

#[test]
fn everything_together_is_as_strace_saw_it() {
    if no_strace("everything_together_is_as_strace_saw_it") {
        return;
    }
    let report = traced("all", 13, 4000, 2);
    assert!(report.is_clean(), "{report}");
    assert!(report.matched >= 2000, "{report}");
}

/// Whether strace is missing; then that is noted.
fn no_strace(test: &str) -> bool {
    let missing = Command::new("strace").arg("-V").output().is_err();
    if missing {
        testkit::watch::not_run(test, "strace is not installed");
    }
    missing
}
