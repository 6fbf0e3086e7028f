//! Rows for tests.

use std::net::IpAddr;
use std::sync::Arc;

use schema::{Batch, Cell, Decoded, Kind, Origin, Process, ProcessKey, Storage, Table};

/// Three rows of a table: without values, with small ones, with large ones.
pub(super) fn samples(table: &'static Table) -> Batch {
    let mut rows = Decoded::new(table);
    let key = ProcessKey { start: 5, pid: 7, boot: 9 };
    for sample in 0..3u64 {
        let mut comm = [0; 16];
        comm[..4].copy_from_slice(b"bash");
        let time = 1_795_299_005_123_456_789 + sample as i64;
        rows.origin.push(Origin { time, process: key, tid: 8, cgroup: 0, comm });
        for (field, column) in table.fields.iter().zip(&mut rows.columns) {
            if sample == 0 && field.nullable {
                column.push_null();
                continue;
            }
            let large = sample == 2;
            match (field.kind, field.kind.storage()) {
                (Kind::Capabilities, _) => {
                    [1 << 21 | 1 << 50, u64::MAX][usize::from(large)].push(column)
                }
                (Kind::Device | Kind::Mode, _) => [3u64, 0o4755][usize::from(large)].push(column),
                (Kind::Args, _) => [&b"sh\0-c\0\0"[..], b""][usize::from(large)].push(column),
                (Kind::Port, _) => [sample, 65_535][usize::from(large)].push(column),
                (_, Storage::Uint) => {
                    [sample, u64::from(u32::MAX)][usize::from(large)].push(column)
                }
                (Kind::Errno | Kind::Signal, _) => [9i64, 41][usize::from(large)].push(column),
                (_, Storage::Int) => [-1i64, i64::MAX][usize::from(large)].push(column),
                (_, Storage::Bool) => large.push(column),
                (_, Storage::Text) => ["/a \"b\"\\\n", "ä"][usize::from(large)].push(column),
                (_, Storage::Ip) => {
                    let ip: IpAddr = ["10.0.0.1", "fe80::1"][usize::from(large)].parse().unwrap();
                    ip.push(column);
                }
                (_, Storage::Process) => key.push(column),
            }
        }
    }
    let process = Arc::new(Process::unknown(key, "bash", 0));
    let processes = vec![process; rows.len()];
    rows.with_processes("node-1".into(), processes)
}
