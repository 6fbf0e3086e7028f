//! New rules while the agent runs: no event is asked of neither or of both.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use rustix::process::{Signal, kill_process};
use testkit::watch::is_whole;

use super::place::{Container, lines, wait};

const CONFIG: &str = "
scope: {cgroups: [CGROUP]}
outputs: [{kind: file, path: HERE/rows}]
tables: [process_exit]
store: {directory: 'off'}
http: {listen: 127.0.0.1:0}
flight: {listen: 'off'}
detection:
  rules: [HERE/rules.yaml]
  directory: 'off'
  repeat_after: 0s
  most_per_minute: 1000000
  receivers: [{to: {file: {path: HERE/alerts}}}]
";

fn rules(name: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  priority: NOTICE\n  output: file=%fd.name\n  \
         condition: evt.type in (open, openat) and fd.directory endswith /numbered\n"
    )
}

#[test]
fn new_rules_are_taken_between_two_events() {
    let Some(container) = Container::new("new_rules_are_taken_between_two_events") else { return };
    let file = container.directory.join("rules.yaml");
    fs::write(&file, rules("first")).expect("written");
    let agent = container.agent(CONFIG);
    let stop = container.directory.join("stop");
    let reloads = 5;
    let files = thread::scope(|scope| {
        let work = scope.spawn(|| {
            // Until it is told to stop, and never for ever.
            let script = "mkdir numbered; i=0; while [ ! -e stop ] && [ $i -lt 500000 ]; do \
                          i=$((i + 1)); : < numbered/$i; done 2>/dev/null; echo $i";
            let done = container.run(script);
            String::from_utf8_lossy(&done.stdout).trim().parse::<usize>().expect("a number")
        });
        let alerts = container.directory.join("alerts");
        wait("the first alerts", || !lines(&alerts).is_empty());
        for number in 0..reloads {
            let taken = || agent.said().matches("configuration").count();
            let before = taken();
            let name = if number % 2 == 0 { "second" } else { "first" };
            fs::write(&file, rules(name)).expect("written");
            kill_process(agent.pid(), Signal::HUP).expect("our own child");
            wait("the new rules", || taken() > before);
        }
        // One that is wrong changes nothing, and is said.
        fs::write(&file, rules("third").replace("fd.directory", "fd.directori")).expect("written");
        kill_process(agent.pid(), Signal::HUP).expect("our own child");
        wait("a word on the wrong rule", || agent.said().contains("did you mean `fd.directory`?"));
        fs::write(&stop, "").expect("written");
        work.join().expect("the work ends")
    });
    let alerts = container.directory.join("alerts");
    wait("all alerts", || lines(&alerts).len() >= files);
    let said = agent.end();
    assert!(is_whole(&said), "{said}");
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let mut rules: BTreeMap<String, usize> = BTreeMap::new();
    for alert in lines(&alerts) {
        let file = alert["output_fields"]["fd.name"].as_str().expect("a name").to_string();
        *times.entry(file).or_default() += 1;
        *rules.entry(alert["rule"].as_str().expect("a name").to_string()).or_default() += 1;
    }
    assert_eq!(times.len(), files);
    assert!(times.values().all(|&count| count == 1), "an event was asked of both");
    assert!(rules.len() == 2 && rules.values().all(|&count| count > 0), "{rules:?}");
}
