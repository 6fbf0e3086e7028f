//! A node that pods are on: the object, and the place of its cgroups.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use kernel::Cgroup;

use super::cgroups::{self, Driver, Runtime};
use super::client::Client;
use super::network::Network;
use super::objects;

/// Plays a node's kubelet. Clones are the same node.
#[derive(Debug, Clone)]
pub struct Node {
    pub(super) name: String,
    pub(super) client: Client,
    pub(super) driver: Driver,
    pub(super) runtime: Runtime,
    pub(super) network: Option<Network>,
    place: Arc<Place>,
}

/// The address that nodes say they have. Nobody reaches it; it is one of those that are set
/// aside for examples.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

/// The root of the node's cgroups.
#[derive(Debug)]
struct Place {
    root: PathBuf,
    /// What we made below the root, outermost first.
    made: Mutex<Vec<PathBuf>>,
    /// The root, where it is one of our own.
    _own: Option<Cgroup>,
}

impl Node {
    /// A node with the cgroupfs driver and containerd, without a network, whose cgroups are in a
    /// cgroup of its own: nothing else on this machine is in it.
    pub fn start(client: &Client, name: &str) -> Result<Node> {
        let own = Cgroup::create()?;
        let root = own.path().to_path_buf();
        Self::make(client, name, Place { root, made: Mutex::default(), _own: Some(own) })
    }

    /// The same with its cgroups directly in `root`: for a machine that is the test's own.
    pub fn start_at(client: &Client, name: &str, root: &Path) -> Result<Node> {
        let root = root.to_path_buf();
        Self::make(client, name, Place { root, made: Mutex::default(), _own: None })
    }

    /// The same node with pods named by this driver and run by this runtime from here on.
    pub fn with_runtime(mut self, driver: Driver, runtime: Runtime) -> Node {
        (self.driver, self.runtime) = (driver, runtime);
        self
    }

    /// The same node with pods on this network from here on.
    pub fn with_network(mut self, network: &Network) -> Node {
        self.network = Some(network.clone());
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory of the cgroup that all its pods are in.
    pub fn cgroup(&self) -> &Path {
        &self.place.root
    }

    /// Makes a cgroup at a path below the root.
    pub(super) fn make_cgroup(&self, path: &Path) -> Result<PathBuf> {
        let path = self.place.root.join(path);
        let made = cgroups::make(&path)?;
        self.place.made.lock().unwrap_or_else(PoisonError::into_inner).extend(made);
        Ok(path)
    }

    fn make(client: &Client, name: &str, place: Place) -> Result<Node> {
        client.apply(&objects::node(name, &ADDRESS.to_string())).context("the node's object")?;
        Ok(Node {
            name: name.into(),
            client: client.clone(),
            driver: Driver::Cgroupfs,
            runtime: Runtime::Containerd,
            network: None,
            place: Arc::new(place),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        for folder in made.iter().rev() {
            // Pods remove their own.
            let _ = fs::remove_dir(folder);
        }
    }
}
