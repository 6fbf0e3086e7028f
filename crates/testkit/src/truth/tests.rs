//! Rows made from a log, then spoiled.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::*;
use crate::columns as c;
use crate::hooks::{self, Hooks, When};
use crate::log::{Edge, Expect, UNKNOWN_PID};

/// What a perfect agent would print for `entry`.
fn row(entry: &LogEntry) -> Value {
    let mut row = json!({
        "table": entry.table, "pid": entry.pid, "tid": entry.tid,
        "time": format!("2026-01-01T00:00:{:02}.{:09}Z", entry.seq / 1000, entry.seq % 1000),
    });
    for (column, expect) in &entry.expect {
        row[column.as_ref()] = value(expect);
    }
    row
}

fn value(expect: &Expect) -> Value {
    match expect {
        Expect::Null => Value::Null,
        Expect::Bool(value) => json!(value),
        Expect::Int(value) => json!(value),
        Expect::Text(bytes) => json!(bytes.shown()),
        Expect::List(list) => list.iter().map(|it| it.shown()).collect(),
        Expect::OneOf { one_of } => value(one_of.last().expect("a choice")),
        Expect::Begins { begins, .. } => begins.iter().map(|it| it.shown()).collect(),
        Expect::AtLeast { at_least } => json!(at_least),
        Expect::Depends { then, .. } => value(then),
    }
}

fn open(path: &str, fd: i64) -> LogEntry {
    LogEntry::new(c::OPEN, "openat")
        .with(c::PATH, path)
        .with(c::PATH_RESOLVED, path)
        .with(c::FD, fd)
        .with(c::ERROR, Expect::Null)
}

fn marker(edge: Edge) -> LogEntry {
    LogEntry::new(c::OPEN, "open")
        .with(c::PATH, format!("{}1", edge.prefix()))
        .with(c::ERROR, "ENOENT")
}

/// Entries of thread 11 of process 10 between markers, and what its children did.
fn log(entries: impl IntoIterator<Item = LogEntry>) -> Vec<LogEntry> {
    let mut log = vec![marker(Edge::Begin)];
    log.extend(entries);
    log.push(marker(Edge::End));
    for (seq, entry) in log.iter_mut().enumerate() {
        entry.seq = seq as u64;
        if entry.pid == 0 {
            (entry.pid, entry.tid) = (10, 11);
        }
    }
    log
}

fn rows(log: &[LogEntry]) -> Vec<Value> {
    log.iter().map(row).collect()
}

fn three() -> Vec<LogEntry> {
    log([open("/a", 3), open("/b", 4), open("/a", 5)])
}

#[test]
fn perfect_rows_match() {
    let log = three();
    let report = compare(&log, &rows(&log));
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.matched, 5);
}

#[test]
fn a_lost_row_is_missing_and_the_others_still_match() {
    let log = three();
    let mut rows = rows(&log);
    rows.remove(1);
    let report = compare(&log, &rows);
    assert_eq!((report.matched, report.missing.len(), report.wrong.len()), (4, 1, 0), "{report}");
    assert_eq!(report.missing[0].expect[c::FD], Expect::Int(3));
}

#[test]
fn a_row_too_many_is_extra_inside_the_window_alone() {
    let log = three();
    let mut rows = rows(&log);
    let mut twice = rows[2].clone();
    twice["time"] = "2026-01-01T00:00:00.0000000025Z".into();
    rows.push(twice);
    let mut late = rows[2].clone();
    late["time"] = "2026-01-01T00:01:00Z".into();
    rows.push(late);
    let mut other = rows[2].clone();
    other["tid"] = 12.into();
    rows.push(other);
    let report = compare(&log, &rows);
    assert_eq!((report.matched, report.extra.len()), (5, 1), "{report}");
}

#[test]
fn a_wrong_column_is_told_with_both_values() {
    let log = three();
    let mut rows = rows(&log);
    rows[2][c::PATH_RESOLVED] = "/etc/shadow".into();
    let report = compare(&log, &rows);
    assert_eq!((report.matched, report.wrong.len()), (4, 1));
    let text = report.to_string();
    assert!(text.contains("path_resolved: expected \"/b\", found \"/etc/shadow\""), "{text}");
    assert!(text.contains("1 wrong file_open.path_resolved"), "{text}");
}

#[test]
fn a_wrong_path_is_paired_by_its_place() {
    let log = three();
    let mut rows = rows(&log);
    rows[2][c::PATH] = "/cut".into();
    let report = compare(&log, &rows);
    assert_eq!((report.wrong.len(), report.missing.len(), report.extra.len()), (1, 0, 0));
    assert_eq!(report.wrong[0].differences[0].field, c::PATH);
}

#[test]
fn nulls_pass_only_where_the_rung_cannot_know() {
    let log = three();
    let mut rows = rows(&log);
    rows[3][c::PATH_RESOLVED] = Value::Null;
    assert_eq!(compare(&log, &rows).wrong.len(), 1);
    let nulls = |name: &str| Rung { nulls: [name.to_owned()].into(), ..Rung::full() };
    assert!(compare_with(&log, &rows, &nulls("file_open.path_resolved")).is_clean());
    assert!(compare_with(&log, &rows, &nulls("*.path_resolved")).is_clean());
    assert!(!compare_with(&log, &rows, &nulls("file_rename.path_resolved")).is_clean());
    let skipped = |name: &str| Rung { skipped: [name.to_owned()].into(), ..Rung::full() };
    assert!(compare_with(&log, &rows, &skipped("file_open.path_resolved")).is_clean());
}

#[test]
fn rows_may_arrive_out_of_order_and_it_is_counted() {
    let log = three();
    let mut rows = rows(&log);
    rows.swap(1, 3);
    let report = compare(&log, &rows);
    assert!(report.is_clean(), "{report}");
    assert!(report.disordered > 0);
}

#[test]
fn a_lost_marker_is_told() {
    let log = three();
    let mut rows = rows(&log);
    rows.remove(0);
    let report = compare(&log, &rows);
    assert!(!report.is_clean());
    rows.clear();
    assert_eq!(compare(&log, &rows).unmarked, [(10, 11)]);
}

fn child(pid: u32, code: i64) -> [LogEntry; 2] {
    let fork = LogEntry::new(c::FORK, "clone").with(c::PARENT_PID, 10u32).of(pid);
    let exit = LogEntry::new(c::EXIT, "exit").with(c::EXIT_CODE, code).of(pid);
    [fork, exit]
}

#[test]
fn a_pid_that_is_used_again_is_another_process() {
    let log = log([child(20, 1), child(20, 2)].concat());
    let mut rows = rows(&log);
    assert!(compare(&log, &rows).is_clean());
    rows[2][c::EXIT_CODE] = 2.into();
    rows[4][c::EXIT_CODE] = 1.into();
    assert!(!compare(&log, &rows).is_clean() || compare(&log, &rows).matched == 6);
}

#[test]
fn children_that_the_log_does_not_know_are_extra() {
    let log = log(child(20, 0));
    let mut rows = rows(&log);
    for mut entry in [child(21, 0), child(22, 0)].concat() {
        entry.seq = 1;
        rows.push(row(&entry));
    }
    let strangers = json!({"table": "process_exit", "pid": 99, "tid": 99, "time": ""});
    rows.push(strangers);
    let report = compare(&log, &rows);
    assert_eq!((report.matched, report.extra.len()), (4, 4), "{report}");
}

#[test]
fn the_pid_of_a_child_whose_exec_failed_is_found() {
    let pid = UNKNOWN_PID + 7;
    let exec = LogEntry::new(c::EXEC, "execve")
        .with(c::PATH, "/missing?7")
        .with(c::ERROR, "ENOENT")
        .of(pid);
    let [fork, exit] = child(pid, 127);
    let log = log([fork, exec, exit]);
    let mut rows = rows(&log);
    for row in &mut rows {
        if row["pid"] == pid {
            (row["pid"], row["tid"]) = (30.into(), 30.into());
        }
    }
    let report = compare(&log, &rows);
    assert!(report.is_clean(), "{report}");
}

#[test]
fn sockets_are_told_apart_by_their_cookies() {
    let close = |cookie: i64, sent: i64| {
        LogEntry::new(c::CLOSE, "close").with(c::SOCKET, cookie).with(c::BYTES_SENT, sent)
    };
    let log = log([close(1, 10), close(2, 20), close(3, 0).maybe()]);
    let mut rows = rows(&log);
    rows.remove(3);
    rows.swap(1, 2);
    assert!(compare(&log, &rows).is_clean());
    // The kernel may close for another thread; the row is the owner's.
    rows[1]["tid"] = 12.into();
    assert_eq!(compare(&log, &rows).wrong.len(), 1);
    rows[1]["tid"] = 11.into();
    rows[1][c::BYTES_SENT] = 21.into();
    assert_eq!(compare(&log, &rows).wrong.len(), 1);
}

#[test]
fn a_stand_in_for_a_cookie_is_seen_through() {
    let accept = |cookie: i64, port: i64| {
        LogEntry::new(c::ACCEPT, "accept4")
            .with(c::SOCKET, cookie)
            .with(c::PROTOCOL, "tcp")
            .with(c::LOCAL_IP, "127.0.0.1")
            .with(c::PEER_PORT, port)
    };
    let log = log([accept(7, 1000), accept(8, 2000)]);
    let mut rows = rows(&log);
    rows[1][c::SOCKET] = json!((1u64 << 63) + 5);
    rows[2][c::SOCKET] = json!((1u64 << 63) + 6);
    let doctor = json!({"capabilities": [{"what": hooks::COOKIES, "state": "missing"}]});
    let rung = Rung { hooks: Hooks::of_doctor(&doctor).unwrap(), ..Rung::full() };
    let report = compare_with(&log, &rows, &rung);
    assert!(report.is_clean(), "{report}");
    assert!(!compare(&log, &rows).is_clean(), "where cookies are given none may stand in");
    rows[2][c::PEER_PORT] = 2001.into();
    assert!(!compare_with(&log, &rows, &rung).is_clean());
}

#[test]
fn the_states_of_a_socket_come_in_their_order() {
    let changed = |socket: i64, old: &str, new: &str| {
        let entry = LogEntry::new(c::STATE, "tcp").with(c::SOCKET, socket);
        entry.with(c::OLD_STATE, old).with(c::NEW_STATE, new)
    };
    let log = log([
        changed(1, "ESTABLISHED", "FIN_WAIT1"),
        changed(2, "ESTABLISHED", "CLOSE_WAIT"),
        changed(1, "FIN_WAIT1", "FIN_WAIT2"),
    ]);
    let mut rows = rows(&log);
    assert!(compare(&log, &rows).is_clean());
    let early = rows[1]["time"].clone();
    rows[2]["time"] = early.clone();
    assert!(compare(&log, &rows).is_clean(), "sockets do not wait for each other");
    rows[1]["time"] = rows[3]["time"].clone();
    rows[3]["time"] = early;
    assert!(!compare(&log, &rows).is_clean());
}

#[test]
fn what_a_rung_cannot_tell_is_asked_of_the_others_alone() {
    let close = LogEntry::new(c::CLOSE, "close").with(c::SOCKET, 1i64);
    let full = When::full(hooks::UNIX_CLOSE);
    let by = Expect::depending(full.clone(), "local", "idle");
    let log =
        log([close.clone().with(c::CLOSED_BY, by), close.with(c::SOCKET, 2i64).only(Some(full))]);
    let all = rows(&log);
    let mut fewer = all.clone();
    fewer.remove(2);
    fewer[1][c::CLOSED_BY] = "idle".into();
    let doctor = json!({"capabilities": [{"what": hooks::UNIX_CLOSE, "state": "missing"}]});
    let rung = Rung { hooks: Hooks::of_doctor(&doctor).unwrap(), ..Rung::full() };
    assert!(compare(&log, &all).is_clean() && !compare(&log, &fewer).is_clean());
    assert!(compare_with(&log, &fewer, &rung).is_clean());
    let report = compare_with(&log, &all, &rung);
    assert_eq!((report.extra.len(), report.wrong.len()), (1, 1), "{report}");
}

#[test]
fn a_hundred_thousand_rows_of_one_path_are_compared_at_once() {
    let mut log = log((0..100_000).map(|fd| open("/same", fd)));
    log.iter_mut().for_each(|entry| entry.call = Cow::from("openat"));
    let mut rows: Vec<Value> = rows(&log);
    for (place, row) in rows.iter_mut().enumerate() {
        row["time"] = format!("2026-01-01T00:00:00.{place:09}Z").into();
    }
    rows.remove(50_000);
    let report = compare(&log, &rows);
    assert_eq!((report.missing.len(), report.extra.len()), (1, 0));
    assert!(report.wrong.is_empty(), "{} wrong", report.wrong.len());
}
