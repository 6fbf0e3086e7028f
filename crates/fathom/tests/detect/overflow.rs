//! A storm of opens that nobody could keep up with: the life of processes is whole all the same.

use std::path::PathBuf;

use testkit::watch::not_run;

use super::place::{Container, lines, wait};

const CONFIG: &str = "
scope: {cgroups: [CGROUP]}
outputs: [{kind: file, path: HERE/rows}]
tables: [process_fork, process_exec, process_exit]
store: {directory: 'off'}
http: {listen: 127.0.0.1:0}
flight: {listen: 'off'}
rings: {bulk: 64KiB}
detection:
  rules: [RULES]
  directory: 'off'
";

const EXECS: usize = 2_000;

#[test]
fn a_storm_of_opens_pushes_out_no_exec() {
    let test = "a_storm_of_opens_pushes_out_no_exec";
    let Some(container) = Container::new(test) else { return };
    let fathom = std::env::var("FATHOM_BIN").unwrap_or(env!("CARGO_BIN_EXE_fathom").into());
    let beside = PathBuf::from(fathom).with_file_name("testkit");
    let testkit = std::env::var("FATHOM_TESTKIT").map_or(beside, PathBuf::from);
    if !testkit.exists() {
        return not_run(test, "testkit is not built (`cargo xtask test` builds it)");
    }
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules");
    let agent = container.agent(&CONFIG.replace("RULES", rules));
    let testkit = testkit.display();
    container.run(&format!(
        "{testkit} storm open --count 1000000 --threads 2 & {testkit} storm exec --count {EXECS}; \
         wait; /bin/true last"
    ));
    let rows = container.directory.join("rows");
    let of = |table: &str| lines(&rows).iter().filter(|row| row["table"] == table).count();
    wait("the last process's end", || {
        lines(&rows).iter().any(|row| row["args"] == serde_json::json!(["/bin/true", "last"]))
    });
    let said = agent.end();
    assert!(said.contains("file_open in kernel: ring_full"), "nothing was too much: {said}");
    let of_processes = |line: &&str| line.contains("lost ") && line.contains(" process_");
    assert_eq!(said.lines().find(of_processes), None);
    for table in ["process_fork", "process_exec", "process_exit"] {
        assert!(of(table) >= EXECS, "{table}: {}", of(table));
    }
}
