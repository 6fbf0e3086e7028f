//! Pods by name, label and address, with a real API server and pods that are real processes in a
//! kubelet's cgroups: all of the work of those that were asked for is told, and nothing else.

#[path = "pods/policy.rs"]
mod policy;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::cluster::{ApiServer, Network, Node, Parts, Pod, PodSpec, objects};
use testkit::watch::not_run;

/// One cluster at a time: an agent sees the pods of all that are on this machine.
static TURN: Mutex<()> = Mutex::new(());

const NODE: &str = "fathom-test";

/// An API server, a node, and what keeps others from having theirs meanwhile.
struct Cluster {
    server: ApiServer,
    node: Node,
    network: Network,
    directory: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

/// `fathom observe`, in the background.
struct Observer {
    child: Option<Child>,
    rows: PathBuf,
}

#[test]
fn all_of_a_selection_and_only_that() {
    let Some(mut cluster) = Cluster::start("all_of_a_selection_and_only_that") else { return };
    let cart = cluster.deployment("shop", "cart");
    let before = cluster.pod("shop", "before", "cart", &cart);
    let mut observer = cluster.observe(&["process_exec"], &["-n", "shop", "-l", "app=cart"]);

    // Pods that come later, of three sorts: asked for, of other labels, of another namespace.
    let mut asked: Vec<Pod> = vec![before];
    let mut others = Vec::new();
    for number in 0..25 {
        asked.push(cluster.pod("shop", &format!("cart-{number}"), "cart", &cart));
    }
    for number in 0..13 {
        others.push(cluster.pod("shop", &format!("web-{number}"), "web", &cart));
        others.push(cluster.pod("test", &format!("cart-{number}"), "cart", &cart));
    }
    for (number, pod) in asked.iter().chain(&others).enumerate() {
        work(pod, &format!("first-{number}"));
    }

    // A pod that changes its labels leaves and comes; one made anew under its name is another.
    others[0].relabel(&[("app", Some("cart"))]).expect("relabel");
    observer.sees_soon(&others[0], "came");
    asked[0].relabel(&[("app", Some("web"))]).expect("relabel");
    observer.sees_no_more(&asked[0], "left");
    work(&asked[0], "foreign-1");
    let old = asked[1].containers()[0].id.clone();
    let anew = asked.remove(1).recreate().expect("recreate");
    assert_ne!(anew.containers()[0].id, old);
    work(&anew, "anew");

    // The API server may be away: what is known stays.
    cluster.server.stop();
    work(&asked[1], "away");
    work(&others[1], "foreign-2");
    cluster.server.restart().expect("restart");
    let back = cluster.pod("shop", "back", "cart", &cart);
    work(&back, "back");
    // Its container is another one after a restart, in the same pod.
    let mut back = back;
    back.restart(0).expect("restart");
    work(&back, "again");

    let (rows, said) = observer.end();
    assert!(said.contains("nothing lost"), "{said}");
    let told = marked(&rows);
    let count = |mark: &str| told.get(mark).map_or(0, Vec::len);
    for (number, name) in (0..26).map(|number| {
        (
            number,
            match number {
                0 => "before".to_string(),
                number => format!("cart-{}", number - 1),
            },
        )
    }) {
        let rows = &told[&format!("first-{number}")];
        assert_eq!(rows.len(), 1, "{name}");
        let row = rows[0];
        assert_eq!((&row["pod"], &row["namespace"]), (&name.into(), &"shop".into()), "{row}");
        assert_eq!((text(row, "workload"), text(row, "image")), ("Deployment/cart", "shop:1"));
        assert!(row["container"].as_str().is_some_and(|id| id.len() == 64), "{row}");
    }
    let foreign: Vec<_> = told.keys().filter(|mark| mark.starts_with("foreign")).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert_eq!((26..52).map(|number| count(&format!("first-{number}"))).sum::<usize>(), 0);
    for mark in ["anew", "away", "back", "again"] {
        assert_eq!(count(mark), 1, "{mark}");
    }
    assert_eq!(told["anew"][0]["container"], anew.containers()[0].id.as_str());
    assert_eq!(told["again"][0]["container"], back.containers()[0].id.as_str());
}

/// Two hundred pods that live for a moment each: all of those asked for, none of the others.
#[test]
fn churn_loses_nothing_and_lets_nothing_in() {
    let Some(cluster) = Cluster::start("churn_loses_nothing_and_lets_nothing_in") else { return };
    let owner = cluster.deployment("shop", "cart");
    let mut observer = cluster.observe(&["process_exec"], &["-n", "shop", "-l", "app=cart"]);
    for number in 0..200 {
        let app = if number % 2 == 0 { "cart" } else { "web" };
        let pod = cluster.pod("shop", &format!("{app}-{number}"), app, &owner);
        work(&pod, &format!("{app}-{number}"));
        pod.delete().expect("delete");
    }
    let (rows, said) = observer.end();
    assert!(said.contains("nothing lost"), "{said}");
    let told = marked(&rows);
    let expected: Vec<String> =
        (0..200).step_by(2).map(|number| format!("cart-{number}")).collect();
    let missing: Vec<_> = expected.iter().filter(|mark| !told.contains_key(*mark)).collect();
    assert!(missing.is_empty(), "{missing:?}\n{said}");
    assert_eq!(told.len(), expected.len(), "{:?}", told.keys());
    for (mark, rows) in &told {
        assert_eq!(rows.len(), 1, "{mark}");
        assert_eq!(rows[0]["pod"], mark.as_str());
    }
}

/// An address belongs to whoever had it at the time.
#[test]
fn the_other_end_is_named_by_address_and_time() {
    let test = "the_other_end_is_named_by_address_and_time";
    let Some(cluster) = Cluster::start(test) else { return };
    let owner = cluster.deployment("shop", "db");
    let client = cluster.pod("shop", "client", "client", &owner);
    let server = cluster.pod("shop", "db-0", "db", &owner);
    let ports = [("db", 5432)];
    let api = cluster.server.client();
    api.apply(&objects::service("shop", "db", &ports)).expect("a service");
    let object = server.object().expect("its object");
    api.apply(&objects::endpoints("shop", "db", &[&object], &ports)).expect("endpoints");
    let mut observer = cluster.observe(&["socket_connect"], &["--pod", "shop/client"]);
    connect(&client, &server);
    let address = server.address().expect("an address");
    // Another pod, with the address of the one before it.
    server.delete().expect("delete");
    api.delete(&objects::endpoints("shop", "db", &[&object], &ports)).expect("endpoints");
    let spec = spec("shop", "cache-0", "cache", &owner).address(address);
    let next = Pod::start(&cluster.node, &spec).expect("a pod");
    std::thread::sleep(Duration::from_secs(1));
    connect(&client, &next);
    let (rows, said) = observer.end();
    assert!(said.contains("nothing lost"), "{said}");
    let peers: Vec<_> = rows
        .iter()
        .filter(|row| row["peer_ip"] == address.to_string())
        .map(|row| (text(row, "peer_pod"), text(row, "peer_service"), text(row, "peer_workload")))
        .collect();
    assert_eq!(
        peers,
        [("db-0", "db", "Deployment/db"), ("cache-0", "", "Deployment/db")],
        "{said}"
    );
    assert!(rows.iter().all(|row| row["pod"] == "client" && row["peer_node"] != ""), "{rows:?}");
}

/// What was asked for wrongly is told with what is expected.
#[test]
fn a_wrong_selector_says_where() {
    let fathom =
        std::env::var_os("FATHOM_BIN").map_or(env!("CARGO_BIN_EXE_fathom").into(), PathBuf::from);
    let run = |arguments: &[&str]| {
        let output =
            Command::new(&fathom).arg("observe").args(arguments).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&["-n", "shop", "-l", "app in (a"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("app in (a"), "{said}");
    let (code, said) = run(&["-n", "shop", "--node"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("either which pods"), "{said}");
}

fn text<'a>(row: &'a Value, column: &str) -> &'a str {
    row[column].as_str().unwrap_or_default()
}

/// The rows of what [`work`] did, by mark.
fn marked(rows: &[Value]) -> BTreeMap<String, Vec<&Value>> {
    let mut marked: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for row in rows {
        let args = row["args"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_work = args.first().is_some_and(|name| name == "/bin/true");
        if let Some(mark) = args.get(1).and_then(Value::as_str).filter(|_| is_work) {
            marked.entry(mark.to_string()).or_default().push(row);
        }
    }
    marked.retain(|mark, _| !mark.starts_with("probe-"));
    marked
}

/// Something that the pod does and that can be told from all else.
fn work(pod: &Pod, mark: &str) {
    let status = pod.run(Command::new("/bin/true").arg(mark)).expect("it runs");
    assert!(status.success());
}

/// One connection from one pod to another.
fn connect(from: &Pod, to: &Pod) {
    let address = SocketAddr::from((to.address().expect("an address"), 5432));
    let listener = to.on_network(|| TcpListener::bind(address)).expect("a network");
    let listener = listener.expect("the port is free");
    let script = format!("exec 3<>/dev/tcp/{}/{}", address.ip(), address.port());
    let status = from.run(Command::new("/bin/bash").args(["-c", &script])).expect("it runs");
    assert!(status.success());
    drop(listener);
}

fn spec(namespace: &str, name: &str, app: &str, owner: &Value) -> PodSpec {
    PodSpec::new(namespace, name).label("app", app).owner(owner).container("main", "shop:1")
}

impl Cluster {
    /// None, and a note, where this machine cannot have one.
    fn start(test: &str) -> Option<Cluster> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let features = kernel::Features::probe();
        if let Some(obstacle) = features.obstacle(kernel::Mechanism::TpBtf) {
            not_run(test, obstacle);
            return None;
        }
        if let Err(error) = kernel::Cgroup::create() {
            not_run(test, &format!("pods need cgroups: {error:#}"));
            return None;
        }
        let server = ApiServer::start(&Parts::find(test)?).expect("an API server");
        for namespace in ["shop", "test"] {
            server.client().create(&objects::namespace(namespace)).expect("a namespace");
        }
        let network = Network::create().expect("a network");
        let node = Node::start(server.client(), NODE).expect("a node").with_network(&network);
        let directory = std::env::temp_dir().join(format!("fathom-{test}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        Some(Cluster { server, node, network, directory, _turn: turn })
    }

    /// A Deployment's ReplicaSet, which is what owns its pods.
    fn deployment(&self, namespace: &str, name: &str) -> Value {
        let api = self.server.client();
        let top =
            api.create(&objects::workload("Deployment", namespace, name)).expect("a Deployment");
        let set = objects::workload("ReplicaSet", namespace, &format!("{name}-5d8f"));
        api.create(&objects::owned_by(set, &top)).expect("a ReplicaSet")
    }

    fn pod(&self, namespace: &str, name: &str, app: &str, owner: &Value) -> Pod {
        Pod::start(&self.node, &spec(namespace, name, app, owner)).expect("a pod")
    }

    /// Starts to observe; returns when the scope stands.
    fn observe(&self, tables: &[&str], scope: &[&str]) -> Observer {
        let fathom = std::env::var_os("FATHOM_BIN");
        let fathom = fathom.map_or(env!("CARGO_BIN_EXE_fathom").into(), PathBuf::from);
        let rows = self.directory.join("rows");
        let _ = fs::remove_file(&rows);
        let mut command = Command::new(fathom);
        command.arg("observe").args(tables).args(scope).args(["-o", "json", "--to"]).arg(&rows);
        command.arg("--kubeconfig").arg(self.server.kubeconfig()).env("NODE_NAME", NODE);
        let child =
            command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
        let mut observer = Observer { child: Some(child), rows };
        let begun = Instant::now();
        while !observer.rows.exists() {
            let child = observer.child.as_mut().expect("it runs");
            assert!(child.try_wait().expect("our own child").is_none(), "{:?}", observer.end());
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not begin");
            std::thread::sleep(Duration::from_millis(10));
        }
        observer
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = &self.network;
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

impl Observer {
    /// Waits until work of the pod is told.
    fn sees_soon(&mut self, pod: &Pod, what: &str) {
        self.probe(pod, what, true);
    }

    /// Waits until work of the pod is not told any more.
    fn sees_no_more(&mut self, pod: &Pod, what: &str) {
        self.probe(pod, what, false);
    }

    /// Lets the pod work until that is told, or is not. It is told within some polls of the rings,
    /// so a second is long.
    fn probe(&mut self, pod: &Pod, what: &str, told: bool) {
        for number in 0..20 {
            let mark = format!("probe-{what}-{number}");
            work(pod, &mark);
            let begun = Instant::now();
            let mut seen = false;
            while !seen && begun.elapsed() < Duration::from_secs(1) {
                std::thread::sleep(Duration::from_millis(20));
                seen =
                    fs::read_to_string(&self.rows).expect("rows").contains(&format!("\"{mark}\""));
            }
            if seen == told {
                return;
            }
        }
        let said = self.end().1;
        panic!("{what}: the change of labels had no effect within a minute\n{said}");
    }

    /// Ends it as Ctrl-C does; its rows and its closing words.
    fn end(&mut self) -> (Vec<Value>, String) {
        let child = self.child.take().expect("it runs");
        // Whatever is still to be told comes within a poll of the rings.
        std::thread::sleep(Duration::from_millis(200));
        let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(asked.is_ok());
        let output = child.wait_with_output().expect("our own child");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = fs::read_to_string(&self.rows).unwrap_or_default();
        let rows = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let _ = std::io::stdout().flush();
        (rows, said)
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
