//! Flipped bits: an error that says where, and never another row.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow::record_batch::RecordBatch;
use schema::Event;
use store::{Contents, Segment, VerifyOptions, to_arrow, verify, write_segments};

use crate::crash::Dice;
use crate::sample::{Deed, TABLES, at, deeds, numbers, open, options};

#[test]
fn a_thousand_flipped_bits_are_a_thousand_errors() {
    let folder = tempfile::tempdir().unwrap();
    let rows = to_arrow(Deed::TABLE, &[deeds(0..20_000)]);
    let segments = write_segments(folder.path(), Deed::TABLE, &[rows], 1).unwrap();
    let path = segments[0].path.clone();
    let sound = fs::read(&path).unwrap();
    let right = read(&segments[0]).expect("it is whole");
    let mut dice = Dice::new();
    let mut told = 0;
    for _ in 0..1000 {
        let (at, bit) = (dice.below(sound.len() as u64) as usize, dice.below(8));
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        let read = catch_unwind(AssertUnwindSafe(|| read(&fresh(&path))));
        match read.unwrap_or_else(|_| panic!("bit {bit} of byte {at} made a panic")) {
            // Some bytes say nothing: the leading magic, filters that no one asks, unused room.
            Ok(rows) => {
                assert_eq!(rows, right, "bit {bit} of byte {at} made other rows");
            }
            Err(words) => {
                told += 1;
                assert!(words.contains(&path.display().to_string()), "{words}");
            }
        }
    }
    assert!(told > 800, "{told}");
}

#[test]
fn half_a_file_and_a_foreign_one_are_no_segments() {
    let folder = tempfile::tempdir().unwrap();
    let rows = to_arrow(Deed::TABLE, &[deeds(0..2_000)]);
    let segments = write_segments(folder.path(), Deed::TABLE, &[rows], 1).unwrap();
    let path = segments[0].path.clone();
    let sound = fs::read(&path).unwrap();
    for length in [0, 1, 63, 64, 100, sound.len() / 2, sound.len() - 1] {
        fs::write(&path, &sound[..length]).unwrap();
        assert!(read(&fresh(&path)).is_err(), "{length} bytes were believed");
    }
    // Real Parquet, but not ours.
    let mut foreign = Vec::new();
    let rows = to_arrow(Deed::TABLE, &[deeds(0..10)]);
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(&mut foreign, rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    fs::write(&path, foreign).unwrap();
    assert!(read(&fresh(&path)).unwrap_err().contains("header"));
}

#[test]
fn a_damaged_journal_gives_the_rows_before_the_damage_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(|| options(folder.path()), at(0));
    for turn in 0..5 {
        store.append(deeds(turn * 10..turn * 10 + 10), at(turn * 2_000));
        store.turn(at(turn * 2_000 + 1_900));
    }
    drop(store);
    let journal = fs::read_dir(folder.path().join("journal")).unwrap().next().unwrap().unwrap();
    let mut bytes = fs::read(journal.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(journal.path(), bytes).unwrap();
    let mut store = open(|| options(folder.path()), at(20_000));
    let there = numbers(store.catalogue(), "file_open");
    assert!(!there.is_empty() && there.len() < 50, "{there:?}");
    assert_eq!(there, (0..there.len() as u64).collect::<Vec<_>>());
    let words = format!("{:?}", store.words());
    assert!(words.contains("no whole frame"), "{words}");
}

#[test]
fn a_broken_chain_is_kept_and_a_new_one_begun_and_no_row_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(|| options(folder.path()), at(0));
    store.append(deeds(0..100), at(0));
    store.turn(at(61_000));
    store.append(deeds(100..150), at(61_000));
    store.turn(at(63_000));
    drop(store);
    let chain = folder.path().join(store::CHAIN);
    let text = fs::read_to_string(&chain).unwrap();
    fs::write(&chain, text.replacen("node-1", "node-2", 1)).unwrap();
    let report = verify(folder.path(), &VerifyOptions::default()).unwrap();
    assert!(report.findings[0].what.contains("line 1"), "{report:?}");

    let mut store = open(|| options(folder.path()), at(70_000));
    assert_eq!(numbers(store.catalogue(), "file_open"), (0..150).collect::<Vec<_>>());
    let words = format!("{:?}", store.words());
    assert!(words.contains("chain.log.broken-"), "{words}");
    let report = verify(folder.path(), &VerifyOptions::default()).unwrap();
    assert_eq!(report.findings.len(), 1, "{report:#?}");
    assert!(report.findings[0].what.contains("a new chain was begun"), "{report:#?}");
    let _ = TABLES;
}

fn fresh(path: &Path) -> Segment {
    let table = path.parent().unwrap().parent().unwrap();
    let (catalogue, _) = store::Catalogue::read_only(table.parent().unwrap(), TABLES).unwrap();
    let contents: Contents = catalogue.contents().as_ref().clone();
    drop(catalogue);
    let rows = contents.tables["file_open"].clone();
    drop(contents);
    let mut segments = std::sync::Arc::try_unwrap(rows).expect("nobody else has it").segments;
    std::sync::Arc::try_unwrap(segments.remove(0)).expect("nobody else has it")
}

fn read(segment: &Segment) -> Result<Vec<RecordBatch>, String> {
    let opened = segment.open().map_err(|error| error.to_string())?;
    let place = segment.path.display();
    let told = |error: &dyn std::fmt::Display| format!("{place}: {error}");
    let rows = store::rows_of(opened).map_err(|error| told(&error))?;
    rows.map(|batch| batch.map_err(|error| told(&error))).collect()
}
