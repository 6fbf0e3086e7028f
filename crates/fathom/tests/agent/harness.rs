//! An agent in a directory of its own, and a workload that it watches.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use kernel::{Features, Mechanism};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Whether this machine lets us trace; a note for `test` where not.
pub fn can_trace(test: &str) -> bool {
    let features = Features::probe();
    let obstacle = features.obstacle(Mechanism::TpBtf);
    if let Some(obstacle) = obstacle {
        testkit::watch::not_run(test, obstacle);
    }
    obstacle.is_none()
}

pub fn binary() -> String {
    std::env::var("FATHOM_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_fathom").to_string())
}

/// Waits for a condition; the test fails with `what` where it does not come true.
pub fn wait<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
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
pub struct Workload {
    pub child: Child,
    pub orders: ChildStdin,
    pub directory: PathBuf,
}

impl Workload {
    pub fn start(directory: &Path) -> Workload {
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

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Begins to create the files `f{from}` to `f{to - 1}`.
    pub fn begin(&mut self, from: u32, to: u32) {
        writeln!(self.orders, "{from} {to}").expect("the shell reads");
    }

    pub fn wait(&self, to: u32) {
        wait("the workload", || self.directory.join(format!("done{to}")).exists().then_some(()));
    }

    pub fn make(&mut self, from: u32, to: u32) {
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
pub struct Agent {
    pub child: Child,
    pub config: PathBuf,
    pub log: PathBuf,
}

impl Agent {
    pub fn start(directory: &Path, config: &str) -> Agent {
        Agent::start_with(directory, config, Stdio::null())
    }

    pub fn start_with(directory: &Path, config: &str, out: Stdio) -> Agent {
        let (file, log) = (directory.join("fathom.yaml"), directory.join("agent.log"));
        fs::write(&file, config).expect("the configuration");
        let child = Command::new(binary())
            .args(["agent", "--config"])
            .arg(&file)
            // A store and a door for each, or none: other agents of tests run beside it.
            .env("FATHOM_STORE_DIRECTORY", directory.join("store"))
            .env("FATHOM_FLIGHT_LISTEN", "127.0.0.1:0")
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

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("a log")
    }

    /// Waits for a line with `words`, and gives it.
    pub fn logged(&self, words: &str) -> String {
        wait(&format!("`{words}` in the log"), || {
            self.log().lines().find(|line| line.contains(words)).map(str::to_string)
        })
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a pid");
        kill_process(pid, signal).expect("our own child");
    }

    /// Has it read `config`; `words` are what it says then.
    pub fn reload(&self, config: &str, words: &str) -> String {
        let before = self.log().len();
        fs::write(&self.config, config).expect("the configuration");
        self.signal(Signal::HUP);
        wait(&format!("`{words}` after {config}\n{}", self.log()), || {
            let line = self.log()[before..].lines().find(|line| line.contains(words))?.to_string();
            Some(line)
        })
    }

    /// Status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.logged("metrics and health at http://");
        let log = self.log();
        let line = log.lines().rfind(|line| line.contains("metrics and health at http://"));
        let line = line.expect("the door is told");
        let (_, address) = line.rsplit_once("http://").expect("an address");
        let mut stream = TcpStream::connect(address).expect("the door is open");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        (status, body.to_string())
    }

    /// The sum of all samples whose name and labels hold each of `parts`.
    pub fn metric(&self, parts: &[&str]) -> f64 {
        let (_, page) = self.get("/metrics");
        let lines = page.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        let values = lines.filter(|line| !line.starts_with('#'));
        values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// Ends it, and gives its log.
    pub fn end(mut self) -> String {
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
pub fn rows(path: &Path) -> Vec<Value> {
    let mut text = String::new();
    for number in (1..1000).rev() {
        let aside = format!("{}.{number}", path.display());
        text += &fs::read_to_string(aside).unwrap_or_default();
    }
    text += &fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a whole row")).collect()
}

/// How often each of the workload's files was opened, by its number.
pub fn opened(rows: &[Value]) -> BTreeMap<u32, u32> {
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

pub fn assert_once(rows: &[Value], numbers: std::ops::Range<u32>) {
    let opened = opened(rows);
    let expected: BTreeMap<u32, u32> = numbers.map(|number| (number, 1)).collect();
    let missing: Vec<_> = expected.keys().filter(|number| !opened.contains_key(number)).collect();
    assert!(missing.is_empty(), "{} rows are missing: {missing:?}", missing.len());
    assert_eq!(opened, expected);
}
