//! The agent as a whole: rows into files, the door, a new configuration, faults, the end.
//!
//! Every agent here watches one process that the test itself started, and nothing else.

#![allow(missing_docs, unreachable_pub)]

mod harness;
mod profiles;
mod remember;
mod requests;

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use export::RotatingFile;
use serde_json::Value;

use harness::{Agent, Workload, assert_once, binary, can_trace, opened, rows, wait};

#[test]
fn rows_reach_the_file_and_the_door_tells_how_it_goes() {
    if !can_trace("rows_reach_the_file_and_the_door_tells_how_it_goes") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let mut workload = Workload::start(&directory.join("work"));
    let rows_at = directory.join("rows.jsonl");
    let config = format!(
        "node: node-7\nscope: {{pids: [{}]}}\nhttp: {{listen: 127.0.0.1:0}}\n\
         outputs: [{{kind: file, path: {}, rotate_size: 64KiB, keep: 100}}]\n",
        workload.pid(),
        rows_at.display()
    );
    let agent = Agent::start(directory, &config);
    workload.make(0, 500);
    wait("the rows", || {
        (agent.metric(&["output:file", "passed", "file_open"]) >= 500.0).then_some(())
    });

    assert_eq!(agent.get("/healthz"), (200, r#"{"reasons":[],"status":"ok"}"#.to_string()));
    let (_, page) = agent.get("/metrics");
    for name in [
        "fathom_build_info{version=",
        "fathom_process_resident_bytes ",
        "fathom_hook_state{signal=\"process\"",
        "fathom_program_run_seconds_total{signal=\"file\"",
        "fathom_ring_capacity_bytes{worker=\"0\",kind=\"facts\"} 2097152",
        "fathom_ring_fill_bytes{worker=\"0\",kind=\"bulk\"}",
    ] {
        assert!(page.lines().any(|line| line.starts_with(name)), "no {name} in\n{page}");
    }
    // What the dispatcher jumps to is counted as a run of the dispatcher.
    assert!(agent.metric(&["fathom_program_runs_total{signal=\"syscall\""]) >= 500.0);
    assert!(agent.metric(&["fathom_map_bytes{", "map=\"scope_pids\""]) > 0.0);
    let (status, tables) = agent.get("/api/v1/tables");
    assert!(status == 200 && tables.contains("\"file_open\""), "{tables}");

    let log = agent.end();
    assert!(log.contains(" 0 lost;"), "{log}");
    let rows = rows(&rows_at);
    assert_once(&rows, 0..500);
    assert!(rows.iter().all(|row| row["node"] == "node-7"));
    let aside = fs::read_dir(directory).expect("it is there").count();
    assert!(aside > 4, "nothing was put aside");
}

#[test]
fn a_new_configuration_costs_no_row() {
    if !can_trace("a_new_configuration_costs_no_row") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let mut workload = Workload::start(&directory.join("work"));
    let mut other = Workload::start(&directory.join("other"));
    let (rows_at, more_at) = (directory.join("rows.jsonl"), directory.join("more.jsonl"));
    let config = |pids: &str, rotation: &str, more: bool, rest: &str| {
        let path = |at: &Path| format!("- {{kind: file, path: {}, {rotation}}}\n", at.display());
        let more = if more { path(&more_at) } else { String::new() };
        format!(
            "scope: {{pids: [{pids}]}}\nhttp: {{listen: 127.0.0.1:0}}\noutputs:\n{}{more}{rest}",
            path(&rows_at)
        )
    };
    let (own, both) = (workload.pid().to_string(), format!("{},{}", workload.pid(), other.pid()));
    let first = config(&own, "keep: 900", false, "tables: [file, process]\nrings: {workers: 2}\n");
    let agent = Agent::start(directory, &first);

    const FILES: u32 = 20_000;
    workload.begin(0, FILES);
    // Everything that can change does, again and again, while rows come.
    for turn in 0..6 {
        let rotation = ["rotate_size: 1MiB, keep: 900", "rotate_size: 2MiB, keep: 900"][turn % 2];
        let (pids, more) = if turn % 2 == 0 { (&both, true) } else { (&own, false) };
        let tables = ["tables: [file, process]", "tables: [file]"][turn % 2];
        let rest = format!("{tables}\nrings: {{workers: 2}}\n");
        agent.reload(&config(pids, rotation, more, &rest), "configuration taken over: scope");
        other.make(turn as u32 * 10, turn as u32 * 10 + 10);
    }
    workload.wait(FILES);
    let log = agent.end();
    assert!(log.contains(" 0 lost;"), "{log}");

    let rows = rows(&rows_at);
    let (mine, others): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row["pid"] == workload.pid());
    assert_once(&mine, 0..FILES);
    // Every second turn the other one was in scope, and then its process was known.
    let expected = [0..10, 20..30, 40..50].into_iter().flatten();
    assert_eq!(opened(&others).into_keys().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert!(others.iter().all(|row| row["exe"].is_string()), "a process was not known");
}

#[test]
fn a_configuration_that_is_wrong_changes_nothing() {
    if !can_trace("a_configuration_that_is_wrong_changes_nothing") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let mut workload = Workload::start(&directory.join("work"));
    let rows_at = directory.join("rows.jsonl");
    let good = format!(
        "scope: {{pids: [{}]}}\nhttp: {{listen: 127.0.0.1:0}}\ntables: [file_open]\n\
         outputs: [{{kind: file, path: {}}}]\n",
        workload.pid(),
        rows_at.display()
    );
    let agent = Agent::start(directory, &good);
    let stays = "the old configuration stays in effect: ";
    let busy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let busy = busy.local_addr().expect("an address").to_string();
    for (from, to, told) in [
        ("tables:", "tabels:", "fathom.yaml:3:1: there is no key `tabels`; did you mean `tables`?"),
        ("kind: file", "kind: flie", "fathom.yaml:4:18: outputs: there is no `flie`"),
        ("pids: [", "pids: [4194303, ", "scope: there is no process 4194303"),
        ("127.0.0.1:0", &busy, "http.listen: cannot open the door: another process listens on"),
        ("rows.jsonl", "nowhere/rows.jsonl", "nowhere/rows.jsonl: No such file or directory"),
    ] {
        let _held = TcpListener::bind(&busy);
        let line = agent.reload(&good.replace(from, to), stays);
        assert!(line.contains(told), "{line}");
    }
    for (more, told) in [
        (
            "rings: {facts: 8MiB}\n",
            "`rings` was changed: that takes effect when the agent is restarted",
        ),
        ("node: other\n", "`node` was changed: that takes effect"),
        ("mechanisms: [tp_btf]\n", "`mechanisms` was changed"),
    ] {
        agent.reload(&format!("{good}{more}"), told);
    }
    agent.reload(&good.replace("file_open", "file_open, agent_drop"), "taken over: tables");
    agent.reload(&good, "taken over: tables");
    agent.reload(&good, "the configuration is as it was");
    agent.reload(&good.replace("127.0.0.1:0", "127.0.0.2:0"), "taken over: http");
    assert_eq!(agent.get("/readyz").0, 200);
    workload.make(0, 50);
    let log = agent.end();
    assert!(log.contains(" 0 lost;"), "{log}");
    assert_once(&rows(&rows_at), 0..50);
}

/// A small file system, unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf) -> Option<Small> {
        fs::create_dir_all(&at).expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "fathom-test"]).arg(&at);
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Small(at))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_costs_counted_rows_and_nothing_else() {
    let name = "a_full_disk_costs_counted_rows_and_nothing_else";
    if !can_trace(name) {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let Some(small) = Small::mount(directory.join("small")) else {
        return testkit::watch::not_run(name, "this machine does not let us mount a tmpfs");
    };
    let ballast = small.0.join("ballast");
    fs::write(&ballast, vec![1; 200 << 10]).expect("there is room");
    let mut workload = Workload::start(&directory.join("work"));
    let (rows_at, sound_at) = (small.0.join("rows.jsonl"), directory.join("rows.jsonl"));
    let config = format!(
        "scope: {{pids: [{}]}}\nhttp: {{listen: 127.0.0.1:0}}\ntables: [file_open]\noutputs:\n\
         - {{kind: file, path: {}}}\n- {{kind: file, path: {}}}\n",
        workload.pid(),
        rows_at.display(),
        sound_at.display()
    );
    let agent = Agent::start(directory, &config);
    let dropped =
        || agent.metric(&["fathom_dropped_rows_total{stage=\"output:file\"", "disk_full"]);
    workload.make(0, 1000);
    wait("a full disk", || (dropped() > 0.0).then_some(()));
    agent.logged("rows are left out and counted as disk_full until they can be written");
    // The agent is well, and goes on: the other output has every row.
    assert_eq!(agent.get("/healthz").0, 200);
    wait("the other output", || (opened(&rows(&sound_at)).len() == 1000).then_some(()));
    let lost = dropped();

    fs::remove_file(&ballast).expect("our own file");
    workload.make(1000, 1010);
    agent.logged("rows are written again");
    wait("rows again", || opened(&rows(&rows_at)).contains_key(&1009).then_some(()));
    assert_eq!(dropped(), lost);

    let log = agent.end();
    let written = opened(&rows(&rows_at));
    let missing = (0..1000).filter(|number| !written.contains_key(number)).count();
    assert!(missing > 0 && (1000..1010).all(|number| written.contains_key(&number)));
    // Each row that is not there was counted; the loops of a shell open nothing else but `done`.
    let done = u32::from(!fs::read_to_string(&rows_at).expect("rows").contains("/done1000\""));
    assert_eq!(lost as u32, missing as u32 + done, "{log}");
    assert_once(&rows(&sound_at), 0..1010);
}

#[test]
fn rows_go_to_standard_output_until_nobody_reads_it() {
    if !can_trace("rows_go_to_standard_output_until_nobody_reads_it") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let mut workload = Workload::start(&directory.join("work"));
    let config = format!(
        "scope: {{pids: [{}]}}\nhttp: {{listen: 127.0.0.1:0}}\ntables: [file_open]\n",
        workload.pid()
    );
    let mut agent = Agent::start_with(directory, &config, Stdio::piped());
    let mut out = agent.child.stdout.take().expect("a pipe");
    workload.make(0, 20);
    let mut text = String::new();
    wait("rows", || {
        let mut bytes = [0; 4096];
        let count = out.read(&mut bytes).expect("rows");
        text += std::str::from_utf8(&bytes[..count]).expect("text");
        text.contains("f19\"").then_some(())
    });
    drop(out);
    workload.make(20, 40);
    agent.logged("rows are left out and counted as reader_gone");
    assert_eq!(agent.get("/healthz").0, 200);
    let line = agent.reload(&format!("{config}log: {{format: json}}\n"), "taken over: log");
    let line: Value = serde_json::from_str(&line).expect("the log is JSON now");
    assert_eq!(line["level"], "info");
    let log = agent.end();
    assert!(log.contains("in output:stdout: reader_gone"), "{log}");
}

/// Runs the agent where it cannot start; what it says.
fn refused(directory: &Path, config: &str) -> String {
    let file = directory.join("fathom.yaml");
    fs::write(&file, config).expect("the configuration");
    let output = Command::new(binary()).args(["agent", "--config"]).arg(&file).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn a_second_agent_is_told_what_the_first_one_holds() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    // Each is refused before anything is loaded; our own process is the scope all the same.
    let scope = format!("scope: {{pids: [{}]}}\n", std::process::id());
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = held.local_addr().expect("an address");
    let told = refused(directory, &format!("{scope}http: {{listen: \"{address}\"}}\n"));
    assert!(told.contains(&format!("another process listens on {address}")), "{told}");

    let path = directory.join("rows.jsonl");
    let _held = RotatingFile::open(&path, None).expect("a file");
    let output = format!("outputs: [{{kind: file, path: {}}}]\n", path.display());
    let told = refused(directory, &format!("{scope}{output}http: {{listen: off}}\n"));
    assert!(told.contains("rows.jsonl: another process writes to this file"), "{told}");
}

#[test]
fn a_configuration_can_be_checked_and_printed() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let file = directory.join("fathom.yaml");
    let run = |arguments: &[&str]| {
        let output = Command::new(binary())
            .arg("agent")
            .args(arguments)
            .arg("--config")
            .arg(&file)
            .env("FATHOM_LOG_LEVEL", "warn")
            .output()
            .expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    fs::write(&file, "node: seven\n").expect("the configuration");
    let (code, printed, _) = run(&["--print-config"]);
    assert!(code == Some(0) && printed.contains("\nnode: seven\n"), "{printed}");
    assert!(printed.contains("  level: warn\n"), "{printed}");
    fs::write(&file, &printed).expect("the configuration");
    assert_eq!(run(&["--print-config"]), (Some(0), printed, String::new()));
    assert_eq!(run(&["--check"]).0, Some(0));

    fs::write(&file, "node: seven\nrings:\n  fatcs: 1MiB\n").expect("the configuration");
    let (code, out, told) = run(&["--check"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let place = file.display();
    let line =
        format!("fathom: {place}:3:3: there is no key `fatcs` in `rings`; did you mean `facts`?");
    assert_eq!(told, format!("{line}\n  |\n3 |   fatcs: 1MiB\n  |   ^\n"));
}
