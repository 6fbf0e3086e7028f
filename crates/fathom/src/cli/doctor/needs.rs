//! What has to be there before any signal can be: of the kernel, and of what we may do.
//!
//! A capability is missing where we lack it *and* feel it: whether we do is tried, since kernels
//! ask for different ones.

use std::path::Path;

use kernel::{Features, Mechanism, StatsGuard};
use rustix::fs::{Access, access};
use rustix::thread::CapabilitySet;
use serde::Serialize;

/// Something that has to be there.
#[derive(Debug, Serialize)]
pub(super) struct Need {
    pub(super) name: &'static str,
    pub(super) state: &'static str,
    pub(super) essential: bool,
    /// What its absence costs.
    pub(super) why: String,
    pub(super) fix: &'static str,
}

/// All of them; `loaded` says whether the signals could be loaded.
pub(super) fn all(features: &Features, loaded: bool) -> Vec<Need> {
    // Without /proc or in an odd sandbox we cannot tell; then the trials below speak.
    let ours = rustix::thread::capabilities(None).map_or(CapabilitySet::all(), |it| it.effective);
    let mut needs = of_kernel(features, ours);
    needs.extend(of_capabilities(ours, loaded));
    needs.push(perf_events(features, paranoid()));
    needs.extend(of_container(features));
    needs
}

/// CAP_SYS_ADMIN is the older word for both.
fn may(ours: CapabilitySet, capability: CapabilitySet) -> bool {
    ours.intersects(capability | CapabilitySet::SYS_ADMIN)
}

fn of_kernel(features: &Features, ours: CapabilitySet) -> Vec<Need> {
    let obstacle = features.obstacle(Mechanism::TpBtf);
    let both = may(ours, CapabilitySet::BPF) && may(ours, CapabilitySet::PERFMON);
    vec![
        Need::essential(
            "kernel BTF",
            Path::new("/sys/kernel/btf/vmlinux").exists(),
            "/sys/kernel/btf/vmlinux is not there: programs cannot be fitted to this kernel",
            "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (Debian and Ubuntu ones are), and mount sysfs",
        ),
        Need::essential(
            "tracing with BPF",
            obstacle.is_none(),
            obstacle.unwrap_or_default(),
            if both {
                "the capabilities are there, so something else refuses it: a container's seccomp \
                 profile, SELinux, or the kernel's lockdown"
            } else {
                "run as root, or with the capabilities that are missing below"
            },
        ),
        Need::useful(
            "cgroup2",
            kernel::cgroup2_mount().is_some(),
            "cgroup2 is not mounted: `observe -- COMMAND` and --cgroup need it",
            "mount -t cgroup2 none /sys/fs/cgroup/unified",
        ),
    ]
}

fn of_capabilities(ours: CapabilitySet, loaded: bool) -> Vec<Need> {
    vec![
        Need::essential(
            "CAP_BPF",
            may(ours, CapabilitySet::BPF),
            "nothing is seen: the kernel takes no programs and no maps from us",
            "add CAP_BPF",
        ),
        Need::essential(
            "CAP_PERFMON",
            may(ours, CapabilitySet::PERFMON),
            "nothing is seen: our programs may neither read the kernel's memory nor be on its hooks",
            "add CAP_PERFMON",
        ),
        // Where everything was loaded without it, this kernel does not ask for it.
        Need::useful(
            "CAP_SYS_RESOURCE",
            loaded || ours.contains(CapabilitySet::SYS_RESOURCE),
            "where maps count against RLIMIT_MEMLOCK (before Linux 5.11) nothing can be loaded",
            "add CAP_SYS_RESOURCE, or raise the limit of locked memory",
        ),
        Need::useful(
            "CAP_SYS_ADMIN",
            counts_runs(),
            "the kernel does not measure our programs: how often and how long they run stays 0 in \
             agent_program and /metrics",
            "sysctl kernel.bpf_stats_enabled=1, or add CAP_SYS_ADMIN; else say `statistics: false`",
        ),
        Need::useful(
            "CAP_DAC_OVERRIDE",
            makes_cgroups(),
            "`observe -- COMMAND` cannot make the command's cgroup; nothing else needs it",
            "add CAP_DAC_OVERRIDE, and mount cgroup2 writable",
        ),
    ]
}

/// kprobes, classic tracepoints and the profiler's clock are perf events. Debian's and Ubuntu's
/// kernels keep those for CAP_SYS_ADMIN where mainline asks for CAP_PERFMON only.
fn perf_events(features: &Features, paranoid: i32) -> Need {
    let refused = |it: &kernel::Feature| {
        let perf = matches!(it.name, "kprobe" | "tracepoint");
        perf && it.obstacle.as_ref().is_some_and(|why| why.contains("Permission denied"))
    };
    let why = format!(
        "kernel.perf_event_paranoid is {paranoid}, and this kernel then keeps kprobes, classic \
         tracepoints and the profiler's clock for CAP_SYS_ADMIN; the hooks below that need one \
         stand lower or are missing"
    );
    Need::useful(
        "perf events",
        !features.list.iter().any(refused),
        &why,
        "sysctl kernel.perf_event_paranoid=2, or add CAP_SYS_ADMIN",
    )
}

fn paranoid() -> i32 {
    let text = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

/// What a container hides of its node unless it is told otherwise.
fn of_container(features: &Features) -> Vec<Need> {
    let traced = ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];
    vec![
        Need::useful(
            "pids of the node",
            features.own_tgid == std::process::id(),
            "we are in a pid namespace, so /proc is not the node's: processes that ran before have \
             no arguments, and --pid means others",
            "share the node's pids (`hostPID: true` in Kubernetes)",
        ),
        Need::useful(
            "tracing file system",
            traced.iter().any(|path| Path::new(path).exists()),
            "no program can be put on a classic tracepoint: where tracing programs are preempted \
             (Linux 7.0 and newer) records are lost, counted as `recursion`",
            "mount -t tracefs tracefs /sys/kernel/tracing; in a container, mount the node's",
        ),
    ]
}

/// Whether the kernel counts the runs of programs, or would if we asked.
fn counts_runs() -> bool {
    let always = std::fs::read_to_string("/proc/sys/kernel/bpf_stats_enabled");
    StatsGuard::enable().is_ok() || always.is_ok_and(|it| it.trim() == "1")
}

fn makes_cgroups() -> bool {
    kernel::cgroup2_mount().is_some_and(|root| access(root, Access::WRITE_OK).is_ok())
}

impl Need {
    fn essential(name: &'static str, there: bool, why: &str, fix: &'static str) -> Need {
        Need { essential: true, ..Need::useful(name, there, why, fix) }
    }

    fn useful(name: &'static str, there: bool, why: &str, fix: &'static str) -> Need {
        let (state, why, fix) = if there { ("available", "", "") } else { ("missing", why, fix) };
        Need { name, state, essential: false, why: why.to_string(), fix }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(ours: CapabilitySet, loaded: bool) -> Vec<&'static str> {
        let needs = of_capabilities(ours, loaded);
        let missing = needs.iter().filter(|need| need.state == "missing");
        let known = ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_RESOURCE"];
        missing.map(|need| need.name).filter(|name| known.contains(name)).collect()
    }

    #[test]
    fn what_is_lacking_and_felt_is_named() {
        let none = CapabilitySet::empty();
        assert_eq!(missing(none, false), ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_RESOURCE"]);
        assert_eq!(missing(CapabilitySet::BPF, true), ["CAP_PERFMON"]);
        assert!(missing(CapabilitySet::BPF | CapabilitySet::PERFMON, true).is_empty());
        assert_eq!(missing(CapabilitySet::SYS_ADMIN, false), ["CAP_SYS_RESOURCE"]);
    }

    #[test]
    fn perf_events_are_missing_where_they_are_refused_to_us() {
        let features = |name, why: &str| {
            let obstacle = Some(why.to_string());
            let list = vec![kernel::Feature { name, obstacle }];
            Features { list, own_tgid: 1, preempted: false }
        };
        let refused = "refused at attach: failed to attach BPF program: Permission denied";
        let need = perf_events(&features("kprobe", refused), 3);
        assert!(need.state == "missing" && need.why.contains("paranoid is 3"), "{need:?}");
        assert_eq!(perf_events(&features("lsm", refused), 3).state, "available");
        assert_eq!(perf_events(&features("kprobe", "No such file"), 3).state, "available");
    }

    #[test]
    fn what_is_missing_says_what_that_costs_and_what_is_there_says_nothing() {
        for need in of_capabilities(CapabilitySet::empty(), false) {
            assert_eq!(need.state == "missing", !need.why.is_empty(), "{}", need.name);
            assert_eq!(need.state == "missing", !need.fix.is_empty(), "{}", need.name);
        }
    }
}
