//! What the cluster said, asked for later.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use identity::pods::{
    ClusterChange, Endpoint, Labels, Node, Pod, PodContainer, PodLimits, Pods, RuntimeContainer,
    Service, Source, Workload,
};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn ip(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

fn pod(uid: &str, name: &str, ips: &[IpAddr]) -> Pod {
    Pod {
        uid: uid.into(),
        static_uid: None,
        namespace: "shop".into(),
        name: name.into(),
        node: Some("node-1".into()),
        labels: Labels::from_iter([("app", "web")]),
        workload: Some(Workload { kind: "Deployment".into(), name: "web".into() }),
        ips: ips.into(),
        host_network: false,
        containers: [PodContainer {
            id: format!("c-{uid}").into(),
            name: "main".into(),
            image: "web:1".into(),
        }]
        .into(),
        since: None,
        source: Source::Api,
    }
}

fn told(pod: Pod) -> ClusterChange {
    ClusterChange::Pod(Arc::new(pod))
}

fn gone(uid: &str) -> ClusterChange {
    ClusterChange::PodGone { uid: uid.into(), source: Source::Api }
}

fn endpoints(service: &str, object: &str, ips: &[(u8, Option<&str>)]) -> ClusterChange {
    let one =
        |&(last, uid): &(u8, Option<&str>)| Endpoint { ip: ip(last), pod_uid: uid.map(Into::into) };
    ClusterChange::Endpoints {
        namespace: "shop".into(),
        service: service.into(),
        object: object.into(),
        endpoints: ips.iter().map(one).collect(),
    }
}

fn pod_at(pods: &Pods, last: u8, time: u64) -> Option<String> {
    pods.peer(ip(last), time)?.pod.as_ref().map(ToString::to_string)
}

fn service_at(pods: &Pods, last: u8, time: u64) -> Option<String> {
    pods.peer(ip(last), time)?.service.as_ref().map(ToString::to_string)
}

#[test]
fn a_pod_is_found_by_every_name_it_has() {
    let pods = Pods::new(PodLimits::default());
    pods.apply(1, told(pod("u1", "web-1", &[ip(1)])));
    assert_eq!(*pods.by_uid("u1").unwrap().name, *"web-1");
    assert_eq!(*pods.by_name("shop", "web-1").unwrap().uid, *"u1");
    let (found, container) = pods.by_container("c-u1").unwrap();
    assert_eq!((&*found.uid, &*container.name), ("u1", "main"));
    let peer = pods.peer(ip(1), 1).unwrap();
    assert_eq!(peer.workload.as_deref(), Some("Deployment/web"));
    assert_eq!(peer.node.as_deref(), Some("node-1"));
    let mapped: IpAddr = Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped().into();
    assert_eq!(pods.peer(mapped, 1), Some(peer));
    assert!(pods.by_uid("u2").is_none() && pods.peer(ip(2), 1).is_none());
}

#[test]
fn an_address_used_again_a_second_later_is_each_pods_in_its_time() {
    let pods = Pods::new(PodLimits::default());
    pods.apply(10 * SECOND, told(pod("old", "web-1", &[ip(1)])));
    pods.apply(20 * SECOND, gone("old"));
    // Created 21 s after boot and told of two seconds later.
    let new = Pod { since: Some(21 * SECOND), ..pod("new", "web-2", &[ip(1)]) };
    pods.apply(23 * SECOND, told(new));
    let at = |seconds| pod_at(&pods, 1, seconds * SECOND);
    assert_eq!(at(9), None);
    assert_eq!(at(10).as_deref(), Some("web-1"));
    assert_eq!(at(19).as_deref(), Some("web-1"));
    assert_eq!(at(20), None);
    assert_eq!(at(21).as_deref(), Some("web-2"));
    assert_eq!(at(99).as_deref(), Some("web-2"));
}

#[test]
fn a_pod_does_not_reach_back_into_anothers_time() {
    let pods = Pods::new(PodLimits::default());
    pods.apply(10 * SECOND, told(pod("old", "web-1", &[ip(1)])));
    pods.apply(20 * SECOND, gone("old"));
    // Whole seconds, rounded down, may lie before the end of the other.
    let new = Pod { since: Some(15 * SECOND), ..pod("new", "web-2", &[ip(1)]) };
    pods.apply(23 * SECOND, told(new));
    assert_eq!(pod_at(&pods, 1, 16 * SECOND).as_deref(), Some("web-1"));
    assert_eq!(pod_at(&pods, 1, 20 * SECOND).as_deref(), Some("web-2"));
}

#[test]
fn a_pod_whose_end_is_told_late_loses_its_address_to_the_next() {
    let pods = Pods::new(PodLimits::default());
    pods.apply(10, told(pod("old", "web-1", &[ip(1)])));
    pods.apply(20, told(pod("new", "web-2", &[ip(1)])));
    pods.apply(25, gone("old"));
    assert_eq!(pod_at(&pods, 1, 19).as_deref(), Some("web-1"));
    assert_eq!(pod_at(&pods, 1, 20).as_deref(), Some("web-2"));
    assert_eq!(pod_at(&pods, 1, 30).as_deref(), Some("web-2"));
}

#[test]
fn a_pod_that_ended_gives_its_address_back_and_keeps_its_name() {
    let pods = Pods::new(PodLimits::default());
    pods.apply(10, told(pod("u1", "job-1", &[ip(1)])));
    pods.apply(20, told(pod("u1", "job-1", &[])));
    assert_eq!(pod_at(&pods, 1, 19).as_deref(), Some("job-1"));
    assert_eq!(pod_at(&pods, 1, 20), None);
    assert!(pods.by_uid("u1").is_some());
}

#[test]
fn the_address_of_a_host_network_pod_is_the_nodes() {
    let pods = Pods::new(PodLimits::default());
    let node = Node { name: "node-1".into(), ips: [ip(9)].into() };
    pods.apply(1, ClusterChange::Node(Arc::new(node)));
    pods.apply(2, told(Pod { host_network: true, ..pod("u1", "proxy", &[ip(9)]) }));
    let peer = pods.peer(ip(9), 3).unwrap();
    assert_eq!((peer.node.as_deref(), &peer.pod), (Some("node-1"), &None));
    pods.apply(4, ClusterChange::NodeGone { name: "node-1".into() });
    assert!(pods.peer(ip(9), 4).is_none() && pods.peer(ip(9), 3).is_some());
}

#[test]
fn services_are_named_by_their_own_address_and_by_their_pods() {
    let pods = Pods::new(PodLimits::default());
    let service = |ips: &[IpAddr]| {
        let (uid, namespace, name) = ("s1".into(), "shop".into(), "web".into());
        ClusterChange::Service(Arc::new(Service { uid, namespace, name, ips: ips.into() }))
    };
    pods.apply(1, service(&[ip(100), ip(101)]));
    pods.apply(2, service(&[ip(100)]));
    assert_eq!(service_at(&pods, 100, 2).as_deref(), Some("web"));
    assert_eq!(service_at(&pods, 101, 2), None);
    pods.apply(3, told(pod("u1", "web-1", &[ip(1)])));
    pods.apply(5, endpoints("web", "web-a", &[(1, Some("u1")), (2, None)]));
    // Rows of the pod's first moments are told too.
    assert_eq!(service_at(&pods, 1, 3).as_deref(), Some("web"));
    pods.apply(6, endpoints("all", "all-a", &[(1, None)]));
    assert_eq!(service_at(&pods, 1, 5).as_deref(), Some("web"));
    assert_eq!(service_at(&pods, 1, 6).as_deref(), Some("all"));
    let end = ClusterChange::EndpointsGone { namespace: "shop".into(), object: "all-a".into() };
    pods.apply(7, end);
    assert_eq!(service_at(&pods, 1, 7).as_deref(), Some("web"));
    pods.apply(8, endpoints("web", "web-a", &[]));
    assert_eq!(service_at(&pods, 1, 8), None);
    assert_eq!(pod_at(&pods, 1, 8).as_deref(), Some("web-1"));
    pods.apply(9, ClusterChange::ServiceGone { uid: "s1".into() });
    assert_eq!(service_at(&pods, 100, 9), None);
}

#[test]
fn an_endpoint_of_another_pod_does_not_name_this_one() {
    let pods = Pods::new(PodLimits::default());
    pods.apply(1, endpoints("web", "web-a", &[(1, Some("old"))]));
    pods.apply(2, told(pod("new", "db-1", &[ip(1)])));
    assert_eq!(service_at(&pods, 1, 2), None);
}

#[test]
fn what_is_gone_is_kept_for_its_time_and_no_longer() {
    let limits = PodLimits { keep: Duration::from_secs(5), ..PodLimits::default() };
    let pods = Pods::new(limits);
    pods.apply(SECOND, told(pod("u1", "web-1", &[ip(1)])));
    pods.apply(2 * SECOND, gone("u1"));
    pods.expire(6 * SECOND);
    assert!(pods.by_uid("u1").is_some() && pods.by_container("c-u1").is_some());
    assert!(pods.live().is_empty());
    pods.expire(7 * SECOND);
    assert!(pods.by_uid("u1").is_none() && pods.by_container("c-u1").is_none());
    assert!(pods.by_name("shop", "web-1").is_none() && pods.peer(ip(1), SECOND).is_none());
    assert_eq!((pods.len(), pods.addresses(), pods.evicted()), (0, 0, 0));
}

#[test]
fn a_pod_that_comes_back_is_not_forgotten_by_its_first_end() {
    let limits = PodLimits { keep: Duration::from_nanos(5), ..PodLimits::default() };
    let pods = Pods::new(limits);
    pods.apply(1, told(pod("u1", "web-1", &[ip(1)])));
    pods.apply(2, gone("u1"));
    pods.apply(3, told(pod("u1", "web-1", &[ip(1)])));
    pods.expire(1000);
    assert_eq!(pods.live().len(), 1);
    assert_eq!(pod_at(&pods, 1, 1000).as_deref(), Some("web-1"));
}

#[test]
fn containers_of_the_past_stay_a_while_and_are_bounded() {
    let limits = PodLimits { past: 8, ..PodLimits::default() };
    let pods = Pods::new(limits);
    let with = |id: String| {
        let one = PodContainer { id: id.into(), name: "main".into(), image: "web:1".into() };
        told(Pod { containers: [one].into(), ..pod("u1", "web-1", &[]) })
    };
    for round in 0..20 {
        pods.apply(round, with(format!("c{round}")));
    }
    assert!(pods.by_container("c19").is_some() && pods.by_container("c11").is_some());
    assert!(pods.by_container("c10").is_none());
    assert_eq!(pods.evicted(), 11);
}

#[test]
fn a_full_index_forgets_the_gone_and_keeps_the_nodes_own_pods() {
    let pods = Pods::new(PodLimits { pods: 2, ..PodLimits::default() });
    pods.apply(1, told(pod("u1", "web-1", &[ip(1)])));
    pods.apply(2, told(pod("u2", "web-2", &[ip(2)])));
    pods.apply(3, gone("u1"));
    pods.apply(4, told(pod("u3", "web-3", &[ip(3)])));
    assert!(pods.by_uid("u1").is_none() && pods.by_uid("u3").is_some());
    assert_eq!(pods.evicted(), 1);
    let far = Pod { containers: [].into(), ..pod("u4", "far", &[ip(4)]) };
    pods.apply(5, told(far));
    assert!(pods.by_uid("u4").is_none() && pods.peer(ip(4), 5).is_none());
    assert_eq!(pods.evicted(), 2);
    pods.apply(6, told(pod("u5", "web-5", &[ip(5)])));
    assert!(pods.by_uid("u5").is_some());
}

#[test]
fn the_api_servers_word_counts_before_the_runtimes() {
    let pods = Pods::new(PodLimits::default());
    let bare = || Pod { source: Source::Runtime, workload: None, ..pod("u1", "web-1", &[]) };
    pods.apply(1, told(bare()));
    assert!(pods.by_uid("u1").unwrap().workload.is_none());
    pods.apply(2, told(pod("u1", "web-1", &[ip(1)])));
    pods.apply(3, told(bare()));
    assert!(pods.by_uid("u1").unwrap().workload.is_some());
    let end = ClusterChange::PodGone { uid: "u1".into(), source: Source::Runtime };
    pods.apply(4, end);
    assert_eq!(pods.live().len(), 1);
}

#[test]
fn a_static_pod_is_found_by_the_uid_of_its_cgroup() {
    let pods = Pods::new(PodLimits::default());
    let own = || Pod { source: Source::Runtime, ..pod("hash", "etcd", &[]) };
    pods.apply(1, told(own()));
    let mirror = Pod { static_uid: Some("hash".into()), ..pod("u1", "etcd", &[]) };
    pods.apply(2, told(mirror));
    pods.apply(3, told(own()));
    assert_eq!(*pods.by_uid("hash").unwrap().uid, *"u1");
    assert_eq!(pods.len(), 1);
}

#[test]
fn the_runtime_names_a_container_before_the_api_server_does() {
    let pods = Pods::new(PodLimits::default());
    pods.apply(1, told(Pod { containers: [].into(), ..pod("u1", "web-1", &[]) }));
    let container = RuntimeContainer {
        id: "c1".into(),
        name: "main".into(),
        image: "web:1".into(),
        pod_uid: Some("u1".into()),
        pid: Some(7),
        started: None,
    };
    pods.apply(2, ClusterChange::Container(Arc::new(container)));
    assert_eq!(*pods.by_container("c1").unwrap().1.name, *"main");
    assert_eq!(pods.runtime_container("c1").unwrap().pid, Some(7));
    pods.apply(3, ClusterChange::ContainerGone { id: "c1".into() });
    pods.expire(3 + 300 * SECOND);
    assert!(pods.by_container("c1").is_none() && pods.runtime_container("c1").is_none());
}

#[test]
fn namespaces_have_labels() {
    let pods = Pods::new(PodLimits::default());
    let labels = Labels::from_iter([("team", "b"), ("team", "a"), ("env", "test")]);
    pods.apply(1, ClusterChange::Namespace { name: "shop".into(), labels });
    let labels = pods.namespace_labels("shop").unwrap();
    assert_eq!(labels.iter().collect::<Vec<_>>(), [("env", "test"), ("team", "a")]);
    pods.apply(2, ClusterChange::NamespaceGone { name: "shop".into() });
    assert!(pods.namespace_labels("shop").is_none());
}

proptest! {
    /// Pods that come, go and take each other's addresses, in order of time: at every moment an
    /// address is that of the live pod that took it last.
    #[test]
    fn addresses_are_right_at_every_time(acts in prop::collection::vec((0u8..6, 0u8..4), 1..60)) {
        let pods = Pods::new(PodLimits::default());
        // What each pod (by number) holds, and since when; then who had what at each time.
        let mut holds: HashMap<u8, (u8, u64)> = HashMap::new();
        let mut history: Vec<[Option<u8>; 4]> = Vec::new();
        for (act, &(who, address)) in acts.iter().enumerate() {
            let time = act as u64;
            let uid = format!("u{who}");
            if holds.remove(&who).is_some() {
                pods.apply(time, gone(&uid));
            } else {
                pods.apply(time, told(pod(&uid, &format!("p{who}"), &[ip(address)])));
                holds.insert(who, (address, time));
            }
            let mut now = [None; 4];
            for (slot, place) in now.iter_mut().enumerate() {
                let holders = holds.iter().filter(|(_, held)| held.0 as usize == slot);
                *place = holders.max_by_key(|(_, held)| held.1).map(|(who, _)| *who);
            }
            history.push(now);
        }
        for (time, now) in history.iter().enumerate() {
            for (slot, who) in now.iter().enumerate() {
                let expected = who.map(|who| format!("p{who}"));
                prop_assert_eq!(pod_at(&pods, slot as u8, time as u64), expected, "at {}", time);
            }
        }
    }
}
