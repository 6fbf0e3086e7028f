//! Docker as a test plays it: plain HTTP on a socket of its own.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use identity::pods::Pods;
use serde_json::json;
use tempfile::TempDir;

use crate::{Config, Connection, watch};

/// Bodies by target; what is not there is answered with 404.
type Bodies = Arc<Mutex<HashMap<String, String>>>;

/// Answers for as long as the test runs; hands back those who listen to events.
fn play(path: &Path, bodies: &Bodies) -> Arc<Mutex<Vec<UnixStream>>> {
    let listeners = Arc::new(Mutex::new(Vec::new()));
    let (listener, bodies, kept) =
        (UnixListener::bind(path).unwrap(), bodies.clone(), listeners.clone());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let target = head.split(' ').nth(1).unwrap().to_string();
            if target.starts_with("/events?") {
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                stream.write_all(head.as_bytes()).unwrap();
                kept.lock().unwrap().push(stream);
                continue;
            }
            let answer = match bodies.lock().unwrap().get(&target) {
                Some(body) => format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                ),
                None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(),
            };
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    listeners
}

#[test]
fn docker_names_containers_with_and_without_pods() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("docker.sock");
    let pod = |kind: &str, name: &str| {
        json!({"io.kubernetes.pod.uid": "u1", "io.kubernetes.pod.namespace": "shop",
            "io.kubernetes.pod.name": "web-1", "io.kubernetes.container.name": name,
            "io.kubernetes.docker.type": kind, "app": "web"})
    };
    let plain = json!({"Id": "c1", "Names": ["/db"], "Image": "db:1", "Labels": null});
    let sandbox = json!({"Id": "s1", "Names": ["/k8s_POD"], "Image": "pause", "Labels": pod("podsandbox", "POD")});
    let member = json!({"Id": "c2", "Names": ["/k8s_main"], "Image": "web:1", "Labels": pod("container", "main")});
    // Listed, and gone when it is asked about.
    let passing = json!({"Id": "c3", "Names": ["/brief"], "Image": "x"});
    let state = |pid: u32| json!({"State": {"Pid": pid, "StartedAt": "2020-01-01T00:00:00Z"}});
    let bodies: Bodies = Arc::default();
    let set = |target: &str, body: serde_json::Value| {
        bodies.lock().unwrap().insert(target.into(), body.to_string());
    };
    set("/containers/json", json!([plain, sandbox, member, passing]));
    set("/containers/c1/json", state(7));
    set("/containers/c2/json", state(8));
    let listeners = play(&path, &bodies);

    let pods = Arc::new(Pods::default());
    let index = pods.clone();
    let config = Config {
        api: false,
        cri: Vec::new(),
        docker: Some(path),
        retry_first: Duration::from_millis(5),
        retry_longest: Duration::from_millis(50),
        ..Config::default()
    };
    let watch = watch(config, move |time, change| index.apply(time, change)).unwrap();
    let until = |what: &str, is_so: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed().as_secs() < 60, "not {what}: {:?}", watch.state());
            thread::sleep(Duration::from_millis(5));
        }
    };
    until("known", &|| pods.by_container("c2").is_some() && pods.runtime_container("c1").is_some());
    let plain = pods.runtime_container("c1").unwrap();
    assert_eq!((&*plain.name, &plain.pod_uid, plain.pid), ("db", &None, Some(7)));
    let (pod, container) = pods.by_container("c2").unwrap();
    assert_eq!(
        (&*pod.name, pod.labels.get("app"), &*container.name),
        ("web-1", Some("web"), "main")
    );
    assert!(pods.by_container("c1").is_none() && pods.runtime_container("c3").is_none());

    // An event says that something changed; the list says what.
    set("/containers/json", json!([member]));
    until("told of the end", &|| {
        for listener in listeners.lock().unwrap().iter_mut() {
            listener.write_all(b"2\r\n{}\r\n").unwrap();
        }
        pods.live().is_empty()
    });

    // The stream ends, and another is opened.
    let first = listeners.lock().unwrap().len();
    for listener in listeners.lock().unwrap().drain(..) {
        drop(listener);
    }
    until("listening again", &|| !listeners.lock().unwrap().is_empty());
    assert_eq!(first, 1);
    let connection = || watch.state().source("docker").map(|docker| docker.connection.clone());
    until("connected", &|| connection() == Some(Connection::Connected));
}
