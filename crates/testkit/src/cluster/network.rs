//! A network for pods that touches nothing of this machine's: a bridge in a network namespace of
//! its own, and pods in namespaces of theirs.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns, unshare};

/// A network that pods are put on; the node has its first address. Clones are the same network.
#[derive(Debug, Clone)]
pub struct Network(Arc<Wires>);

#[derive(Debug)]
struct Wires {
    node: Namespace,
    next_address: AtomicU8,
    next_wire: AtomicU32,
}

/// A network namespace, which is there as long as this is or a process is in it.
#[derive(Debug)]
pub(super) struct Namespace(File);

/// A pod's place on the network; it is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Plug {
    network: Network,
    pub(super) namespace: Namespace,
    pub(super) address: Ipv4Addr,
    wire: String,
}

const NODE: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
const BRIDGE: &str = "cni0";

impl Network {
    /// Makes an empty network. It needs root and the program `ip`.
    pub fn create() -> Result<Network> {
        let node = Namespace::create()?;
        node.ip(&format!("link add name {BRIDGE} type bridge"))?;
        node.ip(&format!("address add {NODE}/24 dev {BRIDGE}"))?;
        node.ip(&format!("link set {BRIDGE} up"))?;
        let (next_address, next_wire) = (AtomicU8::new(10), AtomicU32::new(0));
        Ok(Network(Arc::new(Wires { node, next_address, next_wire })))
    }

    /// The node's own address on it.
    pub fn node_address(&self) -> Ipv4Addr {
        NODE
    }

    /// Runs `act` where the node is, in a thread of its own.
    pub fn on_node<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T> {
        self.0.node.inside(act)
    }

    /// Plugs in a new pod, with `address` or the next free one.
    pub(super) fn plug(&self, address: Option<Ipv4Addr>) -> Result<Plug> {
        let next = || {
            let last = self.0.next_address.fetch_add(1, Ordering::Relaxed);
            Ipv4Addr::new(10, 244, 0, last)
        };
        let address = address.unwrap_or_else(next);
        let wire = format!("veth{}", self.0.next_wire.fetch_add(1, Ordering::Relaxed));
        let namespace = Namespace::create()?;
        let [.., c, d] = address.octets();
        // From its address, so that neighbours find a new pod with the address of an old one.
        let mac = format!("0a:58:0a:f4:{c:02x}:{d:02x}");
        let (node, path) = (&self.0.node, namespace.path());
        node.ip(&format!(
            "link add name {wire} type veth peer name eth0 address {mac} netns {path}"
        ))?;
        // From here on, dropping it takes the wire away.
        let plug = Plug { network: self.clone(), namespace, address, wire };
        node.ip(&format!("link set {} master {BRIDGE} up", plug.wire))?;
        plug.namespace.ip(&format!("address add {address}/24 dev eth0"))?;
        plug.namespace.ip("link set eth0 up")?;
        plug.namespace.ip(&format!("route add default via {NODE}"))?;
        Ok(plug)
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        // It would go with the namespace too, but at a time of the kernel's choosing.
        let _ = self.network.0.node.ip(&format!("link delete {}", self.wire));
    }
}

impl Namespace {
    fn create() -> Result<Namespace> {
        let made = thread::spawn(|| -> Result<File> {
            unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
            Ok(File::open("/proc/thread-self/ns/net")?)
        });
        let file = made.join().map_err(|_| anyhow!("the thread gave up"))??;
        let namespace = Namespace(file);
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Runs `act` inside, in a thread of its own: a thread that has moved stays where it is.
    pub(super) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T> {
        let moved = || -> Result<T> {
            setns(&self.0, CloneFlags::CLONE_NEWNET).context("cannot enter the namespace")?;
            Ok(act())
        };
        thread::scope(|scope| scope.spawn(moved).join())
            .map_err(|_| anyhow!("the thread gave up"))?
    }

    /// A path of it for other programs, while this process has it.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    fn ip(&self, words: &str) -> Result<()> {
        let run = || Command::new("ip").args(words.split(' ')).output();
        let output = self.inside(run)?.context("cannot run ip")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ip {words}: {}", said.trim());
        Ok(())
    }
}
