//! What is kept, and what happens where nothing can be written.

use std::process::Command;
use std::time::Duration;

use store::{Bounds, Moment, Options, Store, Word};
use telemetry::Ledger;

use crate::sample::{TABLES, at, deeds, numbers, open, options, others};

#[test]
fn the_oldest_segments_go_when_there_is_too_much() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(|| options(folder.path()), at(0));
    fill(&mut store, 6);
    let each = store.size().segment_bytes / 6;
    drop(store);
    let bounds = Bounds { total: each * 3 + each / 2, ..options(folder.path()).bounds };
    let mut store = open(|| Options { bounds, ..options(folder.path()) }, at(0));
    store.turn(at(500_000));
    assert_eq!(numbers(store.catalogue(), "file_open"), (300..600).collect::<Vec<_>>());
}

#[test]
fn a_noisy_table_does_not_drive_out_a_quiet_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(|| options(folder.path()), at(0));
    store.append(others(0..10), at(0));
    fill(&mut store, 6);
    let size = store.size().segment_bytes;
    drop(store);
    let bounds = Bounds { total: size, share: 0.5, ..options(folder.path()).bounds };
    let mut store = open(|| Options { bounds, ..options(folder.path()) }, at(0));
    store.turn(at(500_000));
    let kept = numbers(store.catalogue(), "file_open");
    assert!(!kept.is_empty() && kept.len() <= 300, "{}", kept.len());
    assert_eq!(*kept.last().unwrap(), 599);
    assert_eq!(numbers(store.catalogue(), "other_deed").len(), 10);
}

#[test]
fn a_disk_that_is_nearly_full_keeps_its_floor() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(|| options(folder.path()), at(0));
    fill(&mut store, 3);
    drop(store);
    let bounds = Bounds { free: u64::MAX, ..options(folder.path()).bounds };
    let mut store = open(|| Options { bounds, ..options(folder.path()) }, at(0));
    store.turn(at(500_000));
    assert_eq!(store.size().segments, 0);
    assert!(matches!(&store.words()[0], Word::Warn(words) if words.contains("nearly full")));
}

#[test]
fn a_clock_that_jumps_takes_nothing_away() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { age: Duration::from_secs(3600), ..options(folder.path()).bounds };
    let mut store = open(|| Options { bounds, ..options(folder.path()) }, at(0));
    fill(&mut store, 2);
    let later = at(200_000);
    store.turn(Moment { time: later.time + 86_400_000_000_000, ..later });
    store.turn(Moment { time: at(230_000).time + 86_400_000_000_000, ..at(230_000) });
    assert_eq!(numbers(store.catalogue(), "file_open").len(), 200);
    let words = format!("{:?}", store.words());
    assert!(words.contains("the clock jumped by 86400 s"), "{words}");
}

#[test]
fn a_full_disk_costs_counted_rows_and_is_over_when_there_is_room() {
    let name = "a_full_disk_costs_counted_rows_and_is_over_when_there_is_room";
    let folder = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(folder.path()) else {
        return testkit::watch::not_run(name, "this machine does not let us mount a tmpfs");
    };
    let ballast = small.0.join("ballast");
    std::fs::write(&ballast, vec![1; 700 << 10]).unwrap();
    let ledger = Ledger::new();
    let options = Options { hot: 1 << 20, ..options(&small.0.join("store")) };
    let mut store = Store::open(options, TABLES, &ledger, at(0)).unwrap();
    let mut turn = 0;
    let account = ledger.account("store", "file_open");
    while account.dropped("disk_full").get() == 0 {
        assert!(turn < 3_000, "the disk never filled");
        store.append(deeds(turn * 1000..turn * 1000 + 1000), at(turn * 300));
        store.turn(at(turn * 300 + 250));
        turn += 1;
    }
    // It goes on, with as much memory as it may have, and says it once.
    assert!(store.size().hot_bytes <= 2 << 20);
    let said = store.words();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(format!("{said:?}").contains("disk_full"), "{said:?}");

    std::fs::remove_file(ballast).unwrap();
    store.turn(at(turn * 300 + 10_000));
    store.turn(at(turn * 300 + 80_000));
    assert!(format!("{:?}", store.words()).contains("is written again"));
    let there = numbers(store.catalogue(), "file_open").len() as u64;
    store.close(at(turn * 300 + 90_000));
    let lost = account.dropped("disk_full").get();
    assert_eq!(account.taken.get(), there + lost);
    assert_eq!(account.passed.get(), there);
}

fn fill(store: &mut Store, segments: u64) {
    for turn in 0..segments {
        store.append(deeds(turn * 100..turn * 100 + 100), at(turn * 61_000));
        store.turn(at(turn * 61_000 + 60_500));
    }
}

/// A file system of one megabyte.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(point: &std::path::Path) -> Option<Small> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(point)
            .output();
        mounted.ok()?.status.success().then(|| Small(point.to_path_buf()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
