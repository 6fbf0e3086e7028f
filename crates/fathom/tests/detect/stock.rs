//! The stock rules of Falco, each on its real trigger and on a near miss.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use testkit::watch::{is_whole, not_run};

use super::place::{Container, lines, wait};

/// What fires each rule, and what nearly does. Each has a directory of its own.
const TRIGGERS: &[(&str, &str, &str)] = &[
    (
        "Directory traversal monitored file read",
        "timeout 5 cat /tmp/../../../etc/hostname",
        "timeout 5 cat /tmp/../etc/hostname",
    ),
    (
        "Read sensitive file trusted after startup",
        "cp /bin/bash nginx; ./nginx -c 'read -t 5.2 x < <(sleep 9); read x < /etc/shadow'",
        "cp /bin/bash nginx; ./nginx -c 'read x < /etc/hostname'",
    ),
    ("Read sensitive file untrusted", "cat /etc/shadow", "cat /etc/passwd"),
    (
        "Run shell untrusted",
        "cp /bin/bash nginx; ./nginx -c '/bin/sh -c true; true'",
        "cp /bin/bash mine; ./mine -c '/bin/sh -c true; true'",
    ),
    (
        "System user interactive",
        "cp /bin/bash sshd; ./sshd -c 'setpriv --reuid=65534 --clear-groups true; true'",
        "setpriv --reuid=65534 --clear-groups true",
    ),
    (
        "Terminal shell in container",
        "cp $(command -v script) runc; SHELL=/bin/sh ./runc -qec true /dev/null",
        "cp /bin/bash runc; ./runc -c '/bin/sh -c true; true'",
    ),
    (
        "Netcat Remote Code Execution in Container",
        "cp /bin/true nc; ./nc -e /bin/sh 127.0.0.1 1",
        "cp /bin/true nc; ./nc -l 1",
    ),
    (
        "Search Private Keys or Passwords",
        "find . -maxdepth 1 -name id_rsa",
        "find . -maxdepth 1 -name id",
    ),
    ("Clear Log Activities", ": > syslog", ": >> syslog"),
    ("Remove Bulk Data from Disk", "cp /bin/true shred; ./shred x", "cp /bin/true shrink; ./shrink x"),
    ("Create Symlink Over Sensitive Files", "ln -s /etc/shadow link", "ln -s /etc/hostname link2"),
    ("Create Hardlink Over Sensitive Files", "ln /etc/shadow hard", "ln /etc/hostname hard2"),
    (
        "Packet socket created in container",
        "$PYTHON -Sc 'import _socket as s; s.socket(17, 3, 0)'",
        "$PYTHON -Sc 'import _socket as s; s.socket(2, 1, 0)'",
    ),
    (
        "Redirect STDOUT/STDIN to Network Connection in Container",
        "$PYTHON -Sc 'import _socket as s, os
l = s.socket(2, 1, 0); l.bind((\"127.0.0.1\", 0)); l.listen(1)
c = s.socket(2, 1, 0); c.connect(l.getsockname()); os.dup2(c.fileno(), 0)'",
        "$PYTHON -Sc 'import os; os.dup2(os.open(\"/dev/null\", 0), 0)'",
    ),
    (
        "Linux Kernel Module Injection Detected",
        "$PYTHON -Sc 'import ctypes; ctypes.CDLL(None).syscall(313, -1, b\"\", 0)'",
        "true",
    ),
    (
        "Debugfs Launched in Privileged Container",
        "cp /bin/true debugfs; ./debugfs",
        "cp /bin/true debugger; ./debugger",
    ),
    ("Detect release_agent File Container Escapes", ": > release_agent", ": > release_agents"),
    (
        "PTRACE attached to process",
        "$PYTHON -Sc 'import ctypes, os, time
child = os.fork()
if child == 0: time.sleep(5)
ctypes.CDLL(None).syscall(101, 16, child, 0, 0); os.kill(child, 9)'",
        "true",
    ),
    (
        "PTRACE anti-debug attempt",
        "$PYTHON -Sc 'import ctypes; ctypes.CDLL(None).syscall(101, 0, 0, 0, 0)'",
        "true",
    ),
    (
        "Find AWS Credentials",
        "find . -maxdepth 1 -path .aws/credentials",
        "find . -maxdepth 1 -path .aws",
    ),
    (
        "Execution from /dev/shm",
        "cp /bin/true /dev/shm/fathom-$$; /dev/shm/fathom-$$; rm /dev/shm/fathom-$$",
        "cp /bin/true /dev/shm/fathom-$$; rm /dev/shm/fathom-$$",
    ),
    (
        "Drop and execute new binary in container",
        "mkdir -p low up work all; unshare -m sh -c '
mount -t tmpfs none up && mkdir up/u up/w && mount -t overlay none -olowerdir=low,upperdir=up/u,workdir=up/w all &&
cp /bin/true all/dropped && all/dropped'",
        "mkdir -p low; cp /bin/true low/there; low/there",
    ),
    (
        "Disallowed SSH Connection Non Standard Port",
        "export PYTHONHOME=$($PYTHON -Sc 'import sys; print(sys.base_prefix)')
cat > client.py <<END
import _socket as s
l = s.socket(2, 1, 0); l.bind((\"203.0.113.1\", 443)); l.listen(1)
c = s.socket(2, 1, 0); c.connect((\"203.0.113.1\", 443))
END
unshare -n bash -c 'ip link set lo up; ip address add 203.0.113.1/32 dev lo
exec -a ssh $PYTHON -S client.py'",
        "true",
    ),
    (
        "Fileless execution via memfd_create",
        "$PYTHON -Sc 'import os
fd = os.memfd_create(\"payload\"); os.write(fd, open(\"/bin/true\", \"rb\").read())
os.execve(fd, [\"payload\"], {})'",
        "$PYTHON -Sc 'import os; os.memfd_create(\"payload\")'",
    ),
];

/// This one needs a host name that is looked up: `crates/detect` has it, with a name that is told.
const ELSEWHERE: &[&str] = &["Contact K8S API Server From Container"];

const CONFIG: &str = "
scope: {cgroups: [CGROUP]}
outputs: [{kind: file, path: HERE/rows}]
tables: [process_exec]
store: {directory: 'off'}
http: {listen: 127.0.0.1:0}
flight: {listen: 'off'}
detection:
  rules: [RULES]
  matching: all
  directory: 'off'
  repeat_after: 0s
  receivers: [{to: {file: {path: HERE/alerts, format: {fathom: true}}}}]
";

#[test]
fn each_stock_rule_fires_on_its_trigger_and_not_on_a_near_miss() {
    let test = "each_stock_rule_fires_on_its_trigger_and_not_on_a_near_miss";
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rules = here.join("../../../shared/data/falco_rules.yaml");
    if !rules.exists() {
        return not_run(test, "../shared/data/falco_rules.yaml is not there");
    }
    let Some(container) = Container::new(test) else { return };
    let agent = container.agent(&CONFIG.replace("RULES", &rules.display().to_string()));
    let said = agent.said();
    assert!(said.contains("asking 25 rules") && !said.contains("detection.rules"), "{said}");

    for (number, (rule, fires, silent)) in TRIGGERS.iter().enumerate() {
        for (what, script) in [("fires", fires), ("silent", silent)] {
            // The mark tells in the process's ancestry whose alert it is.
            let mark = format!("mark-{what}-{number}");
            let script = format!("mkdir -p {mark}; cd {mark}\n{script}\ntrue end");
            let output = container.run(&script);
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("{rule} ({what}): {} {words}", output.status);
        }
    }
    container.run("true last");
    let rows = container.directory.join("rows");
    wait("the last command's row", || {
        std::fs::read_to_string(&rows).is_ok_and(|text| text.contains("true last"))
    });
    let said = agent.end();
    assert!(is_whole(&said), "{said}");

    let alerts = lines(&container.directory.join("alerts"));
    let mut found: BTreeMap<(usize, &str), Vec<&Value>> = BTreeMap::new();
    for alert in &alerts {
        let tree = alert["fathom"]["tree"].to_string();
        let mark = tree.split("mkdir -p mark-").nth(1).expect("every alert is of a marked script");
        let mark = mark.split(';').next().unwrap_or_default();
        let (what, number) = mark.split_once('-').expect("a mark");
        let what = if what == "fires" { "fires" } else { "silent" };
        found.entry((number.parse().unwrap(), what)).or_default().push(alert);
    }
    let named = |alert: &Value| alert["rule"].as_str().unwrap().to_string();
    let mut wrong = Vec::new();
    for (number, (rule, ..)) in TRIGGERS.iter().enumerate() {
        let of = |what| found.get(&(number, what)).cloned().unwrap_or_default();
        if !of("fires").iter().any(|alert| alert["rule"] == *rule) {
            let others: Vec<_> = of("fires").into_iter().map(named).collect();
            wrong.push(format!("{rule}: not fired, but {others:?}"));
        }
        if of("silent").iter().any(|alert| alert["rule"] == *rule) {
            wrong.push(format!("{rule}: fired by the near miss"));
        }
    }
    // Overlays may not be stacked on what this directory lies on, and namespaces may be forbidden.
    assert!(wrong.is_empty(), "{wrong:#?}");
    let all = testkit_rules(&rules);
    let tried = TRIGGERS.iter().map(|(rule, ..)| *rule).chain(ELSEWHERE.iter().copied());
    assert_eq!(all, tried.map(str::to_string).collect());
    whole_output(&alerts, &container.id);
}

/// The names of the rules in the file.
fn testkit_rules(path: &Path) -> std::collections::BTreeSet<String> {
    let text = std::fs::read_to_string(path).expect("it is there");
    let names = text.lines().filter_map(|line| line.strip_prefix("- rule: "));
    names.map(|name| name.trim().to_string()).collect()
}

/// The output of one alert, letter by letter, and its fields.
fn whole_output(alerts: &[Value], id: &str) {
    let is = |it: &&Value| {
        it["rule"] == "Read sensitive file untrusted"
            && it["fathom"]["view"] == "given"
            && it["output_fields"]["proc.name"] == "cat"
    };
    let alert = alerts.iter().find(is).expect("cat read it");
    let fields = &alert["output_fields"];
    let ancestor = |number: usize| fields[format!("proc.aname[{number}]")].as_str().unwrap();
    let time = alert["output"].as_str().unwrap().split(": ").next().unwrap();
    assert_eq!(
        alert["output"].as_str().unwrap(),
        format!(
            "{time}: Warning Sensitive file opened for reading by non-trusted program | \
             file=/etc/shadow gparent={} ggparent={} gggparent={} evt_type=openat user=root \
             user_uid=0 user_loginuid={} process=cat proc_exepath={} parent=bash \
             command=cat /etc/shadow terminal={} container_id={} container_name=<NA> \
             container_image_repository=<NA> container_image_tag=<NA> k8s_pod_name=<NA> \
             k8s_ns_name=<NA>",
            ancestor(2),
            ancestor(3),
            ancestor(4),
            fields["user.loginuid"],
            fields["proc.exepath"].as_str().unwrap(),
            fields["proc.tty"],
            &id[..12],
        )
    );
    assert_eq!((&alert["hostname"], &alert["source"]), (&"node-1".into(), &"syscall".into()));
    assert_eq!(alert["fathom"]["lost"], 0);
}
