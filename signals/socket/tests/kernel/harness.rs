//! Load, watch a cgroup, run an act in it, and give the rows.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kernel::{Cgroup, Feature, Features, Kernel, Options, ProgramAccount, Ring};
use schema::{Origin, ProcessKey, Sink, Text, Value};
use signal_socket::SOCKET;

/// The environment variable that names the act.
pub(crate) const ACT: &str = "FATHOM_SOCKET_ACT";

/// One row, its values as text and `-` for null.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) table: &'static str,
    pub(crate) pid: u32,
    pub(crate) comm: String,
    pub(crate) values: BTreeMap<&'static str, String>,
}

/// What came of an act.
pub(crate) struct Seen {
    pub(crate) rows: Vec<Row>,
    /// `key=value` lines that the act printed.
    pub(crate) said: BTreeMap<String, String>,
    pub(crate) pid: u32,
    /// What each hook sees, and the mechanism it took, empty where it is missing.
    pub(crate) rungs: BTreeMap<&'static str, &'static str>,
}

/// The signal, loaded.
pub(crate) struct Watch {
    pub(crate) kernel: Kernel,
    pub(crate) rungs: BTreeMap<&'static str, &'static str>,
    /// Only one test at a time: there is one cgroup for each process of ours.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Watch {
    /// Loads with only `mechanisms`, or with all where none is named.
    ///
    /// None where this machine does not let us; the reason is printed and noted.
    pub(crate) fn load(test: &str, mechanisms: &[&str]) -> Option<Watch> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let features = Features::probe();
        let wanted =
            |feature: &&Feature| mechanisms.contains(&feature.name) || feature.name == "tp_btf";
        let missing = features.list.iter().filter(wanted).find(|it| it.obstacle.is_some());
        if let Some(missing) = missing {
            not_run(test, missing.name, missing.obstacle.as_deref().unwrap_or_default());
            return None;
        }
        let names: Vec<String> = mechanisms.iter().map(|it| it.to_string()).collect();
        let preempted = features.preempted || mechanisms.contains(&"tracepoint");
        let features = Features { preempted, ..features };
        let features = if names.is_empty() { features } else { features.only(&names) };
        let options = Options { bulk_bytes: 16 << 20, ..Options::default() };
        let kernel = Kernel::load(&[&scope::SCOPE, &SOCKET], &features, &options).expect("loads");
        for rejection in kernel.rejections() {
            let log: Vec<&str> = rejection.log.lines().rev().take(12).collect();
            println!("refused {}: {}", rejection.program, log.join(" / "));
        }
        let ours = kernel.capabilities().iter().filter(|it| it.signal == "socket");
        let rungs = ours.map(|it| (it.what, it.mechanism)).collect();
        println!("{test}: {rungs:?}");
        Some(Watch { kernel, rungs, _turn: turn })
    }

    /// Runs the act `name` in a cgroup of its own, which alone is watched, and ends the observation.
    pub(crate) fn observe(&self, name: &str) -> Seen {
        let cgroup = Cgroup::create().expect("a cgroup");
        let watched = [scope::Scope::Cgroup(cgroup.path().into())];
        scope::apply(&self.kernel, &watched).expect("a scope");
        let mut seen = self.observe_in(&cgroup, name);
        seen.rows.extend(self.sweep(Duration::from_secs(86400), true));
        seen
    }

    /// The rows of exchanges that are over.
    pub(crate) fn sweep(&self, idle: Duration, last: bool) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut take = |bytes: &[u8]| rows.extend(decoded(bytes));
        signal_socket::sweep(&self.kernel, boot_time(), idle, last, &mut take);
        rows
    }

    /// Runs the act `name` in `cgroup`, whatever is watched.
    pub(crate) fn observe_in(&self, cgroup: &Cgroup, name: &str) -> Seen {
        let mut records: Vec<Vec<u8>> = Vec::new();
        let mut ring = Ring::bulk(&self.kernel, 0).expect("a ring");
        let mut drain = || ring.drain(1_000_000, |bytes| records.push(bytes.to_vec()));
        let (pid, said) = act(cgroup, name, || {
            drain();
            std::thread::sleep(Duration::from_millis(1));
        });
        // What happens in softirq may come after the process's end.
        let deadline = Instant::now() + Duration::from_millis(200);
        while Instant::now() < deadline {
            drain();
            std::thread::sleep(Duration::from_millis(10));
        }
        self.expect_no_loss();
        let mut rows = Vec::new();
        records.iter().for_each(|bytes| rows.extend(decoded(bytes)));
        Seen { rows, said, pid, rungs: self.rungs.clone() }
    }

    /// What each program cost until now.
    pub(crate) fn cost(&self) -> Vec<String> {
        let programs = self.kernel.programs();
        let ours = programs.iter().filter(|it| it.signal == "socket" || it.signal == "syscall");
        let line = |it: &ProgramAccount| {
            let each = it.run_time.as_nanos() as u64 / it.runs.max(1);
            let ProgramAccount { name, runs, misses, verified, .. } = it;
            format!("{name}: {runs} runs of {each} ns, {misses} misses, {verified} verified")
        };
        ours.map(line).collect()
    }

    fn expect_no_loss(&self) {
        let number = self.kernel.signals().iter().position(|it| it.name == "socket");
        for kind in 0..SOCKET.kinds.len() {
            for fate in 1..wire::FATE_COUNT {
                let count = self.kernel.fate(number.expect("is loaded"), kind, fate);
                assert_eq!(count, 0, "{} met fate {fate}", SOCKET.kinds[kind]);
            }
        }
    }
}

impl Seen {
    /// Whether the hook stands on any rung.
    pub(crate) fn has(&self, hook: &str) -> bool {
        !self.rungs[hook].is_empty()
    }

    /// Whether the hook stands on a rung of this mechanism.
    pub(crate) fn took(&self, hook: &str, mechanism: &str) -> bool {
        self.rungs[hook] == mechanism
    }
}

/// Runs an act in `cgroup`, calling `meanwhile` until it ends; its pid and what it said.
pub(crate) fn act(
    cgroup: &Cgroup,
    name: &str,
    mut meanwhile: impl FnMut(),
) -> (u32, BTreeMap<String, String>) {
    let mut command = Command::new(std::env::current_exe().expect("our own path"));
    command.args(["--exact", "act", "--nocapture", "--test-threads=1"]).env(ACT, name);
    let mut child = cgroup.spawn(command.stdout(Stdio::piped())).expect("a child");
    while child.try_wait().expect("our own child").is_none() {
        meanwhile();
    }
    let pid = child.id();
    let output = child.wait_with_output().expect("the child ended");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "the act failed: {text}");
    let pair = |(key, value): (&str, &str)| (key.to_string(), value.to_string());
    (pid, text.lines().filter_map(|line| line.split_once('=')).map(pair).collect())
}

/// `CLOCK_BOOTTIME`, the records' clock.
fn boot_time() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn origin(header: &wire::RecordHeader) -> Origin {
    Origin {
        time: header.time as i64,
        process: ProcessKey { start: header.start, pid: header.tgid, boot: 1 },
        tid: header.tid,
        cgroup: header.cgroup,
        comm: header.comm,
    }
}

/// The rows of one record.
fn decoded(bytes: &[u8]) -> Vec<Row> {
    let (header, reader) = wire::Reader::new(bytes).expect("a whole record");
    let mut sink = Sink::default();
    (SOCKET.decode)(&header, origin(&header), reader, &mut sink).expect("decodes");
    flatten(&sink)
}

fn flatten(sink: &Sink) -> Vec<Row> {
    let mut rows = Vec::new();
    for decoded in &sink.tables {
        for at in 0..decoded.len() {
            let fields = decoded.table.fields.iter().zip(&decoded.columns);
            let values = fields.map(|(field, column)| (field.name, show(column.value(at))));
            let origin = &decoded.origin[at];
            rows.push(Row {
                table: decoded.table.name,
                pid: origin.process.pid,
                comm: String::from_utf8_lossy(&origin.comm).trim_end_matches('\0').into(),
                values: values.collect(),
            });
        }
    }
    rows
}

fn show(value: Value<'_>) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Uint(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Text(value) => Text(value).to_string(),
        Value::Ip(value) => value.to_string(),
        Value::Process(value) => format!("{value:?}"),
    }
}

fn not_run(test: &str, mechanism: &str, reason: &str) {
    let line = format!("{test}: {mechanism}: {reason}");
    println!("not run: {line}");
    if let Ok(path) = std::env::var("FATHOM_NOT_RUN_LOG") {
        let log = std::fs::File::options().append(true).create(true).open(&path);
        let written = log.and_then(|mut log| writeln!(log, "{line}"));
        assert!(written.is_ok(), "cannot write to {path}");
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.table, self.pid, self.comm)?;
        for (name, value) in self.values.iter().filter(|(_, value)| *value != "-") {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}
