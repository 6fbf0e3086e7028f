//! What a test asks of a pod.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use schema::Qos;
use serde_json::{Value, json};

use super::objects;

/// A pod to be started: burstable, with one container `main`, unless it says otherwise.
#[derive(Debug, Clone)]
pub struct PodSpec {
    pub(super) namespace: String,
    pub(super) name: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    owner: Option<Value>,
    pub(super) qos: Qos,
    containers: Vec<(String, String)>,
    ports: Vec<(String, u16)>,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) host_network: bool,
}

impl PodSpec {
    /// A pod of that name.
    pub fn new(namespace: &str, name: &str) -> PodSpec {
        PodSpec {
            namespace: namespace.into(),
            name: name.into(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            owner: None,
            qos: Qos::Burstable,
            containers: Vec::new(),
            ports: Vec::new(),
            address: None,
            host_network: false,
        }
    }

    /// With this label.
    pub fn label(mut self, key: &str, value: &str) -> PodSpec {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// With this annotation.
    pub fn annotation(mut self, key: &str, value: &str) -> PodSpec {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// Controlled by this object, as the server has it.
    pub fn owner(mut self, owner: &Value) -> PodSpec {
        self.owner = Some(objects::owner_reference(owner));
        self
    }

    /// In this class, which decides where its cgroup is.
    pub fn qos(mut self, qos: Qos) -> PodSpec {
        self.qos = qos;
        self
    }

    /// With this container, in place of `main`.
    pub fn container(mut self, name: &str, image: &str) -> PodSpec {
        self.containers.push((name.into(), image.into()));
        self
    }

    /// With this TCP port of the first container.
    pub fn port(mut self, name: &str, port: u16) -> PodSpec {
        self.ports.push((name.into(), port));
        self
    }

    /// With this address on its node's network.
    pub fn address(mut self, address: Ipv4Addr) -> PodSpec {
        self.address = Some(address);
        self
    }

    /// On the network of its node, without an address of its own.
    pub fn host_network(mut self) -> PodSpec {
        self.host_network = true;
        self
    }

    /// As a static pod, which the kubelet reads from a file whose hash is `hash`: the object is a
    /// mirror of it, and the cgroup is named by the hash in place of the object's uid.
    pub fn mirror(self, hash: &str) -> PodSpec {
        self.annotation("kubernetes.io/config.source", "file")
            .annotation("kubernetes.io/config.mirror", hash)
            .annotation(HASH, hash)
    }

    /// What its cgroup is named by.
    pub(super) fn cgroup_uid<'a>(&'a self, uid: &'a str) -> &'a str {
        self.annotations.get(HASH).map_or(uid, String::as_str)
    }

    /// Names and images.
    pub(super) fn containers(&self) -> Vec<(String, String)> {
        if self.containers.is_empty() {
            return vec![("main".into(), "registry.example/main:1".into())];
        }
        self.containers.clone()
    }

    /// The object, as a workload's controller and the scheduler would leave it.
    pub(super) fn object(&self, node: &str) -> Value {
        let resources = match self.qos {
            Qos::Guaranteed => json!({ "limits": { "cpu": "100m", "memory": "64Mi" } }),
            Qos::Burstable => json!({ "requests": { "cpu": "100m" } }),
            Qos::BestEffort => json!({}),
        };
        let container = |(name, image): (String, String)| json!({ "name": name, "image": image, "resources": resources });
        let mut containers: Vec<Value> = self.containers().into_iter().map(container).collect();
        let port = |(name, port): &(String, u16)| json!({ "name": name, "containerPort": port });
        containers[0]["ports"] = self.ports.iter().map(port).collect();
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "namespace": self.namespace,
                "name": self.name,
                "labels": self.labels,
                "annotations": self.annotations,
                "ownerReferences": self.owner.iter().collect::<Vec<_>>(),
            },
            "spec": {
                "nodeName": node,
                "hostNetwork": self.host_network,
                "containers": containers,
            },
        })
    }
}

const HASH: &str = "kubernetes.io/config.hash";
