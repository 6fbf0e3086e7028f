use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use schema::{Cell, Column, Decoded, Field, Origin, Process, ProcessKey, Storage};
use serde_json::json as value;
use store::{Bounds, Moment, Options, Store};
use telemetry::Ledger;

use super::{HOST, POD, RULES, folder, json, open, out, row, rules, said, shell};

/// Two shells in a pod, one on the host, whose child reads what it should not.
fn rows() -> String {
    let fork = row(4, "process_fork", 9, "sh", HOST, ",\"parent\":\"00000001-8-8\"");
    let cat = ",\"path_resolved\":\"/bin/cat\",\"args\":[\"cat\"],\"parent\":\"00000001-8-8\"";
    [
        shell(1, 6, POD),
        shell(2, 7, POD),
        shell(3, 8, HOST),
        fork,
        row(5, "process_exec", 9, "cat", HOST, cat),
        open(6, 9, "cat", "/etc/shadow"),
        open(7, 9, "cat", "/etc/hosts"),
    ]
    .concat()
}

#[test]
fn what_rules_would_have_found_is_counted() {
    let folder = folder(&[("a.yaml", RULES), ("rows.jsonl", &rows())]);
    let words = ["backtest", "a.yaml", "--rows", "rows.jsonl"];
    let told = json(&rules(folder.path(), &[&words[..], &["-o", "json"]].concat()));
    assert_eq!((&told["alerts"], &told["rows"]), (&3.into(), &7.into()), "{told}");
    let shells = &told["rules"][0];
    assert_eq!((&shells["count"], &shells["priority"]), (&2.into(), &"Warning".into()));
    assert_eq!(shells["first"], "2026-11-22T10:00:01.000000000Z");
    assert_eq!(shells["last"], "2026-11-22T10:00:02.000000000Z");
    assert_eq!(shells["workloads"], serde_json::json!({"prod/Deployment/web": 2}));
    let shadow = &told["rules"][1];
    assert_eq!(shadow["workloads"], serde_json::json!({"host": 1}));
    let message = shadow["samples"][0].as_str().unwrap_or_default();
    assert!(message.starts_with("Shadow read by cat of sh"), "{message}");
    assert_eq!(told["rules"].as_array().map(Vec::len), Some(2), "what is off is not asked");

    let text = out(&rules(folder.path(), &words));
    assert!(text.contains("Shell in a container (Warning): 2 times\n"), "{text}");
    assert!(text.contains("  where   prod/Deployment/web 2\n"), "{text}");
    assert!(text.contains("Shadow was read (Error): once\n"), "{text}");
    assert!(text.contains("3 alerts of 2 rules, 0 silent, in 7 rows from "), "{text}");
}

#[test]
fn one_source_of_rows_is_asked_for() {
    let folder = folder(&[("a.yaml", RULES), ("rows.jsonl", "{\"table\":1}\n")]);
    let tried = |words: &[&str]| rules(folder.path(), words);
    assert_eq!(tried(&["backtest", "a.yaml"]).status.code(), Some(2));
    let both = ["backtest", "a.yaml", "--rows", "rows.jsonl", "--data", "."];
    assert_eq!(tried(&both).status.code(), Some(2));
    let wrong = tried(&["backtest", "a.yaml", "--rows", "rows.jsonl"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(said(&wrong).contains("rows.jsonl:1: `table` has to be a text, not 1"));
    let nothing = tried(&["backtest", "a.yaml", "--data", "."]);
    assert!(said(&nothing).contains("there is no store in ."), "{}", said(&nothing));
}

/// 2026-11-21T22:10:05.123456789Z
const TIME: i64 = 1_795_299_005_123_456_789;
const MINUTE: i64 = 60_000_000_000;

/// Each hour for a day a shell is started, and a child of it opens the shadow file.
fn stored(folder: &Path) {
    let at = |minutes: i64| Moment {
        time: TIME + minutes * MINUTE,
        steady: 1 + (minutes * MINUTE) as u64,
    };
    let options = Options {
        folder: folder.to_path_buf(),
        node: "node-1".to_string(),
        hot: 64 << 20,
        bounds: Bounds { total: 1 << 40, share: 1.0, age: Duration::from_secs(1 << 30), free: 0 },
        sync_every: Duration::from_secs(2),
        seal_after: Duration::from_secs(60),
        key: None,
    };
    let tables = fathom::signals::tables();
    let mut store = Store::open(options, &tables, &Ledger::new(), at(0)).expect("a store");
    for hour in 0..24 {
        let key = |pid: u32| ProcessKey { start: 1000 + hour as u64, pid, boot: 1 };
        let mut append = |table: &str,
                          minute: i64,
                          pid: u32,
                          comm: &str,
                          values: &[(&str, &str)]| {
            let table = *tables.iter().find(|it| it.name == table).expect("a table");
            let mut rows = Decoded::new(table);
            let mut name = [0; 16];
            name[..comm.len()].copy_from_slice(comm.as_bytes());
            let time = TIME + (hour * 60 + minute) * MINUTE;
            rows.origin.push(Origin { time, process: key(pid), tid: pid, cgroup: 0, comm: name });
            for (field, column) in table.fields.iter().zip(&mut rows.columns) {
                let value = values.iter().find(|(name, _)| *name == field.name);
                fill(column, field, value.map(|it| it.1), key(10));
            }
            let process = Arc::new(Process::unknown(key(pid), comm, 0));
            store.append(
                Arc::new(rows.with_processes("node-1".into(), vec![process])),
                at(hour * 60),
            );
        };
        let shell = [("path_resolved", "/bin/dash"), ("args", "sh\0-c\0x\0")];
        append("process_exec", 0, 10, "sh", &shell);
        append("process_fork", 1, 11, "sh", &[]);
        append("process_exec", 2, 11, "cat", &[("path_resolved", "/bin/cat"), ("args", "cat\0")]);
        let shadow =
            [("path", "/etc/shadow"), ("path_resolved", "/etc/shadow"), ("call", "openat")];
        append("file_open", 30, 11, "cat", &shadow);
        store.turn(at(hour * 60 + 59));
    }
    store.close(at(24 * 60));
}

fn fill(column: &mut Column, field: &Field, text: Option<&str>, parent: ProcessKey) {
    match (text, field.kind.storage()) {
        (Some(text), _) => text.push(column),
        (None, _) if field.nullable => column.push_null(),
        (None, Storage::Process) => parent.push(column),
        (None, Storage::Uint) => 0u64.push(column),
        (None, Storage::Int) => 0i64.push(column),
        (None, Storage::Bool) => false.push(column),
        (None, _) => "".push(column),
    }
}

#[test]
fn what_is_stored_is_asked_about_a_slice_at_a_time() {
    let folder = folder(&[("a.yaml", RULES)]);
    stored(&folder.path().join("data"));
    let words = ["backtest", "a.yaml", "--data", "data", "-o", "json"];
    let tried = rules(folder.path(), &words);
    let told = json(&tried);
    assert_eq!(told["alerts"], 24, "{told}");
    let shadow = &told["rules"][1];
    let message = shadow["samples"][0].as_str().unwrap_or_default();
    assert!(message.starts_with("Shadow read by cat of sh"), "{message}");
    assert_eq!(told["complete"], false, "nobody noted that it watched: {told}");

    // Of the last ten minutes' rows the process was started before; its parent is known all the same.
    let told = json(&rules(folder.path(), &[&words[..], &["--last", "10m"]].concat()));
    assert_eq!((&told["alerts"], &told["rows"]), (&1.into(), &1.into()), "{told}");
    let message = told["rules"][1]["samples"][0].as_str().unwrap_or_default();
    assert!(message.starts_with("Shadow read by cat of sh"), "{message}");
}

#[test]
fn a_capture_its_lines_and_its_store_find_the_same() {
    let test = "a_capture_its_lines_and_its_store_find_the_same";
    let features = kernel::Features::probe();
    if let Some(obstacle) = features.obstacle(kernel::Mechanism::TpBtf) {
        return testkit::watch::not_run(test, obstacle);
    }
    if let Err(error) = kernel::Cgroup::create() {
        return testkit::watch::not_run(test, &format!("a capture needs a cgroup: {error:#}"));
    }
    let rule = "- rule: Hosts\n  desc: a\n  condition: evt.type in (open, openat) and fd.name = \
                /etc/hosts and proc.aname[2] exists\n  output: read by %proc.cmdline of \
                %proc.pcmdline of %proc.aname[2] at %evt.rawtime\n  priority: INFO\n";
    let folder = folder(&[("a.yaml", rule)]);
    let script = "for i in 1 2 3; do bash -c 'cat /etc/hosts; true'; done";
    let fathom = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fathom"));
        let ran = command.args(words).current_dir(folder.path()).output().expect("it runs");
        assert!(ran.status.success(), "{words:?}: {}", said(&ran));
    };
    fathom(&["capture", "seen.fathom", "--", "bash", "-c", script]);
    fathom(&["replay", "seen.fathom", "-o", "json", "--output", "rows.jsonl"]);
    fathom(&["replay", "seen.fathom", "--store", "data"]);
    let found = |from: [&str; 2]| {
        let words = [&["backtest", "a.yaml", "-o", "json"][..], &from].concat();
        json(&rules(folder.path(), &words))
    };
    let capture = found(["--capture", "seen.fathom"]);
    assert_eq!(capture["alerts"], 3, "{capture}");
    let sample = capture["rules"][0]["samples"][0].as_str().unwrap_or_default();
    assert!(
        sample.starts_with("read by cat /etc/hosts of bash -c cat /etc/hosts; true of bash at ")
    );
    assert_eq!((&capture["complete"], &capture["missing"]), (&true.into(), &value!([])));
    for from in [["--rows", "rows.jsonl"], ["--data", "data"]] {
        assert_eq!(found(from)["rules"], capture["rules"], "{from:?}");
    }

    let listed = rules(folder.path(), &["list", "a.yaml", "--cost", "seen.fathom", "-o", "json"]);
    let cost = &json(&listed)[0]["cost"];
    assert_eq!(cost["matched"], 3, "{cost}");
    assert!(cost["asked"].as_u64() > Some(3) && cost["ns_per_event"].as_u64() > Some(0), "{cost}");
}
