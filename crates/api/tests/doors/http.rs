//! The door, from the outside.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{Fixed, ask, send};
use api::{Access, Door, Doorway, ServeError, serve};
use serde_json::json;

fn door(problems: &[&str]) -> Door {
    let problems = problems.iter().map(|it| (*it).to_string()).collect();
    let source = Fixed { problems, ..Fixed::default() };
    serve(Doorway::at("127.0.0.1:0".parse().unwrap()), Arc::new(source)).unwrap()
}

#[test]
fn each_route_answers() {
    let door = door(&[]);
    let metrics = ask(&door, "GET", "/metrics");
    assert_eq!((metrics.status, metrics.text()), (200, "fathom_build_info{version=\"0.1.0\"} 1\n"));
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4"));
    assert_eq!(ask(&door, "GET", "/healthz").json(), json!({"status": "ok", "reasons": []}));
    assert_eq!(ask(&door, "GET", "/readyz").json(), json!({"status": "ready", "reasons": []}));
    assert_eq!(ask(&door, "GET", "/api/v1/tables").json(), json!({"tables": []}));
}

#[test]
fn what_is_wrong_is_said() {
    let door = door(&["file: not attached"]);
    let (health, ready) = (ask(&door, "GET", "/healthz"), ask(&door, "GET", "/readyz"));
    assert_eq!((health.status, ready.status), (503, 503));
    assert_eq!(health.json(), json!({"status": "failing", "reasons": ["file: not attached"]}));
    assert_eq!(ready.json()["status"], "not ready");
}

#[test]
fn a_wrong_path_is_told_the_right_ones() {
    let door = door(&[]);
    let answer = ask(&door, "GET", "/metric");
    let told = answer.json();
    assert_eq!((answer.status, &told["error"]), (404, &json!("there is nothing at /metric")));
    assert!(told["routes"]["/metrics"].is_string() && told["routes"]["/api/v1/tables"].is_string());
    assert_eq!(ask(&door, "POST", "/metrics").status, 405);
}

#[test]
fn only_this_machine_may_ask() {
    for address in ["0.0.0.0:9191", "[::]:9191", "192.0.2.1:9191", "[::ffff:192.0.2.1]:9191"] {
        // Tokens alone are not enough: in the clear everybody on the way could read them.
        let access = Access { tokens: Some(PathBuf::from("tokens")), ..Access::default() };
        let doorway = Doorway { access, ..Doorway::at(address.parse().unwrap()) };
        let error = serve(doorway, Arc::new(Fixed::default())).unwrap_err();
        assert!(matches!(error, ServeError::BeyondLoopback(_)), "{address}: {error}");
        assert!(error.to_string().contains("listen on 127.0.0.1:9191"), "{error}");
    }
}

#[test]
fn a_taken_port_is_named() {
    let first = door(&[]);
    let error = serve(Doorway::at(first.address()), Arc::new(Fixed::default())).unwrap_err();
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
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(TcpStream::connect(address).is_err());
    drop((idle, half));
}

#[test]
fn where_nothing_is_stored_it_is_said_how_to_store() {
    let door = door(&[]);
    let answer = send(&door, "POST", "/api/v1/query", &[], "{\"sql\": \"SELECT 1\"}");
    assert_eq!(answer.status, 503);
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains("store.directory"), "{message}");
}

#[test]
fn a_question_that_is_none_is_told_how_one_looks() {
    let door = door(&[]);
    for body in ["", "SELECT 1", "{}", "{\"sql\": 1}", "{\"sql\": \"\", \"limits\": 1}"] {
        let answer = send(&door, "POST", "/api/v1/query", &[], body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text().contains("timeout_ms"), "{}", answer.text());
    }
    let long = "x".repeat(1 << 20);
    assert!(matches!(send(&door, "POST", "/api/v1/query", &[], &long).status, 400 | 413));
    assert_eq!(send(&door, "GET", "/api/v1/query", &[], "").status, 405);
}

#[test]
fn a_page_of_another_site_is_refused_but_for_health() {
    let door = door(&[]);
    let rebound = ["Host: evil.example:9191"];
    let foreign = ["Origin: https://evil.example"];
    for headers in [&rebound[..], &foreign[..]] {
        assert_eq!(send(&door, "GET", "/metrics", headers, "").status, 403, "{headers:?}");
        assert_eq!(send(&door, "POST", "/api/v1/query", headers, "{}").status, 403);
        assert_eq!(send(&door, "GET", "/healthz", headers, "").status, 200);
    }
}

#[test]
fn with_tokens_all_but_health_wants_one() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    std::fs::write(&file, "grafana 0123456789abcdef\n").unwrap();
    let access = Access { tokens: Some(file), ..Access::default() };
    let doorway = Doorway { access, ..Doorway::at("127.0.0.1:0".parse().unwrap()) };
    let source = Arc::new(Fixed::default());
    let door = serve(doorway, source.clone()).unwrap();
    for path in ["/metrics", "/api/v1/tables", "/api/v1/tail?table=x", "/nothing"] {
        let answer = ask(&door, "GET", path);
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("bearer")));
    }
    assert_eq!(
        (ask(&door, "GET", "/healthz").status, ask(&door, "GET", "/readyz").status),
        (200, 200)
    );
    let bearer = ["Authorization: Bearer 0123456789abcdef"];
    assert_eq!(send(&door, "GET", "/metrics", &bearer, "").status, 200);
    assert_eq!(
        send(&door, "POST", "/api/v1/query", &bearer, "{\"sql\": \"SELECT 1\"}").status,
        503
    );
    let audits = source.audits.lock().unwrap();
    assert_eq!(audits.len(), 1, "each question has its row");
    assert_eq!((audits[0].who.as_str(), audits[0].outcome.as_str()), ("grafana", "unavailable"));
}
