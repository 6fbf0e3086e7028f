//! Kubernetes objects as JSON: where they live in the API, and the ones that tests write often.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// A namespace.
pub fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// A ready node with an address.
pub fn node(name: &str, address: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } },
        "status": {
            "addresses": [
                { "type": "InternalIP", "address": address },
                { "type": "Hostname", "address": name },
            ],
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    })
}

/// A workload of `apps/v1`: a Deployment, ReplicaSet, StatefulSet or DaemonSet, whose pods have
/// the label `app=NAME`.
pub fn workload(kind: &str, namespace: &str, name: &str) -> Value {
    let mut spec = json!({
        "selector": { "matchLabels": { "app": name } },
        "template": template(name, "Always"),
    });
    if kind == "StatefulSet" {
        spec["serviceName"] = name.into();
    }
    in_namespace("apps/v1", kind, namespace, name, spec)
}

/// A Job, whose pods have the label `app=NAME`.
pub fn job(namespace: &str, name: &str) -> Value {
    let spec = json!({ "template": template(name, "Never") });
    in_namespace("batch/v1", "Job", namespace, name, spec)
}

/// A CronJob that comes due once a year.
pub fn cron_job(namespace: &str, name: &str) -> Value {
    let spec = json!({
        "schedule": "0 0 1 1 *",
        "jobTemplate": { "spec": { "template": template(name, "Never") } },
    });
    in_namespace("batch/v1beta1", "CronJob", namespace, name, spec)
}

/// A Service for pods with the label `app=NAME`; its ports are names with numbers, TCP. The
/// server gives it an address.
pub fn service(namespace: &str, name: &str, ports: &[(&str, u16)]) -> Value {
    let spec = json!({ "selector": { "app": name }, "ports": ports_of(ports) });
    in_namespace("v1", "Service", namespace, name, spec)
}

/// A Service whose clients find the addresses of its pods by themselves.
pub fn headless_service(namespace: &str, name: &str, ports: &[(&str, u16)]) -> Value {
    let mut service = service(namespace, name, ports);
    service["spec"]["clusterIP"] = "None".into();
    service
}

/// The Endpoints of the Service of that name, all ready.
pub fn endpoints(namespace: &str, name: &str, pods: &[&Value], ports: &[(&str, u16)]) -> Value {
    let addresses: Vec<Value> = pods
        .iter()
        .map(|pod| {
            json!({
                "ip": pod["status"]["podIP"],
                "nodeName": pod["spec"]["nodeName"],
                "targetRef": target(pod),
            })
        })
        .collect();
    let mut object = plain("v1", "Endpoints", namespace, name);
    object["subsets"] = json!([{ "addresses": addresses, "ports": ports_of(ports) }]);
    object
}

/// The same as an EndpointSlice, in the version that this server has.
pub fn endpoint_slice(
    namespace: &str,
    service: &str,
    pods: &[&Value],
    ports: &[(&str, u16)],
) -> Value {
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|pod| {
            json!({
                "addresses": [pod["status"]["podIP"]],
                "conditions": { "ready": true },
                "targetRef": target(pod),
            })
        })
        .collect();
    let name = format!("{service}-1");
    let mut object = plain("discovery.k8s.io/v1beta1", "EndpointSlice", namespace, &name);
    object["metadata"]["labels"] = json!({ "kubernetes.io/service-name": service });
    object["addressType"] = "IPv4".into();
    object["endpoints"] = endpoints.into();
    object["ports"] = ports_of(ports);
    object
}

/// The same object, controlled by `owner`, which the server has: it says its uid.
pub fn owned_by(mut object: Value, owner: &Value) -> Value {
    object["metadata"]["ownerReferences"] = json!([owner_reference(owner)]);
    object
}

/// The same object with a label more.
pub fn labelled(mut object: Value, key: &str, value: &str) -> Value {
    object["metadata"]["labels"][key] = value.into();
    object
}

/// What an object says of the one that controls it.
pub fn owner_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// The path of the object in the API.
pub fn path(object: &Value) -> Result<String> {
    let name = object["metadata"]["name"].as_str().context("the object has no name")?;
    Ok(format!("{}/{name}", folder(object)?))
}

/// The path of all objects of its kind in its namespace.
pub fn folder(object: &Value) -> Result<String> {
    let version = object["apiVersion"].as_str().context("the object has no apiVersion")?;
    let kind = object["kind"].as_str().context("the object has no kind")?;
    let base = if version.contains('/') { "/apis" } else { "/api" };
    let within = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("/namespaces/{namespace}"),
        None => String::new(),
    };
    Ok(format!("{base}/{version}{within}/{}", plural(kind)))
}

/// The word that stands for a kind in paths.
fn plural(kind: &str) -> String {
    let word = kind.to_lowercase();
    if word.ends_with("points") {
        return word;
    }
    match word.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if word.ends_with('s') => word + "es",
        None => word + "s",
    }
}

fn template(app: &str, restart: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": app } },
        "spec": {
            "restartPolicy": restart,
            "containers": [{ "name": "main", "image": format!("registry.example/{app}:1") }],
        },
    })
}

fn ports_of(ports: &[(&str, u16)]) -> Value {
    ports.iter().map(|(name, port)| json!({ "name": name, "port": port })).collect()
}

fn target(pod: &Value) -> Value {
    json!({
        "kind": "Pod",
        "namespace": pod["metadata"]["namespace"],
        "name": pod["metadata"]["name"],
        "uid": pod["metadata"]["uid"],
    })
}

fn in_namespace(version: &str, kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    let mut object = plain(version, kind, namespace, name);
    object["spec"] = spec;
    object
}

fn plain(version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": version,
        "kind": kind,
        "metadata": { "namespace": namespace, "name": name },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_their_paths() {
        let path_of = |object: &Value| path(object).unwrap();
        assert_eq!(path_of(&namespace("shop")), "/api/v1/namespaces/shop");
        assert_eq!(path_of(&endpoints("a", "b", &[], &[])), "/api/v1/namespaces/a/endpoints/b");
        assert_eq!(
            path_of(&workload("ReplicaSet", "a", "b")),
            "/apis/apps/v1/namespaces/a/replicasets/b"
        );
        let policy = plain("networking.k8s.io/v1", "NetworkPolicy", "a", "b");
        assert_eq!(path_of(&policy), "/apis/networking.k8s.io/v1/namespaces/a/networkpolicies/b");
        let class = plain("networking.k8s.io/v1", "Ingress", "a", "b");
        assert!(path_of(&class).ends_with("/ingresses/b"));
        assert!(path(&json!({ "kind": "Pod" })).is_err());
    }
}
