//! Whose requests they are: attributes of resources.

use crate::request::Request;

use super::Sender;
use super::attributes::Attributes;
use super::message::Resource;

/// The resource of a request's process.
pub(super) fn of_process(request: &Request<'_>, sender: &Sender) -> Resource {
    let process = request.process();
    let comm = request.comm();
    let mut attributes = Attributes::default();
    let container = process.container.as_deref();
    let names = container.map(|container| &container.names);
    let pod = names.and_then(|names| names.pod.get());
    let workload = names.and_then(|names| names.workload.get());
    let namespace = pod.map_or("", |pod| &pod.namespace);
    service(&mut attributes, namespace, workload.map_or(&*comm, |it| it));
    attributes.text("host.name", request.node());
    if let Some(container) = container {
        if pod.is_some() || container.pod_uid.is_some() {
            attributes.text("k8s.node.name", request.node());
        }
        attributes.text_if("k8s.pod.name", pod.map(|pod| &*pod.name));
        attributes.text_if("k8s.pod.uid", container.pod_uid.as_deref());
        if container.pod_uid.is_some() {
            let name = container.names.name.get().map(|name| &**name);
            attributes.text_if("k8s.container.name", name);
        }
        attributes.text("container.id", container.id.as_str());
    }
    attributes.number_if("process.pid", Some(process.key.pid.into()));
    attributes.text("process.executable.name", comm);
    attributes.text("process.executable.path", crate::escape::text(&process.facts.exe));
    attributes.fill_in(&sender.attributes);
    Resource { attributes: attributes.0 }
}

/// The resource of a workload, as counts know it.
pub(super) fn of_workload(namespace: &str, workload: &str, sender: &Sender) -> Resource {
    let mut attributes = Attributes::default();
    service(&mut attributes, namespace, workload);
    // Those of two kinds may have one name.
    attributes.text("fathom.workload", workload);
    attributes.fill_in(&sender.attributes);
    Resource { attributes: attributes.0 }
}

/// The name of a workload, without what it is.
pub(super) fn name(workload: &str) -> &str {
    workload.split_once('/').map_or(workload, |(_, name)| name)
}

fn service(attributes: &mut Attributes, namespace: &str, workload: &str) {
    let (kind, name) = workload.split_once('/').unwrap_or(("", workload));
    attributes.text("service.name", if name.is_empty() { "unknown_service" } else { name });
    attributes.text("service.namespace", namespace);
    attributes.text("k8s.namespace.name", namespace);
    let key = match kind {
        "Deployment" => "k8s.deployment.name",
        "StatefulSet" => "k8s.statefulset.name",
        "DaemonSet" => "k8s.daemonset.name",
        "ReplicaSet" => "k8s.replicaset.name",
        "Job" => "k8s.job.name",
        "CronJob" => "k8s.cronjob.name",
        _ => return,
    };
    attributes.text(key, name);
}
