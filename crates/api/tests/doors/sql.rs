//! SQL over HTTP, from the outside.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use crate::support::rows::{engine, options};
use crate::support::{Fixed, request, send, sql, taken, wait_for};
use api::{Door, Doorway, Limits, serve};
use arrow::ipc::reader::StreamReader;
use query::Options;
use serde_json::{Value, json};

struct Asked {
    door: Door,
    source: Arc<Fixed>,
}

fn opened(rows: usize, options: Options, limits: Limits) -> Asked {
    let source = Arc::new(Fixed { engine: Some(engine(rows, options)), ..Fixed::default() });
    let doorway = Doorway { limits, ..Doorway::at("127.0.0.1:0".parse().unwrap()) };
    Asked { door: serve(doorway, source.clone()).unwrap(), source }
}

fn over(rows: usize) -> Asked {
    opened(rows, options(), Limits::default())
}

impl Asked {
    /// The audit row of the only query.
    fn audit(&self) -> api::Audit {
        wait_for("the audit row", || !self.source.audits.lock().unwrap().is_empty());
        let audits = self.source.audits.lock().unwrap();
        assert_eq!(audits.len(), 1, "{audits:?}");
        audits[0].clone()
    }
}

const ROWS: &str = "SELECT time, path, number, pid, size FROM file_open ORDER BY number LIMIT 2";

#[test]
fn rows_come_as_json() {
    let asked = over(1000);
    let answer = sql(&asked.door, ROWS, &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let value = answer.json();
    assert_eq!(value["columns"][1], json!({"name": "path", "type": "Utf8"}));
    assert_eq!(
        value["rows"],
        json!([
            {"time": "2026-11-21T22:10:05.123456789Z", "path": null, "number": 0, "pid": 42, "size": 0},
            {"time": "2026-11-21T22:10:05.123457789Z", "path": "/tmp/a,\"1\"", "number": 1,
             "pid": 42, "size": 1},
        ])
    );
    assert_eq!(value["cut"], false);
    assert!(value["elapsed_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(value["completeness"]["tables"], json!(["file_open"]));
    let header: Value =
        serde_json::from_str(answer.header("fathom-completeness").unwrap()).unwrap();
    assert_eq!(header, value["completeness"]);
    let audit = asked.audit();
    assert_eq!((audit.who.as_str(), audit.door, audit.rows), ("loopback", "http", 2));
    assert_eq!((audit.sql.as_str(), audit.outcome.as_str()), (ROWS, "answered"));
    assert_eq!(audit.bytes, answer.body.len() as u64);
}

#[test]
fn the_other_forms_hold_the_same_rows() {
    let asked = over(10_000);
    let all = "SELECT number, path FROM file_open ORDER BY number";
    let lines = sql(&asked.door, all, &["Accept: application/x-ndjson"]);
    assert!(lines.whole && lines.head.contains("content-type: application/x-ndjson"));
    let numbers = lines.text().lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        row["number"].as_i64().unwrap()
    });
    assert!(numbers.eq(0..10_000));

    let csv = sql(&asked.door, all, &["Accept: text/csv"]);
    assert!(csv.text().starts_with("number,path\n0,\n1,\"/tmp/a,\"\"1\"\"\"\n"));
    assert_eq!(csv.text().lines().count(), 10_001);

    let arrow = sql(&asked.door, all, &["Accept: application/vnd.apache.arrow.stream"]);
    let reader = StreamReader::try_new(arrow.body.as_slice(), None).unwrap();
    assert_eq!(reader.schema().field(1).data_type().to_string(), "Utf8");
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 10_000);

    assert_eq!(sql(&asked.door, all, &["Accept: text/html"]).status, 406);
}

#[test]
fn an_answer_without_rows_is_still_one() {
    let asked = over(10);
    let none = "SELECT number, path FROM file_open WHERE number > 100";
    assert_eq!(sql(&asked.door, none, &[]).json()["rows"], json!([]));
    assert_eq!(sql(&asked.door, none, &["Accept: text/csv"]).text(), "number,path\n");
    let arrow = sql(&asked.door, none, &["Accept: application/vnd.apache.arrow.stream"]);
    assert_eq!(StreamReader::try_new(arrow.body.as_slice(), None).unwrap().count(), 0);
}

#[test]
fn a_limit_cuts_and_says_so() {
    let asked = over(1000);
    let body = json!({ "sql": "SELECT number FROM file_open", "limit": 7 }).to_string();
    let answer = send(&asked.door, "POST", "/api/v1/query", &[], &body).json();
    assert_eq!(answer["rows"].as_array().unwrap().len(), 7);
    assert_eq!(answer["cut"], true);
    let headers = ["Accept: application/x-ndjson", "TE: trailers"];
    let lines = send(&asked.door, "POST", "/api/v1/query", &headers, &body);
    assert_eq!(lines.text().lines().count(), 7);
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_near_names() {
    let asked = over(10);
    let answer = sql(&asked.door, "SELECT time,\n  pth FROM file_open", &[]);
    assert_eq!(answer.status, 400);
    let error = &answer.json()["error"];
    assert_eq!(error["kind"], "sql");
    assert_eq!(error["place"], json!({"line": 2, "column": 3}));
    assert!(error["near"].as_array().unwrap().contains(&json!("path")), "{error}");
    assert_eq!(asked.audit().outcome, "sql");
    for forbidden in ["DROP TABLE file_open", "INSERT INTO file_open VALUES (1)"] {
        assert_eq!(sql(&asked.door, forbidden, &[]).status, 403, "{forbidden}");
    }
}

/// Counts further than there is time for.
const ENDLESS: &str = "SELECT sum(value % 7) FROM generate_series(1, 1000000000000)";

#[test]
fn a_query_that_takes_too_long_is_broken_off() {
    let asked = over(20_000);
    let body = json!({ "sql": ENDLESS, "timeout_ms": 100 }).to_string();
    let answer = send(&asked.door, "POST", "/api/v1/query", &[], &body);
    assert_eq!((answer.status, &answer.json()["error"]["kind"]), (504, &json!("too_long")));
}

#[test]
fn too_many_rows_and_too_many_questions_are_refused() {
    let few = Options { rows_most: 10, ..options() };
    let limits = Limits { queries_per_second: 0.0, burst: 2, ..Limits::default() };
    let asked = opened(1000, few, limits);
    let answer = sql(&asked.door, "SELECT number FROM file_open", &[]);
    assert!(answer.text().contains("too_many_rows"), "{}", answer.text());
    assert_eq!(sql(&asked.door, "SELECT 1", &[]).status, 200);
    let answer = sql(&asked.door, "SELECT 1", &[]);
    assert_eq!((answer.status, &answer.json()["error"]["kind"]), (429, &json!("too_often")));
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn who_goes_away_ends_the_query() {
    let one = Options { queries_most: 1, ..options() };
    let asked = opened(20_000, one, Limits::default());
    let mut stream = TcpStream::connect(asked.door.address()).unwrap();
    let body = json!({ "sql": ENDLESS }).to_string();
    stream.write_all(request("POST", "/api/v1/query", &[], &body).as_bytes()).unwrap();
    // It runs once there is no place for another.
    wait_for("the query", || sql(&asked.door, "SELECT 1", &[]).status == 429);
    drop(stream);
    wait_for("the end of the query", || {
        let audits = asked.source.audits.lock().unwrap();
        audits.iter().any(|it| it.sql == ENDLESS && it.outcome == "cancelled")
    });
    wait_for("a free place", || sql(&asked.door, "SELECT 1", &[]).status == 200);
}

#[test]
fn an_answer_that_breaks_off_is_not_taken_for_whole() {
    // The limit of rows is met only after many have been sent.
    let few = Options { rows_most: 100_000, ..options() };
    let asked = opened(150_000, few, Limits::default());
    let all = "SELECT number, path FROM file_open";
    let json = sql(&asked.door, all, &[]);
    assert_eq!((json.status, json.whole), (200, true));
    let value = json.json();
    assert!(value["rows"].as_array().unwrap().len() > 10_000);
    assert_eq!(value["error"]["kind"], "too_many_rows");
    assert!(value.get("cut").is_none());
    for form in ["application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"] {
        let answer = sql(&asked.door, all, &[&format!("Accept: {form}")]);
        assert!(!answer.whole, "{form} came to a clean end");
    }
}

#[test]
fn a_slow_reader_holds_no_rows_in_memory_and_others_up() {
    let asked = over(400_000);
    let mut stream = TcpStream::connect(asked.door.address()).unwrap();
    let body = json!({ "sql": "SELECT * FROM file_open" }).to_string();
    stream.write_all(request("POST", "/api/v1/query", &[], &body).as_bytes()).unwrap();
    let mut first = [0; 1000];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(sql(&asked.door, "SELECT 1", &[]).status, 200);
    assert!(asked.source.audits.lock().unwrap().iter().all(|it| it.sql == "SELECT 1"));
    let mut rest = first.to_vec();
    stream.read_to_end(&mut rest).unwrap();
    let answer = taken(&rest);
    assert!(answer.whole);
    assert_eq!(answer.json()["rows"].as_array().unwrap().len(), 400_000);
}

#[test]
fn a_closing_door_does_not_wait_for_a_query() {
    let asked = over(20_000);
    let mut stream = TcpStream::connect(asked.door.address()).unwrap();
    let body = json!({ "sql": ENDLESS }).to_string();
    stream.write_all(request("POST", "/api/v1/query", &[], &body).as_bytes()).unwrap();
    wait_for("the connection", || sql(&asked.door, "SELECT 1", &[]).status == 200);
    let start = std::time::Instant::now();
    drop(asked.door);
    assert!(start.elapsed() < Duration::from_secs(1));
}
