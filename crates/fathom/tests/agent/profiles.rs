//! Continuous profiles: in SQL, and sent on to who takes pprof or OTLP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};

use crate::harness::{Agent, can_trace, wait};
use crate::remember::{address, by_sql};

/// A process that does nothing but count.
struct Burner(Child);

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn profiles_come_by_sql_and_go_where_they_are_sent() {
    let name = "profiles_come_by_sql_and_go_where_they_are_sent";
    if !can_trace(name) {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let busy = Command::new("sh")
        .args(["-c", "while :; do :; done"])
        .stdin(Stdio::null())
        .spawn()
        .expect("a shell");
    let burner = Burner(busy);
    let (pprof, otlp) = (receiver(), receiver());
    let agent = Agent::start(
        directory.path(),
        &format!(
            "scope: {{pids: [{}]}}\n\
             http: {{listen: '127.0.0.1:0'}}\n\
             outputs: []\n\
             profile:\n\
             \x20 enabled: true\n\
             \x20 budget: 0\n\
             \x20 push:\n\
             \x20   - {{url: 'http://{}', form: pprof, every: 1s}}\n\
             \x20   - {{url: 'http://{}', form: otlp, every: 1s}}\n",
            burner.0.id(),
            pprof.address,
            otlp.address,
        ),
    );
    let sql = "SELECT function, sum(weight) AS spent FROM profile_sample WHERE kind = 'cpu' \
               GROUP BY function ORDER BY spent DESC";
    wait("samples by SQL", || {
        let (rows, _) = by_sql(&["--server", &address(&agent)], sql);
        (!rows.is_empty()).then_some(())
    });
    // Every stack that a sample names can be looked up, with a name for each frame.
    let joined = "SELECT count(*) AS lost FROM profile_sample s \
                  LEFT JOIN stack k ON k.stack = s.stack AND k.depth = 0 \
                  LEFT JOIN frame f ON f.frame = k.frame WHERE f.function IS NULL";
    let (rows, _) = by_sql(&["--server", &address(&agent)], joined);
    assert_eq!(rows[0]["lost"], 0);

    let (head, body) = pprof.next();
    assert!(head.starts_with("POST /ingest?") && head.contains("format=pprof"), "{head}");
    let profile = flame::pprof::read(&*body, &flame::pprof::Limits::default());
    let profile = profile.unwrap_or_else(|error| panic!("{error}"));
    assert!(profile.total().samples > 0 && profile.total().cpu > 0);
    let of = profile.samples().next().expect("one");
    let comm = profile.get_label(of.labels, "comm").map(ToString::to_string);
    assert_eq!(comm.as_deref(), Some("sh"));

    let (head, body) = otlp.next();
    assert!(head.starts_with("POST /v1development/profiles "), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/x-protobuf"), "{head}");
    assert!(!body.is_empty());
    let log = agent.end();
    assert!(!log.contains("profiles are not taken"), "{log}");
}

/// What somebody posted.
pub(crate) struct Posted {
    pub(crate) address: String,
    bodies: Receiver<(String, Vec<u8>)>,
}

impl Posted {
    /// The head and the body of the next request.
    pub(crate) fn next(&self) -> (String, Vec<u8>) {
        wait("what is posted", || self.bodies.try_recv().ok())
    }
}

/// A server that takes whatever is posted.
pub(crate) fn receiver() -> Posted {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let (sender, bodies) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || while take(&stream, &sender).is_some() {});
        }
    });
    Posted { address, bodies }
}

/// Takes one request of a connection that may bring more.
fn take(stream: &TcpStream, sender: &mpsc::Sender<(String, Vec<u8>)>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length?.trim().parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    sender.send((head, body)).ok()
}
