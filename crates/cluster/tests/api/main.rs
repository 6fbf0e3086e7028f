//! The API server as a test plays it: pages, events, ends and refusals.

mod kinds;
mod server;
mod trouble;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cluster::{Config, Watch};
use identity::pods::{ClusterChange, Pods};
use serde_json::{Value, json};

use crate::server::Server;

const PODS: &str = "/api/v1/pods";
const SERVICES: &str = "/api/v1/services";
const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";
const ENDPOINTS: &str = "/api/v1/endpoints";
const NODES: &str = "/api/v1/nodes";
const NAMESPACES: &str = "/api/v1/namespaces";
const SETS: &str = "/apis/apps/v1/replicasets";
const JOBS: &str = "/apis/batch/v1/jobs";

/// A watch of the server, and what it told.
struct Ear {
    watch: Watch,
    heard: Arc<Mutex<Vec<ClusterChange>>>,
    pods: Arc<Pods>,
}

impl Ear {
    fn new(server: &Server) -> Ear {
        let config = Config {
            kubeconfig: Some(server.kubeconfig()),
            node: "node-1".into(),
            cri: Vec::new(),
            docker: None,
            retry_first: Duration::from_millis(5),
            retry_longest: Duration::from_millis(50),
            ..Config::default()
        };
        let heard = Arc::new(Mutex::new(Vec::new()));
        let pods = Arc::new(Pods::default());
        let (all, index) = (heard.clone(), pods.clone());
        let watch = cluster::watch(config, move |time, change: ClusterChange| {
            assert!(time > 0);
            index.apply(time, change.clone());
            all.lock().unwrap().push(change);
        });
        Ear { watch: watch.unwrap(), heard, pods }
    }

    /// Waits until it is so.
    fn until(&self, what: &str, is_so: impl Fn(&Ear) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            let heard = self.heard.lock().unwrap();
            let state = self.watch.state();
            assert!(begun.elapsed().as_secs() < 60, "not {what}: {heard:#?} {state:#?}");
            drop(heard);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until everything was listed once.
    fn synced(&self) {
        self.until("synced", |ear| ear.watch.state().synced());
    }

    /// How often the pod was told of, its end included.
    fn told(&self, uid: &str) -> usize {
        let heard = self.heard.lock().unwrap();
        let speaks = heard.iter().filter(|change| match change {
            ClusterChange::Pod(pod) => &*pod.uid == uid,
            ClusterChange::PodGone { uid: gone, .. } => &**gone == uid,
            _ => false,
        });
        speaks.count()
    }

    fn live(&self) -> Vec<String> {
        let mut names: Vec<_> = self.pods.live().iter().map(|pod| pod.name.to_string()).collect();
        names.sort();
        names
    }

    fn workload(&self, uid: &str) -> Option<String> {
        Some(self.pods.by_uid(uid)?.workload.as_ref()?.to_string())
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A running pod on this node, by its number.
fn pod(number: u32, version: &str) -> Value {
    json!({
        "metadata": {
            "uid": format!("u{number}"), "name": format!("web-{number}"), "namespace": "shop",
            "resourceVersion": version, "labels": {"app": "web"},
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "main", "image": "web:1"}]},
        "status": {
            "phase": "Running", "podIP": format!("10.0.0.{number}"),
            "startTime": "2020-01-01T00:00:00Z",
            "containerStatuses": [{"name": "main", "image": "sha256:1",
                "containerID": format!("containerd://c{number}")}],
        },
    })
}

/// The pod with other labels.
fn labelled(mut pod: Value, app: &str) -> Value {
    pod["metadata"]["labels"]["app"] = app.into();
    pod
}

/// The pod with a controller.
fn owned(mut pod: Value, kind: &str, name: &str, uid: &str) -> Value {
    pod["metadata"]["ownerReferences"] =
        json!([{"kind": kind, "name": name, "uid": uid, "controller": true}]);
    pod
}
