//! All kinds of the API server, side by side.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

use kube::Client;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::Config;
use crate::follow::{Follow, NotServed};
use crate::kinds::{EndpointSlices, Kind, Namespaces, Nodes, OldEndpoints, Owners, Pods, Services};
use crate::retry::Retry;
use crate::state::{Part, Shared};
use crate::teller::Teller;

/// How long before a kind that the API server lacks is asked for again.
const ABSENT: Duration = Duration::from_secs(300);

/// Follows all kinds, for ever.
pub(crate) async fn run(
    client: &Client,
    config: &Config,
    state: &Shared,
    teller: &RefCell<Teller>,
) {
    let retry = Retry::new(config.retry_first, config.retry_longest);
    let names = ["pods", "services", "endpoints", "nodes", "namespaces", "replicasets", "jobs"];
    let [pods, services, endpoints, nodes, namespaces, sets, jobs] = names.map(|it| state.kind(it));
    let part = |part| Follow { client, teller, retry, part, begun: None, known: HashSet::new() };
    // Pods come after what owns their owners, so that the first word on them is the last.
    let (sets_begun, sets_known) = oneshot::channel();
    let (jobs_begun, jobs_known) = oneshot::channel();
    let sets = Follow { begun: Some(sets_begun), ..part(&sets) };
    let jobs = Follow { begun: Some(jobs_begun), ..part(&jobs) };
    let pods = async {
        // Both end by being dropped.
        let _ = tokio::join!(sets_known, jobs_known);
        always(part(&pods), &Pods { node: config.node.as_str().into() }).await;
    };
    tokio::join!(
        pods,
        always(part(&services), &Services),
        either(part(&endpoints)),
        always(part(&nodes), &Nodes),
        always(part(&namespaces), &Namespaces),
        always(sets, &Owners { path: "/apis/apps/v1/replicasets" }),
        always(jobs, &Owners { path: "/apis/batch/v1/jobs" }),
    );
}

/// Follows a kind; where it is not there, it may come.
async fn always<K: Kind>(mut follow: Follow<'_>, kind: &K) {
    loop {
        let NotServed = follow.run(kind).await;
        absent(follow.part, kind.path());
        follow.begun = None;
        sleep(ABSENT).await;
    }
}

/// Follows slices of endpoints, or endpoints where there are no slices.
async fn either(mut follow: Follow<'_>) {
    loop {
        let NotServed = follow.run(&EndpointSlices).await;
        let NotServed = follow.run(&OldEndpoints).await;
        absent(follow.part, OldEndpoints.path());
        sleep(ABSENT).await;
    }
}

fn absent(part: &Part, path: &str) {
    part.absent(format!("the API server has no {path}"));
}

#[cfg(test)]
mod tests;
