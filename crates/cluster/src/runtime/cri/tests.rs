//! A runtime as a test plays it, on a socket of its own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures::stream::{self, BoxStream, StreamExt};
use identity::pods::{Pods, Source};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::{broadcast, oneshot};
use tonic::{Request, Response, Status};

use self::played::runtime_service_server::{RuntimeService, RuntimeServiceServer};
use self::played::*;
use crate::{Config, Connection, Watch, watch};

#[allow(missing_docs, unreachable_pub, unused_qualifications, dead_code, clippy::all)]
mod played {
    include!(concat!(env!("OUT_DIR"), "/played/runtime.v1.rs"));
}

/// What the runtime has; clones are the same.
#[derive(Clone)]
struct Runtime {
    has: Arc<Mutex<(Vec<PodSandbox>, Vec<Container>)>>,
    events: Option<broadcast::Sender<()>>,
    described: Arc<AtomicUsize>,
}

/// The runtime behind its socket; dropping it closes it.
struct Played {
    _open: oneshot::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl RuntimeService for Runtime {
    async fn version(&self, _: Request<VersionRequest>) -> Answer<VersionResponse> {
        Ok(Response::new(VersionResponse { runtime_name: "played".into(), ..Default::default() }))
    }

    async fn list_pod_sandbox(
        &self,
        asked: Request<ListPodSandboxRequest>,
    ) -> Answer<ListPodSandboxResponse> {
        let wanted = asked.into_inner().filter.and_then(|filter| filter.state).unwrap().state;
        let items = self.has.lock().unwrap().0.clone();
        let items = items.into_iter().filter(|sandbox| sandbox.state == wanted).collect();
        Ok(Response::new(ListPodSandboxResponse { items }))
    }

    async fn list_containers(
        &self,
        _: Request<ListContainersRequest>,
    ) -> Answer<ListContainersResponse> {
        let containers = self.has.lock().unwrap().1.clone();
        Ok(Response::new(ListContainersResponse { containers }))
    }

    async fn container_status(
        &self,
        asked: Request<ContainerStatusRequest>,
    ) -> Answer<ContainerStatusResponse> {
        self.described.fetch_add(1, Ordering::Relaxed);
        let asked = asked.into_inner();
        let has = self.has.lock().unwrap();
        let found = has.1.iter().find(|container| container.id == asked.container_id);
        let container = found.ok_or_else(|| Status::not_found("no such container"))?.clone();
        let status = ContainerStatus {
            id: container.id,
            image: Some(ImageSpec { image: "web:1".into() }),
            started_at: 1,
            ..Default::default()
        };
        let said = ("info".to_string(), "{\"sandboxID\":\"s1\",\"pid\":4711}".to_string());
        let info = if asked.verbose { HashMap::from([said]) } else { HashMap::new() };
        Ok(Response::new(ContainerStatusResponse { status: Some(status), info }))
    }

    type GetContainerEventsStream = BoxStream<'static, Result<ContainerEventResponse, Status>>;

    async fn get_container_events(
        &self,
        _: Request<GetEventsRequest>,
    ) -> Answer<Self::GetContainerEventsStream> {
        let Some(events) = &self.events else { return Err(Status::unimplemented("old")) };
        let events = stream::unfold(events.subscribe(), |mut events| async {
            events.recv().await.ok()?;
            Some((Ok(ContainerEventResponse::default()), events))
        });
        Ok(Response::new(events.boxed()))
    }
}

impl Runtime {
    fn new(tells: bool) -> Runtime {
        let events = tells.then(|| broadcast::channel(8).0);
        Runtime { has: Arc::default(), events, described: Arc::default() }
    }

    fn add(&self, sandbox: &str, uid: &str, container: &str) {
        let labels = HashMap::from([
            ("app".to_string(), "web".to_string()),
            ("io.kubernetes.pod.uid".to_string(), uid.to_string()),
        ]);
        let metadata = Some(PodSandboxMetadata {
            name: format!("web-{uid}"),
            uid: uid.into(),
            namespace: "shop".into(),
        });
        let mut has = self.has.lock().unwrap();
        has.0.push(PodSandbox { id: sandbox.into(), metadata, labels, ..Default::default() });
        has.1.push(Container {
            id: container.into(),
            pod_sandbox_id: sandbox.into(),
            metadata: Some(ContainerMetadata { name: "main".into() }),
            image: Some(ImageSpec { image: "sha256:1".into() }),
            state: ContainerState::ContainerRunning.into(),
            ..Default::default()
        });
    }

    fn tell(&self) {
        // Nobody may be listening yet; then the first list has it.
        let _ = self.events.as_ref().map(|events| events.send(()));
    }

    fn open(&self, path: &Path) -> Played {
        let _ = std::fs::remove_file(path);
        let (open, closed) = oneshot::channel();
        let (service, path) = (RuntimeServiceServer::new(self.clone()), path.to_path_buf());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = UnixListener::bind(path).unwrap();
                let incoming = stream::unfold(listener, |listener| async {
                    let accepted = listener.accept().await.map(|(stream, _)| stream);
                    Some((accepted, listener))
                });
                let server = tonic::transport::Server::builder().add_service(service);
                tokio::select! {
                    served = server.serve_with_incoming(incoming) => served.unwrap(),
                    _ = closed => {}
                }
            });
        });
        Played { _open: open, thread: Some(thread) }
    }
}

impl Played {
    fn close(mut self) {
        let thread = self.thread.take();
        drop(self);
        thread.unwrap().join().unwrap();
    }
}

fn listen(path: PathBuf) -> (Watch, Arc<Pods>) {
    let pods = Arc::new(Pods::default());
    let index = pods.clone();
    let config = Config {
        api: false,
        node: "node-1".into(),
        cri: vec!["/nowhere/at/all.sock".into(), path],
        docker: None,
        retry_first: Duration::from_millis(5),
        retry_longest: Duration::from_millis(50),
        ..Config::default()
    };
    (watch(config, move |time, change| index.apply(time, change)).unwrap(), pods)
}

fn until(what: &str, watch: &Watch, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed().as_secs() < 60, "not {what}: {:?}", watch.state());
        thread::sleep(Duration::from_millis(5));
    }
}

fn connection(watch: &Watch) -> Connection {
    watch.state().source("cri").map_or(Connection::Connecting, |it| it.connection.clone())
}

#[test]
fn the_runtime_names_containers_and_their_pods() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("runtime.sock");
    let (watch, pods) = listen(path.clone());
    until("absent", &watch, || matches!(connection(&watch), Connection::Absent { .. }));

    let runtime = Runtime::new(true);
    runtime.add("s1", "u1", "c1");
    let played = runtime.open(&path);
    until("known", &watch, || pods.by_container("c1").is_some());
    let (pod, container) = pods.by_container("c1").unwrap();
    assert_eq!((&*pod.uid, &*pod.namespace, &*pod.name), ("u1", "shop", "web-u1"));
    assert_eq!((&*container.name, &*container.image), ("main", "web:1"));
    assert_eq!((pod.source, pod.node.as_deref()), (Source::Runtime, Some("node-1")));
    assert_eq!(pod.labels.iter().collect::<Vec<_>>(), [("app", "web")]);
    let told = pods.runtime_container("c1").unwrap();
    assert_eq!((told.pid, told.started), (Some(4711), Some(0)));
    // What holds the pod's namespaces is known by the sandbox's id, without an image.
    let (pod, holder) = pods.by_container("s1").unwrap();
    assert_eq!((&*pod.uid, &*holder.name, &*holder.image), ("u1", "POD", ""));

    // An event, and only what is new is asked about.
    until("listening", &watch, || connection(&watch) == Connection::Connected);
    runtime.add("s2", "u2", "c2");
    until("told", &watch, || {
        runtime.tell();
        pods.by_container("c2").is_some()
    });
    assert_eq!(runtime.described.load(Ordering::Relaxed), 2);

    // It restarts, and what went meanwhile is gone.
    played.close();
    until("lost", &watch, || matches!(connection(&watch), Connection::Lost { .. }));
    assert_eq!(pods.live().len(), 2);
    {
        let mut has = runtime.has.lock().unwrap();
        has.0.remove(0);
        has.1[0].state = ContainerState::ContainerExited.into();
    }
    let _played = runtime.open(&path);
    until("gone", &watch, || pods.live().len() == 1);
    assert_eq!(&*pods.live()[0].uid, "u2");
}

#[test]
fn a_runtime_without_events_is_looked_at_now_and_then() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("runtime.sock");
    let runtime = Runtime::new(false);
    let _played = runtime.open(&path);
    let (watch, pods) = listen(path);
    until("connected", &watch, || connection(&watch) == Connection::Connected);
    runtime.add("s1", "u1", "c1");
    until("known", &watch, || pods.by_container("c1").is_some());
}

#[test]
fn pids_are_read_where_they_are_said() {
    assert_eq!(super::pid("{\"pid\":7}"), Some(7));
    assert_eq!([super::pid("{\"pid\":0}"), super::pid("{}"), super::pid("pid 7")], [None; 3]);
}
