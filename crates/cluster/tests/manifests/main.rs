//! What is in `deploy/` against the types that Kubernetes publishes, a real API server, Helm, and
//! what this crate reads.

mod policy;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testkit::cluster::{ApiServer, Parts};
use testkit::watch::not_run;

const AGENT: &str = include_str!("../../../../deploy/manifests/fathom.yaml");
const POLICY: &str = include_str!("../../../../deploy/manifests/admission-policy.yaml");

/// The objects of a manifest.
fn objects(manifest: &str) -> Vec<Value> {
    let read = |text| serde_saphyr::from_str(text).expect("a manifest is YAML");
    manifest.split("\n---\n").map(read).collect()
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// Fails where the type has no place for something: that would not come back.
fn fits<T: Serialize + DeserializeOwned>(object: &Value) {
    let typed: T = serde_json::from_value(object.clone()).expect("it is of its type");
    assert_eq!(serde_json::to_value(typed).expect("it was JSON"), *object);
}

#[test]
fn every_object_fits_its_published_type() {
    let all = [objects(AGENT), objects(POLICY)].concat();
    assert_eq!(all.len(), 9);
    for object in &all {
        match object["kind"].as_str().expect("a kind") {
            "ClusterRole" => fits::<ClusterRole>(object),
            "ClusterRoleBinding" => fits::<ClusterRoleBinding>(object),
            "ConfigMap" => fits::<ConfigMap>(object),
            "DaemonSet" => fits::<DaemonSet>(object),
            "Namespace" => fits::<Namespace>(object),
            "PriorityClass" => fits::<PriorityClass>(object),
            "ServiceAccount" => fits::<ServiceAccount>(object),
            "ValidatingAdmissionPolicy" => fits::<ValidatingAdmissionPolicy>(object),
            "ValidatingAdmissionPolicyBinding" => {
                fits::<ValidatingAdmissionPolicyBinding>(object);
            }
            other => panic!("no type for {other}"),
        }
    }
}

fn kubectl(server: &ApiServer, words: &[&str]) -> Output {
    let mut kubectl = Command::new(std::env::var_os("FATHOM_KUBECTL").expect("found before"));
    // It keeps a cache in its home.
    let kubeconfig = server.kubeconfig();
    let home = kubeconfig.parent().expect("a folder");
    kubectl.env("KUBECONFIG", &kubeconfig).env("HOME", home);
    kubectl.args(words).output().expect("kubectl runs")
}

/// Whether the agent's account may do this.
fn may(server: &ApiServer, group: &str, resource: &str, verb: &str) -> bool {
    let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": "system:serviceaccount:fathom:fathom",
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes":
                {"group": group, "resource": resource, "subresource": part, "verb": verb},
        },
    });
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let answer = server.client().send("POST", path, "application/json", Some(&review));
    let answer: Value = serde_json::from_slice(&answer.expect("an answer").body).expect("JSON");
    answer["status"]["allowed"].as_bool().unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn the_manifests_apply_to_a_real_api_server() {
    let test = "the_manifests_apply_to_a_real_api_server";
    let Some(parts) = Parts::find(test) else { return };
    let server = ApiServer::start(&parts).unwrap();
    let file = deploy().join("manifests/fathom.yaml").display().to_string();
    let apply = ["apply", "--validate=true", "-f", &file];
    let output = kubectl(&server, &apply);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(said.lines().filter(|line| line.ends_with(" created")).count(), 7, "{said}");
    // Nothing of it fights with what the server makes of it.
    let output = kubectl(&server, &apply);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.lines().filter(|line| line.ends_with(" unchanged")).count(), 7, "{output:?}");

    let path = "/apis/apps/v1/namespaces/fathom/daemonsets/fathom";
    let kept = server.client().get(path).unwrap().expect("it was created");
    let pod = &kept["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");

    // Every read of this crate, and nothing that writes or is secret.
    let reads = [
        ("", "pods"),
        ("", "services"),
        ("", "endpoints"),
        ("", "nodes"),
        ("", "namespaces"),
        ("discovery.k8s.io", "endpointslices"),
        ("apps", "replicasets"),
        ("batch", "jobs"),
    ];
    // The server learns of roles through a watch of its own.
    let begun = Instant::now();
    while !may(&server, "", "pods", "list") {
        assert!(begun.elapsed().as_secs() < 20, "the role is not in effect");
    }
    for (group, resource) in reads {
        for verb in ["get", "list", "watch"] {
            assert!(may(&server, group, resource, verb), "{verb} {resource}");
        }
        for verb in ["create", "update", "patch", "delete"] {
            assert!(!may(&server, group, resource, verb), "{verb} {resource}");
        }
    }
    for resource in ["secrets", "configmaps", "pods/log", "pods/exec", "nodes/proxy"] {
        assert!(!may(&server, "", resource, "get"), "{resource}");
        assert!(!may(&server, "", resource, "create"), "{resource}");
    }
}

/// The chart through Helm's own code: lint, and the same text as the manifests.
#[test]
fn the_manifests_are_what_the_chart_gives() {
    let test = "the_manifests_are_what_the_chart_gives";
    let python = |words: &[&str]| Command::new("python3").args(words).output();
    if !python(&["-c", "import helm_python"]).is_ok_and(|output| output.status.success()) {
        return not_run(test, "python3 has no Helm (`pip install helm-python-sdk`)");
    }
    let script = deploy().join("render.py").display().to_string();
    let output = python(&[&script, "--check"]).expect("it ran before");
    assert!(output.status.success(), "{output:?}");
}
