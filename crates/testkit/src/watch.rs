//! The harness of every signal's `tests/kernel.rs`: load signals on given rungs, let a command
//! act in a cgroup of its own, and give the rows that came.

use std::fs::File;
use std::io::Write;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use kernel::{Cgroup, Features, Kernel, Mechanism, Options, Ring, Signal};
use schema::{Decoded, Origin, ProcessKey, Sink, SocketNews, StackNews, Text, Value};
use scope::{SCOPE, Scope};
use wire::Reader;

/// Signals that are loaded and watch one cgroup.
pub struct Watch {
    /// What is loaded.
    pub kernel: Arc<Kernel>,
    cgroup: Cgroup,
    signals: Vec<&'static Signal>,
}

/// One row, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its table.
    pub table: &'static str,
    /// Nanoseconds from boot.
    pub time: i64,
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// The thread's name.
    pub comm: String,
    /// The table's own columns, as text; none where null.
    values: Vec<(&'static str, Option<String>)>,
}

/// Every mechanism that a ladder may name.
pub const MECHANISMS: &[&str] = &["lsm", "fentry", "kprobe", "tp_btf"];
/// Makes programs on BTF tracepoints stand on the classic ones, as kernels from 7.0 on need it.
pub const CLASSIC: &str = "tracepoint";

/// Every mechanism that a ladder may name, and the classic tracepoints on kernels that may need them.
pub fn mechanisms() -> Vec<&'static str> {
    let found = Features::probe();
    let classic = found.list.iter().any(|it| it.name == CLASSIC && it.obstacle.is_none());
    MECHANISMS.iter().copied().chain(classic.then_some(CLASSIC)).collect()
}

/// Whether an agent that said this when it ended lost nothing but what no program can help: a kernel
/// that comes upon a program inside itself, in an interrupt say, does not run it, and that is counted.
pub fn is_whole(said: &str) -> bool {
    let mut losses = said.lines().filter(|line| line.contains(" lost ")).peekable();
    said.contains(" 0 lost;")
        || (losses.peek().is_some() && losses.all(|it| it.contains("program in kernel: recursion")))
}

/// Says that the test `name` could not run, where the test run's summary finds it.
pub fn not_run(name: &str, reason: &str) {
    println!("not run: {name}: {reason}");
    let Ok(path) = std::env::var("FATHOM_NOT_RUN_LOG") else { return };
    let log = File::options().append(true).create(true).open(&path);
    let written = log.and_then(|mut log| writeln!(log, "{name}: {reason}"));
    written.unwrap_or_else(|error| panic!("cannot note in {path} what was not run: {error}"));
}

impl Watch {
    /// Loads `signals` with only the mechanisms in `allowed` (and those that every kernel has).
    /// None, and a note for `test`, where this machine does not let us trace or lacks a mechanism.
    pub fn start(
        test: &str,
        signals: &[&'static Signal],
        allowed: &[&str],
    ) -> Result<Option<Watch>> {
        let found = Features::probe();
        let named = |name: &&&str| found.list.iter().find(|feature| feature.name == **name);
        let obstacle = found.obstacle(Mechanism::TpBtf).map(str::to_string);
        let lacking =
            allowed.iter().filter(|_| allowed.len() < MECHANISMS.len()).find_map(|name| {
                let why = named(&name)?.obstacle.clone()?;
                Some(format!("{name}: {why}"))
            });
        if let Some(obstacle) = obstacle.or(lacking) {
            not_run(test, &obstacle);
            return Ok(None);
        }
        let preempted = found.preempted || allowed == [CLASSIC];
        let found = Features { preempted, ..found };
        let allowed: Vec<String> =
            allowed.iter().chain(&["tp_btf"]).map(|name| name.to_string()).collect();
        let mut loaded: Vec<&'static Signal> = vec![&SCOPE];
        loaded.extend(signals);
        let kernel = Kernel::load(&loaded, &found.only(&allowed), &Options::default())?;
        let cgroup = Cgroup::create()?;
        scope::apply(&kernel, &[Scope::Cgroup(cgroup.path().to_path_buf())])?;
        Ok(Some(Watch { kernel: Arc::new(kernel), cgroup, signals: loaded }))
    }

    /// Runs `command` inside, and gives all that was seen of it, in order of time.
    pub fn run(&self, command: &mut Command) -> Result<(ExitStatus, Vec<Seen>)> {
        let status = self.cgroup.spawn(command)?.wait().context("the command got lost")?;
        Ok((status, self.rows()?))
    }

    /// Runs `command` inside, and gives the stacks that were taken.
    pub fn run_for_stacks(&self, command: &mut Command) -> Result<(ExitStatus, Vec<StackNews>)> {
        let status = self.cgroup.spawn(command)?.wait().context("the command got lost")?;
        Ok((status, self.drain()?.stacks))
    }

    /// Starts `command` inside, for tests that do something while it runs.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        self.cgroup.spawn(command)
    }

    /// The news of stacks since the last call.
    pub fn stacks(&self) -> Result<Vec<StackNews>> {
        Ok(self.drain()?.stacks)
    }

    /// What sockets carried since the last call, and the bytes that were copied of it.
    pub fn sockets(&self) -> Result<(Vec<SocketNews>, Vec<u8>)> {
        let sink = self.drain()?;
        Ok((sink.sockets, sink.bytes))
    }

    /// All that was seen since the last call.
    pub fn rows(&self) -> Result<Vec<Seen>> {
        let mut rows: Vec<Seen> = self.drain()?.tables.iter().flat_map(Seen::all).collect();
        rows.sort_by_key(|row| row.time);
        Ok(rows)
    }

    fn drain(&self) -> Result<Sink> {
        let mut sink = Sink::default();
        let mut malformed = None;
        for mut ring in [Ring::facts(&self.kernel, 0)?, Ring::bulk(&self.kernel, 0)?] {
            ring.drain(usize::MAX >> 1, |record| {
                if let Err(error) = self.decode(record, &mut sink) {
                    malformed = Some(error);
                }
            });
        }
        ensure!(malformed.is_none(), "a record could not be read: {malformed:?}");
        Ok(sink)
    }

    /// The mechanism that the hook `what` took; empty where none works.
    pub fn mechanism(&self, what: &str) -> &'static str {
        let hook = self.kernel.capabilities().iter().find(|hook| hook.what == what);
        hook.unwrap_or_else(|| panic!("there is no hook `{what}`")).mechanism
    }

    fn decode(&self, record: &[u8], sink: &mut Sink) -> Result<(), wire::Malformed> {
        let (header, reader) = Reader::new(record)?;
        let process = ProcessKey { start: header.start, pid: header.tgid, boot: 0 };
        let (time, cgroup) = (header.time as i64, header.cgroup);
        let origin = Origin { time, process, tid: header.tid, cgroup, comm: header.comm };
        let signal = self.signals.get(usize::from(header.signal)).ok_or(wire::Malformed::Signal)?;
        (signal.decode)(&header, origin, reader, sink)
    }
}

impl Seen {
    fn all(decoded: &Decoded) -> Vec<Seen> {
        let row = |(at, origin): (usize, &Origin)| {
            let fields = decoded.table.fields.iter().zip(&decoded.columns);
            let comm: Vec<u8> = origin.comm.iter().copied().take_while(|&byte| byte != 0).collect();
            Seen {
                table: decoded.table.name,
                time: origin.time,
                pid: origin.process.pid,
                tid: origin.tid,
                comm: String::from_utf8_lossy(&comm).into_owned(),
                values: fields
                    .map(|(field, column)| (field.name, text(column.value(at))))
                    .collect(),
            }
        };
        decoded.origin.iter().enumerate().map(row).collect()
    }

    /// The value of the column `name` as text; none where it is null.
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.values.iter().find(|(known, _)| *known == name);
        let (_, value) = found.unwrap_or_else(|| panic!("{} has no column `{name}`", self.table));
        value.as_deref()
    }

    /// Whether the table has a column `name`.
    pub fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(known, _)| *known == name)
    }

    /// The value of a column that holds a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).map(|text| text.parse().expect("a number"))
    }

    /// The row's own columns without those named, for comparing rows across kernels and rungs.
    pub fn without(&self, names: &[&str]) -> Vec<(&'static str, Option<String>)> {
        self.values.iter().filter(|(name, _)| !names.contains(name)).cloned().collect()
    }
}

fn text(value: Value<'_>) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Uint(number) => Some(number.to_string()),
        Value::Int(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Text(bytes) => Some(Text(bytes).to_string()),
        Value::Ip(address) => Some(address.to_string()),
        Value::Process(key) => Some(key.to_string()),
    }
}
