//! The node's container runtimes.

mod cri;
mod docker;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use identity::pods::{ClusterChange, Pod, Source};
use tokio::time::sleep;

use crate::Config;
use crate::retry::Retry;
use crate::state::{Part, Shared};
use crate::teller::Teller;

/// Follows every runtime that is configured, for ever.
pub(crate) async fn run(config: &Config, state: &Shared, teller: &RefCell<Teller>) {
    let cri = async {
        if !config.cri.is_empty() {
            let part = state.runtime("cri");
            let mut inventory = Inventory::new(&part, teller, &config.node);
            let find = || config.cri.iter().find(|path| path.exists());
            let none = format!("none of {:?} is there", config.cri);
            follow(config, &part, find, &none, async |path| {
                cri::session(path, &mut inventory).await
            })
            .await;
        }
    };
    let docker = async {
        if let Some(path) = &config.docker {
            let part = state.runtime("docker");
            let mut inventory = Inventory::new(&part, teller, &config.node);
            let find = || Some(path).filter(|path| path.exists());
            let none = format!("{} is not there", path.display());
            follow(config, &part, find, &none, async |path| {
                docker::session(path, &mut inventory).await
            })
            .await;
        }
    };
    tokio::join!(cri, docker);
}

/// A session with whoever is at the socket, again and again. Each returns why it ended.
async fn follow<'a>(
    config: &Config,
    part: &Part,
    find: impl Fn() -> Option<&'a std::path::PathBuf>,
    none: &str,
    mut session: impl AsyncFnMut(&Path) -> String,
) {
    let mut retry = Retry::new(config.retry_first, config.retry_longest);
    loop {
        match find() {
            None => part.absent(none.into()),
            Some(path) => {
                let lists = part.lists();
                let why = session(path).await;
                if part.lists() > lists {
                    retry.reset();
                }
                part.lost(format!("{}: {why}", path.display()));
            }
        }
        sleep(retry.wait()).await;
    }
}

/// What one runtime has, as it was told.
pub(crate) struct Inventory<'a> {
    part: &'a Part,
    teller: &'a RefCell<Teller>,
    node: &'a str,
    told: HashSet<Arc<str>>,
}

/// How soon after one event the next is expected to belong to it.
const SETTLE: Duration = Duration::from_millis(50);
/// How often to look where the runtime tells of no events (containerd before 1.7): rows of a new
/// container wait for it …
const LOOK: Duration = Duration::from_secs(1);
/// … and where it does, in case one was lost.
const LOOK_AFTER: Duration = Duration::from_secs(60);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

impl<'a> Inventory<'a> {
    fn new(part: &'a Part, teller: &'a RefCell<Teller>, node: &'a str) -> Inventory<'a> {
        Inventory { part, teller, node, told: HashSet::new() }
    }

    /// Takes in all that the runtime has, by its own ids; what it has no more is told as gone.
    fn settle(&mut self, all: HashMap<Arc<str>, ClusterChange>) {
        let mut teller = self.teller.borrow_mut();
        // The ends first: a pod's new sandbox has the uid of the one that went.
        for gone in self.told.extract_if(|id| !all.contains_key(id)) {
            teller.gone(&gone);
        }
        self.part.listed(all.len());
        for (id, change) in all {
            self.told.insert(id.clone());
            teller.is(&id, change);
        }
    }

    /// A pod of this node, as its sandbox describes it.
    fn pod(
        &self,
        [uid, namespace, name]: [&str; 3],
        labels: impl Iterator<Item = (String, String)>,
        created: Option<u64>,
    ) -> ClusterChange {
        let words = &mut self.teller.borrow_mut().words;
        // What the kubelet and the runtime added says where the pod is, not what it is.
        let own = |key: &str| {
            let domain = key.split_once('/').map_or(key, |(domain, _)| domain);
            !domain.starts_with("io.kubernetes.")
                && !domain.starts_with("io.cri-containerd")
                && !domain.starts_with("annotation.")
        };
        let labels = labels.filter(|(key, _)| own(key));
        ClusterChange::Pod(Arc::new(Pod {
            uid: uid.into(),
            static_uid: None,
            namespace: words.share(namespace),
            name: name.into(),
            node: Some(words.share(self.node)),
            labels: labels.map(|(key, value)| (words.share(&key), words.share(&value))).collect(),
            workload: None,
            ips: [].into(),
            host_network: false,
            containers: [].into(),
            since: created,
            source: Source::Runtime,
        }))
    }
}

/// The uid, namespace and name of the pod that a container's labels speak of.
fn pod_of<L: AsRef<str>>(label: impl Fn(&str) -> Option<L>) -> Option<[L; 3]> {
    Some([
        label("io.kubernetes.pod.uid")?,
        label("io.kubernetes.pod.namespace")?,
        label("io.kubernetes.pod.name")?,
    ])
}

/// What is known of containers already, so that each is asked about once.
type Asked<T> = BTreeMap<Arc<str>, T>;
