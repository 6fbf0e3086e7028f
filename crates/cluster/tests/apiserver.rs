//! A real API server, of an age at which it has no slices of endpoints in their final form.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cluster::{Config, Connection, Watch};
use identity::pods::{ClusterChange, Pods};
use serde_json::{Value, json};
use testkit::cluster::{ApiServer, Parts, objects};

struct Ear {
    watch: Watch,
    pods: Arc<Pods>,
    heard: Arc<Mutex<usize>>,
}

impl Ear {
    fn new(kubeconfig: std::path::PathBuf) -> Ear {
        let config = Config {
            kubeconfig: Some(kubeconfig),
            node: "node-1".into(),
            cri: Vec::new(),
            docker: None,
            retry_first: Duration::from_millis(50),
            retry_longest: Duration::from_millis(500),
            ..Config::default()
        };
        let (pods, heard) = (Arc::new(Pods::default()), Arc::new(Mutex::new(0)));
        let (index, count) = (pods.clone(), heard.clone());
        let watch = cluster::watch(config, move |time, change: ClusterChange| {
            index.apply(time, change);
            *count.lock().unwrap() += 1;
        });
        Ear { watch: watch.unwrap(), pods, heard }
    }

    fn until(&self, what: &str, is_so: impl Fn(&Ear) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            let state = self.watch.state();
            assert!(begun.elapsed().as_secs() < 120, "not {what}: {state:#?}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn pod(name: &str, owner: &Value) -> Value {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "shop", "name": name, "labels": {"app": "web"}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "main", "image": "web:1"}]},
        "status": {"phase": "Running", "podIP": "10.9.0.1", "podIPs": [{"ip": "10.9.0.1"}],
            "startTime": "2020-01-01T00:00:00Z",
            "containerStatuses": [{"name": "main", "image": "web:1", "imageID": "", "ready": true,
                "restartCount": 0, "containerID": format!("containerd://{name}")}]},
    });
    objects::owned_by(pod, owner)
}

#[test]
fn a_real_cluster_is_known_across_a_restart_of_its_server() {
    let Some(parts) = Parts::find("a_real_cluster_is_known_across_a_restart_of_its_server") else {
        return;
    };
    let mut server = ApiServer::start(&parts).unwrap();
    let client = server.client().clone();
    client.create(&objects::namespace("shop")).unwrap();
    client.create(&objects::node("node-1", "10.8.0.1")).unwrap();
    let deployment = client.create(&objects::workload("Deployment", "shop", "web")).unwrap();
    let set = objects::owned_by(objects::workload("ReplicaSet", "shop", "web-x"), &deployment);
    let set = client.create(&set).unwrap();
    let first = client.create(&pod("web-1", &set)).unwrap();
    let ports = [("http", 80)];
    let service = client.create(&objects::service("shop", "web", &ports)).unwrap();
    client.create(&objects::endpoints("shop", "web", &[&first], &ports)).unwrap();

    let ear = Ear::new(server.kubeconfig());
    ear.until("synced", |ear| ear.watch.state().synced());
    let address = "10.9.0.1".parse().unwrap();
    let peer = ear.pods.peer(address, u64::MAX - 1).unwrap();
    assert_eq!(peer.workload.as_deref(), Some("Deployment/web"));
    assert_eq!((peer.service.as_deref(), peer.node.as_deref()), (Some("web"), Some("node-1")));
    assert_eq!(*ear.pods.by_container("web-1").unwrap().1.image, *"web:1");
    let own = service["spec"]["clusterIP"].as_str().unwrap().parse().unwrap();
    assert_eq!(ear.pods.peer(own, u64::MAX - 1).unwrap().service.as_deref(), Some("web"));
    let node = "10.8.0.1".parse().unwrap();
    assert_eq!(ear.pods.peer(node, u64::MAX - 1).unwrap().node.as_deref(), Some("node-1"));

    // Away and back: nothing is forgotten, and nothing told twice.
    let before = *ear.heard.lock().unwrap();
    server.stop();
    ear.until("lost", |ear| matches!(ear.watch.state().api(), Connection::Lost { .. }));
    assert_eq!(ear.pods.live().len(), 1);
    server.restart().unwrap();
    ear.until("back", |ear| ear.watch.state().api() == Connection::Connected);
    assert_eq!(*ear.heard.lock().unwrap(), before);

    // The pod goes, and another has its address.
    client.delete(&first).unwrap();
    ear.until("gone", |ear| ear.pods.live().is_empty());
    let second = client.create(&pod("web-2", &set)).unwrap();
    ear.until("the other is there", |ear| {
        let peer = ear.pods.peer(address, u64::MAX - 1);
        peer.is_some_and(|peer| peer.pod.as_deref() == Some("web-2"))
    });
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
}

#[test]
fn who_may_see_nothing_is_told_so() {
    let Some(parts) = Parts::find("who_may_see_nothing_is_told_so") else { return };
    let server = ApiServer::start(&parts).unwrap();
    let ear = Ear::new(server.fathom_kubeconfig());
    ear.until("synced", |ear| ear.watch.state().synced());
    let Connection::Refused { why } = ear.watch.state().kinds[0].connection.clone() else {
        panic!("{:?}", ear.watch.state());
    };
    assert!(why.contains("forbidden"), "{why}");
    assert!(ear.pods.is_empty());
}
