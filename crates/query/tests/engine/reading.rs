//! What is read, and what is not.

use std::fs;

use query::{Ask, Progress, Trouble};
use store::AgentCoverage;

use crate::rows::*;

/// An hour on disk, the next hour on disk, and a minute in memory.
fn three_hours(folder: &std::path::Path) -> Kept {
    Kept::default()
        .stored::<FileOpen<'_>>(folder, &[opens(0.0, 1.0, 1000)])
        .stored::<FileOpen<'_>>(folder, &[opens(3600.0, 1.0, 1000)])
        .hot::<FileOpen<'_>>(opens(7200.0, 1.0, 60))
}

fn progress(engine: &query::Engine, sql: &str) -> (Vec<String>, Progress) {
    let mut answer = engine.ask_blocking(ask(sql)).unwrap();
    let progress = answer.progress();
    let lines = rest(&mut answer).unwrap();
    (lines, progress())
}

#[test]
fn memory_and_disk_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let engine = three_hours(folder.path()).engine();
    assert_eq!(lines(&engine, "SELECT count(*), count(path) FROM file_open"), ["2060|2060"]);
    let sql = "SELECT path, pid, comm, exe, inode, error FROM file_open WHERE inode = 20 \
               ORDER BY time";
    let line = "/data/000020|7|cat|/usr/bin/cat|20|ENOENT";
    assert_eq!(lines(&engine, sql), [line, line, line]);
}

#[test]
fn what_the_names_of_segments_say_costs_no_reading() {
    let folder = tempfile::tempdir().unwrap();
    let engine = three_hours(folder.path()).engine();
    let sql = "SELECT count(*), min(time), max(time) FROM file_open";
    let (lines, progress) = progress(&engine, sql);
    assert_eq!(lines, ["2060|2026-11-22T05:00:00Z|2026-11-22T07:00:59Z"]);
    assert_eq!((progress.rows, progress.rows_read, progress.bytes_read), (0, 0, 0));
}

#[test]
fn segments_outside_the_time_asked_for_are_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let engine = three_hours(folder.path()).engine();
    let sql = "SELECT count(*) FROM file_open WHERE time >= '2026-11-22T06:10:00Z' \
               AND time < '2026-11-22T07:00:30Z' AND pid = 7";
    let (lines, progress) = progress(&engine, sql);
    assert_eq!(lines, ["430"]);
    assert_eq!((progress.segments, progress.segments_pruned), (1, 1));
    assert_eq!((progress.rows, progress.rows_read), (1060, 1060));
    assert!(progress.bytes_read > 0);
}

#[test]
fn statistics_leave_out_what_cannot_fit() {
    let folder = tempfile::tempdir().unwrap();
    let engine = three_hours(folder.path()).engine();
    // No row group has such an inode; this path would be between others; the rows in memory are
    // looked at.
    for condition in ["inode = 5000", "path = '/data/000500x'"] {
        let sql = format!("SELECT pid FROM file_open WHERE {condition}");
        let (lines, progress) = progress(&engine, &sql);
        assert!(lines.is_empty());
        assert_eq!((progress.rows, progress.rows_read), (60, 60), "{condition}");
    }
}

#[test]
fn the_newest_rows_are_found_without_reading_the_old() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept = Kept::default();
    for hour in 0..40 {
        let from = f64::from(hour) * 3600.0;
        kept = kept.stored::<FileOpen<'_>>(folder.path(), &[opens(from, 1.0, 500)]);
    }
    let engine = kept.engine();
    let sql = "SELECT time, path FROM file_open ORDER BY time DESC LIMIT 3";
    let (lines, progress) = progress(&engine, sql);
    let newest = ["2026-11-23T20:08:19Z|/data/000499", "2026-11-23T20:08:18Z|/data/000498"];
    assert_eq!(lines[..2], newest);
    assert!(progress.rows_read <= 5000, "{progress:?}");
}

#[test]
fn a_limit_ends_the_reading() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept = Kept::default();
    for hour in 0..40 {
        let from = f64::from(hour) * 3600.0;
        kept = kept.stored::<FileOpen<'_>>(folder.path(), &[opens(from, 1.0, 500)]);
    }
    let engine = kept.engine();
    let (lines, progress) = progress(&engine, "SELECT path FROM file_open LIMIT 5");
    assert_eq!(lines.len(), 5);
    assert!(progress.rows_read <= 5000, "{progress:?}");
}

#[test]
fn what_is_known_is_of_all_rows_and_not_of_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let engine = three_hours(folder.path()).engine();
    let sql = "SELECT count(*) FROM (SELECT * FROM file_open LIMIT 5)";
    assert_eq!(lines(&engine, sql), ["5"]);
    let sql = "SELECT count(*), min(time) FROM file_open WHERE time > '2026-11-22T05:00:10Z'";
    assert_eq!(lines(&engine, sql), ["2049|2026-11-22T05:00:11Z"]);
    let sql = "SELECT max(time) FROM file_open WHERE pid = 0";
    assert_eq!(lines(&engine, sql), [""]);
    let sql = "SELECT count(*) FROM file_open a JOIN file_open b ON a.path = b.path \
               WHERE a.time < '2026-11-22T06:00:00Z' AND b.time > '2026-11-22T07:00:00Z'";
    assert_eq!(lines(&engine, sql), ["59"]);
}

#[test]
fn order_is_the_same_whoever_keeps_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let engine = three_hours(folder.path()).engine();
    for order in ["time", "time DESC", "latency DESC, time", "path, time DESC"] {
        let sql = format!("SELECT time, path, latency FROM file_open ORDER BY {order}");
        let all = lines(&engine, &sql);
        assert_eq!(all.len(), 2060);
        assert_eq!(lines(&engine, &format!("{sql} LIMIT 77")), all[..77], "{order}");
        assert_eq!(
            lines(&engine, &format!("{sql} LIMIT 9 OFFSET 1500")),
            all[1500..1509],
            "{order}"
        );
    }
}

#[test]
fn columns_that_a_segment_lacks_are_null() {
    let folder = tempfile::tempdir().unwrap();
    let old = batch([(0.0, process(3, "/bin/old"), OldFileOpen { path: Some(b"/a"), colour: 4 })]);
    let engine = Kept::default()
        .stored::<OldFileOpen<'_>>(folder.path(), &[old])
        .hot::<FileOpen<'_>>(opens(60.0, 1.0, 1))
        .engine();
    let sql = "SELECT path, inode, latency, error FROM file_open ORDER BY time";
    assert_eq!(lines(&engine, sql), ["/a|||", "/data/000000|0|0|ENOENT"]);
    let sql = "SELECT path FROM file_open WHERE inode IS NULL";
    assert_eq!(lines(&engine, sql), ["/a"]);
}

#[test]
fn tables_without_rows_answer_nothing() {
    let engine = Kept::default().engine();
    assert!(lines(&engine, "SELECT * FROM file_open").is_empty());
    assert_eq!(lines(&engine, "SELECT count(*), max(time) FROM process_exec"), ["0|"]);
    let tables = lines(&engine, "SHOW TABLES");
    assert!(tables.contains(&"file_open|table".to_string()), "{tables:?}");
    assert!(tables.contains(&"connection|view".to_string()), "{tables:?}");
    let columns = lines(&engine, "DESCRIBE file_open");
    assert!(columns.iter().any(|it| it.starts_with("path|")), "{columns:?}");
}

#[test]
fn large_segments_are_taken_apart() {
    let folder = tempfile::tempdir().unwrap();
    // Three row groups in one hour.
    let engine = Kept::default()
        .stored::<FileOpen<'_>>(folder.path(), &[opens(0.0, 0.005, 300_000)])
        .engine();
    let sql = "SELECT count(*), sum(latency), count(DISTINCT path) FROM file_open WHERE pid = 7";
    let (lines, progress) = progress(&engine, sql);
    let sum: u64 = (0..300_000_u64).map(|it| it * 1000).sum();
    assert_eq!(lines, [format!("300000|{sum}|300000")]);
    assert_eq!((progress.segments, progress.rows, progress.rows_read), (1, 300_000, 300_000));
    let sql = "SELECT inode FROM file_open WHERE inode = 200000";
    let (lines, progress) = self::progress(&engine, sql);
    assert_eq!(lines, ["200000"]);
    assert_eq!(progress.rows, 131_072, "{progress:?}");
}

#[test]
fn a_damaged_segment_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let engine = three_hours(folder.path()).engine();
    let hour = fs::read_dir(folder.path().join("file_open/2026-11-22T05")).unwrap();
    let path = hour.map(|it| it.unwrap().path()).next().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[200] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let problem = problem(&engine, "SELECT * FROM file_open");
    assert_eq!(problem.kind, Trouble::Damaged);
    assert!(problem.message.contains(path.to_str().unwrap()), "{problem}");
    assert!(problem.message.contains("fathom verify"), "{problem}");
    // What does not need it is answered.
    let sql = "SELECT count(path) FROM file_open WHERE time > '2026-11-22T06:00:00Z'";
    assert_eq!(lines(&engine, sql), ["1059"]);
}

#[test]
fn a_tail_filter_keeps_what_fits() {
    let engine = Kept::default().engine();
    let condition = "error = 'ENOENT' AND basename(path) LIKE '%00' AND time > ago('999999h')";
    let filter = engine.filter(<FileOpen<'_> as schema::Event>::TABLE, condition).unwrap();
    assert_eq!(filter.apply(&opens(0.0, 1.0, 500)).unwrap().num_rows(), 5);
    let wrong = engine.filter(<FileOpen<'_> as schema::Event>::TABLE, "pth = 'x'").unwrap_err();
    assert_eq!((wrong.place, &*wrong.near[0]), (Some((1, 1)), "path"));
    let wrong = engine.filter(<FileOpen<'_> as schema::Event>::TABLE, "pid + 1").unwrap_err();
    assert_eq!(wrong.kind, Trouble::Sql);
    let wrong = engine
        .filter(<FileOpen<'_> as schema::Event>::TABLE, "pid IN (SELECT pid FROM process_exec)");
    assert_eq!(wrong.unwrap_err().kind, Trouble::Sql);
}

#[test]
fn answers_are_made_portable() {
    use arrow::datatypes::DataType;
    let engine = Kept::default().hot::<FileOpen<'_>>(opens(0.0, 1.0, 3)).engine();
    let sql = "SELECT comm, array_agg(path) FROM file_open GROUP BY comm";
    let mut answer = engine.ask_blocking(ask(sql)).unwrap();
    assert!(format!("{}", answer.schema()).contains("Utf8View"));
    let schema = query::portable_schema(answer.schema());
    assert_eq!(schema.field(0).data_type(), &DataType::Utf8);
    assert!(!format!("{schema}").contains("Utf8View"), "{schema}");
    let batch = answer.next_blocking().unwrap().unwrap();
    assert_eq!(query::portable(&batch).unwrap().schema(), schema);
}

#[test]
fn fewer_rows_than_there_are_is_said() {
    let engine = Kept::default().hot::<FileOpen<'_>>(opens(0.0, 1.0, 10)).engine();
    for (limit, rows, cut) in [(3, 3, true), (10, 10, false), (11, 10, false), (0, 0, true)] {
        let sql = "SELECT path FROM file_open ORDER BY time".to_string();
        let ask = Ask { sql, limit: Some(limit), time_out: None };
        let mut answer = engine.ask_blocking(ask).unwrap();
        assert_eq!(rest(&mut answer).unwrap().len(), rows);
        assert_eq!(answer.cut(), cut, "limit {limit}");
    }
}

#[test]
fn the_catalogue_has_every_table_and_view() {
    let engine = Kept::default().engine();
    let listed = engine.catalogue();
    let coverage = <AgentCoverage<'_> as schema::Event>::TABLE.name;
    let one = listed.iter().find(|it| it.name == coverage).unwrap();
    assert!(!one.view && one.schema.field_with_name("begun").is_ok() && !one.doc.is_empty());
    assert!(listed.iter().any(|it| it.view && it.name == "process_tree"));
}
