//! What `fathom profile` writes, read by others.

use std::fs;
use std::process::{Command, Output, Stdio};

use testkit::profile::cases::{Case, Ready, all};
use testkit::profile::folded::Folded;
use testkit::profile::programs;
use testkit::watch::not_run;

use super::table::{binary, can_trace};

/// A case's program for a short while.
fn ready(name: &str) -> Ready {
    let case: Option<Case> = all(2.0).into_iter().find(|case| case.name == name);
    case.expect("a case of this name").prepare().expect("a C compiler")
}

/// Runs `fathom profile` on a case's command, with these words before it.
fn profile(ready: &Ready, words: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(["profile", "--for", "60s"]).args(words).arg("--").args(&ready.command);
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn gos_own_tool_reads_the_pprof_file() {
    let test = "gos_own_tool_reads_the_pprof_file";
    if !can_trace(test) {
        return;
    }
    let go = match programs::tool("go") {
        Ok(go) => go,
        Err(error) => return not_run(test, &format!("{error:#}")),
    };
    let ready = ready("c-plain");
    let file = ready.home.path().join("profile.pb.gz");
    profile(&ready, &["-o", &file.display().to_string()]);
    let mut pprof = Command::new(go);
    pprof.args(["tool", "pprof", "-top", "-cum"]).arg(&file).env("HOME", ready.home.path());
    let said = pprof.env("GOTOOLCHAIN", "local").env("GOPROXY", "off").output().expect("it runs");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{text}{}", String::from_utf8_lossy(&said.stderr));
    // `flat flat% sum% cum cum% NAME`
    let share = |name: &str| {
        let line = text.lines().find(|line| line.split_whitespace().nth(5) == Some(name))?;
        line.split_whitespace().nth(4)?.strip_suffix('%')?.parse::<f64>().ok()
    };
    for (name, truth) in [("hot_a", 70.0), ("hot_b", 20.0), ("hot_c", 10.0)] {
        let is = share(name).unwrap_or_else(|| panic!("{name} is not in\n{text}"));
        assert!((is - truth).abs() < 12.0, "{name}: {is} %\n{text}");
    }
}

#[test]
fn a_picture_names_what_is_hot() {
    let test = "a_picture_names_what_is_hot";
    if !can_trace(test) {
        return;
    }
    let ready = ready("c-plain");
    for form in ["svg", "html"] {
        let file = ready.home.path().join(format!("flame.{form}"));
        profile(&ready, &["-o", &file.display().to_string()]);
        let text = fs::read_to_string(&file).expect("written");
        for name in ["hot_a", "hot_b", "hot_c", "leaf", "dispatch"] {
            assert!(text.contains(name), "{form}: {name}");
        }
    }
}

#[test]
fn a_neighbour_is_not_in_the_profile() {
    let test = "a_neighbour_is_not_in_the_profile";
    if !can_trace(test) {
        return;
    }
    let (ready, outside) = (ready("c-plain"), ready("c-pointers"));
    let mut neighbour = Command::new(&outside.command[0]);
    let mut neighbour = neighbour.args(&outside.command[1..]).spawn().expect("it runs");
    let file = ready.home.path().join("profile.folded");
    profile(&ready, &["-o", &file.display().to_string()]);
    let ended = neighbour.wait().expect("our own child");
    assert!(ended.success());
    let text = fs::read_to_string(&file).expect("written");
    let folded = Folded::parse(&text).expect("folded text");
    assert!(folded.total() > 100, "{text}");
    assert_eq!(folded.of(&["c-pointers"]).total(), 0, "{text}");
}
