//! Ordinary work: Fathom's own rules say nothing about it, and Falco's are counted.

use std::collections::BTreeMap;
use std::path::Path;

use testkit::watch::is_whole;

use super::place::{Container, lines, wait};

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
  learn_for: 0s
  receivers: [{to: {file: {path: HERE/alerts, format: {fathom: true}}}}]
";

/// What people and their machines do all day; each line may fail where a program is not there.
const WORK: &[&str] = &[
    "dpkg -l; dpkg-query -S /bin/sh; apt-get -s install hello; apt-cache policy",
    "dpkg-deb --build /nonexistent; apt-config dump",
    "mkdir src; cd src; printf 'int main(void){return 0;}' > a.c; printf 'a: a.c\n\tcc -o a a.c\n' > Makefile; make; ./a",
    "mkdir repo; cd repo; git init -q; date > f; git add f; git -c user.name=a -c user.email=a@b commit -qm x; git log",
    "$PYTHON -m compileall -q .; $PYTHON -m pip --version; $PYTHON -c 'import subprocess; subprocess.run([\"id\"])'",
    "tar czf all.tgz /etc/hostname; tar tzf all.tgz; gzip -dc all.tgz | wc -c; cp -r /etc/apt copied; rm -r copied",
    "find /usr/lib -maxdepth 2 -name '*.so'; grep -r root /etc/hosts; sed -n 1p /etc/passwd; awk 1 /etc/group; sort /etc/group",
    "run-parts --test /etc/cron.daily; logrotate -d /etc/logrotate.conf; savelog -n f; crontab -l",
    "bash -lc 'id; whoami; hostname; uptime; who; last -n 1'; su root -c true; getent passwd root; login -h x -f nobody < /dev/null",
    "script -qec 'sh -c true' /dev/null; ssh-keygen -q -t ed25519 -N '' -f id; ssh-keygen -lf id.pub; ssh -V",
    "ps aux; top -b -n 1; free; df; mount; ip address; ss -tln; lsblk; dmesg --version; journalctl --version",
    "nice true; nohup true; timeout 1 true; env true; xargs true < /dev/null; flock f true; setsid true; chroot / true",
    "perl -e 'print 1'; date; cal; seq 1 10; md5sum f; base64 /etc/hostname; openssl version; curl --version; wget --version",
    "touch log; echo line >> log; mv log log.1; : > log; truncate -s 0 log.1; chmod 644 log; ln -s log current",
];

#[test]
fn our_own_rules_are_silent_about_ordinary_work() {
    let test = "our_own_rules_are_silent_about_ordinary_work";
    let Some(container) = Container::plain(test) else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (own, stock) = (root.join("rules"), root.join("../shared/data/falco_rules.yaml"));
    let mut rules = own.display().to_string();
    if stock.exists() {
        rules = format!("{}, {rules}", stock.display());
    }
    let agent = container.agent(&CONFIG.replace("RULES", &rules));
    for (number, work) in WORK.iter().enumerate() {
        // Each part by itself, whether it is there or not.
        let parts: Vec<String> = work.split("; ").map(|part| format!("{part} ;\n")).collect();
        let script =
            format!("mkdir work{number}; cd work{number}; date > f\n{}true", parts.concat());
        container.run(&format!("{{\n{script}\n}} > /dev/null 2>&1"));
    }
    container.run("true last");
    let rows = container.directory.join("rows");
    wait("the last command's row", || {
        std::fs::read_to_string(&rows).is_ok_and(|text| text.contains("\"last\""))
    });
    let commands = lines(&rows).len();
    let quiet = lines(&container.directory.join("alerts"));
    // Silence means something only where the same rules do speak.
    container.run("cat /etc/shadow > /dev/null");
    let speaks = || lines(&container.directory.join("alerts")).len() > quiet.len();
    wait("an alert about what is not ordinary", speaks);
    let said = agent.end();
    assert!(is_whole(&said), "{said}");

    let names = |path: &Path| -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let rules = text.lines().filter_map(|line| line.strip_prefix("- rule: "));
        rules.map(|name| name.trim().trim_matches('"').to_string()).collect()
    };
    let falcos = names(&stock);
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for alert in quiet {
        let rule = alert["rule"].as_str().expect("a name").to_string();
        found.entry(rule).or_default().push(alert["output"].to_string());
    }
    let (theirs, ours): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|(rule, _)| falcos.contains(rule));
    let count = |all: &[(String, Vec<String>)]| all.iter().map(|(_, it)| it.len()).sum::<usize>();
    println!(
        "{commands} commands: {} alerts of Falco's stock rules, {} of ours",
        count(&theirs),
        count(&ours)
    );
    assert!(commands > 50, "only {commands} commands ran");
    assert!(ours.is_empty(), "{ours:#?}");
}
