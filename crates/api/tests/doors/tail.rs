//! Live tails, from the outside.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use crate::support::rows::{TABLE, batch, engine, options};
use crate::support::{Fixed, ask, request, wait_for};
use api::{Door, Doorway, Limits, serve};
use bus::Bus;
use serde_json::{Value, json};
use telemetry::{Ledger, Side};

struct Live {
    bus: Arc<Bus>,
    ledger: Ledger,
    door: Door,
}

fn live() -> Live {
    let ledger = Ledger::new();
    let bus = Arc::new(Bus::new(&ledger));
    let source = Fixed {
        engine: Some(engine(10, options())),
        tables: vec![TABLE],
        bus: Some(bus.clone()),
        ..Fixed::default()
    };
    let limits = Limits { tails: 2, ..Limits::default() };
    let doorway = Doorway { limits, ..Doorway::at("127.0.0.1:0".parse().unwrap()) };
    Live { bus, ledger, door: serve(doorway, Arc::new(source)).unwrap() }
}

/// Events as they come.
struct Events(BufReader<TcpStream>);

impl Live {
    fn follow(&self, query: &str) -> Events {
        let mut stream = TcpStream::connect(self.door.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let path = format!("/api/v1/tail?{query}");
        stream.write_all(request("GET", &path, &[], "").as_bytes()).unwrap();
        let mut events = Events(BufReader::new(stream));
        assert!(events.line().starts_with("HTTP/1.1 200"));
        while events.line() != ": following" {}
        events
    }
}

impl Events {
    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream has ended");
        line.trim_end().to_string()
    }

    /// The next event.
    fn next(&mut self) -> (String, Value) {
        loop {
            if let Some(name) = self.line().strip_prefix("event: ") {
                let data = self.line();
                let data = data.strip_prefix("data: ").unwrap();
                return (name.to_string(), serde_json::from_str(data).unwrap());
            }
        }
    }
}

#[test]
fn rows_come_as_they_are_published() {
    let live = live();
    let mut events = live.follow("table=file_open");
    live.bus.publish(batch(0, 3));
    for number in 0..3 {
        let (name, row) = events.next();
        assert_eq!((name.as_str(), &row["number"]), ("row", &json!(number)));
        assert!(row["time"].as_str().unwrap().ends_with('Z') && row["pid"] == 42);
    }
}

#[test]
fn a_condition_leaves_rows_out() {
    let live = live();
    let mut events =
        live.follow("table=file_open&where=number%20%3E=%208%20AND%20path%20IS%20NULL");
    live.bus.publish(batch(0, 30));
    let numbers = [events.next().1["number"].clone(), events.next().1["number"].clone()];
    assert_eq!(numbers, [json!(10), json!(20)]);
}

#[test]
fn what_is_wrong_is_said() {
    let live = live();
    for (query, status, says) in [
        ("table=file_opn", 404, "file_open"),
        ("", 400, "table=file_open"),
        ("table=file_open&filter=x", 400, "where"),
        ("table=file_open&where=numbr%20=%201", 400, "number"),
    ] {
        let answer = ask(&live.door, "GET", &format!("/api/v1/tail?{query}"));
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
        assert!(answer.text().contains(says), "{query}: {}", answer.text());
    }
}

#[test]
fn tails_are_bounded_and_free_their_place() {
    let live = live();
    let first = live.follow("table=file_open");
    let _second = live.follow("table=file_open");
    assert_eq!(ask(&live.door, "GET", "/api/v1/tail?table=file_open").status, 429);
    drop(first);
    wait_for("a free place", || {
        let mut stream = TcpStream::connect(live.door.address()).unwrap();
        let request = request("GET", "/api/v1/tail?table=file_open", &[], "");
        stream.write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.starts_with("HTTP/1.1 200")
    });
}

#[test]
fn who_is_too_slow_is_told_what_was_lost_and_it_is_counted() {
    let live = live();
    let mut events = live.follow("table=file_open");
    let lost = || {
        let entries = live.ledger.entries();
        let slow = entries.iter().filter(|it| it.side == Side::Dropped("slow"));
        slow.map(|entry| entry.count).sum::<u64>()
    };
    let mut published = 0;
    // Nothing is read: the connection fills, then the thread waits, then the queue fills.
    while lost() == 0 {
        live.bus.publish(batch(published, 500));
        published += 500;
        assert!(published < 50_000_000, "nothing is ever lost");
    }
    let (mut rows, mut told) = (0, 0);
    while rows + told < published as u64 {
        match events.next() {
            (name, _) if name == "row" => rows += 1,
            (name, data) if name == "lost" => told += data["rows"].as_u64().unwrap(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((rows + told, told), (published as u64, lost()));
}

#[test]
fn a_bus_that_closes_ends_the_stream() {
    let live = live();
    let mut events = live.follow("table=file_open");
    live.bus.publish(batch(0, 1));
    live.bus.close();
    assert_eq!(events.next().0, "row");
    let mut rest = String::new();
    while events.0.read_line(&mut rest).unwrap() > 0 {}
    assert!(!rest.contains("event:"), "{rest}");
}
