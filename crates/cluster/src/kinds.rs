//! The kinds of objects that are watched, and what each tells.

use std::net::IpAddr;
use std::sync::Arc;

use identity::pods::{
    ClusterChange, Endpoint, Labels, Node, Pod, PodContainer, Service, Source, Workload,
};
use serde::de::DeserializeOwned;

use crate::clock;
use crate::objects::{self, ContainerSpec, Meta, Target};
use crate::teller::{Teller, controller};
use crate::words::Words;

/// What of a kind is asked for, and what becomes of it.
pub(crate) trait Kind {
    /// One of them, as the API server writes it.
    type Object: DeserializeOwned + Clone + AsRef<Meta>;
    /// Where the API server has them.
    fn path(&self) -> &'static str;
    /// Whether metadata is enough.
    fn bare(&self) -> bool {
        false
    }
    /// Tells what the object says.
    fn tell(&self, object: Self::Object, teller: &mut Teller);
}

/// Pods of the whole cluster. Metadata is not enough: the address of a peer is in the status.
/// The containers of other nodes' pods are left out, since nobody here can meet them.
pub(crate) struct Pods {
    /// Our own node.
    pub(crate) node: Arc<str>,
}

pub(crate) struct Services;
pub(crate) struct EndpointSlices;
/// Where the API server has no slices in their final form, as before 1.21.
pub(crate) struct OldEndpoints;
pub(crate) struct Nodes;
pub(crate) struct Namespaces;
/// What stands between a pod and its workload.
pub(crate) struct Owners {
    pub(crate) path: &'static str,
}

impl Kind for Pods {
    type Object = objects::Pod;

    fn path(&self) -> &'static str {
        "/api/v1/pods"
    }

    fn tell(&self, object: objects::Pod, teller: &mut Teller) {
        let objects::Pod { metadata, spec, status } = object;
        let own = spec.node_name.as_deref() == Some(&*self.node);
        // Ended pods keep their address in the status, and others get it.
        let ended = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
        let listed = status.pod_ips.iter().filter_map(|it| it.ip.as_deref());
        let ips = addresses(listed.chain(status.pod_ip.as_deref()));
        let before = teller.pod(&metadata.uid);
        // Computed anew it would differ each time, as the clocks drift.
        let since = before.and_then(|pod| pod.since);
        let mirror = metadata.annotations.contains_key("kubernetes.io/config.mirror");
        let hash = metadata.annotations.get("kubernetes.io/config.hash");
        let workload = teller.workload(&metadata.uid, &metadata.owner_references);
        let specs = [&spec.containers, &spec.init_containers, &spec.ephemeral_containers];
        let statuses = [
            &status.container_statuses,
            &status.init_container_statuses,
            &status.ephemeral_container_statuses,
        ];
        let all = statuses.into_iter().flatten();
        let containers = all.filter(|_| own).filter_map(|it| container(&specs, it)).collect();
        let words = &mut teller.words;
        let pod = Pod {
            static_uid: hash.filter(|_| mirror).map(|hash| hash.as_str().into()),
            namespace: words.share(&metadata.namespace),
            name: metadata.name.clone(),
            node: spec.node_name.as_ref().map(|node| words.share(node)),
            labels: labels(&metadata, words),
            workload,
            ips: if ended { [].into() } else { ips },
            host_network: spec.host_network.unwrap_or_default(),
            containers,
            since: since.or_else(|| status.start_time.as_deref().and_then(clock::from_text)),
            source: Source::Api,
            uid: metadata.uid.clone(),
        };
        teller.is(&metadata.uid, ClusterChange::Pod(Arc::new(pod)));
    }
}

impl Kind for Services {
    type Object = objects::Service;

    fn path(&self) -> &'static str {
        "/api/v1/services"
    }

    fn tell(&self, object: objects::Service, teller: &mut Teller) {
        let objects::Service { metadata, spec } = object;
        // The address of a headless service is "None".
        let ips = spec.cluster_ips.iter().chain(&spec.cluster_ip).map(String::as_str);
        let service = Service {
            uid: metadata.uid.clone(),
            namespace: teller.words.share(&metadata.namespace),
            name: teller.words.share(&metadata.name),
            ips: addresses(ips),
        };
        teller.is(&metadata.uid, ClusterChange::Service(Arc::new(service)));
    }
}

impl Kind for EndpointSlices {
    type Object = objects::EndpointSlice;

    fn path(&self) -> &'static str {
        "/apis/discovery.k8s.io/v1/endpointslices"
    }

    fn tell(&self, object: objects::EndpointSlice, teller: &mut Teller) {
        let objects::EndpointSlice { metadata, endpoints } = object;
        let Some(service) = metadata.labels.get("kubernetes.io/service-name") else { return };
        let each = endpoints.iter().flat_map(|it| {
            it.addresses.iter().filter_map(|ip| endpoint(ip, it.target_ref.as_ref()))
        });
        let change = ClusterChange::Endpoints {
            namespace: teller.words.share(&metadata.namespace),
            service: teller.words.share(service),
            object: metadata.name.clone(),
            endpoints: each.collect(),
        };
        teller.is(&metadata.uid, change);
    }
}

impl Kind for OldEndpoints {
    type Object = objects::Endpoints;

    fn path(&self) -> &'static str {
        "/api/v1/endpoints"
    }

    fn tell(&self, object: objects::Endpoints, teller: &mut Teller) {
        let objects::Endpoints { metadata, subsets } = object;
        let each = subsets.iter().flat_map(|it| it.addresses.iter().chain(&it.not_ready_addresses));
        let each = each.filter_map(|it| endpoint(it.ip.as_deref()?, it.target_ref.as_ref()));
        let name = teller.words.share(&metadata.name);
        let change = ClusterChange::Endpoints {
            namespace: teller.words.share(&metadata.namespace),
            service: name.clone(),
            object: name,
            endpoints: each.collect(),
        };
        teller.is(&metadata.uid, change);
    }
}

impl Kind for Nodes {
    type Object = objects::Node;

    fn path(&self) -> &'static str {
        "/api/v1/nodes"
    }

    fn tell(&self, object: objects::Node, teller: &mut Teller) {
        let objects::Node { metadata, status } = object;
        // Names of the node are among its addresses.
        let ips = status.addresses.iter().filter_map(|it| it.address.as_deref());
        let node = Node { name: teller.words.share(&metadata.name), ips: addresses(ips) };
        teller.is(&metadata.uid, ClusterChange::Node(Arc::new(node)));
    }
}

impl Kind for Namespaces {
    type Object = objects::Bare;

    fn path(&self) -> &'static str {
        "/api/v1/namespaces"
    }

    fn bare(&self) -> bool {
        true
    }

    fn tell(&self, object: objects::Bare, teller: &mut Teller) {
        let metadata = object.metadata;
        let name = teller.words.share(&metadata.name);
        let labels = labels(&metadata, &mut teller.words);
        teller.is(&metadata.uid, ClusterChange::Namespace { name, labels });
    }
}

impl Kind for Owners {
    type Object = objects::Bare;

    fn path(&self) -> &'static str {
        self.path
    }

    fn bare(&self) -> bool {
        true
    }

    fn tell(&self, object: objects::Bare, teller: &mut Teller) {
        let owner = controller(&object.metadata.owner_references).map(|owner| Workload {
            kind: teller.words.share(&owner.kind),
            name: teller.words.share(&owner.name),
        });
        teller.owner(&object.metadata.uid, owner);
    }
}

fn labels(metadata: &Meta, words: &mut Words) -> Labels {
    metadata.labels.iter().map(|(key, value)| (words.share(key), words.share(value))).collect()
}

/// Those of the texts that are addresses, each once, in their order.
fn addresses<'a>(texts: impl Iterator<Item = &'a str>) -> Arc<[IpAddr]> {
    let mut found: Vec<IpAddr> = Vec::new();
    for ip in texts.filter_map(|text| text.parse().ok()) {
        if !found.contains(&ip) {
            found.push(ip);
        }
    }
    found.into()
}

fn endpoint(ip: &str, target: Option<&Target>) -> Option<Endpoint> {
    let pod = target.filter(|target| target.kind.as_deref() == Some("Pod"));
    Some(Endpoint { ip: ip.parse().ok()?, pod_uid: pod.and_then(|target| target.uid.clone()) })
}

/// A container that was made; the image is what the pod asked for, where it says so.
fn container(
    specs: &[&Vec<ContainerSpec>],
    status: &objects::ContainerStatus,
) -> Option<PodContainer> {
    let full = status.container_id.as_deref()?;
    let id = full.split_once("://").map_or(full, |(_, id)| id);
    let spec = specs.iter().copied().flatten().find(|spec| spec.name == status.name);
    let image = spec.map(|spec| &spec.image).filter(|image| !image.is_empty());
    Some(PodContainer {
        id: id.into(),
        name: status.name.clone(),
        image: image.unwrap_or(&status.image).clone(),
    })
}

macro_rules! has_meta {
    ($($object:ty),*) => {
        $(impl AsRef<Meta> for $object {
            fn as_ref(&self) -> &Meta {
                &self.metadata
            }
        })*
    };
}

has_meta!(
    objects::Bare,
    objects::EndpointSlice,
    objects::Endpoints,
    objects::Node,
    objects::Pod,
    objects::Service
);
