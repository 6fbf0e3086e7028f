//! A directory as an agent leaves it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fathom::monitor::AgentMap;
use schema::{Decoded, Event, Origin, Process, ProcessKey};
use store::{AgentCoverage, Bounds, Moment, Options, Store};
use telemetry::Ledger;
use tempfile::TempDir;

/// 2026-11-21T22:10:05.123456789Z
pub const TIME: i64 = 1_795_299_005_123_456_789;
pub const SECOND: i64 = 1_000_000_000;
/// Rows of `agent_map`, one a second.
pub const ROWS: u64 = 2_500;

/// A directory as an agent leaves it: rows in several segments, watched without a break but for
/// `hole` seconds, and 7 rows lost where `lossy`.
pub fn stored(hole: i64, lossy: bool) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let options = Options {
        folder: folder.path().to_path_buf(),
        node: "node-1".to_string(),
        hot: 64 << 20,
        bounds: Bounds { total: 1 << 40, share: 1.0, age: Duration::from_secs(1 << 30), free: 0 },
        sync_every: Duration::from_secs(2),
        seal_after: Duration::from_secs(60),
        key: None,
    };
    let tables = fathom::signals::tables();
    let mut store = Store::open(options, &tables, &Ledger::new(), at(0)).expect("a store");
    for part in 0..5 {
        let mut maps = Decoded::new(AgentMap::TABLE);
        for number in part * ROWS / 5..(part + 1) * ROWS / 5 {
            let name = format!("map, \"{}\"", number % 10);
            let map = AgentMap {
                signal: if number % 3 == 0 { "file" } else { "socket" },
                map: &name,
                capacity: number as u32,
                memory: number * 4096,
            };
            maps.push(origin(number as i64 * SECOND), map);
        }
        append(&mut store, maps, part);
        store.turn(at(part * 100_000 + 61_000));
    }
    let mut coverage = Decoded::new(AgentCoverage::TABLE);
    let watched = |begun: i64| AgentCoverage {
        begun: TIME + begun * SECOND,
        stage: None,
        subject: None,
        reason: None,
        lost: 0,
    };
    let middle = ROWS as i64 / 2;
    coverage.push(origin(middle * SECOND), watched(-1));
    coverage.push(origin((ROWS as i64 + 1) * SECOND), watched(middle + hole));
    if lossy {
        let lost = AgentCoverage {
            stage: Some("kernel"),
            subject: Some("agent_map"),
            reason: Some("ring_full"),
            lost: 7,
            ..watched(middle + hole)
        };
        coverage.push(origin((ROWS as i64 + 1) * SECOND), lost);
    }
    append(&mut store, coverage, 6);
    store.close(at(700_000));
    folder
}

fn append(store: &mut Store, rows: Decoded, part: u64) {
    let process = Arc::new(Process::unknown(ProcessKey::default(), "fathom", 1));
    let processes = vec![process; rows.len()];
    let batch = rows.with_processes("node-1".into(), processes);
    store.append(Arc::new(batch), at(part * 100_000));
}

fn origin(after: i64) -> Origin {
    Origin { time: TIME + after, ..Origin::default() }
}

fn at(millis: u64) -> Moment {
    Moment { time: TIME + millis as i64 * 1_000_000, steady: (1_000 + millis) * 1_000_000 }
}

/// Every file below `folder`, with its size and when it was changed.
pub fn files(folder: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let metadata = entry.metadata().expect("it is there");
            found.push((entry.path(), metadata.len(), metadata.modified().expect("a time")));
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// The segments of `agent_map`, the oldest first.
pub fn segments(folder: &Path) -> Vec<PathBuf> {
    let files = files(&folder.join("agent_map")).into_iter().map(|it| it.0);
    files.filter(|path| path.extension().is_some_and(|it| it == "parquet")).collect()
}
