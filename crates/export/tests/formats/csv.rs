//! CSV reads back as what was written.

use export::{Csv, Format, Options};
use schema::{Batch, Event, Table};

use crate::sample::*;

fn written(tables: &[&'static Table], batches: &[&Batch]) -> Vec<Vec<String>> {
    let mut csv = Csv::new(tables, Options::default());
    let mut out = Vec::new();
    csv.head(&mut out);
    for batch in batches {
        csv.batch(batch, &mut out);
    }
    read(&String::from_utf8(out).unwrap())
}

/// A reader after RFC 4180; it keeps the quotes of an empty text, to tell it from null.
fn read(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => loop {
                match letters.next().expect("an open quote") {
                    '"' if letters.peek() == Some(&'"') => cell.push(letters.next().unwrap()),
                    '"' if cell.is_empty() => break cell.push_str("\"\""),
                    '"' => break,
                    other => cell.push(other),
                }
            },
            ',' => record.push(std::mem::take(&mut cell)),
            '\n' => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            other => cell.push(other),
        }
    }
    assert!(cell.is_empty() && record.is_empty(), "the last line has its end");
    records
}

#[test]
fn one_table_has_its_own_columns() {
    let path: &[u8] = b"/tmp/a,\"b\"\nc\xff";
    let open = FileOpen { path: Some(path), path_resolved: Some(b""), flags: 3, ..open() };
    let records = written(&[FileOpen::TABLE], &[&one(open)]);
    let [head, row] = &records[..] else { panic!("{records:?}") };
    assert_eq!((head.len(), row.len()), (22, 22));
    let cell = |name: &str| row[head.iter().position(|it| it == name).unwrap()].as_str();
    assert_eq!((cell("time"), cell("pid")), ("2026-11-21T22:10:05.123456789Z", "4711"));
    assert_eq!(cell("path"), "/tmp/a,\"b\"\nc\\xff");
    assert_eq!((cell("path_resolved"), cell("error")), ("\"\"", ""));
    assert_eq!((cell("flags"), cell("path_differs")), ("O_WRONLY|O_RDWR", "false"));
}

#[test]
fn several_tables_share_the_columns_that_they_share() {
    let exit = ProcessExit {
        exit_code: Some(1),
        signal: None,
        core_dumped: false,
        duration: 5,
        user_time: 1,
    };
    let connect = SocketConnect {
        socket: 1,
        protocol: "tcp",
        local_ip: None,
        local_port: None,
        peer_ip: Some("::1".parse().unwrap()),
        peer_port: Some(80),
        latency: None,
        error: Some(111),
    };
    let tables = [FileOpen::TABLE, ProcessExit::TABLE, SocketConnect::TABLE];
    let records = written(&tables, &[&one(open()), &one(exit), &one(connect)]);
    let head = &records[0];
    assert_eq!(head.iter().filter(|name| *name == "error").count(), 1);
    let cell = |row: usize, name: &str| {
        records[row][head.iter().position(|it| it == name).unwrap()].as_str()
    };
    assert_eq!([cell(1, "table"), cell(2, "table")], ["file_open", "process_exit"]);
    assert_eq!([cell(1, "exit_code"), cell(2, "exit_code")], ["", "1"]);
    assert_eq!([cell(3, "error"), cell(3, "peer_ip")], ["ECONNREFUSED", "::1"]);
    assert!(records.iter().all(|record| record.len() == head.len()));
}
