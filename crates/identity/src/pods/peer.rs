//! Who is behind an address.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Node, Pod, PodContainer, Service, Workload};

/// Who had an address at some time. What is not known or does not apply is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// The pod's name.
    pub pod: Option<Arc<str>>,
    /// The namespace of the pod or the service.
    pub namespace: Option<Arc<str>>,
    /// What the pod belongs to, as `Deployment/web`.
    pub workload: Option<Arc<str>>,
    /// The service that has the address, or that the pod answers for; where it answers for
    /// several, the first by name.
    pub service: Option<Arc<str>>,
    /// The node that has the address, or that the pod is on.
    pub node: Option<Arc<str>>,
}

impl Peer {
    pub(super) fn of_pod(pod: &Pod, service: Option<Arc<str>>) -> Peer {
        Peer {
            pod: Some(pod.name.clone()),
            namespace: Some(pod.namespace.clone()),
            workload: pod.workload.as_ref().map(|workload| workload.to_string().into()),
            service,
            node: pod.node.clone(),
        }
    }

    pub(super) fn of_service(service: &Service) -> Peer {
        Peer {
            namespace: Some(service.namespace.clone()),
            service: Some(service.name.clone()),
            ..Peer::default()
        }
    }

    pub(super) fn of_node(node: &Node) -> Peer {
        Peer { node: Some(node.name.clone()), ..Peer::default() }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl Pod {
    /// The addresses that are its own: none where it uses the node's.
    pub fn own_ips(&self) -> &[IpAddr] {
        if self.host_network { &[] } else { &self.ips }
    }

    /// Its container with the id.
    pub fn container(&self, id: &str) -> Option<&PodContainer> {
        self.containers.iter().find(|container| *container.id == *id)
    }
}
