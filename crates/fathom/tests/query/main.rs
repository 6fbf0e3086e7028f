//! `fathom query` and `fathom verify`, as a user meets them; nothing here needs BPF.

#![allow(missing_docs, unreachable_pub)]

mod asking;
mod door;
mod forms;
mod stored;
mod verify;

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fathom"));
    command.args(words).stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

fn query(folder: &Path, words: &[&str]) -> Output {
    let folder = folder.to_str().expect("a plain name");
    command(&[&["query", "--data", folder], words].concat()).output().expect("it runs")
}

fn verify(folder: &Path, words: &[&str]) -> Output {
    let folder = folder.to_str().expect("a plain name");
    command(&[&["verify", "--data", folder], words].concat()).output().expect("it runs")
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
