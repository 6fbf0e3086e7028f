//! The cluster that other tests build on: the API server keeps what it is told, and pods are
//! where a kubelet would have put them.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use schema::Qos;
use serde_json::{Value, json};
use testkit::cluster::{ApiServer, Driver, Network, Node, Parts, Pod, PodSpec, Runtime, objects};
use testkit::watch::not_run;

/// The cgroup that a process is in, below that of its node.
fn cgroup_of(pid: u32, node: &Node) -> String {
    let lines = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = lines.lines().find_map(|line| line.strip_prefix("0::")).unwrap();
    let mount = kernel::cgroup2_mount().unwrap();
    let path = mount.join(path.trim_start_matches('/'));
    path.strip_prefix(node.cgroup()).unwrap().display().to_string()
}

/// What `/bin/sh` prints in the pod's first container.
fn shell(pod: &Pod, script: &str) -> String {
    let mut command = Command::new("/bin/sh");
    let child = pod.spawn(0, command.args(["-c", script]).stdout(std::process::Stdio::piped()));
    let output = child.unwrap().wait_with_output().unwrap();
    assert!(output.status.success(), "{script}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn names(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect()
}

/// Whether this machine lets us make cgroups, which pods are made of.
fn may_make_cgroups(test: &str) -> bool {
    match kernel::Cgroup::create() {
        Ok(_) => true,
        Err(error) => {
            not_run(test, &format!("pods need cgroups: {error:#}"));
            false
        }
    }
}

#[test]
fn the_server_keeps_what_it_is_told() {
    let Some(parts) = Parts::find("the_server_keeps_what_it_is_told") else { return };
    let mut server = ApiServer::start(&parts).unwrap();
    let client = server.client().clone();
    client.create(&objects::namespace("shop")).unwrap();
    let version = client.get("/version").unwrap().unwrap();
    assert_eq!([&version["major"], &version["minor"]], ["1", "20"], "{version}");

    // Owners, up to the top.
    let cron = client.create(&objects::cron_job("shop", "nightly")).unwrap();
    let job = objects::owned_by(objects::job("shop", "nightly-1"), &cron);
    let job = client.create(&job).unwrap();
    assert_eq!(job["metadata"]["ownerReferences"][0]["uid"], cron["metadata"]["uid"]);
    for kind in ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"] {
        let kept = client.create(&objects::workload(kind, "shop", "web")).unwrap();
        assert_eq!(kept["kind"], kind);
    }

    // Services and what is behind them.
    let ports = [("http", 8080)];
    let service = client.apply(&objects::service("shop", "web", &ports)).unwrap();
    let address: Ipv4Addr = service["spec"]["clusterIP"].as_str().unwrap().parse().unwrap();
    assert_eq!(address.octets()[..2], [10, 96]);
    client.create(&objects::headless_service("shop", "db", &ports)).unwrap();
    let pod = json!({
        "metadata": { "namespace": "shop", "name": "web-0", "uid": "u" },
        "spec": { "nodeName": "a" },
        "status": { "podIP": "10.1.2.3" },
    });
    let endpoints = client.apply(&objects::endpoints("shop", "web", &[&pod], &ports)).unwrap();
    assert_eq!(endpoints["subsets"][0]["addresses"][0]["targetRef"]["name"], "web-0");
    let slice = objects::endpoint_slice("shop", "web", &[&pod], &ports);
    assert_eq!(client.create(&slice).unwrap()["endpoints"][0]["addresses"][0], "10.1.2.3");

    // Change, replace, delete, refuse.
    let changed = objects::labelled(objects::service("shop", "web", &ports), "tier", "front");
    assert_eq!(client.apply(&changed).unwrap()["metadata"]["labels"]["tier"], "front");
    let refused = client.create(&changed).unwrap_err().to_string();
    assert!(refused.contains("409") && refused.contains("already exists"), "{refused}");
    let orphan = client.create(&objects::service("nowhere", "web", &ports)).unwrap_err();
    assert!(orphan.to_string().contains("404"), "{orphan}");

    // A killed server comes back with everything, at the same place.
    let url = server.url();
    server.stop();
    assert!(client.list("/api/v1/namespaces/shop/services").is_err(), "nobody is there");
    server.restart().unwrap();
    assert_eq!(server.url(), url);
    let services = client.list("/api/v1/namespaces/shop/services?labelSelector=tier=front");
    assert_eq!(names(&services.unwrap()), ["web"]);
    assert!(client.delete(&changed).unwrap());
    assert!(!client.delete(&changed).unwrap(), "it is gone already");
    let services = client.list("/api/v1/namespaces/shop/services").unwrap();
    assert_eq!(names(&services), ["db"]);

    // The user `fathom` may do what it has been given, and no more.
    let kubectl = |verb: &str| {
        let mut kubectl = Command::new(std::env::var_os("FATHOM_KUBECTL").unwrap());
        // It keeps a cache in its home.
        let kubeconfig = server.fathom_kubeconfig();
        let home = kubeconfig.parent().expect("a folder");
        kubectl.env("KUBECONFIG", &kubeconfig).env("HOME", home);
        let output = kubectl.args([verb, "--raw", "/api/v1/pods"]).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (may, said) = kubectl("get");
    assert!(!may && said.contains("forbidden"), "{said}");
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": "fathom" },
        "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] }],
    });
    let mut binding = role.clone();
    binding["kind"] = "ClusterRoleBinding".into();
    binding.as_object_mut().unwrap().remove("rules");
    binding["roleRef"] =
        json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "fathom" });
    binding["subjects"] =
        json!([{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "fathom" }]);
    client.create(&role).unwrap();
    client.create(&binding).unwrap();
    // The server learns of its own roles through a watch.
    let begun = std::time::Instant::now();
    while let (false, said) = kubectl("get") {
        assert!(begun.elapsed().as_secs() < 20, "{said}");
    }
}

#[test]
fn pods_are_where_a_kubelet_puts_them() {
    let test = "pods_are_where_a_kubelet_puts_them";
    let Some(parts) = Parts::find(test) else { return };
    if !may_make_cgroups(test) {
        return;
    }
    let mut server = ApiServer::start(&parts).unwrap();
    let client = server.client().clone();
    client.create(&objects::namespace("shop")).unwrap();
    let set = client.create(&objects::workload("ReplicaSet", "shop", "web")).unwrap();
    let node = Node::start(&client, "node-a").unwrap();
    let spec = PodSpec::new("shop", "web-0")
        .label("app", "web")
        .owner(&set)
        .container("web", "registry.example/web:1")
        .container("sidecar", "registry.example/proxy:2");
    let mut pod = Pod::start(&node, &spec).unwrap();

    // The object says what the node does.
    let object = pod.object().unwrap();
    assert_eq!(object["metadata"]["uid"], pod.uid());
    assert_eq!(object["metadata"]["ownerReferences"][0]["name"], "web");
    assert_eq!(object["spec"]["nodeName"], "node-a");
    assert_eq!(object["status"]["phase"], "Running");
    let on_node = client.list("/api/v1/pods?fieldSelector=spec.nodeName=node-a").unwrap();
    assert_eq!(names(&on_node), ["web-0"]);
    for (at, container) in pod.containers().iter().enumerate() {
        let status = &object["status"]["containerStatuses"][at];
        assert_eq!(status["name"], container.name);
        assert_eq!(status["containerID"], format!("containerd://{}", container.id));
        let path = format!("kubepods/burstable/pod{}/{}", pod.uid(), container.id);
        assert_eq!(cgroup_of(container.pid(), &node), path);
    }

    // Commands run inside, and their ends are told.
    let id = pod.containers()[0].id.clone();
    assert!(shell(&pod, "cat /proc/self/cgroup").trim_end().ends_with(&id));
    let status = pod.run(Command::new("/bin/sh").args(["-c", "exit 3"])).unwrap();
    assert_eq!(status.code(), Some(3));

    // Labels change, containers start anew.
    let labels = pod.relabel(&[("app", None), ("tier", Some("front"))]).unwrap();
    assert_eq!(labels["metadata"]["labels"], json!({ "tier": "front" }));
    pod.restart(0).unwrap();
    let status = &pod.object().unwrap()["status"]["containerStatuses"][0];
    assert_eq!(status["restartCount"], 1);
    assert_ne!(pod.containers()[0].id, id);
    assert_eq!(status["containerID"], format!("containerd://{}", pod.containers()[0].id));

    // The pods go on without the API server, and their objects are there after it.
    server.stop();
    assert_eq!(shell(&pod, "echo here"), "here\n");
    server.restart().unwrap();
    assert_eq!(names(&client.list("/api/v1/namespaces/shop/pods").unwrap()), ["web-0"]);

    // The next one of that name is another.
    let (uid, folder) = (pod.uid().to_string(), pod.cgroup().to_path_buf());
    shell(&pod, "sleep 1000 >/dev/null 2>&1 &");
    let pod = pod.recreate().unwrap();
    assert_ne!(pod.uid(), uid);
    assert!(!folder.exists(), "the first one's processes and cgroups have ended");
    let (folder, main) = (pod.cgroup().to_path_buf(), pod.containers()[0].pid());
    pod.delete().unwrap();
    assert!(!folder.exists() && !Path::new(&format!("/proc/{main}")).exists());
    assert!(client.list("/api/v1/namespaces/shop/pods").unwrap().is_empty());
    let root = node.cgroup().to_path_buf();
    drop(node);
    assert!(!root.exists(), "the node's cgroup has gone with it");
}

#[test]
fn every_driver_and_class_has_paths_that_lead_back_to_the_pod() {
    let test = "every_driver_and_class_has_paths_that_lead_back_to_the_pod";
    let Some(parts) = Parts::find(test) else { return };
    if !may_make_cgroups(test) {
        return;
    }
    let server = ApiServer::start(&parts).unwrap();
    let client = server.client();
    client.create(&objects::namespace("shop")).unwrap();
    let mut number = 0;
    for (driver, runtime) in [
        (Driver::Cgroupfs, Runtime::Containerd),
        (Driver::Cgroupfs, Runtime::Crio),
        (Driver::Systemd, Runtime::Containerd),
        (Driver::Systemd, Runtime::Crio),
        (Driver::Systemd, Runtime::Docker),
    ] {
        let node = Node::start(client, "node-a").unwrap().with_runtime(driver, runtime);
        for qos in [Qos::Guaranteed, Qos::Burstable, Qos::BestEffort] {
            number += 1;
            let spec = PodSpec::new("shop", &format!("pod-{number}")).qos(qos);
            let pod = Pod::start(&node, &spec).unwrap();
            let path = cgroup_of(pod.containers()[0].pid(), &node);
            let found = identity::cgroup::container(path.as_bytes()).unwrap();
            assert_eq!(found.id, pod.containers()[0].id, "{path}");
            assert_eq!(found.pod_uid.as_deref(), Some(pod.uid()), "{path}");
            assert_eq!(found.qos, Some(qos), "{path}");
        }
    }
    // A static pod's cgroup knows a hash, and its mirror says which. The node's root is a given one.
    let root = kernel::Cgroup::create().unwrap();
    let node = Node::start_at(client, "node-b", root.path()).unwrap();
    let hash = "0123456789abcdef0123456789abcdef";
    let pod = Pod::start(&node, &PodSpec::new("shop", "static").mirror(hash)).unwrap();
    assert_ne!(pod.uid(), hash);
    let path = cgroup_of(pod.containers()[0].pid(), &node);
    assert!(path.starts_with(&format!("kubepods/burstable/pod{hash}/")), "{path}");
    drop((pod, node));
    let left = fs::read_dir(root.path()).unwrap().flatten();
    assert_eq!(left.filter(|entry| entry.path().is_dir()).count(), 0, "the root is as it was");
}

#[test]
fn pods_talk_over_a_network_of_their_own() {
    let test = "pods_talk_over_a_network_of_their_own";
    let Some(parts) = Parts::find(test) else { return };
    if !may_make_cgroups(test) {
        return;
    }
    let network = match Network::create() {
        Ok(network) => network,
        Err(error) => return not_run(test, &format!("{error:#}")),
    };
    let server = ApiServer::start(&parts).unwrap();
    let client = server.client();
    client.create(&objects::namespace("shop")).unwrap();
    let node = Node::start(client, "node-a").unwrap().with_network(&network);
    let front = Pod::start(&node, &PodSpec::new("shop", "front")).unwrap();
    let back = Pod::start(&node, &PodSpec::new("shop", "back").port("http", 8080)).unwrap();
    let address = back.address().unwrap();
    assert_eq!(back.object().unwrap()["status"]["podIP"], address.to_string());
    assert_eq!(shell(&back, "cat /proc/net/dev | grep -c eth0"), "1\n");

    // The same address and name, but another pod, as seen from one that has met the first.
    let answer = |back: &Pod| {
        let listener = back.on_network(|| TcpListener::bind((address, 8080)).unwrap()).unwrap();
        let uid = back.uid().to_string();
        let serve = std::thread::spawn(move || {
            let (mut stream, peer) = listener.accept().unwrap();
            stream.write_all(uid.as_bytes()).unwrap();
            peer
        });
        let to = SocketAddr::from((address, 8080));
        let patience = std::time::Duration::from_secs(10);
        let connect = move || TcpStream::connect_timeout(&to, patience).unwrap();
        let mut stream = front.on_network(connect).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        (said, serve.join().unwrap().ip())
    };
    assert_eq!(answer(&back), (back.uid().to_string(), front.address().unwrap().into()));
    let old = back.uid().to_string();
    let back = back.recreate().unwrap();
    assert_eq!(back.address(), Some(address));
    assert_ne!(back.uid(), old);
    assert_eq!(answer(&back).0, back.uid());
    let seen = network.on_node(|| TcpStream::connect((address, 8080)).is_err()).unwrap();
    assert!(seen, "nobody listens any more");

    let host = Pod::start(&node, &PodSpec::new("shop", "host").host_network()).unwrap();
    assert_eq!(host.address(), None);
    assert_eq!(host.object().unwrap()["status"]["podIP"], "192.0.2.10");
}
