//! A pod: its object in the API server, its cgroups, and its processes.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};
use schema::Qos;
use serde_json::{Value, json};

use super::cgroups;
use super::network::Plug;
use super::node::{self, Node};
use super::objects;
use super::spec::PodSpec;

/// A pod that runs. Its processes and cgroups end when this is dropped; its object stays until
/// [`Pod::delete`].
#[derive(Debug)]
pub struct Pod {
    node: Node,
    spec: PodSpec,
    uid: String,
    containers: Vec<Container>,
    plug: Option<Plug>,
    folder: PathBuf,
}

/// A container that runs.
#[derive(Debug)]
pub struct Container {
    /// Its name in the pod.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Its id, 64 hexadecimal digits.
    pub id: String,
    /// The directory of its cgroup.
    pub cgroup: PathBuf,
    restarts: u32,
    main: Child,
}

impl Pod {
    /// Creates the object, starts the containers and reports them in the object's status, in the
    /// order of a kubelet.
    pub fn start(node: &Node, spec: &PodSpec) -> Result<Pod> {
        let object = node.client.create(&spec.object(&node.name))?;
        let uid = object["metadata"]["uid"].as_str().context("the pod has no uid")?.to_string();
        let qos = object["status"]["qosClass"].as_str().unwrap_or_default();
        ensure!(qos == name(spec.qos), "the server calls a {:?} pod {qos}", spec.qos);
        let network = node.network.as_ref().filter(|_| !spec.host_network);
        let plug = network.map(|network| network.plug(spec.address)).transpose()?;
        let below = node.driver.pod(spec.qos, spec.cgroup_uid(&uid));
        let folder = node.make_cgroup(&below)?;
        let (node, spec) = (node.clone(), spec.clone());
        let mut pod = Pod { node, spec, uid, containers: Vec::new(), plug, folder };
        for (name, image) in pod.spec.containers() {
            let container = pod.start_container(name, image, 0)?;
            pod.containers.push(container);
        }
        pod.report()?;
        Ok(pod)
    }

    /// The uid of its object.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.spec.namespace
    }

    /// Its address, where its node has a network and it is not on the host's.
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.plug.as_ref().map(|plug| plug.address)
    }

    /// Its containers.
    pub fn containers(&self) -> &[Container] {
        &self.containers
    }

    /// The directory of its own cgroup, which those of its containers are in.
    pub fn cgroup(&self) -> &Path {
        &self.folder
    }

    /// Its object, as the server has it now.
    pub fn object(&self) -> Result<Value> {
        let object = self.node.client.get(&objects::path(&self.named())?)?;
        object.with_context(|| format!("the pod {} is gone", self.name()))
    }

    /// Runs a command in its first container.
    pub fn run(&self, command: &mut Command) -> Result<ExitStatus> {
        Ok(self.spawn(0, command)?.wait()?)
    }

    /// Starts a command in its container of that number: in its cgroup before the command's first
    /// instruction, and on the pod's network.
    pub fn spawn(&self, container: usize, command: &mut Command) -> Result<Child> {
        let container = self.containers.get(container).context("there is no such container")?;
        self.enter(&container.cgroup, command)
    }

    /// Does something on the pod's network, in a thread of this process.
    pub fn on_network<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T> {
        self.plug.as_ref().context("the pod has no network of its own")?.namespace.inside(act)
    }

    /// Changes its labels; none removes one.
    pub fn relabel(&self, labels: &[(&str, Option<&str>)]) -> Result<Value> {
        let labels: serde_json::Map<String, Value> =
            labels.iter().map(|(key, value)| (key.to_string(), json!(value))).collect();
        self.node.client.patch(&self.named(), &json!({ "metadata": { "labels": labels } }))
    }

    /// Ends a container and starts it anew, under a new id.
    pub fn restart(&mut self, container: usize) -> Result<()> {
        ensure!(container < self.containers.len(), "there is no such container");
        let mut old = self.containers.remove(container);
        old.end()?;
        let Container { name, image, restarts, .. } = old;
        let new = self.start_container(name, image, restarts + 1)?;
        self.containers.insert(container, new);
        self.report()
    }

    /// Ends it as a kubelet does: the object says that it is going, the processes end, the object
    /// goes.
    pub fn delete(mut self) -> Result<()> {
        let path = objects::path(&self.named())?;
        let asked = self.node.client.send("DELETE", &path, "application/json", None)?;
        ensure!(asked.status == 200, "DELETE {path}: {}", asked.status);
        self.end()?;
        self.node.client.delete(&self.named()).map(drop)
    }

    /// Deletes it and starts another of the same name with the same address.
    pub fn recreate(self) -> Result<Pod> {
        let (node, mut spec) = (self.node.clone(), self.spec.clone());
        spec.address = self.address().or(spec.address);
        self.delete()?;
        Pod::start(&node, &spec)
    }

    fn start_container(&self, name: String, image: String, restarts: u32) -> Result<Container> {
        let id = new_id()?;
        let folder = self.node.driver.container(self.node.runtime, &id);
        let cgroup = self.folder.join(folder);
        cgroups::make(&cgroup)?;
        // It waits for the end of a pipe that this process holds, so it ends with it at the latest.
        let mut main = Command::new("cat");
        main.stdin(Stdio::piped()).stdout(Stdio::null());
        let main = self.enter(&cgroup, &mut main)?;
        Ok(Container { name, image, id, cgroup, restarts, main })
    }

    fn enter(&self, cgroup: &Path, command: &mut Command) -> Result<Child> {
        match &self.plug {
            Some(plug) => plug.namespace.inside(|| kernel::spawn_into(cgroup, command))?,
            None => kernel::spawn_into(cgroup, command),
        }
    }

    /// Writes its status.
    fn report(&self) -> Result<()> {
        let scheme = self.node.runtime.scheme();
        let container = |container: &Container| {
            json!({
                "name": container.name,
                "image": container.image,
                "imageID": format!("{}@sha256:{:0<64}", container.image, "0"),
                "containerID": format!("{scheme}://{}", container.id),
                "ready": true,
                "started": true,
                "restartCount": container.restarts,
                "state": { "running": {} },
            })
        };
        let statuses: Vec<Value> = self.containers.iter().map(container).collect();
        let mut status = json!({
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": statuses,
        });
        status["hostIP"] = node::ADDRESS.to_string().into();
        let host = self.spec.host_network.then_some(node::ADDRESS);
        let address = host.or(self.address()).or(self.spec.address);
        if let Some(address) = address {
            status["podIP"] = address.to_string().into();
            status["podIPs"] = json!([{ "ip": address }]);
        }
        self.node.client.patch_status(&self.named(), &status).map(drop)
    }

    /// As much of the object as says which it is.
    fn named(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "namespace": self.spec.namespace, "name": self.spec.name },
        })
    }

    fn end(&mut self) -> Result<()> {
        for mut container in self.containers.drain(..) {
            container.end()?;
        }
        self.plug = None;
        cgroups::end(&self.folder)
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // After `delete` there is nothing left to end.
        let _ = self.end();
    }
}

impl Container {
    /// Its main process, as this machine counts.
    pub fn pid(&self) -> u32 {
        self.main.id()
    }

    fn end(&mut self) -> Result<()> {
        let ended = cgroups::end(&self.cgroup);
        let _ = self.main.kill();
        self.main.wait()?;
        ended
    }
}

fn name(qos: Qos) -> &'static str {
    match qos {
        Qos::Guaranteed => "Guaranteed",
        Qos::Burstable => "Burstable",
        Qos::BestEffort => "BestEffort",
    }
}

/// An id as runtimes make them.
fn new_id() -> Result<String> {
    let half = || fs::read_to_string("/proc/sys/kernel/random/uuid");
    let id = half()? + &half()?;
    Ok(id.chars().filter(char::is_ascii_hexdigit).collect())
}
