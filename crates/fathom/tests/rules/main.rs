//! `fathom rules`, as a user meets it; nothing here needs BPF.

#![allow(missing_docs, unreachable_pub)]

mod backtest;
mod check;
mod list;
mod test;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Shells in containers, with a list and a macro, and a rule that is turned off.
const RULES: &str = r#"- list: shells
  items: [sh, bash]

- macro: spawned
  condition: evt.type in (execve, execveat)

- rule: Shell in a container
  desc: A shell was started
  condition: spawned and proc.name in (shells) and container.id != host
  output: Shell (%proc.cmdline) in %container.image.repository
  priority: WARNING
  tags: [container, T1059]

- rule: Shadow was read
  desc: Somebody read it
  condition: evt.type in (open, openat) and fd.name = /etc/shadow and not proc.name in (shells)
  output: Shadow read by %proc.name of %proc.pname
  priority: ERROR

- rule: All opens
  desc: For those who are curious
  condition: evt.type = openat
  output: Open of %fd.name
  priority: DEBUG
  enabled: false
"#;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}

/// `fathom rules WORDS`, in a folder.
fn rules(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fathom"));
    command.arg("rules").args(words).current_dir(folder).stdin(Stdio::null());
    command.output().expect("it runs")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{}", out(output), said(output));
    })
}

/// What the process `pid` does in `second`, as a row; `rest` is `,"column":value…`.
fn row(second: u32, table: &str, pid: u32, comm: &str, place: &str, rest: &str) -> String {
    format!(
        "{{\"table\":\"{table}\",\"time\":\"2026-11-22T10:00:{second:02}.000000000Z\",\
         \"node\":\"node-1\",\"process\":\"00000001-{pid:x}-{pid}\",\"pid\":{pid},\"tid\":{pid},\
         \"comm\":\"{comm}\"{place}{rest}}}\n"
    )
}

const HOST: &str = ",\"exe\":\"/usr/bin/x\",\"container\":null";
const POD: &str = ",\"exe\":\"/bin/dash\",\"container\":\"3f4a3f4a3f4a3f4a\",\"image\":\"web:1\",\
                   \"pod\":\"web-1\",\"namespace\":\"prod\",\"workload\":\"Deployment/web\"";

/// A shell is started by the process 5.
fn shell(second: u32, pid: u32, place: &str) -> String {
    let rest = ",\"path\":\"/bin/sh\",\"path_resolved\":\"/bin/dash\",\"args\":[\"sh\",\"-c\",\"id\"],\
                \"parent\":\"00000001-5-5\"";
    row(second, "process_exec", pid, "sh", place, rest)
}

/// Somebody opens the file.
fn open(second: u32, pid: u32, comm: &str, path: &str) -> String {
    let rest = format!(",\"path\":\"{path}\",\"path_resolved\":\"{path}\",\"call\":\"openat\"");
    row(second, "file_open", pid, comm, HOST, &rest)
}
