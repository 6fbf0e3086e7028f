//! Standard output: this program runs itself, so that there is one to look at.

use std::env;
use std::process::Command;

use deliver::{Receiver, start};
use telemetry::{Ledger, Side};

use crate::sample::{count, numbered, soon};

const CHILD: &str = "DELIVER_TEST_CHILD";

#[test]
fn lines_go_to_standard_output() {
    if env::var_os(CHILD).is_some() {
        let ledger = Ledger::new();
        let deliveries = start(vec![Receiver::default()], None, &ledger).unwrap();
        (0..1000).for_each(|number| deliveries.send(numbered(number)));
        deliveries.finish(soon());
        assert_eq!(count(&ledger, "deliver:stdout", Side::Passed), 1000);
        return;
    }
    let output = Command::new(env::current_exe().unwrap())
        .args(["stdout::lines_go_to_standard_output", "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    // The test harness writes there, too, and may have begun a line.
    let numbers: Vec<u64> = text
        .lines()
        .filter_map(|line| serde_json::from_str(&line[line.find('{')?..]).ok())
        .map(|value: serde_json::Value| value["output_fields"]["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}
