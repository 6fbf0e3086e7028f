//! Where a kubelet puts the cgroups of pods, and the cgroups themselves.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use schema::Qos;

/// Who makes the kubelet's cgroups, which decides their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// The kubelet itself: `kubepods/burstable/podUID/ID`.
    Cgroupfs,
    /// systemd: `kubepods.slice/kubepods-burstable.slice/…/cri-containerd-ID.scope`.
    Systemd,
}

/// Who runs the containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Runtime {
    Containerd,
    Crio,
    Docker,
}

impl Runtime {
    /// What stands before the id in a pod's status.
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Runtime::Containerd => "containerd",
            Runtime::Crio => "cri-o",
            Runtime::Docker => "docker",
        }
    }
}

impl Driver {
    /// The directory of a pod, below the root of the kubelet's cgroups.
    pub(super) fn pod(self, qos: Qos, uid: &str) -> PathBuf {
        let class = match qos {
            Qos::Guaranteed => None,
            Qos::Burstable => Some("burstable"),
            Qos::BestEffort => Some("besteffort"),
        };
        match self {
            Driver::Cgroupfs => {
                let above = Path::new("kubepods").join(class.unwrap_or_default());
                above.join(format!("pod{uid}"))
            }
            Driver::Systemd => {
                // A dash in a slice's name means a slice below, so the uid has none.
                let uid = uid.replace('-', "_");
                let mut path = PathBuf::from("kubepods.slice");
                let mut name = "kubepods".to_string();
                if let Some(class) = class {
                    name = format!("{name}-{class}");
                    path.push(format!("{name}.slice"));
                }
                path.join(format!("{name}-pod{uid}.slice"))
            }
        }
    }

    /// The name of a container's directory in that of its pod.
    pub(super) fn container(self, runtime: Runtime, id: &str) -> String {
        match (self, runtime) {
            (Driver::Systemd, Runtime::Containerd) => format!("cri-containerd-{id}.scope"),
            (Driver::Systemd, Runtime::Crio) => format!("crio-{id}.scope"),
            (Driver::Systemd, Runtime::Docker) => format!("docker-{id}.scope"),
            (Driver::Cgroupfs, Runtime::Crio) => format!("crio-{id}"),
            (Driver::Cgroupfs, Runtime::Containerd | Runtime::Docker) => id.to_string(),
        }
    }
}

/// Makes `path` and what is missing above it; hands back what it made, outermost first.
pub(super) fn make(path: &Path) -> Result<Vec<PathBuf>> {
    let mut missing: Vec<&Path> = path.ancestors().take_while(|above| !above.exists()).collect();
    missing.reverse();
    let mut made = Vec::new();
    for folder in missing {
        match fs::create_dir(folder) {
            Ok(()) => made.push(folder.to_path_buf()),
            // Another pod began at the same time.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make {}", folder.display()));
            }
        }
    }
    Ok(made)
}

/// Ends every process in the cgroup and in those below it, and removes them. All of them come
/// from processes that the test started there.
pub(super) fn end(path: &Path) -> Result<()> {
    let begun = Instant::now();
    loop {
        for below in fs::read_dir(path).into_iter().flatten().flatten() {
            if below.file_type().is_ok_and(|kind| kind.is_dir()) {
                end(&below.path())?;
            }
        }
        let inside = match fs::read_to_string(path.join("cgroup.procs")) {
            Ok(inside) => inside,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for pid in inside.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
            // One that has ended since is no longer there to be killed.
            let _ = kill_process(pid, Signal::KILL);
        }
        if inside.is_empty() && fs::remove_dir(path).is_ok() {
            return Ok(());
        }
        if begun.elapsed() > Duration::from_secs(10) {
            bail!("{} does not become empty: {inside}", path.display());
        }
        thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0c1d2e3f-0000-4000-8000-123456789abc";

    fn paths(driver: Driver) -> Vec<String> {
        let classes = [Qos::Guaranteed, Qos::Burstable, Qos::BestEffort];
        classes.map(|qos| driver.pod(qos, UID).display().to_string()).to_vec()
    }

    #[test]
    fn the_kubelets_own_directories() {
        let expected = ["kubepods", "kubepods/burstable", "kubepods/besteffort"];
        assert_eq!(paths(Driver::Cgroupfs), expected.map(|above| format!("{above}/pod{UID}")));
    }

    #[test]
    fn the_slices_of_systemd() {
        let uid = UID.replace('-', "_");
        let slice = |class: &str| {
            format!("kubepods.slice/kubepods-{class}.slice/kubepods-{class}-pod{uid}.slice")
        };
        let expected = [
            format!("kubepods.slice/kubepods-pod{uid}.slice"),
            slice("burstable"),
            slice("besteffort"),
        ];
        assert_eq!(paths(Driver::Systemd), expected);
    }
}
