//! Tables in the shape of the real ones, rows, and an engine over them.

#![allow(unreachable_pub)]

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use query::{Answer, Ask, Engine, Options, Problem};
use schema::{Batch, Decoded, Event, Origin, Process, ProcessKey, Table};
use store::{AgentCoverage, Catalogue, Contents, Rows, to_arrow, write_segments};

/// 2026-11-22T05:00:00Z
pub const TIME: i64 = 1_795_323_600_000_000_000;
pub const SECOND: i64 = 1_000_000_000;

pub const TABLES: &[&Table] = &[
    FileOpen::TABLE,
    ProcessFork::TABLE,
    ProcessExec::TABLE,
    SocketConnect::TABLE,
    SocketAccept::TABLE,
    SocketDatagram::TABLE,
    SocketClose::TABLE,
    AgentCoverage::TABLE,
];

/// A file was opened.
#[derive(Event, Clone, Copy, Default)]
#[event(table = "file_open", since = "0.1")]
pub struct FileOpen<'a> {
    /// The path.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The inode number.
    #[event(kind = Uint)]
    pub inode: Option<u64>,
    /// How long it took.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub latency: Option<u64>,
    /// Why it failed.
    #[event(kind = Errno)]
    pub error: Option<i32>,
}

/// The same as an older release had it: one column less, and one that is gone.
#[derive(Event)]
#[event(table = "file_open", since = "0.1")]
pub struct OldFileOpen<'a> {
    /// The path.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// What nobody knows any more.
    #[event(kind = Uint)]
    pub colour: u64,
}

/// A process came to be.
#[derive(Event)]
#[event(table = "process_fork", since = "0.1")]
pub struct ProcessFork {
    /// The key of the parent.
    #[event(kind = Process)]
    pub parent: ProcessKey,
    /// The process id of the parent.
    #[event(kind = Pid)]
    pub parent_pid: u32,
}

/// A process runs a new image.
#[derive(Event)]
#[event(table = "process_exec", since = "0.1")]
pub struct ProcessExec<'a> {
    /// The argument vector.
    #[event(kind = Args, personal)]
    pub args: &'a [u8],
    /// Why it failed.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The key of the parent.
    #[event(kind = Process)]
    pub parent: ProcessKey,
    /// The process id of the parent.
    #[event(kind = Pid)]
    pub parent_pid: u32,
}

macro_rules! socket_event {
    ($name:ident, $table:literal, { $($(#[$meta:meta])* $field:ident: $type:ty),* $(,)? }) => {
        /// A socket did something.
        #[derive(Event, Clone, Copy, Default)]
        #[event(table = $table, since = "0.1")]
        pub struct $name<'a> {
            /// The socket's cookie.
            #[event(kind = Uint)]
            pub socket: u64,
            /// The family.
            #[event(kind = Text)]
            pub family: &'a str,
            /// The protocol.
            #[event(kind = Text)]
            pub protocol: &'a str,
            /// This end.
            #[event(kind = Ip)]
            pub local_ip: Option<IpAddr>,
            /// Its port.
            #[event(kind = Port)]
            pub local_port: Option<u16>,
            /// The other end.
            #[event(kind = Ip)]
            pub peer_ip: Option<IpAddr>,
            /// Its port.
            #[event(kind = Port)]
            pub peer_port: Option<u16>,
            /// Its pod.
            #[event(kind = Text)]
            pub peer_pod: Option<&'a str>,
            /// Its namespace.
            #[event(kind = Text)]
            pub peer_namespace: Option<&'a str>,
            /// Its workload.
            #[event(kind = Text)]
            pub peer_workload: Option<&'a str>,
            /// Its service.
            #[event(kind = Text)]
            pub peer_service: Option<&'a str>,
            /// Its node.
            #[event(kind = Text)]
            pub peer_node: Option<&'a str>,
            $($(#[$meta])* pub $field: $type),*
        }
    };
}

socket_event!(SocketConnect, "socket_connect", {
    /// The path.
    #[event(kind = Path)] path: Option<&'a [u8]>,
    /// Why it failed.
    #[event(kind = Errno)] error: Option<i32>,
});
socket_event!(SocketAccept, "socket_accept", {
    /// The path.
    #[event(kind = Path)] path: Option<&'a [u8]>,
    /// Why it failed.
    #[event(kind = Errno)] error: Option<i32>,
});
socket_event!(SocketDatagram, "socket_datagram", {
    /// Who sent first.
    #[event(kind = Text)] direction: &'a str,
});
socket_event!(SocketClose, "socket_close", {
    /// The path.
    #[event(kind = Path)] path: Option<&'a [u8]>,
    /// The role.
    #[event(kind = Text)] role: &'a str,
    /// Who ended it.
    #[event(kind = Text)] closed_by: &'a str,
    /// The error left.
    #[event(kind = Errno)] error: Option<i32>,
    /// How long it stood.
    #[event(kind = Duration, unit = Nanoseconds)] duration: u64,
    /// Bytes out.
    #[event(kind = Uint, unit = Bytes)] bytes_sent: Option<u64>,
    /// Bytes in.
    #[event(kind = Uint, unit = Bytes)] bytes_received: Option<u64>,
    /// The round trip.
    #[event(kind = Duration, unit = Nanoseconds)] rtt: Option<u64>,
    /// Sent again.
    #[event(kind = Uint, unit = Count)] retransmits: Option<u32>,
});

pub fn key(pid: u32) -> ProcessKey {
    ProcessKey { start: 0x2f9c_0000 + u64::from(pid), pid, boot: 0x1a2b_3c4d }
}

pub fn process(pid: u32, exe: &str) -> Arc<Process> {
    let comm = exe.rsplit('/').next().unwrap_or_default();
    let mut process = Process::unknown(key(pid), comm, 7);
    process.facts.exe = exe.as_bytes().into();
    Arc::new(process)
}

/// Rows with the seconds after [`TIME`] and the process of each.
pub fn batch<E: Event>(rows: impl IntoIterator<Item = (f64, Arc<Process>, E)>) -> RecordBatch {
    let mut decoded = Decoded::new(E::TABLE);
    let mut processes = Vec::new();
    for (seconds, process, event) in rows {
        let mut comm = [0; 16];
        let name = process.facts.comm.as_bytes();
        comm[..name.len().min(15)].copy_from_slice(&name[..name.len().min(15)]);
        let time = TIME + (seconds * 1e9) as i64;
        let (process_key, tid) = (process.key, process.key.pid);
        decoded.push(Origin { time, process: process_key, tid, cgroup: 7, comm }, event);
        processes.push(process);
    }
    let batch: Batch = decoded.with_processes("node-1".into(), processes);
    to_arrow(E::TABLE, &[Arc::new(batch)])
}

/// `number` opens by a process, one each `step` seconds from `from`.
pub fn opens(from: f64, step: f64, number: usize) -> RecordBatch {
    let cat = process(7, "/usr/bin/cat");
    let paths: Vec<String> = (0..number).map(|at| format!("/data/{at:06}")).collect();
    let rows = paths.iter().enumerate().map(|(at, path)| {
        let open = FileOpen {
            path: Some(path.as_bytes()),
            inode: Some(at as u64),
            latency: Some(at as u64 * 1000),
            error: (at % 10 == 0).then_some(2),
        };
        (from + step * at as f64, cat.clone(), open)
    });
    batch(rows)
}

/// What there is to read, put together by a test.
#[derive(Default)]
pub struct Kept {
    contents: Contents,
    sequence: u64,
}

impl Kept {
    pub fn hot<E: Event>(mut self, batch: RecordBatch) -> Kept {
        self.rows(E::TABLE).hot.push(batch);
        self
    }

    /// Segments in `folder`, one for each hour of `batches`.
    pub fn stored<E: Event>(mut self, folder: &Path, batches: &[RecordBatch]) -> Kept {
        self.sequence += 1;
        let segments = write_segments(folder, E::TABLE, batches, self.sequence).unwrap();
        self.rows(E::TABLE).segments.extend(segments);
        self
    }

    fn rows(&mut self, table: &Table) -> &mut Rows {
        Arc::make_mut(self.contents.tables.entry(table.name.to_string()).or_default())
    }

    pub fn engine(self) -> Engine {
        self.engine_with(options())
    }

    pub fn engine_with(self, options: Options) -> Engine {
        Engine::new(Catalogue::of(self.contents), TABLES, options).unwrap()
    }
}

pub fn options() -> Options {
    Options {
        threads: 2,
        memory: 256 << 20,
        time_out: Duration::from_secs(60),
        rows_most: 1_000_000,
        queries_most: 4,
    }
}

pub fn ask(sql: &str) -> Ask {
    Ask { sql: sql.to_string(), ..Ask::default() }
}

/// The rows of an answer as text, `|` between columns; null is empty.
pub fn lines(engine: &Engine, sql: &str) -> Vec<String> {
    let mut answer = engine.ask_blocking(ask(sql)).unwrap();
    rest(&mut answer).unwrap()
}

pub fn rest(answer: &mut Answer) -> Result<Vec<String>, Problem> {
    let mut lines = Vec::new();
    while let Some(batch) = answer.next_blocking() {
        let batch = batch?;
        let options = FormatOptions::default();
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let values = columns.iter().map(|column| column.value(row).to_string());
            lines.push(values.collect::<Vec<_>>().join("|"));
        }
    }
    Ok(lines)
}

pub fn problem(engine: &Engine, sql: &str) -> Problem {
    match engine.ask_blocking(ask(sql)) {
        Err(problem) => problem,
        Ok(mut answer) => rest(&mut answer).expect_err("it is no good query"),
    }
}
