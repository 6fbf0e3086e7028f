//! Rows in the shape of the real ones, and a store to put them in.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use schema::{Batch, Container, Decoded, Event, Origin, PodName, Process, ProcessKey, Runtime};
use store::{Bounds, Catalogue, Moment, OpenError, Options, Store};
use telemetry::Ledger;

/// Something was done, and numbered.
#[derive(Event, Clone, Copy)]
#[event(table = "file_open", since = "0.1")]
pub struct Deed<'a> {
    /// Its number.
    #[event(kind = Uint, unit = Count)]
    pub number: u64,
    /// Where.
    #[event(kind = Path)]
    pub path: Option<&'a [u8]>,
    /// With whom.
    #[event(kind = Ip)]
    pub peer_ip: Option<IpAddr>,
    /// How.
    #[event(kind = Flags(&[(1, "READ"), (2, "WRITE")]))]
    pub flags: u32,
    /// With what outcome.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// With what words.
    #[event(kind = Args)]
    pub args: &'a [u8],
    /// How long it took.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub took: u64,
}

/// Something else was done.
#[derive(Event, Clone, Copy)]
#[event(table = "other_deed", since = "0.1")]
pub struct Other {
    /// Its number.
    #[event(kind = Uint, unit = Count)]
    pub number: u64,
}

/// 2026-11-21T22:10:05.123456789Z
pub const TIME: i64 = 1_795_299_005_123_456_789;

pub static TABLES: &[&schema::Table] = &[Deed::TABLE, Other::TABLE];

/// The moment `millis` after the first.
pub fn at(millis: u64) -> Moment {
    Moment { time: TIME + millis as i64 * 1_000_000, steady: 1_000_000_000 + millis * 1_000_000 }
}

/// Rows with the numbers of `range`, a millisecond apart.
pub fn deeds(range: std::ops::Range<u64>) -> Arc<Batch> {
    let container = Container::new("c0ffee".repeat(10), Runtime::Containerd, None, None);
    let pod = PodName { namespace: "shop".into(), name: "cart-7d9f".into() };
    container.names.pod.set(pod).expect("it has no name yet");
    let key = ProcessKey { start: 77, pid: 4711, boot: 0xab };
    let mut process = Process::unknown(key, "cart", 9);
    process.facts.exe = b"/usr/bin/cart"[..].into();
    process.container = Some(Arc::new(container));
    let process = Arc::new(process);
    let mut decoded = Decoded::new(Deed::TABLE);
    for number in range {
        let path = format!("/var/lib/thing-{}", number % 1000);
        let event = Deed {
            number,
            path: (number % 10 != 3).then_some(path.as_bytes()),
            peer_ip: Some(IpAddr::from([10, 0, (number >> 8) as u8, number as u8])),
            flags: (number % 4) as u32,
            error: (number % 5 == 0).then_some(2),
            args: b"sh\0-c\0echo hi\0",
            took: number * 10,
        };
        decoded.push(origin(key, number), event);
    }
    finish(decoded, &process)
}

/// Rows of the other table.
pub fn others(range: std::ops::Range<u64>) -> Arc<Batch> {
    let process = Arc::new(Process::unknown(ProcessKey::default(), "other", 1));
    let mut decoded = Decoded::new(Other::TABLE);
    range.for_each(|number| decoded.push(origin(ProcessKey::default(), number), Other { number }));
    finish(decoded, &process)
}

fn origin(process: ProcessKey, number: u64) -> Origin {
    let mut comm = [0; 16];
    comm[..4].copy_from_slice(b"cart");
    Origin { time: TIME + number as i64 * 1_000_000, process, tid: 4712, cgroup: 9, comm }
}

fn finish(decoded: Decoded, process: &Arc<Process>) -> Arc<Batch> {
    let processes = vec![process.clone(); decoded.len()];
    Arc::new(decoded.with_processes("node-1".into(), processes))
}

/// A store in `folder`, with room for all.
pub fn options(folder: &Path) -> Options {
    Options {
        folder: folder.to_path_buf(),
        node: "node-1".to_string(),
        hot: 64 << 20,
        bounds: Bounds { total: 1 << 40, share: 1.0, age: Duration::from_secs(1 << 30), free: 0 },
        sync_every: Duration::from_secs(2),
        seal_after: Duration::from_secs(60),
        key: None,
    }
}

pub fn open(options: impl Fn() -> Options, now: Moment) -> Store {
    // A process that another test starts has our open files for a moment, and with them the lock.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match Store::open(options(), TABLES, &Ledger::new(), now) {
            Err(OpenError::Locked { .. }) if Instant::now() < deadline => std::thread::yield_now(),
            opened => return opened.expect("the store opens"),
        }
    }
}

/// The numbers of all rows of `table`, in order.
pub fn numbers(catalogue: &Catalogue, table: &str) -> Vec<u64> {
    let rows = rows(catalogue, table);
    let mut numbers: Vec<u64> = rows
        .iter()
        .flat_map(|batch| {
            let column = batch.column_by_name("number").expect("each has a number");
            column.as_primitive::<Int64Type>().values().iter().map(|it| *it as u64)
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

/// All rows of `table`: those on disk first.
pub fn rows(catalogue: &Catalogue, table: &str) -> Vec<RecordBatch> {
    let contents = catalogue.contents();
    let Some(rows) = contents.tables.get(table) else { return Vec::new() };
    let mut batches = Vec::new();
    for segment in &rows.segments {
        let opened = segment.open().expect("a whole segment");
        let read = store::rows_of(opened).expect("a readable segment");
        batches.extend(read.map(|batch| batch.expect("readable rows")));
    }
    batches.extend(rows.hot.iter().cloned());
    batches
}
