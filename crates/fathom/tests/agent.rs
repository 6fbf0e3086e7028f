//! The agent as a whole: rows into files, the door, a new configuration, faults, the end.
//!
//! Every agent here watches one process that the test itself started, and nothing else.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use export::RotatingFile;
use kernel::{Features, Mechanism};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Whether this machine lets us trace; a note for `test` where not.
fn can_trace(test: &str) -> bool {
    let features = Features::probe();
    let obstacle = features.obstacle(Mechanism::TpBtf);
    if let Some(obstacle) = obstacle {
        testkit::watch::not_run(test, obstacle);
    }
    obstacle.is_none()
}

fn binary() -> String {
    std::env::var("FATHOM_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_fathom").to_string())
}

/// Waits for a condition; the test fails with `what` where it does not come true.
fn wait<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A shell that creates `count` files each time it is told to.
struct Workload {
    child: Child,
    orders: ChildStdin,
    directory: PathBuf,
}

impl Workload {
    fn start(directory: &Path) -> Workload {
        fs::create_dir_all(directory).expect("a directory");
        let script = "while read from to; do i=$from; while [ $i -lt $to ]; do : > f$i; \
                      i=$((i+1)); done; : > done$to; done";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .current_dir(directory)
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell");
        let orders = child.stdin.take().expect("its input");
        Workload { child, orders, directory: directory.to_path_buf() }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Begins to create the files `f{from}` to `f{to - 1}`.
    fn begin(&mut self, from: u32, to: u32) {
        writeln!(self.orders, "{from} {to}").expect("the shell reads");
    }

    fn wait(&self, to: u32) {
        wait("the workload", || self.directory.join(format!("done{to}")).exists().then_some(()));
    }

    fn make(&mut self, from: u32, to: u32) {
        self.begin(from, to);
        self.wait(to);
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An agent in a directory of its own.
struct Agent {
    child: Child,
    config: PathBuf,
    log: PathBuf,
}

impl Agent {
    fn start(directory: &Path, config: &str) -> Agent {
        Agent::start_with(directory, config, Stdio::null())
    }

    fn start_with(directory: &Path, config: &str, out: Stdio) -> Agent {
        let (file, log) = (directory.join("fathom.yaml"), directory.join("agent.log"));
        fs::write(&file, config).expect("the configuration");
        let child = Command::new(binary())
            .args(["agent", "--config"])
            .arg(&file)
            .stdout(out)
            .stderr(File::create(&log).expect("a log"))
            .spawn()
            .expect("an agent");
        let mut agent = Agent { child, config: file, log };
        wait("the start", || {
            let ended = agent.child.try_wait().expect("our own child");
            assert!(ended.is_none(), "the agent ended: {}", agent.log());
            agent.log().contains("metrics and health at").then_some(())
        });
        wait("readiness", || (agent.get("/readyz").0 == 200).then_some(()));
        agent
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("a log")
    }

    /// Waits for a line with `words`, and gives it.
    fn logged(&self, words: &str) -> String {
        wait(&format!("`{words}` in the log"), || {
            self.log().lines().find(|line| line.contains(words)).map(str::to_string)
        })
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a pid");
        kill_process(pid, signal).expect("our own child");
    }

    /// Has it read `config`; `words` are what it says then.
    fn reload(&self, config: &str, words: &str) -> String {
        let before = self.log().len();
        fs::write(&self.config, config).expect("the configuration");
        self.signal(Signal::HUP);
        wait(&format!("`{words}` after {config}\n{}", self.log()), || {
            let line = self.log()[before..].lines().find(|line| line.contains(words))?.to_string();
            Some(line)
        })
    }

    /// Status and body.
    fn get(&self, path: &str) -> (u16, String) {
        self.logged("metrics and health at http://");
        let log = self.log();
        let line = log.lines().rfind(|line| line.contains("metrics and health at http://"));
        let line = line.expect("the door is told");
        let (_, address) = line.rsplit_once("http://").expect("an address");
        let mut stream = TcpStream::connect(address).expect("the door is open");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        (status, body.to_string())
    }

    /// The sum of all samples whose name and labels hold each of `parts`.
    fn metric(&self, parts: &[&str]) -> f64 {
        let (_, page) = self.get("/metrics");
        let lines = page.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        let values = lines.filter(|line| !line.starts_with('#'));
        values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// Ends it, and gives its log.
    fn end(mut self) -> String {
        self.signal(Signal::TERM);
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}: {}", self.log());
        self.log()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All rows of a file and of those that were put aside before it, oldest first.
fn rows(path: &Path) -> Vec<Value> {
    let mut text = String::new();
    for number in (1..1000).rev() {
        let aside = format!("{}.{number}", path.display());
        text += &fs::read_to_string(aside).unwrap_or_default();
    }
    text += &fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a whole row")).collect()
}

/// How often each of the workload's files was opened, by its number.
fn opened(rows: &[Value]) -> BTreeMap<u32, u32> {
    let mut opened = BTreeMap::new();
    for row in rows.iter().filter(|row| row["table"] == "file_open") {
        let name =
            row["path"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        if let Some(number) = name.strip_prefix('f').and_then(|number| number.parse().ok()) {
            *opened.entry(number).or_default() += 1;
        }
    }
    opened
}

fn assert_once(rows: &[Value], numbers: std::ops::Range<u32>) {
    let opened = opened(rows);
    let expected: BTreeMap<u32, u32> = numbers.map(|number| (number, 1)).collect();
    let missing: Vec<_> = expected.keys().filter(|number| !opened.contains_key(number)).collect();
    assert!(missing.is_empty(), "{} rows are missing: {missing:?}", missing.len());
    assert_eq!(opened, expected);
}

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
