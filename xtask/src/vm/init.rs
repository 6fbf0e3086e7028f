//! The guest's first process: a script that mounts, loads, runs what it was made for, and powers off.
//!
//! The kernel's own messages go to the first serial line and everything here to the second,
//! so that a warning never lands in the middle of a result. Lines that begin with `MARK` are
//! for us, the others are what the programs print.

/// Begins every line that the script itself writes.
pub(super) const MARK: &str = "@fathom ";

/// What the guest is to do once it is up.
pub(super) enum Job {
    /// Run `fathom doctor`, then each test program in /tests, with the tests that match.
    Tests { programs: Vec<String>, filter: Option<String>, seconds: u64 },
    /// Run one command.
    Command(Vec<String>),
}

/// The script, for a guest whose modules are loaded in the order given.
pub(super) fn script(modules: &[String], job: &Job) -> String {
    let mut script = String::from(PRELUDE);
    for module in modules {
        script += &format!(
            "insmod /lib/modules/$(uname -r)/{module}.ko || echo '{MARK}note module {module} did not load'\n"
        );
    }
    script += FACTS;
    script += &match job {
        Job::Tests { programs, filter, seconds } => tests(programs, filter.as_deref(), *seconds),
        Job::Command(words) => {
            let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
            format!("cd /root\n{line}\necho \"{MARK}end command $?\"\n")
        }
    };
    script + EPILOGUE
}

fn tests(programs: &[String], filter: Option<&str>, seconds: u64) -> String {
    let mut script = String::from(DOCTOR);
    let filter = filter.map(quoted).unwrap_or_default();
    for program in programs {
        script += &format!(
            "echo '{MARK}start {program}'\n\
             : > /tmp/not-run\n\
             cd /tmp\n\
             FATHOM_NOT_RUN_LOG=/tmp/not-run timeout {seconds} /tests/{program} --test-threads=1 {filter} 2>&1\n\
             code=$?\n\
             sed 's/^/{MARK}not-run /' /tmp/not-run\n\
             echo \"{MARK}end {program} $code\"\n"
        );
    }
    script
}

/// A word as the shell takes it literally.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

const PRELUDE: &str = r#"#!/bin/busybox sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root TERM=dumb
export FATHOM_VM=1 FATHOM_BIN=/usr/bin/fathom FATHOM_TESTKIT=/usr/bin/testkit RUST_BACKTRACE=1
/bin/busybox --install -s /usr/bin 2>/dev/null
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t securityfs securityfs /sys/kernel/security
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
  echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control
done
hostname guest
ip link set lo up
stty -F /dev/ttyS1 -opost
exec < /dev/null > /dev/ttyS1 2>&1
"#;

const FACTS: &str = r#"echo "@fathom fact kernel $(uname -r)"
echo "@fathom fact btf $(test -r /sys/kernel/btf/vmlinux && wc -c < /sys/kernel/btf/vmlinux || echo none)"
echo "@fathom fact lsm $(cat /sys/kernel/security/lsm)"
echo "@fathom up"
"#;

const DOCTOR: &str = r#"if [ -x /usr/bin/fathom ]; then
  echo "@fathom doctor"
  timeout 60 /usr/bin/fathom doctor 2>&1
  echo "@fathom end doctor $?"
fi
"#;

const EPILOGUE: &str = r#"echo "@fathom done"
sync
poweroff -f
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_runs_what_it_is_told() {
        let job =
            Job::Tests { programs: vec!["file".into()], filter: Some("it's".into()), seconds: 9 };
        let text = script(&["veth".into()], &job);
        assert!(text.starts_with("#!/bin/busybox sh\n"));
        assert!(text.contains("insmod /lib/modules/$(uname -r)/veth.ko"));
        assert!(text.contains("timeout 9 /tests/file --test-threads=1 'it'\\''s' 2>&1"));
        assert!(text.ends_with("poweroff -f\n"));
        let text = script(&[], &Job::Command(vec!["uname".into(), "-r; reboot".into()]));
        assert!(text.contains("\n'uname' '-r; reboot'\n"));
    }

    #[test]
    fn the_fixed_parts_use_the_same_mark() {
        for line in
            [FACTS, DOCTOR, EPILOGUE].concat().lines().filter(|line| line.contains("@fathom"))
        {
            assert!(line.contains(MARK), "{line}");
        }
    }
}
