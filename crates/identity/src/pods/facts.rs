//! What a cluster says: pods, services, nodes, and what became of them.

use std::net::IpAddr;
use std::sync::Arc;

/// Labels, sorted by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

/// A pod, as one of those who know it described it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pod {
    /// The uid that the API server gave it.
    pub uid: Arc<str>,
    /// The uid that the node gave it, where that is another: a static pod's, as its cgroup
    /// has it.
    pub static_uid: Option<Arc<str>>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The node that it was put on, once it was.
    pub node: Option<Arc<str>>,
    /// Its labels.
    pub labels: Labels,
    /// What it belongs to.
    pub workload: Option<Workload>,
    /// Its addresses; none once all its containers ended, since others may have them by then.
    pub ips: Arc<[IpAddr]>,
    /// Whether it uses the node's addresses instead of its own.
    pub host_network: bool,
    /// Its containers; none where only its addresses matter, as on other nodes.
    pub containers: Arc<[PodContainer]>,
    /// Since when it may have used its addresses (boot clock), where that was said: it is told
    /// of a while after.
    pub since: Option<u64>,
    /// Who described it.
    pub source: Source,
}

/// Who describes a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The node's container runtime, which knows no workload.
    Runtime,
    /// The API server: its word counts where both speak.
    Api,
}

/// What a pod belongs to: a Deployment, a DaemonSet, a Job …
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Workload {
    /// The kind, as Kubernetes writes it.
    pub kind: Arc<str>,
    /// The name, within the pod's namespace.
    pub name: Arc<str>,
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodContainer {
    /// The id in full, without the runtime's name before it.
    pub id: Arc<str>,
    /// The name, within the pod.
    pub name: Arc<str>,
    /// The image, as the pod asked for it.
    pub image: Arc<str>,
}

/// A container, as the node's runtime describes it; it may belong to no pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeContainer {
    /// The id in full.
    pub id: Arc<str>,
    /// The name: within the pod, or the runtime's own where there is no pod.
    pub name: Arc<str>,
    /// The image.
    pub image: Arc<str>,
    /// The uid of its pod.
    pub pod_uid: Option<Arc<str>>,
    /// Its first process, while it runs.
    pub pid: Option<u32>,
    /// When it was started (boot clock).
    pub started: Option<u64>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The uid that the API server gave it.
    pub uid: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The addresses at which it is reached; none where it is headless.
    pub ips: Arc<[IpAddr]>,
}

/// Where a part of a service is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub ip: IpAddr,
    /// The pod that has it, where that was said.
    pub pod_uid: Option<Arc<str>>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: Arc<str>,
    /// Its addresses.
    pub ips: Arc<[IpAddr]>,
}

/// News from the cluster. Each tells the whole of its subject; telling it twice changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum ClusterChange {
    /// A pod is so.
    Pod(Arc<Pod>),
    /// A pod is no more, says who described it.
    PodGone {
        /// Its uid.
        uid: Arc<str>,
        /// Who says so.
        source: Source,
    },
    /// A service is so.
    Service(Arc<Service>),
    /// A service is no more.
    ServiceGone {
        /// Its uid.
        uid: Arc<str>,
    },
    /// A part of a service is answered there. Several objects may each tell of a part.
    Endpoints {
        /// The namespace of both.
        namespace: Arc<str>,
        /// The name of the service.
        service: Arc<str>,
        /// The name of the object that tells it.
        object: Arc<str>,
        /// Where.
        endpoints: Arc<[Endpoint]>,
    },
    /// Such an object is no more.
    EndpointsGone {
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        object: Arc<str>,
    },
    /// A node is so.
    Node(Arc<Node>),
    /// A node is no more.
    NodeGone {
        /// Its name.
        name: Arc<str>,
    },
    /// A namespace has these labels.
    Namespace {
        /// Its name.
        name: Arc<str>,
        /// Its labels.
        labels: Labels,
    },
    /// A namespace is no more.
    NamespaceGone {
        /// Its name.
        name: Arc<str>,
    },
    /// The runtime has a container.
    Container(Arc<RuntimeContainer>),
    /// The runtime has it no more.
    ContainerGone {
        /// Its id.
        id: Arc<str>,
    },
}

impl Labels {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.binary_search_by(|(other, _)| other.as_ref().cmp(key)).ok()?;
        Some(&self.0[found].1)
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Labels {
    fn default() -> Labels {
        Labels(Arc::from([]))
    }
}

impl<K: Into<Arc<str>>, V: Into<Arc<str>>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Labels {
        let pairs = pairs.into_iter().map(|(key, value)| (key.into(), value.into()));
        let sorted: std::collections::BTreeMap<Arc<str>, Arc<str>> = pairs.collect();
        Labels(sorted.into_iter().collect())
    }
}
