//! The agent with what the DaemonSet gives it and nothing else: the capabilities are read from the
//! manifest, all others are dropped for good, and what root sees has to be seen.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{
    CapabilitySet, capability_is_in_bounding_set, remove_capability_from_bounding_set,
    set_no_new_privs,
};
use serde_json::Value;
use testkit::watch::not_run;

use super::{Place, wait_until};

const MANIFEST: &str = include_str!("../../../../deploy/manifests/fathom.yaml");

/// The object of that kind.
fn object(kind: &str) -> Value {
    let objects = MANIFEST.split("\n---\n").map(|text| {
        let object: Value = serde_saphyr::from_str(text).expect("a manifest is YAML");
        object
    });
    objects.into_iter().find(|object| object["kind"] == kind).expect("it is in the manifest")
}

/// What the DaemonSet's container lists, by name.
fn listed() -> BTreeMap<String, CapabilitySet> {
    let container = &object("DaemonSet")["spec"]["template"]["spec"]["containers"][0];
    let security = &container["securityContext"];
    assert_eq!(security["capabilities"]["drop"], serde_json::json!(["ALL"]));
    assert_eq!(security["privileged"], false);
    // `under` does the same.
    assert_eq!(security["allowPrivilegeEscalation"], false);
    let names = security["capabilities"]["add"].as_array().expect("a list");
    let named = names.iter().map(|name| {
        let name = name.as_str().expect("a name");
        let set = CapabilitySet::from_name(name).expect("a capability of Linux");
        (name.to_string(), set)
    });
    named.collect()
}

fn all() -> CapabilitySet {
    listed().into_values().collect()
}

/// Does `job` on a thread that can never have more than `allowed`, nor can what it starts.
fn under<T: Send>(allowed: CapabilitySet, job: impl FnOnce() -> T + Send) -> T {
    let drop_others = || {
        // The kernel refuses to speak of capabilities that it does not know.
        let known = (0..64).map(|bit| CapabilitySet::from_bits_retain(1 << bit));
        let known = known.map_while(|it| Some((it, capability_is_in_bounding_set(it).ok()?)));
        for (capability, there) in known {
            if there && !allowed.contains(capability) {
                remove_capability_from_bounding_set(capability).expect("root may drop them");
            }
        }
        set_no_new_privs(true).expect("anybody may");
    };
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            drop_others();
            job()
        });
        thread.join().expect("the job ends")
    })
}

/// A place, if we may drop capabilities in it.
fn place(test: &str) -> Option<Place> {
    let ours = rustix::thread::capabilities(None).expect("our own");
    if !ours.effective.contains(CapabilitySet::SETPCAP) {
        not_run(test, "without CAP_SETPCAP capabilities cannot be dropped for others");
        return None;
    }
    Place::new(test)
}

/// What `doctor` says under these capabilities.
fn doctor(place: &Place, allowed: CapabilitySet) -> Value {
    let run = || place.fathom().args(["doctor", "--format", "json"]).output().expect("it runs");
    let output = under(allowed, run);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(output.status.success(), report["failure"].is_null(), "{output:?}");
    report
}

/// How each hook stands, and on which rung.
fn hooks(report: &Value) -> Vec<[&str; 4]> {
    let hooks = report["capabilities"].as_array().expect("a list");
    let keys = ["signal", "what", "state", "mechanism"];
    hooks.iter().map(|hook| keys.map(|key| hook[key].as_str().expect("text"))).collect()
}

/// What `doctor` says of one need.
fn need<'a>(report: &'a Value, name: &str) -> &'a Value {
    let needs = report["privileges"].as_array().expect("a list");
    needs.iter().find(|need| need["name"] == name).unwrap_or_else(|| panic!("no word on {name}"))
}

/// Where the kernel keeps perf events for CAP_SYS_ADMIN and `doctor` says so, the hooks that root
/// has on one are the only ones that may stand otherwise.
#[test]
fn the_listed_capabilities_see_what_root_sees() {
    let Some(place) = place("the_listed_capabilities_see_what_root_sees") else { return };
    let (root, ours) = (place.doctor(), doctor(&place, all()));
    assert_eq!(ours["failure"], Value::Null);
    let kept = need(&ours, "perf events")["state"] == "missing";
    let on_perf = |hook: &[&str; 4]| {
        ["kprobe", "trace", "perf_event"].iter().any(|mechanism| hook[3].starts_with(mechanism))
    };
    let both: Vec<_> = hooks(&ours).into_iter().zip(hooks(root)).collect();
    assert!(!both.is_empty() && hooks(&ours).len() == hooks(root).len());
    for (ours, root) in both {
        assert!(ours == root || (kept && on_perf(&root)), "{ours:?} instead of {root:?}");
    }
    for need in ours["privileges"].as_array().expect("a list") {
        assert!(need["essential"] == false || need["state"] == "available", "{need}");
    }
}

/// The cure that `doctor` names for it. A machine that is not ours is left as it is.
#[test]
fn with_perf_events_for_everybody_nothing_at_all_is_lost() {
    let test = "with_perf_events_for_everybody_nothing_at_all_is_lost";
    let Some(place) = place(test) else { return };
    let switch = "/proc/sys/kernel/perf_event_paranoid";
    let before = fs::read_to_string(switch).expect("a number");
    let kept = before.trim().parse::<i32>().expect("a number") > 2;
    if kept && std::env::var_os("FATHOM_VM").is_none() {
        return not_run(test, &format!("{switch} of this machine would have to be 2"));
    }
    if kept {
        fs::write(switch, "2").expect("the guest is ours");
    }
    let (root, ours) = (place.doctor(), doctor(&place, all()));
    if kept {
        fs::write(switch, before.trim()).expect("as it was");
    }
    assert_eq!(need(&ours, "perf events")["state"], "available");
    assert_eq!(hooks(&ours), hooks(root));
}

/// One that nobody would miss should not be listed.
#[test]
fn without_any_listed_capability_doctor_says_what_that_costs() {
    let test = "without_any_listed_capability_doctor_says_what_that_costs";
    let Some(place) = place(test) else { return };
    let listed = listed();
    for (name, capability) in &listed {
        let others = listed.values().filter(|it| *it != capability).copied();
        let report = doctor(&place, others.collect());
        let need = need(&report, &format!("CAP_{name}"));
        // Older kernels need one that newer ones do not; then nothing is missed.
        let missed = !report["failure"].is_null();
        println!("without CAP_{name}: {}", report["failure"]);
        assert!(missed || name == "SYS_RESOURCE", "all is well without CAP_{name}");
        assert_eq!(need["state"] == "missing", missed, "{need}");
        assert_eq!(need["why"] == "", !missed, "{need}");
    }
}

/// The agent with the ConfigMap's configuration; but it watches a shell of ours, not the node.
#[test]
fn the_daemonsets_agent_tells_rows() {
    let Some(place) = place("the_daemonsets_agent_tells_rows") else { return };
    let config = object("ConfigMap")["data"]["fathom.yaml"].clone();
    fs::write(place.path("fathom.yaml"), config.as_str().expect("text")).expect("written");
    let mut shell = Command::new("/bin/sh");
    let shell = shell.args(["-c", "while read it; do /bin/cat /dev/null; done"]);
    let mut shell = shell.stdin(Stdio::piped()).spawn().expect("a shell");
    let (rows, log) = (place.path("rows"), place.path("log"));
    let mut command = place.fathom();
    command.args(["agent", "--config"]).arg(place.path("fathom.yaml"));
    command.env("FATHOM_SCOPE_PIDS", shell.id().to_string()).env("NODE_NAME", "node-7");
    command.env("FATHOM_HTTP_LISTEN", "127.0.0.1:0").env_remove("KUBERNETES_SERVICE_HOST");
    command.stdout(File::create(&rows).expect("a file"));
    command.stderr(File::create(&log).expect("a file"));
    let mut agent = under(all(), move || command.spawn().expect("an agent"));
    let said = || fs::read_to_string(&log).expect("a log");
    wait_until("watching agent", || said().contains("metrics and health at"));

    let mut orders = shell.stdin.take().expect("its input");
    wait_until("row of the agent's", || {
        writeln!(orders, "go").expect("the shell reads");
        let text = fs::read_to_string(&rows).expect("rows");
        let whole = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let executed = |row: &Value| row["table"] == "process_exec" && row["node"] == "node-7";
        whole.into_iter().any(|row| executed(&row))
    });
    drop(orders);
    shell.wait().expect("our own child");
    let pid = Pid::from_raw(agent.id() as i32).expect("a pid");
    kill_process(pid, Signal::TERM).expect("our own child");
    let status = agent.wait().expect("our own child");
    let said = said();
    assert!(status.success(), "{said}");
    // Where `doctor` says that the kernel may skip programs, those are counted. Nothing else is
    // lost, and nothing is asked for that the agent does not have.
    let report = doctor(&place, all());
    let hooks = report["capabilities"].as_array().expect("a list");
    let skips =
        hooks.iter().any(|hook| hook["cost"].as_str().is_some_and(|it| it.contains("recursion")));
    let known = |line: &str| skips && line.contains("program in kernel: recursion");
    let complaint =
        |line: &&str| line.contains(r#""level":"warn""#) || line.contains(r#""level":"error""#);
    let complaints: Vec<&str> =
        said.lines().filter(complaint).filter(|line| !known(line)).collect();
    assert!(complaints.is_empty(), "{said}");
    assert!(said.contains(" 0 lost;") || said.lines().any(known), "{said}");
}
