//! Rows that were made up: opens of files by the containers of some hundred pods.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use schema::{
    Batch, Cell, Column, Container, Decoded, Kind, Origin, PodName, Process, ProcessKey, Runtime,
    Storage, Table,
};

/// 2026-11-21T22:00:00Z, where the first row is.
pub(crate) const TIME: i64 = 1_795_298_400_000_000_000;
/// Between two rows: ten million take an hour.
pub(crate) const STEP: i64 = 360_000;
/// So many pods, each with some processes.
const PODS: u64 = 200;
const PROCESSES: u64 = 2_000;

/// The table that the rows are of.
pub(crate) fn table() -> &'static Table {
    let tables = fathom::signals::node_tables();
    tables.into_iter().find(|it| it.name == "file_open").expect("it is one of the tables")
}

/// The rows with these numbers.
pub(crate) fn rows(numbers: Range<u64>) -> Arc<Batch> {
    let table = table();
    let processes: Vec<Arc<Process>> = (0..PROCESSES).map(|it| Arc::new(process(it))).collect();
    let mut decoded = Decoded::new(table);
    let mut of_rows = Vec::new();
    for number in numbers {
        // A process does some things in a row, and some do more than others.
        let which = mixed(number / 16) % PROCESSES * (mixed(number / 16 + 1) % 4) / 4;
        let process = &processes[which as usize];
        let mut comm = [0; 16];
        let name = process.facts.comm.as_bytes();
        comm[..name.len()].copy_from_slice(name);
        let time = TIME + number as i64 * STEP;
        let (key, tid) = (process.key, process.key.pid);
        decoded.origin.push(Origin { time, process: key, tid, cgroup: which, comm });
        for (field, column) in table.fields.iter().zip(&mut decoded.columns) {
            push(field.kind, field.nullable, mixed(number ^ field.name.len() as u64), column);
        }
        of_rows.push(process.clone());
    }
    Arc::new(decoded.with_processes("bench".into(), of_rows))
}

/// What the benches ask with.
pub(crate) fn options() -> query::Options {
    query::Options {
        threads: 2,
        memory: 1 << 30,
        time_out: Duration::from_secs(120),
        rows_most: 1_000_000,
        queries_most: 4,
    }
}

/// The first number of an answer.
pub(crate) fn first_number(rows: &RecordBatch) -> Option<i64> {
    let column = rows.column(0).as_primitive_opt::<Int64Type>()?;
    (!column.is_empty()).then(|| column.value(0))
}

fn process(number: u64) -> Process {
    let key = ProcessKey { start: 1_000_000 + number, pid: 1_000 + number as u32, boot: 0xbe };
    let pod = number % PODS;
    let mut process =
        Process::unknown(key, ["nginx", "cart", "python3", "java"][number as usize % 4], pod);
    process.facts.exe = format!("/usr/bin/service-{}", number % 40).into_bytes().into();
    let container = Container::new(format!("{pod:064x}"), Runtime::Containerd, None, None);
    let name = PodName {
        namespace: format!("namespace-{}", pod % 10).into(),
        name: format!("web-{pod}").into(),
    };
    let _ = container.names.pod.set(name);
    let _ = container.names.image.set("shop/web:1.2.3".into());
    let _ = container.names.workload.set(format!("Deployment/web-{}", pod / 4).into());
    process.container = Some(Arc::new(container));
    process
}

/// A value of `kind` that follows from `seed`.
fn push(kind: Kind, nullable: bool, seed: u64, column: &mut Column) {
    if nullable && seed % 16 < 3 {
        return column.push_null();
    }
    match kind.storage() {
        Storage::Uint => (seed % 512).push(column),
        Storage::Int => ((seed % 40) as i64).push(column),
        Storage::Bool => seed.is_multiple_of(8).push(column),
        Storage::Text => {
            format!("/var/lib/app/{}/file-{}", seed % 30, seed % 900).as_str().push(column)
        }
        Storage::Ip => std::net::IpAddr::from([10, 0, (seed >> 8) as u8, seed as u8]).push(column),
        Storage::Process => ProcessKey { start: seed % 99, pid: 1, boot: 1 }.push(column),
    }
}

/// Splitmix64.
fn mixed(number: u64) -> u64 {
    let mut it = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}
