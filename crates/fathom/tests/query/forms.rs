//! The forms of an answer, each read back.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Int64Type, TimestampNanosecondType};
use arrow::ipc::reader::StreamReader;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

use crate::stored::{ROWS, SECOND, TIME, files, stored};
use crate::{command, out, query, said};

const FIRST: &str = "select time, map, memory, exe from agent_map order by time limit 2";

#[test]
fn a_table_is_aligned_and_its_numbers_are_told_beside_it() {
    let folder = stored(0, false);
    let before = files(folder.path());
    let output = query(folder.path(), &[FIRST]);
    let expected = "\
time                            map       memory  exe
2026-11-21 22:10:05.123456789Z  map, \"0\"       0  -
2026-11-21 22:10:06.123456789Z  map, \"1\"    4096  -
";
    assert_eq!(out(&output), expected);
    let said = said(&output);
    assert!(said.starts_with("fathom: 2 rows in "), "{said}");
    assert!(
        said.contains("complete: nothing was lost between 2026-11-21 22:10:04Z and "),
        "{said}"
    );
    assert_eq!(files(folder.path()), before, "reading must not change anything");

    let output = query(folder.path(), &["--no-completeness", FIRST]);
    assert_eq!(self::said(&output).lines().count(), 1);
}

#[test]
fn json_is_one_object_a_line() {
    let folder = stored(0, false);
    let text = out(&query(folder.path(), &["-o", "json", FIRST]));
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["time"], "2026-11-21T22:10:06.123456789Z");
    assert_eq!(lines[1]["memory"], 4096);
    assert_eq!(lines[1]["map"], "map, \"1\"");
    assert!(lines[1]["exe"].is_null());
    let all = out(&query(folder.path(), &["-o", "json", "select * from agent_map"]));
    assert_eq!(all.lines().count() as u64, ROWS);
}

#[test]
fn csv_is_quoted_where_it_must_be() {
    let folder = stored(0, false);
    let text = out(&query(folder.path(), &["-o", "csv", FIRST]));
    let expected = "\
time,map,memory,exe
2026-11-21T22:10:05.123456789Z,\"map, \"\"0\"\"\",0,
2026-11-21T22:10:06.123456789Z,\"map, \"\"1\"\"\",4096,
";
    assert_eq!(text, expected);
    let none = out(&query(folder.path(), &["-o", "csv", "select pid from agent_map where false"]));
    assert_eq!(none, "pid\n");
}

#[test]
fn arrow_is_a_stream_in_plain_types() {
    let folder = stored(0, false);
    let output = query(folder.path(), &["-o", "arrow", "select * from agent_map order by time"]);
    assert!(output.status.success(), "{}", said(&output));
    let reader = StreamReader::try_new(&output.stdout[..], None).expect("an Arrow stream");
    assert_eq!(reader.schema().field_with_name("map").unwrap().data_type(), &DataType::Utf8);
    check(reader.map(|rows| rows.expect("rows")).collect());
}

#[test]
fn parquet_is_a_file_that_is_there_once_it_is_whole() {
    let folder = stored(0, false);
    let place = TempDir::new().unwrap();
    let file = place.path().join("maps.parquet");
    let to = ["-o", "parquet", "--output", file.to_str().unwrap()];
    let sql = "select * from agent_map order by time";
    let output = query(folder.path(), &[&to[..], &[sql]].concat());
    assert!(output.status.success(), "{}", said(&output));
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(&file).unwrap()).unwrap();
    check(reader.build().unwrap().map(|rows| rows.expect("rows")).collect());

    // A failure leaves what was there before, and nothing beside it.
    let failed = query(folder.path(), &[&to[..], &["select nothing from agent_map"]].concat());
    assert_eq!(failed.status.code(), Some(1));
    let left = fs::read_dir(place.path()).unwrap().count();
    assert_eq!((left, file.exists()), (1, true));

    let refused = query(folder.path(), &["-o", "parquet", sql]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("--output FILE"), "{}", said(&refused));
}

/// All rows of `agent_map`, in order.
fn check(batches: Vec<RecordBatch>) {
    let mut number = 0;
    for batch in batches {
        let column = |name: &str| batch.column_by_name(name).expect("a column").clone();
        let (times, memory, maps) = (column("time"), column("memory"), column("map"));
        let times = times.as_primitive::<TimestampNanosecondType>();
        let memory = memory.as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            assert_eq!(times.value(row), TIME + number * SECOND);
            assert_eq!(memory.value(row), number * 4096);
            assert_eq!(maps.as_string::<i32>().value(row), format!("map, \"{}\"", number % 10));
            number += 1;
        }
        assert_eq!(column("exe").null_count(), batch.num_rows());
    }
    assert_eq!(number as u64, ROWS);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = stored(0, false);
    // More than a pipe holds, so that writing meets the closed end.
    let sql = "select a.* from agent_map a cross join (select 1 from agent_map limit 200)";
    for form in ["table", "json", "csv", "arrow"] {
        let folder = folder.path().to_str().unwrap();
        let mut command = command(&["query", "--data", folder, "-o", form, sql]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = Vec::new();
        match form {
            "arrow" => drop(out.read_exact(&mut [0; 16])),
            _ => drop(out.read_until(b'\n', &mut first)),
        }
        drop(out);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{form}: {}", said(&output));
        assert!(!said(&output).contains("panic"), "{form}: {}", said(&output));
    }
}

#[test]
fn a_plan_is_told_as_text() {
    let folder = stored(0, false);
    let text = out(&query(folder.path(), &["explain select count(*) from agent_map"]));
    assert!(text.lines().count() > 3 && !text.contains("\\n"), "{text}");
    assert!(text.contains("plan"), "{text}");
}
