//! What each kind of object tells.

use identity::pods::Source;

use crate::server::{Reply, Server, event, list, status};
use crate::*;

#[test]
fn pods_of_this_node_are_told_in_full_and_others_by_address() {
    let server = Server::start();
    let mut far = pod(2, "4");
    far["spec"]["nodeName"] = "node-2".into();
    let mut ended = pod(3, "5");
    ended["status"]["phase"] = "Succeeded".into();
    let mut host = pod(4, "6");
    host["spec"]["hostNetwork"] = true.into();
    let mut mirror = pod(5, "7");
    mirror["metadata"]["annotations"] =
        json!({"kubernetes.io/config.mirror": "x", "kubernetes.io/config.hash": "static-5"});
    let mut dual = pod(6, "8");
    dual["status"]["podIPs"] = json!([{"ip": "10.0.0.6"}, {"ip": "fd00::6"}]);
    let pods = [pod(1, "3"), far, ended, host, mirror, dual];
    server.list(PODS, Reply::Whole(200, list("10", "", &pods)));
    let ear = Ear::new(&server);
    ear.synced();
    let (found, container) = ear.pods.by_container("c1").unwrap();
    assert_eq!((&*found.uid, &*container.name, &*container.image), ("u1", "main", "web:1"));
    assert_eq!((found.since, found.source), (Some(0), Source::Api));
    assert!(ear.pods.by_container("c2").is_none());
    let peer = |text| ear.pods.peer(ip(text), u64::MAX - 1);
    assert_eq!(peer("10.0.0.2").unwrap().node.as_deref(), Some("node-2"));
    assert!(peer("10.0.0.3").is_none() && peer("10.0.0.4").is_none());
    assert_eq!(*ear.pods.by_uid("static-5").unwrap().uid, *"u5");
    assert_eq!(peer("fd00::6").unwrap().pod.as_deref(), Some("web-6"));
}

#[test]
fn workloads_are_found_through_what_stands_between() {
    let server = Server::start();
    let set = |uid: &str| {
        json!({"metadata": {"uid": uid, "name": "web-x", "resourceVersion": "11",
        "ownerReferences": [{"kind": "Deployment", "name": "web", "uid": "d1", "controller": true}]}})
    };
    let job = json!({"metadata": {"uid": "j1", "name": "tidy-1", "ownerReferences":
        [{"kind": "CronJob", "name": "tidy", "uid": "k1", "controller": true}]}});
    let alone = json!({"metadata": {"uid": "j2", "name": "once"}});
    server
        .list(SETS, Reply::Whole(200, list("10", "", &[set("r1")])))
        .list(JOBS, Reply::Whole(200, list("10", "", &[job, alone])));
    let pods = [
        owned(pod(1, "1"), "ReplicaSet", "web-x", "r1"),
        owned(pod(2, "1"), "Job", "tidy-1", "j1"),
        owned(pod(3, "1"), "Job", "once", "j2"),
        owned(pod(4, "1"), "StatefulSet", "db", "s1"),
        owned(pod(5, "1"), "DaemonSet", "proxy", "s2"),
        owned(pod(6, "1"), "ReplicaSet", "web-y", "r2"),
        pod(7, "1"),
    ];
    server.list(PODS, Reply::Whole(200, list("10", "", &pods)));
    let ear = Ear::new(&server);
    ear.synced();
    let found = (1..=7).map(|it| ear.workload(&format!("u{it}")).unwrap_or_default());
    let expected = [
        "Deployment/web",
        "CronJob/tidy",
        "Job/once",
        "StatefulSet/db",
        "DaemonSet/proxy",
        "ReplicaSet/web-y",
        "",
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    // Owners are known before the first word on their pods.
    assert_eq!(ear.told("u1"), 1);
    let asked = server.asked(SETS);
    assert!(asked[0].contains("limit=500"), "{asked:?}");
}

#[test]
fn an_owner_told_late_names_its_pods_anew() {
    let server = Server::start();
    let set = json!({"metadata": {"uid": "r1", "name": "web-x", "resourceVersion": "11",
        "ownerReferences": [{"kind": "Deployment", "name": "web", "uid": "d1", "controller": true}]}});
    let owned = owned(pod(1, "1"), "ReplicaSet", "web-x", "r1");
    server
        .list(PODS, Reply::Whole(200, list("10", "", &[owned])))
        .watch(SETS, Reply::Ended(Vec::new()))
        .watch(SETS, Reply::Open(vec![event("ADDED", &set)]));
    let ear = Ear::new(&server);
    ear.until("it has its workload", |ear| ear.workload("u1").as_deref() == Some("Deployment/web"));
}

#[test]
fn services_nodes_and_namespaces_are_told() {
    let server = Server::start();
    let service = |uid: &str, spec: Value| json!({"metadata": {"uid": uid, "name": uid, "namespace": "shop"}, "spec": spec});
    let services = [
        service("both", json!({"clusterIP": "10.1.0.1", "clusterIPs": ["10.1.0.1", "fd00::1"]})),
        service("old", json!({"clusterIP": "10.1.0.2"})),
        service("headless", json!({"clusterIP": "None", "clusterIPs": ["None"]})),
    ];
    let slice = json!({"metadata": {"uid": "e1", "name": "old-x", "namespace": "shop",
        "labels": {"kubernetes.io/service-name": "old"}},
        "endpoints": [{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "uid": "u1"}},
                      {"addresses": null}]});
    let node = json!({"metadata": {"uid": "n1", "name": "node-1"}, "status": {"addresses": [
        {"type": "InternalIP", "address": "10.2.0.1"}, {"type": "Hostname", "address": "node-1"}]}});
    let space = json!({"metadata": {"uid": "m1", "name": "shop", "labels": {"team": "a"}}});
    server
        .list(SERVICES, Reply::Whole(200, list("10", "", &services)))
        .list(SLICES, Reply::Whole(200, list("10", "", &[slice])))
        .list(NODES, Reply::Whole(200, list("10", "", &[node])))
        .list(NAMESPACES, Reply::Whole(200, list("10", "", &[space])))
        .list(PODS, Reply::Whole(200, list("10", "", &[pod(1, "3")])));
    let ear = Ear::new(&server);
    ear.synced();
    let now = u64::MAX - 1;
    let service =
        |text| ear.pods.peer(ip(text), now).unwrap().service.as_ref().unwrap().to_string();
    assert_eq!(
        ["10.1.0.1", "fd00::1", "10.1.0.2", "10.0.0.1"].map(service),
        ["both", "both", "old", "old"]
    );
    assert_eq!(ear.pods.peer(ip("10.2.0.1"), now).unwrap().node.as_deref(), Some("node-1"));
    assert_eq!(ear.pods.namespace_labels("shop").unwrap().get("team"), Some("a"));
    assert!(server.asked(ENDPOINTS).is_empty());
}

#[test]
fn an_old_server_without_slices_is_asked_for_endpoints() {
    let server = Server::start();
    let none = status(404, "NotFound", "the server could not find the requested resource");
    let endpoints = json!({"metadata": {"uid": "e1", "name": "web", "namespace": "shop"},
        "subsets": [{"addresses": [{"ip": "10.0.0.1", "targetRef": {"kind": "Pod", "uid": "u1"}}],
                     "notReadyAddresses": [{"ip": "10.0.0.2"}]}]});
    let leader = json!({"metadata": {"uid": "e2", "name": "leader", "namespace": "shop"},
        "subsets": null});
    server
        .list(SLICES, Reply::Whole(404, none.to_string()))
        .list(ENDPOINTS, Reply::Whole(200, list("10", "", &[endpoints, leader])))
        .list(PODS, Reply::Whole(200, list("10", "", &[pod(1, "3"), pod(2, "3")])));
    let ear = Ear::new(&server);
    ear.synced();
    for text in ["10.0.0.1", "10.0.0.2"] {
        let peer = ear.pods.peer(ip(text), u64::MAX - 1).unwrap();
        assert_eq!(peer.service.as_deref(), Some("web"));
    }
}
