//! Docker's API, for nodes and machines that run containers by it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper_util::rt::TokioIo;
use identity::pods::{ClusterChange, RuntimeContainer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::{ANSWER, Asked, Inventory, LOOK_AFTER, SETTLE, pod_of};
use crate::clock;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A container in the list of those that run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    image: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    state: Running,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Running {
    pid: u32,
    started_at: String,
}

/// The most that is read of one answer.
const MOST: usize = 64 << 20;
const LIST: &str = "/containers/json";
/// Containers that begin or end: `{"type":["container"],"event":["start","die","rename"]}`.
const EVENTS: &str = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B\
                      %22start%22%2C%22die%22%2C%22rename%22%5D%7D";

/// One connection for events, from its beginning to its end; returns why it ended.
pub(super) async fn session(path: &Path, inventory: &mut Inventory<'_>) -> String {
    match talk(path, inventory).await {
        Ok(()) => "it closed the stream of events".into(),
        Err(error) => error.to_string(),
    }
}

async fn talk(path: &Path, inventory: &mut Inventory<'_>) -> Result<(), Failure> {
    // Before the first list, so that nothing comes in between.
    let mut events = timeout(ANSWER, ask(path, EVENTS)).await??;
    let mut asked = Asked::new();
    loop {
        let all = list(path, inventory, &mut asked).await?;
        inventory.settle(all);
        match timeout(LOOK_AFTER, events.frame()).await {
            Err(_) => {}
            Ok(None) => return Ok(()),
            Ok(Some(event)) => {
                event?;
                inventory.part.event(inventory.told.len());
                sleep(SETTLE).await;
            }
        }
    }
}

/// All containers that run, and their pods, by their ids.
async fn list(
    path: &Path,
    inventory: &Inventory<'_>,
    asked: &mut Asked<ClusterChange>,
) -> Result<HashMap<Arc<str>, ClusterChange>, Failure> {
    let mut all = HashMap::new();
    for listed in read::<Vec<Listed>>(path, LIST).await?.ok_or("it has no list of containers")? {
        let labels = listed.labels.clone().unwrap_or_default();
        let label = |key: &str| labels.get(key).map(String::as_str);
        let pod = pod_of(label);
        if label("io.kubernetes.docker.type") == Some("podsandbox") {
            if let Some(names) = pod {
                let change = inventory.pod(names, labels.clone().into_iter(), None);
                all.insert(listed.id.into(), change);
            }
            continue;
        }
        let id: Arc<str> = listed.id.as_str().into();
        // A container has its name and its process for as long as it runs.
        let change = match asked.get(&id) {
            Some(change) => change.clone(),
            None => {
                let inspect = format!("/containers/{id}/json");
                // It may have gone in between.
                let Some(inspected) = read::<Inspected>(path, &inspect).await? else { continue };
                let own = listed.names.iter().flatten().next().map(|it| it.trim_start_matches('/'));
                let name = label("io.kubernetes.container.name").or(own).unwrap_or_default();
                ClusterChange::Container(Arc::new(RuntimeContainer {
                    id: id.clone(),
                    name: name.into(),
                    image: listed.image.as_str().into(),
                    pod_uid: pod.map(|[uid, ..]| uid.into()),
                    pid: Some(inspected.state.pid).filter(|pid| *pid > 0),
                    started: clock::from_text(&inspected.state.started_at),
                }))
            }
        };
        asked.insert(id.clone(), change.clone());
        all.insert(id, change);
    }
    asked.retain(|id, _| all.contains_key(id));
    Ok(all)
}

/// What is at the target; nothing where it is not there.
async fn read<T: DeserializeOwned>(path: &Path, target: &str) -> Result<Option<T>, Failure> {
    let body = timeout(ANSWER, async {
        match ask(path, target).await {
            Ok(body) => Ok(Some(Limited::new(body, MOST).collect().await?.to_bytes())),
            Err(error) if error.is::<NotFound>() => Ok(None),
            Err(error) => Err(error),
        }
    });
    let body: Option<Bytes> = body.await??;
    Ok(body.map(|body| serde_json::from_slice(&body)).transpose()?)
}

/// One request on a connection of its own; the body is read by the caller.
async fn ask(path: &Path, target: &str) -> Result<Incoming, Failure> {
    let stream = UnixStream::connect(path).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the body, or with an error that the body's reader sees too.
    tokio::spawn(connection);
    let request = Request::get(target).header(HOST, "docker").header(CONNECTION, "close");
    let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    match answer.status().as_u16() {
        200 => Ok(answer.into_body()),
        404 => Err(NotFound.into()),
        status => Err(format!("{target} was answered with {status}").into()),
    }
}

#[derive(Debug)]
struct NotFound;

impl std::fmt::Display for NotFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not found")
    }
}

impl std::error::Error for NotFound {}

#[cfg(test)]
mod tests;
