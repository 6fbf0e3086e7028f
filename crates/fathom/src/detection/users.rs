//! What users and hosts are called.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use detect::{Nameless, Names};
use identity::Identity;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use schema::{Process, ProcessKey};

use telemetry::{Account, Ledger};

use crate::node::Node;

/// Reads /etc/passwd and /etc/group of the node and of containers, as their processes see them, and
/// has the host names that rules name looked up in the background.
pub(crate) struct Users {
    node: Node,
    identity: Arc<Identity>,
    /// By mount namespace.
    files: Mutex<HashMap<u32, Files>>,
    hosts: Arc<RwLock<HashMap<IpAddr, Vec<Arc<str>>>>>,
    asked: Mutex<BTreeSet<String>>,
    /// Where it is counted that names could not be read.
    account: Account,
    /// What the first process may have.
    capabilities: u64,
}

struct Files {
    read: Instant,
    users: HashMap<u32, Arc<str>>,
    groups: HashMap<u32, Arc<str>>,
}

/// Names are read again after so long.
const FRESH: Duration = Duration::from_secs(60);
/// Where a process was gone before its files could be read, the next may be asked after so long.
const RETRY: Duration = Duration::from_secs(1);
const NAMESPACES: usize = 1024;
/// Larger than any passwd file that makes sense.
const LARGEST: u64 = 1 << 20;
/// Host names are looked up again, first soon and then ever more rarely.
const LOOK_UP: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(320));

impl Users {
    pub(crate) fn new(node: Node, identity: Arc<Identity>, ledger: &Ledger) -> Users {
        let account = ledger.account("detect", "user");
        let (files, asked) = (Mutex::default(), Mutex::default());
        let status = std::fs::read_to_string("/proc/1/status").unwrap_or_default();
        let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
        let bounding = bounding.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
        let capabilities = bounding.unwrap_or(Nameless::default().all_capabilities());
        Users { node, identity, files, hosts: Arc::default(), asked, account, capabilities }
    }

    fn of<T>(&self, process: &Process, take: impl Fn(&Files) -> T) -> Option<T> {
        let namespace = process.facts.namespaces.mnt;
        let mut files = lock(&self.files);
        let stale = match files.get(&namespace) {
            None => true,
            Some(known) if known.users.is_empty() => known.read.elapsed() > RETRY,
            Some(known) => known.read.elapsed() > FRESH,
        };
        if stale {
            if files.len() >= NAMESPACES {
                files.retain(|_, known| known.read.elapsed() < FRESH);
            }
            let (read, denied) = Files::of(process.key.pid);
            if denied {
                self.account.lacking("passwd_denied", 1);
            }
            // A process that is gone says nothing new.
            let old = files.remove(&namespace);
            let keep = old.filter(|_| read.users.is_empty());
            let keep = keep.map(|old| Files { read: Instant::now(), ..old });
            files.insert(namespace, keep.unwrap_or(read));
        }
        files.get(&namespace).map(take)
    }
}

impl Names for Users {
    fn user(&self, process: &Process, uid: u32) -> Option<Arc<str>> {
        self.of(process, |files| files.users.get(&uid).cloned()).flatten()
    }

    fn group(&self, process: &Process, gid: u32) -> Option<Arc<str>> {
        self.of(process, |files| files.groups.get(&gid).cloned()).flatten()
    }

    fn process(&self, key: ProcessKey) -> Option<Arc<Process>> {
        self.identity.get(key)
    }

    fn hosts(&self, address: IpAddr) -> Vec<Arc<str>> {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        let mut names = hosts.get(&address).cloned().unwrap_or_default();
        // A service's name is the cluster's, whatever the node's own resolver says.
        if let Some(peer) = self.identity.pods().peer(address, self.node.now())
            && let (Some(service), Some(namespace)) = (&peer.service, &peer.namespace)
        {
            let service = service.rsplit('/').next().unwrap_or(service);
            names.push(format!("{service}.{namespace}.svc.cluster.local").into());
        }
        names
    }

    fn interest(&self, hosts: &[String]) {
        let mut asked = lock(&self.asked);
        for host in hosts {
            if !asked.insert(host.clone()) {
                continue;
            }
            let (host, known) = (host.clone(), Arc::downgrade(&self.hosts));
            // A resolver may take seconds; nobody waits for it.
            let look_up = move || {
                let mut pause = LOOK_UP.0;
                loop {
                    let found = (host.as_str(), 0).to_socket_addrs().map(Iterator::collect);
                    let found: Vec<_> = found.unwrap_or_default();
                    let Some(known) = known.upgrade() else { return };
                    let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
                    if !found.is_empty() {
                        known.values_mut().for_each(|names| names.retain(|it| **it != *host));
                    }
                    for address in found {
                        known.entry(address.ip()).or_default().push(host.as_str().into());
                    }
                    drop(known);
                    thread::sleep(pause);
                    pause = (pause * 2).min(LOOK_UP.1);
                }
            };
            // Without the thread the name stays unknown, and the rule silent: as without a resolver.
            let _ = thread::Builder::new().name("fathom-hosts".into()).spawn(look_up);
        }
    }

    fn all_capabilities(&self) -> u64 {
        self.capabilities
    }

    fn age_of(&self, process: ProcessKey, time: i64) -> Option<i64> {
        let now = self.node.boot_time(time);
        (process.start > 0).then(|| now as i64 - process.start as i64)
    }
}

impl Files {
    /// As the process sees them, and whether we were denied them: without CAP_SYS_PTRACE the files
    /// of processes that may do more than we cannot be reached.
    fn of(pid: u32) -> (Files, bool) {
        let [users, groups] = ["etc/passwd", "etc/group"].map(|path| read_inside(pid, path));
        let denied =
            [&users, &groups].iter().any(|it| matches!(it, Err(Errno::ACCESS | Errno::PERM)));
        let ids = |text: Result<String, Errno>| text.map(|text| ids(&text)).unwrap_or_default();
        (Files { read: Instant::now(), users: ids(users), groups: ids(groups) }, denied)
    }
}

/// `NAME:x:ID:…` lines, by id; the first of an id counts.
fn ids(text: &str) -> HashMap<u32, Arc<str>> {
    let mut ids = HashMap::new();
    for line in text.lines() {
        let mut parts = line.split(':');
        if let (Some(name), _, Some(id)) = (parts.next(), parts.next(), parts.next())
            && let Ok(id) = id.parse()
        {
            ids.entry(id).or_insert_with(|| name.into());
        }
    }
    ids
}

/// A file as the process would open it. A link in a container leads to nowhere outside of it, and
/// nothing that it could put there makes us wait.
fn read_inside(pid: u32, path: &str) -> Result<String, Errno> {
    let root = rustix::fs::open(format!("/proc/{pid}/root"), OFlags::PATH, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat2(&root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)?;
    let file = File::from(file);
    let is_file = file.metadata().is_ok_and(|it| it.is_file());
    let mut bytes = Vec::new();
    if !is_file || file.take(LARGEST).read_to_end(&mut bytes).is_err() {
        return Err(Errno::IO);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
