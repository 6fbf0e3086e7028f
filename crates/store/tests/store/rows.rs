//! Rows come back as they were, whoever reads them, wherever they are.

use std::time::{Duration, Instant};

use arrow::compute::concat_batches;
use arrow::util::pretty::pretty_format_batches;
use store::{Catalogue, OpenError, Options, Store, arrow_schema, to_arrow};
use telemetry::Ledger;

use crate::sample::{Deed, TABLES, at, deeds, numbers, open, options, others, rows};
use schema::Event;

#[test]
fn a_row_is_what_csv_shows_of_it() {
    let batch = to_arrow(Deed::TABLE, &[deeds(7..8)]);
    let row = concat_batches(&arrow_schema(Deed::TABLE), [&batch]).unwrap();
    let mut shown = String::new();
    for (field, column) in row.schema().fields().iter().zip(row.columns()) {
        let value = arrow::util::display::array_value_to_string(column, 0).unwrap();
        shown.push_str(&format!("{}={value}\n", field.name()));
    }
    insta::assert_snapshot!(shown, @r"
    time=2026-11-21T22:10:05.130456789Z
    node=node-1
    process=000000ab-4d-4711
    pid=4711
    tid=4712
    comm=cart
    exe=/usr/bin/cart
    container=c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee
    image=
    pod=cart-7d9f
    namespace=shop
    workload=
    number=7
    path=/var/lib/thing-7
    peer_ip=10.0.0.7
    flags=READ|WRITE
    error=
    args=sh -c 'echo hi'
    took=70
    ");
}

#[test]
fn rows_are_the_same_in_memory_on_disk_and_for_a_reader_without_an_agent() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(|| options(folder.path()), at(0));
    store.append(deeds(0..500), at(0));
    store.append(others(0..3), at(0));
    store.turn(at(300));
    let hot = text(&rows(store.catalogue(), "file_open"));
    assert_eq!(numbers(store.catalogue(), "file_open"), (0..500).collect::<Vec<_>>());
    assert_eq!(numbers(store.catalogue(), "other_deed"), [0, 1, 2]);

    // In the journal: nothing is sealed yet, and another process can read it all the same.
    store.turn(at(2_000));
    let (reader, words) = Catalogue::read_only(folder.path(), TABLES).unwrap();
    assert_eq!((text(&rows(&reader, "file_open")), words), (hot.clone(), vec![]));

    store.turn(at(61_000));
    let contents = store.catalogue().contents();
    let table = &contents.tables["file_open"];
    assert_eq!((table.hot.len(), table.segments.len()), (0, 1));
    assert_eq!(table.segments[0].rows, 500);
    assert_eq!(text(&rows(store.catalogue(), "file_open")), hot);
    assert_eq!(store.close(at(61_100)).0, []);
    let (reader, words) = Catalogue::read_only(folder.path(), TABLES).unwrap();
    assert_eq!((text(&rows(&reader, "file_open")), words), (hot, vec![]));
    assert_eq!(numbers(&reader, "other_deed"), [0, 1, 2]);
}

#[test]
fn rows_of_two_hours_become_two_segments() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(|| options(folder.path()), at(0));
    // From 22:10 on, a millisecond apart: the hour ends at number 2,994,877.
    store.append(deeds(2_994_000..2_996_000), at(0));
    store.turn(at(60_000));
    let contents = store.catalogue().contents();
    let hours: Vec<_> = contents.tables["file_open"]
        .segments
        .iter()
        .map(|it| (it.path.parent().unwrap().file_name().unwrap().to_owned(), it.rows))
        .collect();
    assert_eq!(hours, [("2026-11-21T22".into(), 877), ("2026-11-21T23".into(), 1123)]);
    assert_eq!(numbers(store.catalogue(), "file_open"), (2_994_000..2_996_000).collect::<Vec<_>>());
}

#[test]
fn many_small_segments_become_one_and_no_row_is_there_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(|| options(folder.path()), at(0));
    let fill = |store: &mut Store, turns: std::ops::Range<u64>| {
        for turn in turns {
            store.append(deeds(turn * 100..turn * 100 + 100), at(turn * 61_000));
            store.turn(at(turn * 61_000 + 60_500));
        }
    };
    fill(&mut store, 0..7);
    let before = store.catalogue().contents();
    assert_eq!(before.tables["file_open"].segments.len(), 7);
    fill(&mut store, 7..9);
    let mut now = 600_000;
    let deadline = Instant::now() + Duration::from_secs(60);
    while store.catalogue().contents().tables["file_open"].segments.len() > 2 {
        assert!(Instant::now() < deadline, "{:?}", store.words());
        now += 100;
        store.turn(at(now));
        std::thread::yield_now();
    }
    assert_eq!(numbers(store.catalogue(), "file_open"), (0..900).collect::<Vec<_>>());
    // Who read before reads on; the old files go with the last reader.
    let old = before.tables["file_open"].segments[0].path.clone();
    assert!(old.exists() && before.tables["file_open"].segments[0].open().is_ok());
    drop(before);
    assert!(!old.exists());
    assert!(store::verify(folder.path(), &Default::default()).unwrap().is_sound());
}

#[test]
fn a_second_agent_is_told_who_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let _store = open(|| options(folder.path()), at(0));
    let second = Store::open(options(folder.path()), TABLES, &Ledger::new(), at(0));
    let Err(error @ OpenError::Locked { .. }) = second else { panic!("it is locked") };
    let words = error.to_string();
    assert!(words.contains(&format!("(process {})", std::process::id())), "{words}");
    assert!(words.contains("store.directory"), "{words}");
}

#[test]
fn memory_is_bounded_and_what_is_full_is_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let small = Options { hot: 1 << 20, ..options(folder.path()) };
    let mut store = Store::open(small, TABLES, &ledger, at(0)).unwrap();
    for turn in 0..50 {
        store.append(deeds(turn * 1000..turn * 1000 + 1000), at(turn * 300));
        store.turn(at(turn * 300 + 250));
        assert!(store.size().hot_bytes <= 1 << 20, "{:?}", store.size());
    }
    assert_eq!(numbers(store.catalogue(), "file_open"), (0..50_000).collect::<Vec<_>>());
    store.close(at(20_000));
    let account = ledger.account("store", "file_open");
    assert_eq!((account.taken.get(), account.passed.get()), (50_000, 50_000));
}

fn text(batches: &[arrow::record_batch::RecordBatch]) -> String {
    // As other tools see it: plain text, whatever the arrays look like.
    let schema = batches[0].schema();
    let same: Vec<_> = batches.iter().map(|it| it.clone().with_schema(schema.clone())).collect();
    let whole = match same.into_iter().collect::<Result<Vec<_>, _>>() {
        Ok(same) => concat_batches(&schema, &same).unwrap(),
        Err(_) => panic!("the batches differ"),
    };
    pretty_format_batches(&[whole]).unwrap().to_string()
}
