//! What the cluster and the node's container runtime say, told as plain changes.
//!
//! The only room that knows Kubernetes' API and those of container runtimes. [`watch`] starts a
//! thread that reads from both for as long as its [`Watch`] is held and tells every
//! [`identity::pods::ClusterChange`] once. It only reads, and needs neither of them: what
//! cannot be reached, or is refused, is in the [`State`] and is tried again.
#![forbid(unsafe_code)]

mod api;
mod clock;
mod config;
mod follow;
mod kinds;
mod objects;
mod retry;
mod runtime;
mod state;
mod teller;
mod watch;
mod words;

pub use config::{Config, ConfigError};
pub use state::{Connection, Source, State};
pub use watch::{Watch, watch};
