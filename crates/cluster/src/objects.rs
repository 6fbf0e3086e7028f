//! Kubernetes objects as the API server writes them, only the fields that are used.
//!
//! Every field may be missing or null: servers of all ages are read, and what one of them does
//! not say is not known.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

/// A page of a list.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub(crate) struct List<T> {
    #[serde(default)]
    pub(crate) metadata: ListMeta,
    #[serde(default = "Vec::new", deserialize_with = "or_default")]
    pub(crate) items: Vec<T>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListMeta {
    #[serde(deserialize_with = "or_default")]
    pub(crate) resource_version: String,
    #[serde(deserialize_with = "or_default", rename = "continue")]
    pub(crate) next: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Meta {
    #[serde(deserialize_with = "word")]
    pub(crate) uid: Arc<str>,
    #[serde(deserialize_with = "word")]
    pub(crate) name: Arc<str>,
    #[serde(deserialize_with = "word")]
    pub(crate) namespace: Arc<str>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) resource_version: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) owner_references: Vec<OwnerReference>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OwnerReference {
    #[serde(deserialize_with = "word")]
    pub(crate) kind: Arc<str>,
    #[serde(deserialize_with = "word")]
    pub(crate) name: Arc<str>,
    #[serde(deserialize_with = "word")]
    pub(crate) uid: Arc<str>,
    pub(crate) controller: Option<bool>,
}

/// Any object of which only the metadata is asked for.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Bare {
    #[serde(default)]
    pub(crate) metadata: Meta,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Pod {
    #[serde(default)]
    pub(crate) metadata: Meta,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) spec: PodSpec,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) status: PodStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodSpec {
    #[serde(deserialize_with = "some_word")]
    pub(crate) node_name: Option<Arc<str>>,
    pub(crate) host_network: Option<bool>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) containers: Vec<ContainerSpec>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) init_containers: Vec<ContainerSpec>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) ephemeral_containers: Vec<ContainerSpec>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerSpec {
    #[serde(deserialize_with = "word")]
    pub(crate) name: Arc<str>,
    #[serde(deserialize_with = "word")]
    pub(crate) image: Arc<str>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodStatus {
    pub(crate) phase: Option<String>,
    pub(crate) start_time: Option<String>,
    #[serde(rename = "podIP")]
    pub(crate) pod_ip: Option<String>,
    #[serde(rename = "podIPs", deserialize_with = "or_default")]
    pub(crate) pod_ips: Vec<PodIp>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) container_statuses: Vec<ContainerStatus>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) init_container_statuses: Vec<ContainerStatus>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) ephemeral_container_statuses: Vec<ContainerStatus>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PodIp {
    pub(crate) ip: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContainerStatus {
    #[serde(deserialize_with = "word")]
    pub(crate) name: Arc<str>,
    #[serde(deserialize_with = "word")]
    pub(crate) image: Arc<str>,
    #[serde(rename = "containerID")]
    pub(crate) container_id: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Service {
    #[serde(default)]
    pub(crate) metadata: Meta,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) spec: ServiceSpec,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceSpec {
    #[serde(rename = "clusterIP")]
    pub(crate) cluster_ip: Option<String>,
    #[serde(rename = "clusterIPs", deserialize_with = "or_default")]
    pub(crate) cluster_ips: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct EndpointSlice {
    #[serde(default)]
    pub(crate) metadata: Meta,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) endpoints: Vec<SliceEndpoint>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SliceEndpoint {
    #[serde(deserialize_with = "or_default")]
    pub(crate) addresses: Vec<String>,
    pub(crate) target_ref: Option<Target>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Target {
    pub(crate) kind: Option<String>,
    #[serde(deserialize_with = "some_word")]
    pub(crate) uid: Option<Arc<str>>,
}

/// Endpoints before there were slices.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Endpoints {
    #[serde(default)]
    pub(crate) metadata: Meta,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) subsets: Vec<Subset>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Subset {
    #[serde(deserialize_with = "or_default")]
    pub(crate) addresses: Vec<SubsetAddress>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) not_ready_addresses: Vec<SubsetAddress>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SubsetAddress {
    pub(crate) ip: Option<String>,
    pub(crate) target_ref: Option<Target>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Node {
    #[serde(default)]
    pub(crate) metadata: Meta,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) status: NodeStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeStatus {
    #[serde(deserialize_with = "or_default")]
    pub(crate) addresses: Vec<NodeAddress>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeAddress {
    pub(crate) address: Option<String>,
}

/// Null is what is not there.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn word<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<str>, D::Error> {
    Ok(some_word(from)?.unwrap_or_default())
}

fn some_word<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Arc<str>>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Arc::from))
}
