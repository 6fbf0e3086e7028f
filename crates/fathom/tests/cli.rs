//! The command line as a user meets it; nothing here needs BPF.

use std::process::{Command, Output};

fn fathom(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fathom")).args(words).output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_wrong_command_finds_the_nearest_right_one() {
    let output = fathom(&["obsreve"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("observe"), "{}", said(&output));
}

#[test]
fn a_wrong_table_finds_the_nearest_right_one() {
    let output = fathom(&["observe", "file_opne", "--pid", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("did you mean `file_open`?"), "{}", said(&output));
    assert_eq!(fathom(&["tables", "nothing_like_it"]).status.code(), Some(2));
}

#[test]
fn observing_nobody_is_refused_with_the_ways_to_say_whom() {
    let output = fathom(&["observe"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("-- COMMAND") && said(&output).contains("--node"));
}

#[test]
fn a_wrong_time_says_how_one_is_written() {
    let output = fathom(&["observe", "--for", "ten", "--pid", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("10s"), "{}", said(&output));
}

#[test]
fn tables_are_told_from_the_schema() {
    let text = String::from_utf8(fathom(&["tables"]).stdout).expect("text");
    for table in ["process_exec", "file_open", "socket_close", "agent_drop"] {
        assert!(text.lines().any(|line| line.starts_with(table)), "{table} in {text}");
    }
    let json = fathom(&["tables", "file_open", "-o", "json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["tables"][0]["name"], "file_open");
}

#[test]
fn a_file_that_is_no_capture_is_refused() {
    let output = fathom(&["replay", "/etc/hostname"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("not a capture"), "{}", said(&output));
    let output = fathom(&["replay", "/nonexistent/file"]);
    assert!(said(&output).contains("/nonexistent/file"), "{}", said(&output));
}

#[test]
fn completions_and_the_manual_are_there() {
    let completions = fathom(&["completions", "bash"]);
    assert!(String::from_utf8_lossy(&completions.stdout).contains("observe"));
    let manual = fathom(&["man"]);
    assert!(String::from_utf8_lossy(&manual.stdout).starts_with(".ie"));
    assert!(fathom(&["man", "observe"]).status.success());
}
