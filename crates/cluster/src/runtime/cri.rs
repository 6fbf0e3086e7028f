//! The container runtime interface, v1: containerd, CRI-O and others.

use std::collections::HashMap;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use futures::{StreamExt, TryFutureExt};
use identity::pods::{ClusterChange, RuntimeContainer};
use tokio::time::{sleep, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

use self::api::runtime_service_client::RuntimeServiceClient;
use self::api::{
    ContainerState, ContainerStatusRequest, GetEventsRequest, ListContainersRequest,
    ListPodSandboxRequest, PodSandboxFilter, PodSandboxState, PodSandboxStateValue, VersionRequest,
};
use super::{ANSWER, Asked, Inventory, LOOK, LOOK_AFTER, SETTLE};
use crate::clock;

#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
mod api {
    tonic::include_proto!("runtime.v1");
}

type Client = RuntimeServiceClient<Channel>;

/// What nodes call the container that is a pod's sandbox.
const SANDBOX: &str = "POD";

/// One connection, from its beginning to its end; returns why it ended.
pub(super) async fn session(path: &Path, inventory: &mut Inventory<'_>) -> String {
    match talk(path, inventory).await {
        Ok(()) => "it closed the stream of events".into(),
        Err(status) => format!("{}: {}", status.code(), status.message()),
    }
}

async fn talk(path: &Path, inventory: &mut Inventory<'_>) -> Result<(), Status> {
    let unusable = |error: tonic::transport::Error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        Status::unavailable(cause.unwrap_or_else(|| error.to_string()))
    };
    let endpoint = Endpoint::from_shared(format!("unix://{}", path.display())).map_err(unusable)?;
    let connected = timeout(ANSWER, endpoint.connect()).await;
    let channel = connected.map_err(|_| Status::deadline_exceeded("no answer"))?;
    let mut client = Client::new(channel.map_err(unusable)?);
    // A runtime that speaks only older versions says so here.
    answer(client.version(VersionRequest { version: "v1".into() })).await?;

    let mut listener = client.clone();
    // Some send the head of their answer with the first event, so nobody waits for it here.
    let events = async move {
        let events = listener.get_container_events(GetEventsRequest {}).await;
        events.map(Response::into_inner)
    };
    let mut events = pin!(events.try_flatten_stream());
    let (mut look, mut tells) = (LOOK_AFTER, true);
    let mut asked = Asked::new();
    loop {
        let all = list(&mut client, inventory, &mut asked).await?;
        inventory.settle(all);
        tokio::select! {
            event = events.next(), if tells => match event {
                None => return Ok(()),
                Some(Ok(_)) => {
                    inventory.part.event(inventory.told.len());
                    sleep(SETTLE).await;
                }
                Some(Err(status)) if status.code() == Code::Unimplemented => {
                    (look, tells) = (LOOK, false);
                }
                Some(Err(status)) => return Err(status),
            },
            () = sleep(look) => {}
        }
    }
}

/// All sandboxes and containers that are there, by their ids.
async fn list(
    client: &mut Client,
    inventory: &Inventory<'_>,
    asked: &mut Asked<(i32, ClusterChange)>,
) -> Result<HashMap<Arc<str>, ClusterChange>, Status> {
    let mut all = HashMap::new();
    let state = Some(PodSandboxStateValue { state: PodSandboxState::SandboxReady.into() });
    let ask = ListPodSandboxRequest { filter: Some(PodSandboxFilter { state }) };
    let mut pods = HashMap::new();
    for sandbox in answer(client.list_pod_sandbox(ask)).await?.items {
        let Some(pod) = sandbox.metadata else { continue };
        let change = inventory.pod(
            [&pod.uid, &pod.namespace, &pod.name],
            sandbox.labels.into_iter(),
            since(asked, &sandbox.id, sandbox.created_at),
        );
        let id: Arc<str> = sandbox.id.into();
        let uid: Arc<str> = pod.uid.into();
        all.insert(format!("{SANDBOX} {id}").into(), holder(id.clone(), uid.clone()));
        pods.insert(id.clone(), uid);
        asked.insert(id.clone(), (0, change.clone()));
        all.insert(id, change);
    }
    for container in answer(client.list_containers(ListContainersRequest {})).await?.containers {
        if container.state() == ContainerState::ContainerExited {
            continue;
        }
        let id: Arc<str> = container.id.clone().into();
        let known = asked.get(&id).filter(|(state, _)| *state == container.state);
        let change = match known {
            Some((_, change)) => change.clone(),
            None => {
                match describe(client, &container, pods.get(&*container.pod_sandbox_id)).await {
                    Ok(change) => change,
                    // It went in between.
                    Err(status) if status.code() == Code::NotFound => continue,
                    Err(status) => return Err(status),
                }
            }
        };
        asked.insert(id.clone(), (container.state, change.clone()));
        all.insert(id, change);
    }
    asked.retain(|id, _| all.contains_key(id));
    Ok(all)
}

/// The process that holds a pod's namespaces is in a cgroup like a container's, but is in no list
/// of containers.
fn holder(id: Arc<str>, uid: Arc<str>) -> ClusterChange {
    ClusterChange::Container(Arc::new(RuntimeContainer {
        id,
        name: SANDBOX.into(),
        image: "".into(),
        pod_uid: Some(uid),
        pid: None,
        started: None,
    }))
}

/// When a sandbox was made. Computed anew it would differ each time, as the clocks drift.
fn since(asked: &Asked<(i32, ClusterChange)>, id: &str, created: i64) -> Option<u64> {
    match asked.get(id) {
        Some((_, ClusterChange::Pod(pod))) => pod.since,
        _ => (created > 0).then(|| clock::from_wall(created)),
    }
}

async fn describe(
    client: &mut Client,
    listed: &api::Container,
    pod: Option<&Arc<str>>,
) -> Result<ClusterChange, Status> {
    let ask = ContainerStatusRequest { container_id: listed.id.clone(), verbose: true };
    let answered = answer(client.container_status(ask)).await?;
    let status = answered.status.unwrap_or_default();
    // The list has the image by its digest, the status as it was asked for.
    let images = [&status.image, &listed.image].into_iter().flatten();
    let image = images.map(|image| image.image.as_str()).find(|image| !image.is_empty());
    let name = listed.metadata.as_ref().map_or("", |metadata| &metadata.name);
    let labelled = listed.labels.get("io.kubernetes.pod.uid").map(|uid| uid.as_str().into());
    Ok(ClusterChange::Container(Arc::new(RuntimeContainer {
        id: listed.id.as_str().into(),
        name: name.into(),
        image: image.unwrap_or_default().into(),
        pod_uid: labelled.or_else(|| pod.cloned()),
        pid: answered.info.get("info").and_then(|info| pid(info)),
        started: (status.started_at > 0).then(|| clock::from_wall(status.started_at)),
    })))
}

/// The pid in what containerd and CRI-O say besides, in JSON.
fn pid(info: &str) -> Option<u32> {
    let info: serde_json::Value = serde_json::from_str(info).ok()?;
    u32::try_from(info.get("pid")?.as_u64()?).ok().filter(|pid| *pid > 0)
}

async fn answer<T>(asked: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
    let answer = timeout(ANSWER, asked).await;
    Ok(answer.map_err(|_| Status::deadline_exceeded("no answer"))??.into_inner())
}

#[cfg(test)]
mod tests;
