//! Requests, read by the agent: in SQL by their protocol, and all in one view.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio, exit};
use std::thread;

use crate::harness::{Agent, can_trace, wait};
use crate::profiles::receiver;
use crate::remember::{address, by_sql};

/// Set in the child that acts; it is this very test program.
const ACT: &str = "FATHOM_TEST_ACT";

#[test]
fn requests_come_by_sql() {
    if !can_trace("requests_come_by_sql") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let own = std::env::current_exe().expect("we run");
    let mut child = Command::new(own)
        .args(["--exact", "requests::act", "--nocapture"])
        .env(ACT, "talk")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a child");
    let otlp = receiver();
    let agent = Agent::start(
        directory.path(),
        &format!(
            "scope: {{pids: [{}]}}\n\
             http: {{listen: '127.0.0.1:0'}}\n\
             outputs: []\n\
             requests:\n\
             \x20 enabled: true\n\
             \x20 push:\n\
             \x20   - {{url: 'http://{}', every: 1s}}\n",
            child.id(),
            otlp.address,
        ),
    );
    let server = address(&agent);
    child.stdin.take().expect("its input").write_all(b"go\n").expect("it listens");
    assert!(child.wait().expect("it ends").success());
    let sql = "SELECT role, protocol, operation, resource, status, count(*) AS calls FROM request \
               GROUP BY ALL ORDER BY protocol, role, status";
    let rows = wait("requests by SQL", || {
        let (rows, _) = by_sql(&["--server", &server], sql);
        let calls = |row: &serde_json::Value| row["calls"].as_u64().unwrap_or(0);
        (rows.iter().map(calls).sum::<u64>() >= 24).then_some(rows)
    });
    let told: Vec<String> = rows
        .iter()
        .map(|row| {
            let words = ["role", "protocol", "operation", "resource", "status"];
            let words = words.map(|word| row[word].as_str().unwrap_or("-").to_string());
            format!("{} {}", row["calls"], words.join(" "))
        })
        .collect();
    let http = |role: &str| {
        [
            format!("8 {role} http GET /order/{{id}} 200"),
            format!("2 {role} http GET /order/{{id}} 404"),
        ]
    };
    let redis = |role: &str| format!("2 {role} redis GET user:{{id}} OK");
    let expected = [&http("client")[..], &http("server"), &[redis("client"), redis("server")]];
    assert_eq!(told, expected.concat());
    // A secret in a query string is in no row.
    let (rows, _) = by_sql(&["--server", &server], "SELECT path FROM http_request LIMIT 1");
    assert_eq!(rows[0]["path"], "/order/0?token=***");
    // The same as figures, and sent on as spans.
    wait("figures", || {
        let (_, page) = agent.get("/metrics");
        let mut lines = page.lines().filter(|line| line.starts_with("fathom_requests_total{"));
        let http = lines.find(|line| line.contains("http") && line.contains("client"));
        http.map(|line| assert!(line.ends_with(" 8") || line.ends_with(" 2"), "{line}"))
    });
    let spans = wait("spans", || Some(otlp.next()).filter(|(head, _)| head.contains("/v1/traces")));
    assert!(spans.1.windows(13).any(|it| it == b"GET /order/{i"), "{spans:?}");
    let log = agent.end();
    assert!(!log.contains(r#""level":"error""#), "{log}");
}

/// Not a test: what the child does.
#[test]
fn act() {
    if std::env::var(ACT).as_deref() != Ok("talk") {
        return;
    }
    std::io::stdin().read_line(&mut String::new()).expect("told to begin");
    http();
    redis();
    exit(0);
}

/// Ten requests, two of them for what is not there.
fn http() {
    let (client, server) = connection();
    let serving = thread::spawn(move || {
        let mut reader = BufReader::new(server.try_clone().expect("a copy"));
        let mut server = server;
        let mut line = String::new();
        while reader.read_line(&mut line).expect("received") > 0 {
            let status = if line.contains("/order/9") { "404 Not Found" } else { "200 OK" };
            while line.trim() != "" {
                line.clear();
                reader.read_line(&mut line).expect("received");
            }
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok");
            server.write_all(answer.as_bytes()).expect("sent");
            line.clear();
        }
    });
    let mut client = client;
    for number in [0, 1, 2, 3, 9, 4, 5, 6, 9, 7] {
        let asked =
            format!("GET /order/{number}?token=hunter{number} HTTP/1.1\r\nHost: shop\r\n\r\n");
        client.write_all(asked.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nok") {
            let mut room = [0; 256];
            let count = client.read(&mut room).expect("received");
            assert!(count > 0, "the server has gone");
            answer.extend_from_slice(&room[..count]);
        }
    }
    drop(client);
    serving.join().expect("it serves");
}

fn redis() {
    let (mut client, mut server) = connection();
    let mut room = [0; 256];
    for _ in 0..2 {
        client.write_all(b"*2\r\n$3\r\nGET\r\n$7\r\nuser:17\r\n").expect("sent");
        assert!(server.read(&mut room).expect("received") > 0);
        server.write_all(b"$2\r\nJo\r\n").expect("sent");
        assert!(client.read(&mut room).expect("received") > 0);
    }
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client =
        TcpStream::connect(listener.local_addr().expect("it has one")).expect("it listens");
    (client, listener.accept().expect("somebody called").0)
}
