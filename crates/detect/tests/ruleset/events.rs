//! What rules see of the privilege signal's rows, and of what happened before.

use std::sync::Arc;

use detect::language::{Source, load};
use detect::novelty::{Limits, Novelty};
use detect::{Alert, Detector, Nameless, Options, compile};
use serde_json::{Value, json};

use crate::rows;

const NOON: &str = "2026-11-22T12:00:00.000000000Z";

/// A row of a process that ran `/usr/bin/x`, in the tenth second of a minute.
fn row(minute: u32, table: &str, own: Value) -> String {
    let mut row = json!({
        "table": table, "time": NOON.replace("12:00", &format!("12:{minute:02}")), "node": "node-1",
        "process": "00000001-64-100", "pid": 100, "tid": 100, "comm": "x", "exe": "/usr/bin/x",
        "container": null, "image": null, "pod": null, "namespace": null, "workload": null,
    });
    let table = rows::tables().into_iter().find(|it| it.name == table).expect("a table");
    for field in table.fields {
        row[field.name] = match field.kind {
            schema::Kind::Flags(_) | schema::Kind::Capabilities => json!([]),
            _ => Value::Null,
        };
    }
    for (name, value) in own.as_object().expect("columns") {
        assert!(row.get(name).is_some(), "there is no column {name}");
        row[name] = value.clone();
    }
    row.to_string()
}

/// How often the condition holds over the rows, whatever the views of a row.
fn fires(condition: &str, rows: &[String]) -> usize {
    alerts(condition, rows).len()
}

fn alerts(condition: &str, rows: &[String]) -> Vec<Alert> {
    alerts_of(condition, rows, Arc::new(Nameless::default()))
}

fn alerts_of(condition: &str, rows: &[String], names: Arc<dyn detect::Names>) -> Vec<Alert> {
    let text = format!(
        "- rule: r\n  desc: d\n  condition: >\n    {condition}\n  output: o\n  priority: INFO\n"
    );
    let loaded = load(&[Source { name: "a.yaml".into(), text }]);
    let (program, said) = compile(&loaded.ruleset, &rows::tables(), &Options::default());
    assert!(said.is_empty() && !loaded.failed(), "{said:?} {:?}", loaded.diagnostics);
    let novelty = Arc::new(Novelty::new(Limits::default()));
    let mut detector = Detector::new(Arc::new(program), names, novelty);
    let mut alerts = Vec::new();
    for batch in rows::read(&rows.join("\n"), "rows") {
        detector.detect(&[batch], |alert| alerts.push(alert));
    }
    alerts
}

/// Knows one host.
struct OneHost;

impl detect::Names for OneHost {
    fn user(&self, _: &schema::Process, _: u32) -> Option<Arc<str>> {
        None
    }

    fn group(&self, _: &schema::Process, _: u32) -> Option<Arc<str>> {
        None
    }

    fn hosts(&self, address: std::net::IpAddr) -> Vec<Arc<str>> {
        let is = address.to_string() == "10.96.0.1";
        is.then(|| "kubernetes.default.svc.cluster.local".into()).into_iter().collect()
    }

    fn interest(&self, hosts: &[String]) {
        assert_eq!(hosts, ["kubernetes.default.svc.cluster.local"]);
    }

    fn age_of(&self, _: schema::ProcessKey, _: i64) -> Option<i64> {
        None
    }
}

#[test]
fn an_address_has_the_host_name_that_was_looked_up() {
    let condition = "evt.type=connect and fd.typechar=4 and \
                     fd.sip.name=\"kubernetes.default.svc.cluster.local\"";
    let connect = |ip: &str| {
        let own = json!({"family": "ipv4", "protocol": "tcp", "peer_ip": ip, "peer_port": 443,
                         "call": "connect", "socket": 1, "fd": 3, "peer_source": "kernel"});
        row(0, "socket_connect", own)
    };
    let rows = [connect("10.96.0.1"), connect("10.96.0.2")];
    let found = alerts_of(condition, &rows, Arc::new(OneHost));
    assert_eq!(found.len(), 1);
}

#[test]
fn a_user_is_what_the_kernel_made_of_the_call() {
    let rows = [
        row(
            0,
            "credential_change",
            json!({"call": "setuid", "uid": 1000, "uid_after": 1000, "euid_after": 1000, "gid_after": 0, "egid_after": 0}),
        ),
        row(1, "process_prctl", json!({"call": "prctl", "option": "PR_SET_NAME"})),
    ];
    assert_eq!(fires("evt.type = prctl and user.uid = 1000", &rows), 1);
}

#[test]
fn a_new_root_is_no_working_directory() {
    let chdir = |call| json!({"call": call, "path": "/jail", "path_resolved": "/jail"});
    for (call, count) in [("chdir", 1), ("chroot", 0), ("pivot_root", 0)] {
        let rows = [
            row(0, "process_chdir", chdir(call)),
            row(1, "process_prctl", json!({"call": "prctl", "option": "PR_SET_NAME"})),
        ];
        assert_eq!(fires("evt.type = prctl and proc.cwd = /jail/", &rows), count, "{call}");
    }
}

#[test]
fn the_new_name_of_a_rename_is_asked_for_as_the_kernel_has_it() {
    let rows = [row(
        0,
        "file_rename",
        json!({
            "path": "/root/a", "path_resolved": "/root/a", "path_differs": false, "call": "rename",
            "new_path": "/root/link/a", "new_path_resolved": "/etc/cron.d/a", "new_path_differs": true,
        }),
    )];
    assert_eq!(fires("evt.type = rename and fs.path.target = /etc/cron.d/a", &rows), 1);
}

#[test]
fn a_path_is_asked_for_by_what_a_hard_link_was_made_of() {
    let rows = [
        row(
            0,
            "file_link",
            json!({
                "path": "/etc/crontab", "path_resolved": "/etc/crontab", "path_differs": false,
                "new_path": "/root/x", "new_path_resolved": "/root/x", "new_path_differs": false, "call": "link",
            }),
        ),
        row(
            1,
            "file_truncate",
            json!({
                "path": "/root/x", "path_resolved": "/root/x", "path_differs": false, "size": 0, "call": "truncate",
            }),
        ),
    ];
    assert_eq!(fires("evt.type = truncate and fs.path.name = /etc/crontab", &rows), 1);
}

#[test]
fn who_received_the_first_datagram_is_the_server() {
    let datagram = |direction| {
        json!({
            "socket": 1, "family": "ipv4", "protocol": "udp", "local_ip": "10.0.0.1", "local_port": 53,
            "peer_ip": "10.0.0.2", "peer_port": 4000, "peer_source": "kernel", "direction": direction,
            "bytes": 1,
        })
    };
    let rows = [row(0, "socket_datagram", datagram("in"))];
    assert_eq!(fires("evt.type = recvfrom and fd.is_server = true and fd.sport = 53", &rows), 1);
    let rows = [row(0, "socket_datagram", datagram("out"))];
    assert_eq!(fires("evt.type = sendto and fd.is_server = false and fd.cport = 53", &rows), 1);
}

#[test]
fn a_target_is_the_kernels_process() {
    let killed = |target: &str| {
        let own = json!({"call": "kill", "signal": "SIGKILL", "target": target, "target_pid": 7});
        [row(0, "process_kill", own)]
    };
    let other = killed("00000001-65-101");
    assert_eq!(fires("evt.type = kill and target.pid = 101 and target.is_self = false", &other), 1);
    assert_eq!(fires("evt.type = kill and target.name exists", &other), 0, "nobody knows it");
    assert_eq!(fires("evt.type = kill and target.is_self = true", &killed("00000001-64-100")), 1);
}

#[test]
fn what_is_new_is_new_after_ten_minutes_of_anything() {
    let setns = |minute| {
        let own = json!({"call": "setns", "fd": 3, "namespace_kind": "mnt", "namespace_inode": 1});
        row(minute, "namespace_change", own)
    };
    let condition = "evt.type = setns and workload.novel[evt.type] = true";
    assert_eq!(fires(condition, &[setns(0), setns(20)]), 0, "it was learned");
    let other = row(0, "process_prctl", json!({"call": "prctl", "option": "PR_SET_NAME"}));
    assert_eq!(fires(condition, &[other.clone(), setns(20), setns(21)]), 1, "once");
    let told = alerts(condition, &[other.clone(), setns(20)]);
    assert_eq!(
        told[0].why(),
        "evt.type = setns [setns]; workload.novel[evt.type] = true [setns]",
        "what was new is told, and not asked for again"
    );
    assert_eq!(fires(condition, &[other, setns(9), setns(20)]), 0, "in the first ten minutes");
}
