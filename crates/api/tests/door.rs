//! The door, from the outside.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{Door, Health, Readiness, ServeError, Source, serve};
use serde_json::{Value, json};

struct Fixed {
    problems: Vec<String>,
}

impl Source for Fixed {
    fn metrics(&self) -> String {
        "fathom_build_info{version=\"0.1.0\"} 1\n".into()
    }

    fn health(&self) -> Health {
        Health { problems: self.problems.clone() }
    }

    fn ready(&self) -> Readiness {
        Readiness { waiting_for: self.problems.clone() }
    }

    fn tables(&self) -> String {
        "{\"tables\":[]}\n".into()
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn door(problems: &[&str]) -> Door {
    let problems = problems.iter().map(|it| (*it).to_string()).collect();
    serve("127.0.0.1:0".parse().unwrap(), Arc::new(Fixed { problems })).unwrap()
}

fn ask(door: &Door, method: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(door.address()).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_string() }
}

fn json(answer: &Answer) -> Value {
    assert!(answer.head.contains("content-type: application/json"));
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn each_route_answers() {
    let door = door(&[]);
    let metrics = ask(&door, "GET", "/metrics");
    assert_eq!(
        (metrics.status, metrics.body.as_str()),
        (200, "fathom_build_info{version=\"0.1.0\"} 1\n")
    );
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4"));
    assert_eq!(json(&ask(&door, "GET", "/healthz")), json!({"status": "ok", "reasons": []}));
    assert_eq!(json(&ask(&door, "GET", "/readyz")), json!({"status": "ready", "reasons": []}));
    assert_eq!(json(&ask(&door, "GET", "/api/v1/tables")), json!({"tables": []}));
}

#[test]
fn what_is_wrong_is_said() {
    let door = door(&["file: not attached"]);
    let (health, ready) = (ask(&door, "GET", "/healthz"), ask(&door, "GET", "/readyz"));
    assert_eq!((health.status, ready.status), (503, 503));
    assert_eq!(json(&health), json!({"status": "failing", "reasons": ["file: not attached"]}));
    assert_eq!(json(&ready)["status"], "not ready");
}

#[test]
fn a_wrong_path_is_told_the_right_ones() {
    let door = door(&[]);
    let answer = ask(&door, "GET", "/metric");
    let told = json(&answer);
    assert_eq!((answer.status, &told["error"]), (404, &json!("there is nothing at /metric")));
    assert!(told["routes"]["/metrics"].is_string() && told["routes"]["/api/v1/tables"].is_string());
    assert_eq!(ask(&door, "POST", "/metrics").status, 405);
}

#[test]
fn only_this_machine_may_ask() {
    for address in ["0.0.0.0:9191", "[::]:9191", "192.0.2.1:9191", "[::ffff:192.0.2.1]:9191"] {
        let source = Arc::new(Fixed { problems: Vec::new() });
        let error = serve(address.parse().unwrap(), source).unwrap_err();
        assert!(matches!(error, ServeError::BeyondLoopback(_)), "{address}: {error}");
        assert!(error.to_string().contains("listen on 127.0.0.1:9191"), "{error}");
    }
}

#[test]
fn a_taken_port_is_named() {
    let first = door(&[]);
    let source = Arc::new(Fixed { problems: Vec::new() });
    let error = serve(first.address(), source).unwrap_err();
    assert!(matches!(error, ServeError::InUse(address) if address == first.address()));
    assert!(error.to_string().contains(&first.address().to_string()), "{error}");
}

#[test]
fn a_dropped_door_is_closed_whoever_still_holds_a_connection() {
    let door = door(&[]);
    let address: SocketAddr = door.address();
    let idle = TcpStream::connect(address).unwrap();
    let mut half = TcpStream::connect(address).unwrap();
    half.write_all(b"GET /metrics HTT").unwrap();
    let start = Instant::now();
    drop(door);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(TcpStream::connect(address).is_err());
    drop((idle, half));
}
