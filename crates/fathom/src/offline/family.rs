//! Processes, rebuilt from rows: what forks and execs say of them, and the common columns.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use schema::{
    Ancestor, Container, Credentials, Decoded, ImageFlags, Namespaces, PodName, Process,
    ProcessFacts, ProcessKey, Runtime, Value,
};

/// Every process that rows told of, as it is at the last of them.
///
/// Rows have to come in the order of their times. A process that has ended is forgotten a little
/// later, and of very many the oldest are.
#[derive(Debug, Default)]
pub(crate) struct Family {
    known: HashMap<ProcessKey, Arc<Process>>,
    /// As they came to be known.
    order: VecDeque<ProcessKey>,
    /// Those that have ended, and when.
    ended: VecDeque<(i64, ProcessKey)>,
    containers: HashMap<Place, Arc<Container>>,
}

/// The common columns that follow from a row's process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Its executable.
    pub(crate) exe: Option<Box<[u8]>>,
    /// Where it runs.
    pub(crate) place: Place,
}

/// Container, image, pod, namespace, workload.
pub(crate) type Place = [Option<Box<str>>; 5];

/// How long a process is known after its end: a row may be told late.
const LINGER: i64 = 10_000_000_000;
/// Processes that are known at once.
const MOST: usize = 262_144;
/// Ancestors of one process.
const GENERATIONS: usize = 32;

impl Family {
    /// The process of a row, as it is once the row has happened.
    pub(crate) fn process(&mut self, rows: &Decoded, row: usize, told: &Told) -> Arc<Process> {
        let origin = &rows.origin[row];
        let key = origin.process;
        self.forget(origin.time);
        let container = self.container(&told.place);
        let columns = Columns { rows, row };
        let end = origin.comm.iter().position(|&byte| byte == 0).unwrap_or(origin.comm.len());
        let comm = String::from_utf8_lossy(&origin.comm[..end]).into_owned();
        let failed = columns.get("error") != Value::Null;
        let process = match rows.table.name {
            "process_exec" if !failed => {
                let facts = columns.execed(&comm);
                let (ancestors, cut) = self.above(key, facts.parent);
                Process {
                    key,
                    facts,
                    ancestors,
                    ancestors_cut: cut,
                    container,
                    reconstructed: false,
                }
            }
            "process_fork" => {
                let parent = columns.process("parent");
                let told_of_parent = self.known.get(&parent).cloned();
                // Until it execs a child is what its parent is.
                let of = told_of_parent.unwrap_or_else(|| {
                    let stub = Arc::new(stub(parent, &comm, told, container.clone()));
                    self.know(stub.clone());
                    stub
                });
                let vpid = columns.uint("vpid") as u32;
                let facts = ProcessFacts { parent, comm: comm.into(), vpid, ..of.facts.clone() };
                let (ancestors, cut) = self.above(key, parent);
                let reconstructed = of.reconstructed;
                Process { key, facts, ancestors, ancestors_cut: cut, container, reconstructed }
            }
            _ => match self.known.get(&key).cloned() {
                None => stub(key, &comm, told, container),
                Some(known) => {
                    let exe = told.exe.as_deref().unwrap_or_default();
                    let is_same = exe.is_empty() || *known.facts.exe == *exe;
                    if is_same && is_at(&known, &container) {
                        self.end(rows, row, key);
                        return known;
                    }
                    let mut process = Process::clone(&known);
                    process.container = container;
                    if !is_same {
                        // An exec that no row tells of: of the old image nothing is true any more.
                        let parent = known.facts.parent;
                        let fresh = stub(key, &comm, told, None);
                        process.facts = ProcessFacts { parent, ..fresh.facts };
                        process.reconstructed = true;
                    }
                    process
                }
            },
        };
        let process = Arc::new(process);
        self.know(process.clone());
        self.end(rows, row, key);
        process
    }

    fn know(&mut self, process: Arc<Process>) {
        let key = process.key;
        if self.known.insert(key, process).is_none() {
            self.order.push_back(key);
        }
        while self.known.len() > MOST {
            let Some(oldest) = self.order.pop_front() else { return };
            self.known.remove(&oldest);
        }
    }

    /// Notes an end, where the row is one.
    fn end(&mut self, rows: &Decoded, row: usize, key: ProcessKey) {
        if rows.table.name == "process_exit" {
            self.ended.push_back((rows.origin[row].time, key));
        }
    }

    fn forget(&mut self, now: i64) {
        while self.ended.front().is_some_and(|(time, _)| now - time > LINGER) {
            let Some((_, key)) = self.ended.pop_front() else { return };
            self.known.remove(&key);
        }
        // Names of those that are gone are kept until they are as many as those that are not.
        if self.order.len() > 2 * self.known.len() + 1024 {
            let known = &self.known;
            self.order.retain(|key| known.contains_key(key));
        }
    }

    /// The ancestors of a process; those that were known already stay, since a parent may be gone.
    fn above(&self, key: ProcessKey, parent: ProcessKey) -> (Arc<[Arc<Ancestor>]>, bool) {
        if let Some(known) = self.known.get(&key)
            && known.facts.parent == parent
            && !known.ancestors.is_empty()
        {
            return (known.ancestors.clone(), known.ancestors_cut);
        }
        let Some(of) = self.known.get(&parent) else { return (Arc::from([]), false) };
        let first = Arc::new(Ancestor {
            key: of.key,
            comm: of.facts.comm.clone(),
            exe: of.facts.exe.clone(),
            args: of.facts.args.clone(),
        });
        let all = [first].into_iter().chain(of.ancestors.iter().cloned());
        let cut = of.ancestors_cut || of.ancestors.len() >= GENERATIONS;
        (all.take(GENERATIONS).collect(), cut)
    }

    fn container(&mut self, place: &Place) -> Option<Arc<Container>> {
        let [id, image, pod, namespace, workload] = place;
        let id = id.as_deref()?;
        if let Some(known) = self.containers.get(place) {
            return Some(known.clone());
        }
        let container = Container::new(id.to_string(), Runtime::Unknown, None, None);
        let names = &container.names;
        // A new container has no names yet, so each is taken.
        let text = |text: &Option<Box<str>>| text.as_deref().map(Arc::<str>::from);
        text(image).into_iter().for_each(|it| names.image.set(it).unwrap_or_default());
        text(workload).into_iter().for_each(|it| names.workload.set(it).unwrap_or_default());
        if let Some(name) = text(pod) {
            let namespace = text(namespace).unwrap_or_default();
            let _ = names.pod.set(PodName { namespace, name });
        }
        let container = Arc::new(container);
        self.containers.insert(place.clone(), container.clone());
        Some(container)
    }
}

/// A process of which no row told how it came to be.
fn stub(key: ProcessKey, comm: &str, told: &Told, container: Option<Arc<Container>>) -> Process {
    let mut process = Process::unknown(key, comm, 0);
    process.facts.exe = told.exe.clone().unwrap_or_default();
    process.facts.loginuid = u32::MAX;
    process.container = container;
    process
}

fn is_at(process: &Process, container: &Option<Arc<Container>>) -> bool {
    match (&process.container, container) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}

/// The columns of one row, by name.
struct Columns<'a> {
    rows: &'a Decoded,
    row: usize,
}

impl<'a> Columns<'a> {
    fn get(&self, name: &str) -> Value<'a> {
        let place = self.rows.table.field(name);
        place.map_or(Value::Null, |at| self.rows.columns[at].value(self.row))
    }

    fn uint(&self, name: &str) -> u64 {
        match self.get(name) {
            Value::Uint(value) => value,
            _ => 0,
        }
    }

    fn number(&self, name: &str) -> u32 {
        self.uint(name) as u32
    }

    fn time(&self, name: &str) -> i64 {
        self.get(name).number().unwrap_or(0)
    }

    fn process(&self, name: &str) -> ProcessKey {
        match self.get(name) {
            Value::Process(key) => key,
            _ => ProcessKey::default(),
        }
    }

    fn bytes(&self, name: &str) -> &'a [u8] {
        self.get(name).text().unwrap_or_default()
    }

    /// What an exec says of the process.
    fn execed(&self, comm: &str) -> ProcessFacts {
        ProcessFacts {
            parent: self.process("parent"),
            comm: comm.into(),
            exe: self.bytes("path_resolved").into(),
            args: self.bytes("args").into(),
            args_truncated: self.get("args_truncated") == Value::Bool(true),
            cwd: self.bytes("cwd").into(),
            cgroup: 0,
            vpid: self.number("vpid"),
            session: self.number("session"),
            pgid: self.number("pgid"),
            tty: self.number("tty"),
            loginuid: match self.get("loginuid") {
                Value::Uint(uid) => uid as u32,
                _ => u32::MAX,
            },
            credentials: Credentials {
                uid: self.number("uid"),
                gid: self.number("gid"),
                euid: self.number("euid"),
                egid: self.number("egid"),
                cap_permitted: self.uint("cap_permitted"),
                cap_effective: self.uint("cap_effective"),
                cap_inheritable: self.uint("cap_inheritable"),
            },
            namespaces: Namespaces {
                mnt: self.number("ns_mnt"),
                pid: self.number("ns_pid"),
                net: self.number("ns_net"),
                uts: self.number("ns_uts"),
                ipc: self.number("ns_ipc"),
                user: self.number("ns_user"),
                cgroup: self.number("ns_cgroup"),
                time: self.number("ns_time"),
            },
            exe_inode: self.uint("inode"),
            exe_device: self.number("device"),
            exe_ctime: self.time("exe_ctime"),
            exe_mtime: self.time("exe_mtime"),
            image: ImageFlags(self.number("image_flags")),
        }
    }
}
