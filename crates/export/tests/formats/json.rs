//! JSON lines say what the rows say.

use crate::sample::*;
use export::{Format, Json, Options};
use schema::Batch;
use serde_json::{Value, json};

fn lines(options: Options, batch: &Batch) -> Vec<Value> {
    let mut out = Vec::new();
    Json::new(options).batch(batch, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_kind_is_told_in_its_own_way() {
    let open = FileOpen { flags: 0o2_000_102 | 1 << 20, mode: Some(0o644), ..open() };
    let row = lines(Options::default(), &one(open)).remove(0);
    let expected = json!({
        "table": "file_open", "time": "2026-11-21T22:10:05.123456789Z", "node": "node-1",
        "process": "1a2b3c4d-2f9c8e511267-4711", "pid": 4711, "tid": 4711, "comm": "cat",
        "exe": "/usr/bin/cat", "container": null, "image": null, "pod": null,
        "namespace": null, "workload": null,
        "path": "/etc/hosts", "dir": null, "path_resolved": "/etc/hosts", "path_differs": false,
        "flags": ["O_RDWR", "O_CREAT", "O_CLOEXEC", "0x100000"], "mode": "0644", "fd": 3,
        "inode": 1234567, "device": "8:1", "error": null,
    });
    assert_eq!(row, expected);

    let exec = ProcessExec {
        path: Some(b"x"),
        path_resolved: None,
        path_differs: None,
        args: b"x\0a b\0\0",
        args_truncated: true,
        cwd: None,
        error: Some(13),
        latency: Some(1_200_000),
        parent: process(7, "/bin/sh", false).key,
        parent_pid: 7,
        session: 7,
        tty: Some(136 << 20 | 2),
        uid: 1000,
        euid: 0,
        cap_effective: 1 | 1 << 21 | 1 << 60,
        ns_mnt: 4_026_531_840,
        ns_pid: 4_026_531_836,
        file_mode: Some(0o100_755),
    };
    let row = lines(Options::default(), &one(exec)).remove(0);
    assert_eq!(row["args"], json!(["x", "a b", ""]));
    assert_eq!(row["error"], "EACCES");
    assert_eq!(row["latency"], 1_200_000);
    assert_eq!(row["parent"], "1a2b3c4d-2f9c8e510007-7");
    assert_eq!(row["tty"], "136:2");
    assert_eq!(row["cap_effective"], json!(["CAP_CHOWN", "CAP_SYS_ADMIN", "0x1000000000000000"]));
    assert_eq!(row["file_mode"], "0100755");

    let connect = SocketConnect {
        socket: u64::MAX,
        protocol: "tcp",
        local_ip: Some("10.0.0.1".parse().unwrap()),
        local_port: Some(40000),
        peer_ip: Some("2001:db8::1".parse().unwrap()),
        peer_port: Some(443),
        latency: None,
        error: Some(4095),
    };
    let row = lines(Options::default(), &one(connect)).remove(0);
    assert_eq!((&row["local_ip"], &row["peer_ip"]), (&json!("10.0.0.1"), &json!("2001:db8::1")));
    assert_eq!((&row["socket"], &row["error"]), (&json!(u64::MAX), &json!("errno 4095")));

    let exit = ProcessExit {
        exit_code: None,
        signal: Some(15),
        core_dumped: false,
        duration: 5,
        user_time: 0,
    };
    let row = lines(Options::default(), &one(exit)).remove(0);
    assert_eq!((&row["signal"], &row["exit_code"]), (&json!("SIGTERM"), &Value::Null));
}

#[test]
fn any_bytes_are_json() {
    let rename = FileRename {
        path: Some(b"/tmp/new\nline\x1b[31m\"q\\"),
        path_resolved: Some("/tmp/ünï".as_bytes()),
        new_path: Some(b"/tmp/\xff\xfe"),
        new_path_resolved: Some(b""),
        error: None,
    };
    let row = lines(Options::default(), &one(rename)).remove(0);
    assert_eq!(row["path"], "/tmp/new\nline\u{1b}[31m\"q\\");
    assert_eq!(row["path_resolved"], "/tmp/ünï");
    assert_eq!(row["new_path"], "/tmp/\\xff\\xfe");
    assert_eq!(row["new_path_resolved"], "");
}

#[test]
fn each_row_has_its_own_process() {
    let (host, pod) = (process(1, "/sbin/init", false), process(2, "/bin/sh", true));
    let rows =
        [(0, host.clone(), open()), (1, pod.clone(), open()), (2, host, open()), (3, pod, open())];
    let rows = lines(Options::default(), &batch(rows));
    let exes: Vec<_> = rows.iter().map(|row| row["exe"].as_str().unwrap()).collect();
    assert_eq!(exes, ["/sbin/init", "/bin/sh", "/sbin/init", "/bin/sh"]);
    assert_eq!(rows[0]["container"], Value::Null);
    assert_eq!(rows[1]["container"], "4f9c2d1e".repeat(8));
    assert_eq!(rows[3]["time"], "2026-11-21T22:10:05.126456789Z");
}

#[test]
fn personal_values_can_be_hidden() {
    let options = Options { hide_personal: true };
    let row = lines(options, &one(FileOpen { path_resolved: None, ..open() })).remove(0);
    assert_eq!((&row["path"], &row["path_resolved"]), (&json!("[hidden]"), &Value::Null));
    assert_eq!(row["fd"], 3);
}
