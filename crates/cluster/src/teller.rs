//! What was told, so that nothing is told twice and that what went meanwhile is told as gone.

use std::collections::HashMap;
use std::sync::Arc;

use identity::pods::{ClusterChange, Pod, Workload};

use crate::clock;
use crate::objects::OwnerReference;
use crate::words::Words;

/// Where changes go, with the time (boot clock) at which they were told.
pub(crate) type Tell = Box<dyn FnMut(u64, ClusterChange) + Send>;

/// All that was told of the cluster, by uid.
pub(crate) struct Teller {
    tell: Tell,
    told: HashMap<Arc<str>, ClusterChange>,
    pub(crate) words: Words,
    /// From the uid of a ReplicaSet or Job to what owns it; nothing where it stands by itself.
    owners: HashMap<Arc<str>, Option<Workload>>,
    /// From pods to their owners of whom it is not known yet what owns those.
    waiting: HashMap<Arc<str>, Arc<str>>,
}

impl Teller {
    pub(crate) fn new(tell: Tell) -> Teller {
        Teller {
            tell,
            told: HashMap::new(),
            words: Words::default(),
            owners: HashMap::new(),
            waiting: HashMap::new(),
        }
    }

    /// Tells that the object `uid` is so, unless that was told already.
    pub(crate) fn is(&mut self, uid: &Arc<str>, change: ClusterChange) {
        if self.told.get(uid) == Some(&change) {
            return;
        }
        self.told.insert(uid.clone(), change.clone());
        (self.tell)(clock::now(), change);
    }

    /// Tells that the object is no more, if it was told of.
    pub(crate) fn gone(&mut self, uid: &str) {
        self.owners.remove(uid);
        let Some(told) = self.told.remove(uid) else { return };
        self.waiting.remove(uid);
        (self.tell)(clock::now(), end(told));
    }

    /// The pod as it was told last.
    pub(crate) fn pod(&self, uid: &str) -> Option<&Arc<Pod>> {
        match self.told.get(uid) {
            Some(ClusterChange::Pod(pod)) => Some(pod),
            _ => None,
        }
    }

    /// Takes in what owns a ReplicaSet or a Job, and tells its pods anew.
    pub(crate) fn owner(&mut self, uid: &Arc<str>, owner: Option<Workload>) {
        if self.owners.insert(uid.clone(), owner.clone()) == Some(owner.clone()) {
            return;
        }
        let pods = self.waiting.extract_if(|_, waited| *waited == *uid).map(|(pod, _)| pod);
        let pods: Vec<_> = pods.collect();
        let Some(owner) = owner else { return };
        for uid in pods {
            let Some(pod) = self.pod(&uid) else { continue };
            let pod = Pod { workload: Some(owner.clone()), ..Pod::clone(pod) };
            self.is(&uid, ClusterChange::Pod(Arc::new(pod)));
        }
    }

    /// What a pod belongs to: what owns its owner, where that only stands in between; else, or
    /// until that is known, its owner.
    pub(crate) fn workload(
        &mut self,
        pod: &Arc<str>,
        references: &[OwnerReference],
    ) -> Option<Workload> {
        let owner = controller(references)?;
        if matches!(&*owner.kind, "ReplicaSet" | "Job") {
            match self.owners.get(&owner.uid) {
                Some(Some(above)) => return Some(above.clone()),
                Some(None) => {}
                None => {
                    self.waiting.insert(pod.clone(), owner.uid.clone());
                }
            }
        }
        Some(Workload { kind: self.words.share(&owner.kind), name: self.words.share(&owner.name) })
    }
}

/// The one of the owners that is in charge.
pub(crate) fn controller(references: &[OwnerReference]) -> Option<&OwnerReference> {
    references.iter().find(|owner| owner.controller == Some(true))
}

/// That what was told is no more.
fn end(told: ClusterChange) -> ClusterChange {
    match told {
        ClusterChange::Pod(pod) => {
            ClusterChange::PodGone { uid: pod.uid.clone(), source: pod.source }
        }
        ClusterChange::Service(service) => ClusterChange::ServiceGone { uid: service.uid.clone() },
        ClusterChange::Endpoints { namespace, object, .. } => {
            ClusterChange::EndpointsGone { namespace, object }
        }
        ClusterChange::Node(node) => ClusterChange::NodeGone { name: node.name.clone() },
        ClusterChange::Namespace { name, .. } => ClusterChange::NamespaceGone { name },
        ClusterChange::Container(container) => {
            ClusterChange::ContainerGone { id: container.id.clone() }
        }
        // Ends are not remembered as told.
        gone => gone,
    }
}
