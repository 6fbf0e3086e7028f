//! Questions: where they come from, what is wrong with them, and how complete their answers are.

use std::fs;
use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::stored::{ROWS, files, segments, stored};
use crate::{command, out, query, said};

#[test]
fn an_error_points_at_the_place_and_says_what_was_meant() {
    let folder = stored(0, false);
    let output = query(folder.path(), &["select time,\n  memroy from agent_map"]);
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    let lines: Vec<&str> = said.lines().collect();
    let line = lines.iter().position(|line| *line == "2 |   memroy from agent_map");
    let mark = lines[line.unwrap_or_else(|| panic!("{said}")) + 1];
    assert!(mark.starts_with("  |   ^^^^^^ did you mean `memory`"), "{said}");

    let output = query(folder.path(), &["select * from agent_mop"]);
    assert!(self::said(&output).contains("agent_map"), "{}", self::said(&output));
    let output = query(folder.path(), &["selct 1"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let output = query(folder.path(), &["create table x as select 1"]);
    assert_eq!(output.status.code(), Some(1), "{}", self::said(&output));
}

#[test]
fn what_makes_no_sense_is_refused_as_usage() {
    let folder = stored(0, false);
    for words in [
        &["  ;"][..],
        &["-o", "xml", "select 1"],
        &["--timeout", "soon", "select 1"],
        &["--server", "127.0.0.1:1", "select 1"],
        &["-f", "a.sql", "select 1"],
    ] {
        let output = query(folder.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", said(&output));
    }
    let nothing = TempDir::new().unwrap();
    let output = query(nothing.path(), &["select 1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("there is no store in"), "{}", said(&output));
    assert!(files(nothing.path()).is_empty());
    let output = query(&nothing.path().join("none"), &["select 1"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_question_may_come_from_a_file_or_standard_input() {
    let folder = stored(0, false);
    let place = TempDir::new().unwrap();
    let file = place.path().join("count.sql");
    fs::write(&file, "select count(*) as maps\nfrom agent_map;\n").unwrap();
    let output = query(folder.path(), &["-o", "csv", "-f", file.to_str().unwrap()]);
    assert_eq!(out(&output), format!("maps\n{ROWS}\n"));
    fs::write(&file, "select x\nfrom agent_map").unwrap();
    let output = query(folder.path(), &["-f", file.to_str().unwrap()]);
    assert!(said(&output).contains("count.sql:1:8"), "{}", said(&output));

    for words in [&["-"][..], &[]] {
        let folder = folder.path().to_str().unwrap();
        let words = [&["query", "-o", "csv", "--data", folder][..], words].concat();
        let mut command = command(&words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        child.stdin.take().unwrap().write_all(b"select 1 as one").unwrap();
        assert_eq!(out(&child.wait_with_output().unwrap()), "one\n1\n");
    }
}

#[test]
fn a_limit_ends_the_answer_and_says_so() {
    let folder = stored(0, false);
    let output = query(folder.path(), &["-o", "json", "--limit", "3", "select pid from agent_map"]);
    assert_eq!(out(&output).lines().count(), 3);
    assert!(said(&output).contains("there are more"), "{}", said(&output));
    let output = query(folder.path(), &["-o", "json", "--limit", "3", "select 1"]);
    assert!(!said(&output).contains("there are more"), "{}", said(&output));
}

#[test]
fn what_was_lost_and_not_watched_is_told() {
    let folder = stored(100, true);
    let said = said(&query(folder.path(), &["select count(*) from agent_map"]));
    assert!(said.contains("covers 2026-11-21 22:10:04Z to "), "{said}");
    assert!(said.contains("not watched: ") && said.contains("(1m40s)"), "{said}");
    assert!(said.contains("lost: 7 agent_map in kernel (ring_full)"), "{said}");
}

#[test]
fn the_agent_that_is_not_there_is_told_with_what_to_do() {
    let output = command(&["query", "--server", "127.0.0.1:1", "select 1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains("127.0.0.1:1") && said.contains("--data"), "{said}");
}

#[test]
fn a_damaged_segment_gives_an_error_and_no_wrong_row() {
    let folder = stored(0, false);
    let segments = segments(folder.path());
    let mut bytes = fs::read(&segments[2]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segments[2], bytes).unwrap();
    let output = query(folder.path(), &["-o", "json", "select * from agent_map"]);
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    let name = segments[2].file_name().unwrap().to_str().unwrap();
    assert!(said.contains(name) && said.contains("fathom verify"), "{said}");
}

/// An answer that takes hours.
const LONG: &str =
    "select count(*) from agent_map a, agent_map b, agent_map c where a.memory + b.memory = c.pid";

#[test]
fn an_interrupted_question_ends_soon_and_leaves_no_rows() {
    let folder = stored(0, false);
    interrupt(&["--data", folder.path().to_str().unwrap()]);
}

/// Asks what takes hours, and presses Ctrl-C.
pub fn interrupt(source: &[&str]) {
    let mut command = command(&[&["query"], source, &[LONG]].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until_it_listens(&child);
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).expect("our own child");
    let asked = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{}", said(&output));
    assert_eq!(said(&output), "fathom: interrupted\n");
}

/// Waits until `child` takes SIGINT itself.
fn until_it_listens(child: &Child) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let listens = || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
        Some(caught & (1 << (Signal::INT.as_raw() - 1)) != 0)
    };
    while listens() != Some(true) {
        assert!(Instant::now() < deadline, "it never listens for SIGINT");
        std::thread::yield_now();
    }
}

#[test]
fn a_question_that_takes_too_long_is_broken_off() {
    let folder = stored(0, false);
    let output = query(folder.path(), &["--timeout", "200ms", LONG]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("--timeout"), "{}", said(&output));
}
