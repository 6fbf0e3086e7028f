//! What is behind the index's lock.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use super::PodLimits;
use crate::pods::addresses::{Addresses, Owner};
use crate::pods::{
    ClusterChange, Endpoint, Labels, Node, Peer, Pod, PodContainer, RuntimeContainer, Service,
    Source,
};

type Name = Arc<str>;
/// A service, and where a part of it is answered.
type Part = (Name, Arc<[Endpoint]>);

/// Everything that is known, and what is gone for a while.
#[derive(Default)]
pub(super) struct Known {
    pods: HashMap<Name, Entry>,
    /// From the uid that a node gave to the API server's.
    static_uids: HashMap<Name, Name>,
    /// From namespace and name to the uid of the last pod of that name.
    names: HashMap<(Name, Name), Name>,
    /// From a container's id to its pod's uid.
    containers: HashMap<Name, (Name, PodContainer)>,
    runtime: HashMap<Name, Arc<RuntimeContainer>>,
    services: HashMap<Name, Arc<Service>>,
    nodes: HashMap<Name, Arc<Node>>,
    namespaces: HashMap<Name, Labels>,
    /// From namespace and object to what it tells.
    endpoints: HashMap<(Name, Name), Part>,
    /// From an address to the services that are answered there, once for each object.
    answers: HashMap<IpAddr, BTreeSet<Answer>>,
    addresses: Addresses,
    gone_pods: VecDeque<(u64, Name)>,
    gone_containers: VecDeque<(u64, Name)>,
}

struct Entry {
    pod: Arc<Pod>,
    gone: Option<u64>,
}

/// Service first: its order decides which of several is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Answer {
    namespace: Name,
    service: Name,
    object: Name,
    pod_uid: Option<Name>,
}

impl Known {
    /// Returns how many pods were not taken in, or forgotten early, for lack of room.
    pub(super) fn apply(&mut self, time: u64, change: ClusterChange, limits: &PodLimits) -> u64 {
        match change {
            ClusterChange::Pod(pod) => return self.put_pod(time, pod, limits),
            ClusterChange::PodGone { uid, source } => self.pod_gone(time, &uid, source),
            ClusterChange::Service(service) => self.put_service(time, service),
            ClusterChange::ServiceGone { uid } => {
                let ips = self.services.remove(&uid).map(|service| service.ips.clone());
                self.end_all(ips.as_deref().unwrap_or_default(), &Owner::Service(uid), time);
            }
            ClusterChange::Endpoints { namespace, service, object, endpoints } => {
                self.put_endpoints(time, namespace, service, object, endpoints);
            }
            ClusterChange::EndpointsGone { namespace, object } => {
                let mut touched = HashSet::new();
                self.drop_answers(&namespace, &object, &mut touched);
                self.rename_all(time, touched);
            }
            ClusterChange::Node(node) => self.put_node(time, node),
            ClusterChange::NodeGone { name } => {
                let ips = self.nodes.remove(&name).map(|node| node.ips.clone());
                self.end_all(ips.as_deref().unwrap_or_default(), &Owner::Node(name), time);
            }
            ClusterChange::Namespace { name, labels } => {
                self.namespaces.insert(name, labels);
            }
            ClusterChange::NamespaceGone { name } => {
                self.namespaces.remove(&name);
            }
            ClusterChange::Container(container) => self.put_container(container),
            ClusterChange::ContainerGone { id } => self.gone_containers.push_back((time, id)),
        }
        0
    }

    /// Forgets what was gone long enough, and the oldest of it where there is too much.
    pub(super) fn expire(&mut self, now: u64, limits: &PodLimits) -> u64 {
        let keep = u64::try_from(limits.keep.as_nanos()).unwrap_or(u64::MAX);
        // In the first minutes after boot nothing is old enough.
        let horizon = now.checked_sub(keep);
        let mut evicted = self.addresses.expire(horizon.unwrap_or(0), limits.past);
        while let Some(early) = due(&self.gone_pods, horizon, limits.past) {
            evicted += u64::from(self.forget_gone_pod() && early);
        }
        while let Some(early) = due(&self.gone_containers, horizon, limits.past) {
            evicted += u64::from(early);
            self.forget_gone_container();
        }
        evicted
    }

    pub(super) fn by_uid(&self, uid: &str) -> Option<&Arc<Pod>> {
        let uid = self.static_uids.get(uid).map_or(uid, |uid| uid);
        self.pods.get(uid).map(|entry| &entry.pod)
    }

    pub(super) fn by_name(&self, namespace: &str, name: &str) -> Option<&Arc<Pod>> {
        let uid = self.names.get(&(namespace.into(), name.into()))?;
        self.by_uid(uid)
    }

    pub(super) fn pod_container(&self, id: &str) -> Option<(&str, &PodContainer)> {
        self.containers.get(id).map(|(uid, container)| (uid.as_ref(), container))
    }

    pub(super) fn runtime_container(&self, id: &str) -> Option<&Arc<RuntimeContainer>> {
        self.runtime.get(id)
    }

    pub(super) fn peer(&self, ip: IpAddr, time: u64) -> Option<&Arc<Peer>> {
        self.addresses.peer(ip, time)
    }

    pub(super) fn namespace_labels(&self, name: &str) -> Option<&Labels> {
        self.namespaces.get(name)
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.values().filter(|entry| entry.gone.is_none()).map(|entry| &entry.pod)
    }

    pub(super) fn len(&self) -> usize {
        self.pods.len()
    }

    pub(super) fn addresses(&self) -> usize {
        self.addresses.len()
    }

    fn put_pod(&mut self, time: u64, pod: Arc<Pod>, limits: &PodLimits) -> u64 {
        let before = self.pods.get(&pod.uid).map(|entry| entry.pod.clone());
        let said = before.as_ref().is_some_and(|known| known.source > pod.source);
        if said || self.static_uids.contains_key(&pod.uid) {
            return 0;
        }
        let mut evicted = 0;
        if before.is_none() {
            while self.pods.len() >= limits.pods && !self.gone_pods.is_empty() {
                evicted += u64::from(self.forget_gone_pod());
            }
            if self.pods.len() >= limits.pods && pod.containers.is_empty() {
                return evicted + 1;
            }
        }
        if let Some(alias) = &pod.static_uid {
            self.pods.remove(alias);
            self.static_uids.insert(alias.clone(), pod.uid.clone());
        }
        self.pods.insert(pod.uid.clone(), Entry { pod: pod.clone(), gone: None });
        self.names.insert((pod.namespace.clone(), pod.name.clone()), pod.uid.clone());
        for old in before.iter().flat_map(|before| before.containers.iter()) {
            if pod.container(&old.id).is_none() {
                self.gone_containers.push_back((time, old.id.clone()));
            }
        }
        for container in pod.containers.iter() {
            let place = (pod.uid.clone(), container.clone());
            self.containers.insert(container.id.clone(), place);
        }
        let owner = Owner::Pod(pod.uid.clone());
        for ip in before.iter().flat_map(|before| before.own_ips()) {
            if !pod.own_ips().contains(ip) {
                self.addresses.end(*ip, &owner, time);
            }
        }
        for ip in pod.own_ips() {
            let peer = Peer::of_pod(&pod, self.service_of(*ip, &pod));
            self.addresses.claim(*ip, owner.clone(), time, pod.since, peer);
        }
        evicted
    }

    fn pod_gone(&mut self, time: u64, uid: &str, source: Source) {
        let Some(entry) = self.pods.get_mut(uid) else { return };
        if entry.gone.is_some() || entry.pod.source != source {
            return;
        }
        entry.gone = Some(time);
        let pod = entry.pod.clone();
        self.gone_pods.push_back((time, pod.uid.clone()));
        self.end_all(pod.own_ips(), &Owner::Pod(pod.uid.clone()), time);
    }

    fn put_service(&mut self, time: u64, service: Arc<Service>) {
        let owner = Owner::Service(service.uid.clone());
        if let Some(before) = self.services.insert(service.uid.clone(), service.clone()) {
            let dropped = before.ips.iter().filter(|ip| !service.ips.contains(ip));
            self.end_all(&dropped.copied().collect::<Vec<_>>(), &owner, time);
        }
        for ip in service.ips.iter() {
            self.addresses.claim(*ip, owner.clone(), time, None, Peer::of_service(&service));
        }
    }

    fn put_node(&mut self, time: u64, node: Arc<Node>) {
        let owner = Owner::Node(node.name.clone());
        if let Some(before) = self.nodes.insert(node.name.clone(), node.clone()) {
            let dropped = before.ips.iter().filter(|ip| !node.ips.contains(ip));
            self.end_all(&dropped.copied().collect::<Vec<_>>(), &owner, time);
        }
        for ip in node.ips.iter() {
            self.addresses.claim(*ip, owner.clone(), time, None, Peer::of_node(&node));
        }
    }

    fn end_all(&mut self, ips: &[IpAddr], owner: &Owner, time: u64) {
        for ip in ips {
            self.addresses.end(*ip, owner, time);
        }
    }

    fn put_endpoints(
        &mut self,
        time: u64,
        namespace: Name,
        service: Name,
        object: Name,
        endpoints: Arc<[Endpoint]>,
    ) {
        let mut touched = HashSet::new();
        self.drop_answers(&namespace, &object, &mut touched);
        for Endpoint { ip, pod_uid } in endpoints.iter() {
            let answer = Answer {
                namespace: namespace.clone(),
                service: service.clone(),
                object: object.clone(),
                pod_uid: pod_uid.clone(),
            };
            self.answers.entry(*ip).or_default().insert(answer);
            touched.insert(*ip);
        }
        self.endpoints.insert((namespace, object), (service, endpoints));
        self.rename_all(time, touched);
    }

    fn drop_answers(&mut self, namespace: &Name, object: &Name, touched: &mut HashSet<IpAddr>) {
        let before = self.endpoints.remove(&(namespace.clone(), object.clone()));
        let Some((_, endpoints)) = before else { return };
        for Endpoint { ip, .. } in endpoints.iter() {
            touched.insert(*ip);
            let Some(answers) = self.answers.get_mut(ip) else { continue };
            answers.retain(|it| it.namespace != *namespace || it.object != *object);
            if answers.is_empty() {
                self.answers.remove(ip);
            }
        }
    }

    /// Says anew who the pods at these addresses are, since they answer for other services.
    fn rename_all(&mut self, time: u64, ips: HashSet<IpAddr>) {
        for ip in ips {
            let Some(uid) = self.addresses.pod_at(ip) else { continue };
            let Some(entry) = self.pods.get(&uid) else { continue };
            let peer = Peer::of_pod(&entry.pod, self.service_of(ip, &entry.pod));
            let since = entry.pod.since;
            self.addresses.claim(ip, Owner::Pod(uid), time, since, peer);
        }
    }

    /// The first service that the pod answers for at the address.
    fn service_of(&self, ip: IpAddr, pod: &Pod) -> Option<Name> {
        let mut answers = self.answers.get(&ip)?.iter();
        let meant = |it: &&Answer| it.pod_uid.as_ref().is_none_or(|uid| *uid == pod.uid);
        let found = answers.find(|it| it.namespace == pod.namespace && meant(it))?;
        Some(found.service.clone())
    }

    fn put_container(&mut self, container: Arc<RuntimeContainer>) {
        // The API server's word on a container comes later and is kept.
        if let Some(uid) = &container.pod_uid
            && !self.containers.contains_key(&container.id)
        {
            let RuntimeContainer { id, name, image, .. } = &*container;
            let (id, name, image) = (id.clone(), name.clone(), image.clone());
            let place = (uid.clone(), PodContainer { id: id.clone(), name, image });
            self.containers.insert(id, place);
        }
        self.runtime.insert(container.id.clone(), container);
    }

    /// Forgets the pod that went first, and says whether it was there to be forgotten.
    fn forget_gone_pod(&mut self) -> bool {
        let Some((time, uid)) = self.gone_pods.pop_front() else { return false };
        // It may have come back, and may have gone again since.
        if self.pods.get(&uid).is_none_or(|entry| entry.gone != Some(time)) {
            return false;
        }
        let Some(Entry { pod, .. }) = self.pods.remove(&uid) else { return false };
        let name = (pod.namespace.clone(), pod.name.clone());
        if self.names.get(&name) == Some(&uid) {
            self.names.remove(&name);
        }
        if let Some(alias) = &pod.static_uid {
            self.static_uids.remove(alias);
        }
        for container in pod.containers.iter() {
            self.containers.remove(&container.id);
        }
        true
    }

    fn forget_gone_container(&mut self) {
        let Some((_, id)) = self.gone_containers.pop_front() else { return };
        self.runtime.remove(&id);
        // Its pod may list it still: it exited and is to be started again.
        let listed = self.containers.get(&id).and_then(|(uid, _)| self.by_uid(uid));
        if listed.is_none_or(|pod| pod.container(&id).is_none()) {
            self.containers.remove(&id);
        }
    }
}

/// Whether the first of the queue is to be forgotten, and whether earlier than promised.
fn due(queue: &VecDeque<(u64, Name)>, horizon: Option<u64>, most: usize) -> Option<bool> {
    let (time, _) = queue.front()?;
    let old = horizon.is_some_and(|horizon| *time <= horizon);
    (old || queue.len() > most).then_some(!old)
}
