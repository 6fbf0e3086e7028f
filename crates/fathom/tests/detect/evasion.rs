//! The ways around a rule: each leads to the same alert as the plain way.

use std::fs;

use testkit::evade::Evader;
use testkit::watch::{is_whole, not_run};

use super::place::{Container, lines, wait};

const RULES: &str = "
- rule: Key read
  desc: d
  priority: WARNING
  output: file=%fd.name raw=%fd.nameraw
  condition: evt.type in (open, openat, openat2) and evt.is_open_read=true and fd.name = HERE/secret/key
- rule: Key run
  desc: d
  priority: WARNING
  output: exe=%proc.exepath
  condition: evt.type in (execve, execveat) and proc.exe = HERE/secret/tool
- rule: Something opened
  desc: d
  priority: NOTICE
  output: file=%fd.name
  condition: evt.type in (open, openat, openat2, creat) and fd.directory endswith /evaded
- rule: Something connected
  desc: d
  priority: NOTICE
  output: connection=%fd.name
  condition: evt.type = connect and fd.sip = 127.0.0.1 and proc.name = evade
";

const CONFIG: &str = "
scope: {cgroups: [CGROUP]}
outputs: []
store: {directory: 'off'}
http: {listen: 127.0.0.1:0}
flight: {listen: 'off'}
detection:
  rules: [HERE/rules.yaml]
  directory: 'off'
  repeat_after: 0s
  receivers: [{to: {file: {path: HERE/alerts, format: {fathom: true}}}}]
";

/// Other names for what a rule names.
const NAMES: &[(&str, &str, &str)] = &[
    ("plain", "Key read", "cat secret/key"),
    ("absolute", "Key read", "cat $PWD/secret/key"),
    ("dots and slashes", "Key read", "cat ./secret//../secret/./key"),
    ("another working directory", "Key read", "cd secret; cat key"),
    ("a symbolic link", "Key read", "ln -s secret/key link; cat link"),
    ("a link to the directory", "Key read", "ln -s secret directory; cat directory/key"),
    ("a hard link", "Key read", "ln secret/key hard; cat hard"),
    (
        "a bind mount",
        "Key read",
        "mkdir bound; unshare -m sh -c 'mount --bind secret bound && cat bound/key'",
    ),
    ("the root in proc", "Key read", "cat /proc/self/root$PWD/secret/key"),
    ("the working directory in proc", "Key read", "cd secret; cat /proc/self/cwd/key"),
    ("a descriptor in proc", "Key read", "exec 3< secret; cat /proc/self/fd/3/key"),
    (
        "a directory's descriptor",
        "Key read",
        "$PYTHON -Sc 'import os; os.open(\"key\", 0, dir_fd=os.open(\"secret\", 0))'",
    ),
    ("run plainly", "Key run", "$PWD/secret/tool"),
    ("run under another name", "Key run", "exec -a harmless secret/tool"),
    ("run by a link", "Key run", "ln -s secret/tool runs; ./runs"),
    (
        "run by a descriptor",
        "Key run",
        "$PYTHON -Sc 'import os; os.execve(os.open(\"secret/tool\", 0), [\"x\"], {})'",
    ),
];

/// Other ways into the kernel.
const WAYS: &[(&str, &str, &str)] = &[
    ("ia32", "files", "Something opened"),
    ("ring", "files", "Something opened"),
    ("worker", "files", "Something opened"),
    ("poller", "files", "Something opened"),
    ("ia32", "sockets", "Something connected"),
    ("socketcall", "sockets", "Something connected"),
    ("ring", "sockets", "Something connected"),
    ("worker", "sockets", "Something connected"),
];

#[test]
fn no_other_way_leads_past_a_rule() {
    let test = "no_other_way_leads_past_a_rule";
    let Some(container) = Container::new(test) else { return };
    let here = fs::canonicalize(&container.directory).expect("it is there");
    fs::create_dir(here.join("secret")).expect("a directory");
    fs::write(here.join("secret/key"), "key").expect("written");
    fs::copy("/bin/true", here.join("secret/tool")).expect("copied");
    let rules = RULES.replace("HERE", &here.display().to_string());
    fs::write(here.join("rules.yaml"), rules).expect("written");
    let agent = container.agent(CONFIG);
    let alerts = here.join("alerts");
    let fired = |rule: &str| lines(&alerts).iter().filter(|it| it["rule"] == rule).count();
    for (way, rule, script) in NAMES {
        let before = fired(rule);
        let done = container.run(script);
        let words = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{way}: {words}");
        wait(&format!("`{rule}` by {way}"), || fired(rule) > before);
    }
    let evader = Evader::new("no_other_way_leads_past_a_rule-acts").expect("a program");
    for (way, acts, rule) in WAYS {
        let before = fired(rule);
        let program = evader.program();
        let script = "rm -rf evaded; mkdir evaded; cd evaded; exec";
        let done = container.run(&format!("{script} {} {way} {acts}", program.display()));
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        if !done.status.success() || said.is_empty() || said.contains("unavailable") {
            not_run(test, &format!("{way} {acts}: this kernel does not let us ({})", done.status));
            continue;
        }
        wait(&format!("`{rule}` by {way}"), || fired(rule) > before);
    }
    let said = agent.end();
    assert!(is_whole(&said), "{said}");
}
