//! What rules have to remember from event to event. It is little: processes are known already, and
//! descriptors are read where they are.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use schema::{Batch, Credentials, Process, ProcessKey, Value};

use crate::columns::{Columns, Role};
use crate::fields::{Event, lexical};
use crate::names::Names;

/// What one worker remembers.
#[derive(Debug)]
pub(crate) struct State {
    /// What a process did to itself since its last exec.
    changed: Bounded<ProcessKey, Changed>,
    containers: Bounded<String, SeenContainer>,
    /// Sockets of servers, and of clients, by the socket.
    sockets: Bounded<u64, End>,
    /// Processes that ran something, for those that others act upon.
    ran: Bounded<ProcessKey, Arc<Process>>,
    /// When the first row came, nanoseconds since 1970.
    since: i64,
    /// Other names of files: what a hard link or a bind mount made of a path, by mount namespace.
    aliases: VecDeque<Alias>,
    /// Aliases that had to go for others.
    forgotten: u64,
}

/// Which end a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Client,
    Server,
}

/// What is known of a container beyond its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeenContainer {
    /// A process of it could take on every capability.
    pub(crate) privileged: bool,
    /// When the oldest process of it that was seen came to be; nanoseconds since 1970.
    pub(crate) started: i64,
    /// When the first row of it came.
    pub(crate) seen: i64,
}

#[derive(Debug, Clone, Default)]
struct Changed {
    directory: Option<Box<[u8]>>,
    credentials: Option<Credentials>,
}

#[derive(Debug)]
struct Alias {
    namespace: u32,
    /// The new name.
    name: Box<[u8]>,
    /// What it was before.
    of: Box<[u8]>,
    /// Whether what is below has another name too.
    below: bool,
}

/// Aliases that are remembered.
const ALIASES: usize = 1024;
const PROCESSES: usize = 32_768;
const CONTAINERS: usize = 4096;
const SOCKETS: usize = 65_536;
const RAN: usize = 8192;

impl State {
    pub(crate) fn new() -> State {
        State {
            changed: Bounded::new(PROCESSES),
            containers: Bounded::new(CONTAINERS),
            sockets: Bounded::new(SOCKETS),
            ran: Bounded::new(RAN),
            since: i64::MAX,
            aliases: VecDeque::new(),
            forgotten: 0,
        }
    }

    /// What had to be forgotten for want of room, though it may still be true.
    pub(crate) fn forgotten(&self) -> u64 {
        let State { changed, containers, sockets, forgotten, .. } = self;
        changed.forgotten + containers.forgotten + sockets.forgotten + forgotten
    }

    /// The working directory, without a slash at its end.
    pub(crate) fn directory<'a>(&'a self, process: &'a Process) -> &'a [u8] {
        let changed = self.changed.get(&process.key).and_then(|it| it.directory.as_deref());
        changed.unwrap_or(&process.facts.cwd)
    }

    pub(crate) fn credentials(&self, process: &Process) -> Credentials {
        let changed = self.changed.get(&process.key).and_then(|it| it.credentials);
        changed.unwrap_or(process.facts.credentials)
    }

    pub(crate) fn container(&self, id: &str) -> Option<&SeenContainer> {
        self.containers.get(id)
    }

    /// When the first row came.
    pub(crate) fn since(&self) -> i64 {
        self.since
    }

    /// A process that was seen to run something, whether or not it still does.
    pub(crate) fn ran(&self, key: ProcessKey) -> Option<&Arc<Process>> {
        self.ran.get(&key)
    }

    /// Whether this end of the event's socket is the server's.
    pub(crate) fn is_server(&self, event: &Event<'_>) -> bool {
        match event.columns.table.name {
            "socket_accept" | "socket_listen" | "socket_bind" => return true,
            "socket_connect" => return false,
            _ => {}
        }
        let socket = event.number(Role::Socket).unwrap_or(0) as u64;
        match self.sockets.get(&socket) {
            Some(role) => *role == End::Server,
            None => event.value(Role::Direction) == Value::Text(b"in"),
        }
    }

    /// Whether a socket was connected, so that each datagram goes to the same peer.
    pub(crate) fn is_connected(&self, event: &Event<'_>) -> bool {
        let socket = event.number(Role::Socket).unwrap_or(0) as u64;
        self.sockets.get(&socket) == Some(&End::Client)
    }

    /// What `path` was called before a link or a mount gave it this name.
    pub(crate) fn alias(&self, process: &Process, path: &[u8]) -> Option<Vec<u8>> {
        let namespace = process.facts.namespaces.mnt;
        let found = self.aliases.iter().rev().filter(|alias| alias.namespace == namespace);
        found.into_iter().find_map(|alias| {
            let rest = path.strip_prefix(&*alias.name)?;
            let fits = rest.is_empty() || (alias.below && rest.starts_with(b"/"));
            fits.then(|| {
                let of = alias.of.strip_suffix(b"/").unwrap_or(&alias.of);
                [of, rest].concat()
            })
        })
    }

    /// Whether any name of a file is known to have been another.
    pub(crate) fn has_aliases(&self) -> bool {
        !self.aliases.is_empty()
    }

    /// Takes in what a row changes, before rules are asked about it.
    pub(crate) fn before(&mut self, batch: &Batch, row: usize, names: &dyn Names) {
        let process = &batch.process[row];
        let time = batch.origin[row].time;
        self.since = self.since.min(time);
        if let Some(container) = &process.container {
            let started = || names.age(process, time).map_or(time, |age| time - age);
            let every = names.all_capabilities();
            let all = process.facts.credentials.cap_permitted & every == every;
            match self.containers.get_mut(container.id.as_str()) {
                Some(seen) => seen.privileged |= all,
                None => {
                    let seen = SeenContainer { privileged: all, started: started(), seen: time };
                    self.containers.put(container.id.clone(), seen);
                }
            }
        }
    }

    /// Takes in what a row changes, once rules were asked about it.
    pub(crate) fn after(&mut self, columns: &Columns, batch: &Batch, row: usize) {
        let process = &batch.process[row];
        let value = |role| columns.value(batch, row, role);
        let failed = value(Role::Error) != Value::Null;
        let table = columns.table.name;
        if failed && table != "socket_connect" {
            return;
        }
        let socket = || value(Role::Socket).number().map(|socket| socket as u64);
        match table {
            "process_exec" => {
                self.changed.remove(&process.key);
                self.ran.put(process.key, process.clone());
            }
            "process_exit" => self.changed.remove(&process.key),
            "process_fork" => {
                if let Value::Process(parent) = value(Role::Parent)
                    && let Some(changed) = self.changed.get(&parent).cloned()
                {
                    self.changed.put(process.key, changed);
                }
            }
            // Of `chroot` and `pivot_root` the row says the new root.
            "process_chdir" if matches!(value(Role::Call).text(), Some(b"chdir" | b"fchdir")) => {
                if let Some(directory) = value(Role::Resolved).text() {
                    self.change(process).directory = Some(directory.into());
                }
            }
            "credential_change" => {
                let mut now = self.credentials(process);
                let number = |role, old: u32| value(role).number().map_or(old, |it| it as u32);
                // The columns say what the kernel made of the call.
                now.euid = number(Role::EuidAfter, now.euid);
                now.egid = number(Role::EgidAfter, now.egid);
                if let Some(effective) = value(Role::CapEffective).number() {
                    now.cap_effective = effective as u64;
                }
                self.change(process).credentials = Some(now);
            }
            "capability_change" => {
                let mut now = self.credentials(process);
                let bits = |role, old: u64| value(role).number().map_or(old, |it| it as u64);
                now.cap_effective = bits(Role::CapEffective, now.cap_effective);
                now.cap_permitted = bits(Role::CapPermitted, now.cap_permitted);
                now.cap_inheritable = bits(Role::CapInheritable, now.cap_inheritable);
                self.change(process).credentials = Some(now);
            }
            "socket_connect" => {
                if let Some(socket) = socket() {
                    self.sockets.put(socket, End::Client);
                }
            }
            "socket_accept" | "socket_listen" => {
                if let Some(socket) = socket() {
                    self.sockets.put(socket, End::Server);
                }
            }
            "socket_close" => {
                if let Some(socket) = socket() {
                    self.sockets.remove(&socket);
                }
            }
            "file_link" => {
                let of = value(Role::Resolved).text().map(<[u8]>::to_vec);
                let given = || lexical(value(Role::Path).text()?, value(Role::Dir).text());
                let name = value(Role::NewResolved).text().map(<[u8]>::to_vec);
                let new = || lexical(value(Role::NewPath).text()?, value(Role::NewDir).text());
                self.name(process, name.or_else(new), of.or_else(given), false);
            }
            "file_mount" if value(Role::Flags).number().unwrap_or(0) & MS_BIND != 0 => {
                let of = lexical(value(Role::Source).text().unwrap_or(b"/"), Some(b"/"));
                let name = value(Role::Resolved).text().map(<[u8]>::to_vec);
                let given = || lexical(value(Role::Path).text()?, value(Role::Dir).text());
                self.name(process, name.or_else(given), of, true);
            }
            "file_umount" | "file_unlink" => {
                let gone = value(Role::Resolved).text().map(<[u8]>::to_vec);
                let given = || lexical(value(Role::Path).text()?, value(Role::Dir).text());
                if let Some(gone) = gone.or_else(given)
                    && !self.aliases.is_empty()
                {
                    let namespace = process.facts.namespaces.mnt;
                    self.aliases.retain(|it| it.namespace != namespace || *it.name != *gone);
                }
            }
            _ => {}
        }
    }

    fn change(&mut self, process: &Process) -> &mut Changed {
        if self.changed.get(&process.key).is_none() {
            self.changed.put(process.key, Changed::default());
        }
        self.changed.get_mut(&process.key).expect("it was put there")
    }

    fn name(&mut self, process: &Process, name: Option<Vec<u8>>, of: Option<Vec<u8>>, below: bool) {
        let (Some(name), Some(of)) = (name, of) else { return };
        // What it was may have been another name already.
        let of = self.alias(process, &of).unwrap_or(of);
        if name == of {
            return;
        }
        if self.aliases.len() == ALIASES {
            self.aliases.pop_front();
            self.forgotten += 1;
        }
        let namespace = process.facts.namespaces.mnt;
        self.aliases.push_back(Alias { namespace, name: name.into(), of: of.into(), below });
    }
}

const MS_BIND: i64 = 0x1000;

/// A map that forgets what was put into it first.
#[derive(Debug)]
struct Bounded<K, V> {
    most: usize,
    map: HashMap<K, (u64, V)>,
    /// The keys as they came; one that was removed meanwhile stays until its turn.
    order: VecDeque<(u64, K)>,
    puts: u64,
    /// Values that went before they were removed.
    forgotten: u64,
}

impl<K: Hash + Eq + Clone, V> Bounded<K, V> {
    fn new(most: usize) -> Bounded<K, V> {
        Bounded { most, map: HashMap::new(), order: VecDeque::new(), puts: 0, forgotten: 0 }
    }

    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.map.get(key).map(|(_, value)| value)
    }

    fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.map.get_mut(key).map(|(_, value)| value)
    }

    fn put(&mut self, key: K, value: V) {
        self.puts += 1;
        let put = self.puts;
        match self.map.get_mut(&key) {
            Some(known) => known.1 = value,
            None => {
                self.map.insert(key.clone(), (put, value));
                self.order.push_back((put, key));
            }
        }
        while self.map.len() > self.most || self.order.len() > 2 * self.most {
            let Some((put, oldest)) = self.order.pop_front() else { return };
            if self.map.get(&oldest).is_some_and(|(it, _)| *it == put) {
                self.map.remove(&oldest);
                self.forgotten += 1;
            }
        }
    }

    fn remove(&mut self, key: &K) {
        self.map.remove(key);
    }
}
