//! What the cluster says of pods, services and nodes, and who was behind an address.
//!
//! [`Pods`] is fed with [`ClusterChange`]s by one thread and asked by many. [`Selection`] says
//! which pods a user meant. As everywhere in this room, times are arguments.

mod addresses;
mod facts;
mod peer;
mod selection;
mod selector;
mod store;

pub use facts::{
    ClusterChange, Endpoint, Labels, Node, Pod, PodContainer, RuntimeContainer, Service, Source,
    Workload,
};
pub use peer::Peer;
pub use selection::{Given, Selection};
pub use selector::{LabelSelector, ParseError};
pub use store::{PodLimits, Pods};
