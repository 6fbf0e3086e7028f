//! What is kept of requests depends on the namespace of who makes them.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::cluster::{Pod, objects};

use super::{Cluster, NODE};

#[test]
fn what_is_kept_depends_on_the_namespace() {
    let Some(cluster) = Cluster::start("what_is_kept_depends_on_the_namespace") else { return };
    cluster.server.client().create(&objects::namespace("plain")).expect("a namespace");
    let namespaces = ["shop", "test", "plain"];
    let pods = namespaces.map(|namespace| {
        let owner = cluster.deployment(namespace, "web");
        cluster.pod(namespace, "client", "web", &owner)
    });
    let owner = cluster.deployment("plain", "api");
    let server = cluster.pod("plain", "server", "api", &owner);

    let place = |name: &str| cluster.directory.join(name);
    let (file, rows, log) = (place("fathom.yaml"), place("told"), place("agent.log"));
    let config = format!(
        "scope: {{selector: app=web}}\n\
         kubernetes: {{kubeconfig: {}, runtime: false}}\n\
         tables: [http_request, request, coverage]\n\
         outputs: [{{kind: file, path: {}}}]\n\
         http: {{listen: off}}\n\
         flight: {{listen: off}}\n\
         store: {{directory: off}}\n\
         detection: {{directory: off}}\n\
         requests:\n\
         \x20 enabled: true\n\
         \x20 namespaces:\n\
         \x20   shop: {{read: false}}\n\
         \x20   test: {{query_values: true, bodies: 1KiB}}\n\
         \x20   not-there: {{read: false}}\n",
        cluster.server.kubeconfig().display(),
        rows.display(),
    );
    fs::write(&file, config).expect("the configuration");
    let fathom = std::env::var_os("FATHOM_BIN");
    let fathom = fathom.map_or(env!("CARGO_BIN_EXE_fathom").into(), PathBuf::from);
    let mut agent = Command::new(fathom)
        .args(["agent", "--config"])
        .arg(&file)
        .env("NODE_NAME", NODE)
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).expect("a log"))
        .spawn()
        .expect("it starts");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let told = || fs::read_to_string(&rows).unwrap_or_default();
    let begun = Instant::now();
    let mut waits = || {
        assert!(agent.try_wait().expect("our own child").is_none(), "{}", said());
        assert!(begun.elapsed() < Duration::from_secs(60), "in vain: {}", said());
        std::thread::sleep(Duration::from_millis(20));
    };
    // A call of a namespace that is read is told once the scope stands.
    while !told().contains("/begin") {
        call(&pods[2], &server, "/begin");
        waits();
    }
    for pod in &pods {
        call(pod, &server, "/order?who=jo");
    }
    while !["/order?who=jo", "/order?who=***"].iter().all(|path| told().contains(path)) {
        waits();
    }
    let asked = Command::new("kill").args(["-INT", &agent.id().to_string()]).status();
    assert!(asked.is_ok_and(|it| it.success()) && agent.wait().expect("our own child").success());

    let text = fs::read_to_string(&rows).expect("rows");
    let rows: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |table: &str, namespace: &str| -> Vec<&Value> {
        let is = |row: &&Value| row["table"] == table && row["namespace"] == namespace;
        rows.iter().filter(is).collect()
    };
    let order = |namespace: &str| {
        let path = |row: &&Value| row["path"].as_str().is_some_and(|it| it.starts_with("/order"));
        let found: Vec<&Value> = of("http_request", namespace).into_iter().filter(path).collect();
        assert_eq!(found.len(), 1, "{namespace}: {text}");
        found[0].clone()
    };
    // Nothing is said of what is refused, in no table, but how much it was; and nothing of it was read.
    assert!(of("http_request", "shop").is_empty() && of("request", "shop").is_empty(), "{text}");
    let sum = |column: &str| {
        of("coverage", "shop").iter().map(|row| row[column].as_u64().unwrap_or(0)).sum::<u64>()
    };
    assert!(sum("by_policy") > 100, "{text}");
    assert_eq!((sum("read"), sum("moved")), (0, sum("by_policy")), "{text}");
    let test = order("test");
    assert_eq!(test["path"], "/order?who=jo");
    assert_eq!(test["request_body"], r#"{"user":"jo","password":"***"}"#);
    assert_eq!(test["response_body"], r#"{"token":"***","n":17}"#);
    let plain = order("plain");
    assert_eq!(plain["path"], "/order?who=***");
    assert_eq!((&plain["request_body"], &plain["response_body"]), (&Value::Null, &Value::Null));
    assert!(!text.contains("hunter"), "{text}");
    assert!(!of("request", "test").is_empty() && !of("request", "plain").is_empty(), "{text}");
}

/// One call from one pod to another.
fn call(from: &Pod, to: &Pod, path: &str) {
    let address = SocketAddr::from((to.address().expect("an address"), 8080));
    let listener = to.on_network(|| TcpListener::bind(address)).expect("a network");
    let listener = listener.expect("the port is free");
    let answer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody calls");
        let mut asked = Vec::new();
        while !asked.ends_with(b"hunter2\"}") {
            let mut room = [0; 512];
            let count = stream.read(&mut room).expect("received");
            assert!(count > 0, "half a request");
            asked.extend_from_slice(&room[..count]);
        }
        let body = r#"{"token":"hunter3","n":17}"#;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
        let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).expect("sent");
    });
    let body = r#"{"user":"jo","password":"hunter2"}"#;
    let script = format!(
        "exec 3<>/dev/tcp/{}/{}; printf 'POST {path} HTTP/1.1\\r\\nHost: a\\r\\n\
         Content-Type: application/json\\r\\nContent-Length: {}\\r\\n\\r\\n{body}' >&3; cat <&3",
        address.ip(),
        address.port(),
        body.len(),
    );
    let mut command = Command::new("/bin/bash");
    let status = from.run(command.args(["-c", &script]).stdout(Stdio::null())).expect("it runs");
    assert!(status.success());
    answer.join().expect("it answers");
}
