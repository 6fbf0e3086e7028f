//! A source of answers for tests: what is asked of the agent, without an agent.

pub(crate) mod rows;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use api::{Audit, Door, Health, Readiness, Source};
use bus::{Bus, Capacity, Policy, Subscription};
use query::Engine;
use schema::Table;

/// What a [`Source`] tells, fixed.
#[derive(Default)]
pub(crate) struct Fixed {
    pub(crate) problems: Vec<String>,
    pub(crate) engine: Option<Arc<Engine>>,
    pub(crate) tables: Vec<&'static Table>,
    pub(crate) bus: Option<Arc<Bus>>,
    pub(crate) audits: Mutex<Vec<Audit>>,
    pub(crate) warnings: Mutex<Vec<String>>,
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

    fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.clone()
    }

    fn followed(&self) -> Vec<&'static Table> {
        self.tables.clone()
    }

    fn tail(&self, table: &'static Table) -> Option<Subscription> {
        let capacity = Capacity { rows: 1000, batches: 100 };
        let bus = self.bus.as_ref()?;
        Some(bus.subscribe("tail", capacity, Policy::DropNewest, Some(vec![table])))
    }

    fn audit(&self, audit: Audit) {
        self.audits.lock().unwrap().push(audit);
    }

    fn warn(&self, what: String) {
        self.warnings.lock().unwrap().push(what);
    }
}

/// An answer over HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    /// Taken out of its chunks.
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        assert!(self.head.contains("content-type: application/json"), "{}", self.head);
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Asks without a body.
pub(crate) fn ask(door: &Door, method: &str, path: &str) -> Answer {
    send(door, method, path, &[], "")
}

/// Asks for the answer to `sql`.
pub(crate) fn sql(door: &Door, sql: &str, headers: &[&str]) -> Answer {
    let body = serde_json::json!({ "sql": sql }).to_string();
    send(door, "POST", "/api/v1/query", headers, &body)
}

/// Asks, with more headers and a body.
pub(crate) fn send(door: &Door, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let mut stream = TcpStream::connect(door.address()).unwrap();
    stream.write_all(request(method, path, headers, body).as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    taken(&bytes)
}

/// The text of a request; it is the last on its connection.
pub(crate) fn request(method: &str, path: &str, headers: &[&str], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|it| it.starts_with("Host:")) {
        text.push_str("Host: localhost\r\n");
    }
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text + &format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Takes an answer apart.
pub(crate) fn taken(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut rest = &bytes[end + 4..];
    if !head.contains("transfer-encoding: chunked") {
        return Answer { status, head, body: rest.to_vec(), whole: true };
    }
    let (mut body, mut whole) = (Vec::new(), false);
    while let Some(line) = rest.windows(2).position(|it| it == b"\r\n") {
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        rest = &rest[line + 2..];
        if size == 0 {
            whole = true;
            break;
        }
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
    Answer { status, head, body, whole }
}

/// Waits until `done`, and says `what` was awaited where it never comes.
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}
