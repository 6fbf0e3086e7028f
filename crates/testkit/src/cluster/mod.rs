//! A real Kubernetes for tests, as much of it as a node agent meets: an API server with its
//! etcd, and pods that are real processes in cgroups where a kubelet would put them.
//!
//! [`ApiServer`] is the real kube-apiserver, on loopback. [`Client`] writes objects to it, those
//! of [`objects`] or any other. [`Node`] plays the kubelet: a [`Pod`] of it has its object in the
//! API server, its cgroups, its processes and, on a [`Network`], an address of its own. There is
//! no scheduler and no controller: what they would write, a test writes.

mod cgroups;
mod client;
mod home;
mod keeper;
mod network;
mod node;
pub mod objects;
mod pod;
mod server;
mod spec;

pub use cgroups::{Driver, Runtime};
pub use client::{Answer, Client};
pub use network::Network;
pub use node::Node;
pub use pod::{Container, Pod};
pub use server::{ApiServer, Parts};
pub use spec::PodSpec;
