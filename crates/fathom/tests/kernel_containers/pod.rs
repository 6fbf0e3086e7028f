//! A pod with containers, made through the runtime as a kubelet makes it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::id;

use anyhow::Result;

use super::containerd::{Containerd, IMAGE};
use super::cri::{
    ContainerConfig, Dns, Named, Namespaces, PodConfig, PodLinux, PodMetadata, PodSecurity,
};

/// A pod. Dropping it ends it and all that is in it.
pub(super) struct Pod<'a> {
    /// The id of its sandbox.
    pub(super) sandbox: String,
    config: PodConfig,
    containerd: &'a Containerd,
}

pub(super) const NAMESPACE: &str = "shop";
pub(super) const NAME: &str = "till-0";
/// The node's network: nothing here makes others.
const NODE: i32 = 2;

/// The cgroup of the pod, from the hierarchy's root, named as with the cgroupfs driver.
pub(super) fn cgroup() -> String {
    format!("{}/kubepods/burstable/pod{}", top(), uid())
}

/// The directory of this test below which all its cgroups are.
fn top() -> String {
    format!("/fathom-test-containers-{}", id())
}

fn uid() -> String {
    format!("0b5e55ed-0000-4000-8000-{:012x}", id())
}

impl<'a> Pod<'a> {
    /// Runs it, without any container yet.
    pub(super) fn run(containerd: &'a Containerd) -> Result<Pod<'a>> {
        let metadata = PodMetadata { name: NAME.into(), uid: uid(), namespace: NAMESPACE.into() };
        let namespaces = Some(Namespaces { network: NODE });
        let security = Some(PodSecurity { namespaces });
        let labels = HashMap::from([("app".into(), "till".into())]);
        let config = PodConfig {
            metadata: Some(metadata),
            dns: Some(Dns { servers: vec!["127.0.0.1".into()] }),
            labels: kubelets().into_iter().chain(labels).collect(),
            linux: Some(PodLinux { cgroup_parent: cgroup(), security }),
        };
        let sandbox = containerd.client.run_pod(&config)?;
        Ok(Pod { sandbox, config, containerd })
    }

    /// Starts a container of this name that runs the shell's `script` and then waits for its end.
    pub(super) fn start(&self, name: &str, script: &str) -> Result<String> {
        let script = format!("{script}; exec tail -f /dev/null");
        let config = ContainerConfig {
            metadata: Some(Named { name: name.into() }),
            image: Some(Named { name: IMAGE.into() }),
            command: vec!["/bin/sh".into(), "-c".into(), script],
            labels: kubelets(),
        };
        let id = self.containerd.client.create(&self.sandbox, &self.config, config)?;
        self.containerd.client.start(&id)?;
        Ok(id)
    }
}

/// The labels that a kubelet puts on pods and containers.
fn kubelets() -> HashMap<String, String> {
    let label = |what: &str, value: &str| (format!("io.kubernetes.pod.{what}"), value.to_string());
    [label("name", NAME), label("namespace", NAMESPACE), label("uid", &uid())].into()
}

impl Drop for Pod<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.containerd.client.remove_pod(&self.sandbox) {
            println!("the pod {} could not be ended: {error:#}", self.sandbox);
        }
    }
}

/// The cgroups of the test, in every hierarchy in which a runtime makes them.
pub(super) struct Cgroups;

impl Cgroups {
    /// Makes the pod's in cgroup2, as a kubelet does before it asks for the pod.
    pub(super) fn create(mount: &Path) -> Result<Cgroups> {
        fs::create_dir_all(mount.join(&cgroup()[1..]))?;
        Ok(Cgroups)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        for line in mounts.lines() {
            if let [_, at, "cgroup" | "cgroup2", ..] = line.split(' ').collect::<Vec<_>>()[..] {
                remove(&Path::new(at).join(&top()[1..]));
            }
        }
    }
}

/// Removes a cgroup and those below it; its files go with it.
fn remove(cgroup: &Path) {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(cgroup);
}
