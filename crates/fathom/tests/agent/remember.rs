//! What the agent remembers: rows that come back by SQL, after an end, a crash, a replay, and in
//! other people's tools.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Agent, Workload, binary, can_trace, rows, wait};

const OPENS: &str = "SELECT path, flags, error FROM file_open WHERE path LIKE 'f%' ORDER BY time";

#[test]
fn rows_come_back_by_sql_and_an_answer_says_how_complete_it_is() {
    let name = "rows_come_back_by_sql_and_an_answer_says_how_complete_it_is";
    if !can_trace(name) {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let mut workload = Workload::start(&directory.join("work"));
    let file = directory.join("rows.jsonl");
    let agent = Agent::start(directory, &config(&workload, &file));
    workload.make(0, 300);
    wait("all rows in the file", || (opens(&rows(&file)).len() == 300).then_some(()));
    let live = wait("all rows by SQL", || {
        let answer = by_sql(&["--server", &address(&agent)], OPENS);
        (answer.0.len() == 300).then_some(answer)
    });
    assert_eq!(paths(&live.0), opens(&rows(&file)));
    assert_eq!(live.0[7]["flags"], "O_WRONLY|O_CREAT|O_TRUNC");
    // The second after the last row has to have passed before the agent can say that it watched.
    wait("a complete answer", || {
        let (_, said) = by_sql(&["--server", &address(&agent)], OPENS);
        said.contains("complete: nothing was lost").then_some(())
    });
    let asked = wait("what was asked", || {
        let sql = "SELECT who, door, rows FROM agent_query WHERE sql LIKE 'SELECT path%'";
        let (asked, _) = by_sql(&["--server", &address(&agent)], sql);
        asked.into_iter().next()
    });
    assert_eq!((&asked["who"], &asked["door"]), (&"loopback".into(), &"http".into()));

    // Killed: what was on disk is there, and the next agent goes on behind it.
    let store = directory.join("store");
    wait("the rows on disk", || {
        (by_sql(&["--data", store.to_str()?], OPENS).0.len() == 300).then_some(())
    });
    agent.signal(Signal::KILL);
    drop(agent);
    verified(&store);
    let agent = Agent::start(directory, &config(&workload, &file));
    workload.make(300, 310);
    wait("rows of both agents", || {
        let (answer, _) = by_sql(&["--server", &address(&agent)], OPENS);
        (answer.len() == 310).then_some(())
    });
    let log = agent.end();
    let head = log.lines().rfind(|line| line.contains("the chain's head was ")).expect("the head");
    let (_, head) = head.rsplit_once(' ').expect("a head");
    let told = fathom(&["verify", "--data", store.to_str().expect("a path"), "--head", head]);
    assert!(told.status.success(), "{}", said(&told));
    assert_eq!(by_sql(&["--data", store.to_str().expect("a path")], OPENS).0.len(), 310);
    in_other_tools(name, &store);
}

#[test]
fn a_store_that_cannot_be_opened_costs_the_memory_and_not_the_sight() {
    if !can_trace("a_store_that_cannot_be_opened_costs_the_memory_and_not_the_sight") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    std::fs::write(directory.join("store"), "no folder").expect("a file in its place");
    let mut workload = Workload::start(&directory.join("work"));
    let file = directory.join("rows.jsonl");
    let agent = Agent::start(directory, &config(&workload, &file));
    agent.logged("cannot be opened");
    workload.make(0, 20);
    wait("all rows in the file", || (opens(&rows(&file)).len() == 20).then_some(()));
    let asked = fathom(&["query", "--server", &address(&agent), "SELECT 1"]);
    assert!(!asked.status.success() && said(&asked).contains("store"), "{}", said(&asked));
}

#[test]
fn a_replayed_capture_answers_as_its_rows_do() {
    if !can_trace("a_replayed_capture_answers_as_its_rows_do") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("a path").to_string();
    let (capture, store) = (path("capture"), path("store"));
    let script = "for i in 1 2 3 4 5 6 7 8 9; do : > $0/f$i; done; cat /nowhere; true";
    let folder = path("");
    let made = fathom(&["capture", &capture, "--", "sh", "-c", script, &folder]);
    assert!(made.status.success(), "{}", said(&made));
    let shown = fathom(&["replay", &capture, "-o", "json"]);
    let filled = fathom(&["replay", &capture, "--store", &store]);
    assert!(filled.status.success(), "{}", said(&filled));
    let shown = String::from_utf8(shown.stdout).expect("text");
    let shown: Vec<Value> =
        shown.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    for table in ["process_exec", "process_fork", "process_exit", "file_open", "file_unlink"] {
        let columns = "time, process, pid, tid, comm, exe";
        let sql = format!("SELECT {columns} FROM {table} ORDER BY time, tid");
        let mut rows: Vec<_> = shown.iter().filter(|row| row["table"] == table).collect();
        rows.sort_by_key(|row| (row["time"].to_string(), row["tid"].as_u64()));
        let (answer, _) = by_sql(&["--data", &store], &sql);
        assert_eq!(answer.len(), rows.len(), "{table}");
        for (answer, row) in answer.iter().zip(rows) {
            for column in columns.split(", ") {
                assert_eq!(answer[column], row[column], "{column} of {table}");
            }
        }
    }
    assert!(shown.iter().any(|row| row["table"] == "file_open" && row["error"] == "ENOENT"));
    verified(Path::new(&store));
}

#[test]
fn the_head_of_the_chain_is_told_outside() {
    if !can_trace("the_head_of_the_chain_is_told_outside") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let witness = TcpListener::bind("127.0.0.1:0").expect("a port");
    let workload = Workload::start(&directory.join("work"));
    let told = format!(
        "{}store: {{tell_head: 500ms, witness: \"http://{}/heads\"}}\n",
        config(&workload, &directory.join("rows.jsonl")),
        witness.local_addr().expect("its address")
    );
    let agent = Agent::start(directory, &told);
    let (mut stream, _) = witness.accept().expect("it is told");
    let mut request = Vec::new();
    let head = wait("the whole request", || {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).expect("a request");
        request.extend_from_slice(&bytes[..count]);
        let text = String::from_utf8_lossy(&request);
        serde_json::from_str::<Value>(text.split_once("\r\n\r\n")?.1).ok()
    });
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("an answer");
    assert!(String::from_utf8_lossy(&request).starts_with("POST /heads HTTP/1.1"));
    let head = head["head"].as_str().expect("a head").to_string();
    agent.end();
    let store = directory.join("store");
    let words = ["verify", "--data", store.to_str().expect("a path"), "--head", &head];
    let verdict = fathom(&words);
    assert!(verdict.status.success(), "{}", said(&verdict));
}

/// pyarrow and DuckDB read the segments by themselves and have to find the same rows.
fn in_other_tools(test: &str, store: &Path) {
    let Ok(python) = std::env::var("FATHOM_PYTHON") else {
        return testkit::watch::not_run(test, "FATHOM_PYTHON names no Python with pyarrow, DuckDB");
    };
    const PROGRAM: &str = r#"
import duckdb, glob, json, sys
import pyarrow.parquet
files = sorted(glob.glob(sys.argv[1] + "/file_open/*/*.parquet"))
columns = ["time", "pid", "comm", "path", "flags", "fd", "error"]
def rows(table):
    table = table.select(columns).set_column(0, "time", table.column("time").cast("int64"))
    return sorted(json.dumps(list(row.values())) for row in table.to_pylist())
one = [row for file in files for row in rows(pyarrow.parquet.ParquetFile(file).read())]
two = rows(duckdb.execute(f"SELECT epoch_ns(time) AS time, * EXCLUDE (time) FROM read_parquet({files})").to_arrow_table())
assert sorted(one) == two, "pyarrow and DuckDB differ"
print("\n".join(two))
"#;
    let read = Command::new(python).args(["-c", PROGRAM]).arg(store).output().expect("Python");
    assert!(read.status.success(), "{}", said(&read));
    let sql = "SELECT arrow_cast(time, 'Int64') AS time, pid, comm, path, flags, fd, error FROM file_open";
    let (answer, _) = by_sql(&["--data", store.to_str().expect("a path")], sql);
    let columns = ["time", "pid", "comm", "path", "flags", "fd", "error"];
    let mut ours: Vec<Value> = answer
        .iter()
        .map(|row| columns.iter().map(|column| row[column].clone()).collect())
        .collect();
    let theirs = String::from_utf8(read.stdout).expect("text");
    let mut theirs: Vec<Value> =
        theirs.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    ours.sort_by_key(Value::to_string);
    theirs.sort_by_key(Value::to_string);
    assert!(!ours.is_empty());
    assert_eq!(ours, theirs);
}

fn config(workload: &Workload, file: &Path) -> String {
    format!(
        "scope: {{pids: [{}]}}\nhttp: {{listen: 127.0.0.1:0}}\ntables: [file_open, process]\n\
         outputs:\n- {{kind: file, path: {}}}\n",
        workload.pid(),
        file.display()
    )
}

pub fn address(agent: &Agent) -> String {
    let line = agent.logged("metrics and health at http://");
    line.rsplit_once("http://").expect("an address").1.to_string()
}

fn fathom(words: &[&str]) -> Output {
    Command::new(binary()).args(words).output().expect("it runs")
}

/// The rows of the answer, and what was said beside them.
pub fn by_sql(from: &[&str], sql: &str) -> (Vec<Value>, String) {
    let output = fathom(&[&["query", "-o", "json"], from, &[sql]].concat());
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    let rows = text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    (rows, said(&output))
}

fn verified(store: &Path) {
    let told = fathom(&["verify", "--data", store.to_str().expect("a path")]);
    assert!(told.status.success(), "{}", said(&told));
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn paths(rows: &[Value]) -> Vec<String> {
    rows.iter().filter_map(|row| Some(row["path"].as_str()?.to_string())).collect()
}

/// The workload's files in rows of the output, in the order of time.
fn opens(rows: &[Value]) -> Vec<String> {
    let mut opens: Vec<&Value> = rows.iter().filter(|row| row["table"] == "file_open").collect();
    opens.sort_by_key(|row| row["time"].to_string());
    let paths = opens.iter().filter_map(|row| row["path"].as_str());
    paths.filter(|path| path.starts_with('f')).map(str::to_string).collect()
}
