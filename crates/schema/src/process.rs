//! The process: one immutable entry that every row of it shares, and what changes it.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use crate::FlagNames;

/// Names one process, across reuse of its pid and across the cluster.
///
/// The start time and pid make it unique on a boot of a node; the boot's hash makes it unique
/// among nodes. Printed as `boot-start-pid`, the first two in hexadecimal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessKey {
    /// Nanoseconds from boot (`CLOCK_BOOTTIME`) to the process's start.
    pub start: u64,
    /// The process id in the node's own pid namespace.
    pub pid: u32,
    /// A hash of the node's boot id.
    pub boot: u32,
}

/// All that is known of a process while it runs one image.
///
/// Entries never change: an exec, a move to another cgroup or an exit makes a new one.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// The process's name across the cluster.
    pub key: ProcessKey,
    /// What the kernel said of it.
    pub facts: ProcessFacts,
    /// Parent first, then its parent, and so on; ends early where `ancestors_cut`.
    pub ancestors: Arc<[Arc<Ancestor>]>,
    /// Whether the chain was cut because it was too long.
    pub ancestors_cut: bool,
    /// The container that its cgroup belongs to.
    pub container: Option<Arc<Container>>,
    /// True where the process was never announced: it is known by its key and name alone.
    pub reconstructed: bool,
}

/// What the kernel says of a process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProcessFacts {
    /// The parent's key; zero where there is none.
    pub parent: ProcessKey,
    /// The process's name.
    pub comm: Box<str>,
    /// The path of the executable.
    pub exe: Box<[u8]>,
    /// The argument vector, each string ended by a NUL.
    pub args: Box<[u8]>,
    /// Whether `args` was longer than what was read.
    pub args_truncated: bool,
    /// The working directory at exec.
    pub cwd: Box<[u8]>,
    /// The id of its cgroup.
    pub cgroup: u64,
    /// The pid in its own pid namespace.
    pub vpid: u32,
    /// The session id.
    pub session: u32,
    /// The process group id, at exec.
    pub pgid: u32,
    /// The controlling terminal's device number; 0 without one.
    pub tty: u32,
    /// The login user id; `u32::MAX` where no login set one.
    pub loginuid: u32,
    /// Who it runs as.
    pub credentials: Credentials,
    /// Where it runs.
    pub namespaces: Namespaces,
    /// The executable's inode number.
    pub exe_inode: u64,
    /// The executable's device number.
    pub exe_device: u32,
    /// When the executable's inode was last changed, in nanoseconds since 1970; 0 where unknown.
    pub exe_ctime: i64,
    /// When the executable was last written, in nanoseconds since 1970; 0 where unknown.
    pub exe_mtime: i64,
    /// What is odd about the executable.
    pub image: ImageFlags,
}

/// The identity a process acts with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Capabilities that it may take on.
    pub cap_permitted: u64,
    /// Capabilities in force.
    pub cap_effective: u64,
    /// Capabilities kept across exec.
    pub cap_inheritable: u64,
}

/// The inode numbers of the namespaces that a process lives in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// Mount namespace.
    pub mnt: u32,
    /// Pid namespace.
    pub pid: u32,
    /// Network namespace.
    pub net: u32,
    /// UTS namespace.
    pub uts: u32,
    /// IPC namespace.
    pub ipc: u32,
    /// User namespace.
    pub user: u32,
    /// Cgroup namespace.
    pub cgroup: u32,
    /// Time namespace; 0 on kernels without it.
    pub time: u32,
}

/// What is odd about an executable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImageFlags(pub u32);

impl ImageFlags {
    /// The file has no name any more.
    pub const DELETED: u32 = 1;
    /// The file is a `memfd`: it never had a name.
    pub const MEMFD: u32 = 2;
    /// The file was written after the container's image was made.
    pub const OVERLAY_UPPER: u32 = 4;
    /// The file has its set-user-id bit.
    pub const SETUID: u32 = 8;
    /// The file has its set-group-id bit.
    pub const SETGID: u32 = 16;
    /// The bits' names.
    pub const NAMES: FlagNames =
        &[(1, "DELETED"), (2, "MEMFD"), (4, "OVERLAY_UPPER"), (8, "SETUID"), (16, "SETGID")];
}

/// One step up the family tree, kept small and shared by all descendants: it outlives the
/// ancestor itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Ancestor {
    /// The ancestor's key.
    pub key: ProcessKey,
    /// Its name.
    pub comm: Box<str>,
    /// Its executable.
    pub exe: Box<[u8]>,
}

/// What a cgroup's path says of the container in it, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The container's id, in full.
    pub id: String,
    /// Which runtime made it.
    pub runtime: Runtime,
    /// The pod's uid, where the container belongs to a pod.
    pub pod_uid: Option<String>,
    /// The pod's quality of service.
    pub qos: Option<Qos>,
    /// What the cluster and the runtime call it, once they have said so.
    pub names: ContainerNames,
}

/// What a container and its pod are called. The kernel knows none of it, so it comes later than
/// the container, each part once and for good: rows that wait for it need not be made anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerNames {
    /// Its name within the pod.
    pub name: OnceLock<Arc<str>>,
    /// Its image, as the pod asked for it.
    pub image: OnceLock<Arc<str>>,
    /// Its pod.
    pub pod: OnceLock<PodName>,
    /// What the pod belongs to, as `Deployment/web`.
    pub workload: OnceLock<Arc<str>>,
}

/// A pod's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodName {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name there.
    pub name: Arc<str>,
}

/// A container runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Runtime {
    Docker,
    Containerd,
    Crio,
    Podman,
    /// The path has the shape of a container's, but does not name the runtime.
    Unknown,
}

/// A pod's quality of service class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Qos {
    Guaranteed,
    Burstable,
    BestEffort,
}

/// What happened to a process. Times are `CLOCK_BOOTTIME` nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A process was there already when watching began.
    Seen {
        /// When it was looked at.
        time: u64,
        /// Which one.
        key: ProcessKey,
        /// What it was then.
        facts: Box<ProcessFacts>,
        /// Whether it is known only because a watched process descends from it.
        ancestor_only: bool,
    },
    /// A process came to be; it shares its parent's image until it execs.
    Forked {
        /// When.
        time: u64,
        /// The child.
        key: ProcessKey,
        /// Its parent.
        parent: ProcessKey,
        /// The child's name.
        comm: Box<str>,
        /// The child's cgroup.
        cgroup: u64,
        /// The child's pid in its own pid namespace.
        vpid: u32,
    },
    /// A process runs a new image.
    Execed {
        /// When.
        time: u64,
        /// Which one.
        key: ProcessKey,
        /// What it is now.
        facts: Box<ProcessFacts>,
    },
    /// A process ended.
    Exited {
        /// When.
        time: u64,
        /// Which one.
        key: ProcessKey,
    },
    /// A cgroup was made.
    CgroupMade {
        /// When.
        time: u64,
        /// Its id.
        id: u64,
        /// Its path, from the root of the hierarchy.
        path: Box<[u8]>,
        /// Whether it is watched for being below one that is.
        watched: bool,
    },
    /// A cgroup was removed.
    CgroupGone {
        /// When.
        time: u64,
        /// Its id.
        id: u64,
    },
}

impl Container {
    /// A container that nobody has named yet.
    pub fn new(
        id: String,
        runtime: Runtime,
        pod_uid: Option<String>,
        qos: Option<Qos>,
    ) -> Container {
        Container { id, runtime, pod_uid, qos, names: ContainerNames::default() }
    }

    /// Whether it belongs to a pod and its pod's name, or its own and so its image, is not known yet.
    pub fn is_nameless(&self) -> bool {
        let ContainerNames { name, pod, .. } = &self.names;
        self.pod_uid.is_some() && (pod.get().is_none() || name.get().is_none())
    }
}

impl ContainerNames {
    /// How many of the names are known: as long as it is the same, so are they.
    pub fn known(&self) -> usize {
        let names = [&self.name, &self.image, &self.workload];
        names.iter().filter(|name| name.get().is_some()).count()
            + usize::from(self.pod.get().is_some())
    }
}

impl ProcessKey {
    /// Whether this names no process.
    pub fn is_none(self) -> bool {
        self.start == 0 && self.pid == 0
    }
}

impl fmt::Display for ProcessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}-{}", self.boot, self.start, self.pid)
    }
}

impl FromStr for ProcessKey {
    type Err = String;

    fn from_str(text: &str) -> Result<ProcessKey, String> {
        let parse = || {
            let mut parts = text.split('-');
            let boot = u32::from_str_radix(parts.next()?, 16).ok()?;
            let start = u64::from_str_radix(parts.next()?, 16).ok()?;
            let pid = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(ProcessKey { start, pid, boot })
        };
        parse().ok_or_else(|| {
            format!("`{text}` is no process key; one looks like 1a2b3c4d-2f9c8e51-4711")
        })
    }
}

impl Process {
    /// An entry for a process that was never announced.
    pub fn unknown(key: ProcessKey, comm: &str, cgroup: u64) -> Process {
        let facts = ProcessFacts { comm: comm.into(), cgroup, ..ProcessFacts::default() };
        Process {
            key,
            facts,
            ancestors: Arc::from([]),
            ancestors_cut: false,
            container: None,
            reconstructed: true,
        }
    }
}

impl Runtime {
    /// The runtime's usual name.
    pub fn name(self) -> &'static str {
        match self {
            Runtime::Docker => "docker",
            Runtime::Containerd => "containerd",
            Runtime::Crio => "cri-o",
            Runtime::Podman => "podman",
            Runtime::Unknown => "unknown",
        }
    }
}

impl Qos {
    /// The class as Kubernetes writes it.
    pub fn name(self) -> &'static str {
        match self {
            Qos::Guaranteed => "Guaranteed",
            Qos::Burstable => "Burstable",
            Qos::BestEffort => "BestEffort",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_what_it_prints() {
        let key = ProcessKey { start: 0x2f9c_8e51, pid: 4711, boot: 0x1a2b_3c4d };
        assert_eq!(key.to_string(), "1a2b3c4d-2f9c8e51-4711");
        assert_eq!(key.to_string().parse(), Ok(key));
        assert!("1a2b-xyz".parse::<ProcessKey>().is_err());
    }
}
