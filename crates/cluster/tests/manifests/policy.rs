//! The admission policy's own words, evaluated over pods.
//!
//! The API server that tests have is too old for it. Here its expressions run in another
//! implementation of the language; what Kubernetes adds to the language's strings is added.

use std::sync::Arc;

use cel::extractors::This;
use cel::{Context, Program, Value as Cel};
use serde_json::{Value, json};

use super::{POLICY, objects};

/// What the policy says of a pod of this account: nothing, or its message.
fn refusal(namespace: &str, spec: &Value) -> Option<String> {
    let policy = &objects(POLICY)[0]["spec"];
    let mut context = Context::default();
    let added =
        context.add_function("upperAscii", |This(it): This<Arc<String>>| it.to_ascii_uppercase());
    added.expect("a new function");
    let added = context.add_function(
        "replace",
        |This(it): This<Arc<String>>, from: Arc<String>, to: Arc<String>| {
            it.replace(from.as_str(), &to)
        },
    );
    added.expect("a new function");
    let added =
        context.add_function("join", |This(list): This<Arc<Vec<Cel>>>, between: Arc<String>| {
            let words = list.iter().map(|it| match it {
                Cel::String(word) => word.to_string(),
                other => panic!("{other:?} is not text"),
            });
            words.collect::<Vec<_>>().join(&between)
        });
    added.expect("a new function");
    let mut variables = serde_json::Map::new();
    context.add_variable("object", json!({"spec": spec})).expect("JSON");
    context.add_variable("request", json!({"namespace": namespace})).expect("JSON");
    context.add_variable("variables", json!({})).expect("JSON");
    for variable in policy["variables"].as_array().expect("a list") {
        let found = run(&variable["expression"], &context).json().expect("JSON");
        variables.insert(variable["name"].as_str().expect("a name").into(), found);
        context.add_variable("variables", Value::Object(variables.clone())).expect("JSON");
    }
    let validation = &policy["validations"][0];
    match run(&validation["expression"], &context) {
        Cel::Bool(true) => None,
        Cel::Bool(false) => match run(&validation["messageExpression"], &context) {
            Cel::String(message) => Some(message.to_string()),
            other => panic!("{other:?} is no message"),
        },
        other => panic!("{other:?} is no answer"),
    }
}

fn run(expression: &Value, context: &Context) -> Cel {
    let text = expression.as_str().expect("text");
    let program = Program::compile(text).unwrap_or_else(|error| panic!("{error} in {text}"));
    program.execute(context).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn adds(names: &[&str]) -> Value {
    json!({"name": "it", "securityContext": {"capabilities": {"add": names}}})
}

fn pod(account: &str, container: &Value) -> Value {
    json!({"serviceAccountName": account, "containers": [container]})
}

#[test]
fn whoever_is_not_named_is_refused_what_is_kept() {
    let asks: [&[&str]; 6] =
        [&["BPF"], &["PERFMON"], &["SYS_ADMIN"], &["NET_ADMIN", "CAP_BPF"], &["ALL"], &["cap_bpf"]];
    for names in asks {
        let said = refusal("shop", &pod("web", &adds(names))).expect("it is refused");
        assert!(said.starts_with("shop/web is not among the daemons") && said.ends_with(": it"));
        // Another namespace's account of that name is another one.
        assert!(refusal("shop", &pod("fathom", &adds(names))).is_some(), "{names:?}");
        assert_eq!(refusal("fathom", &pod("fathom", &adds(names))), None);
    }
    let privileged = json!({"name": "it", "securityContext": {"privileged": true}});
    assert!(refusal("shop", &pod("web", &privileged)).is_some());
    assert_eq!(refusal("kube-system", &pod("kube-proxy", &privileged)), None);
    assert!(refusal("shop", &json!({"containers": [adds(&["BPF"])]})).is_some());
}

#[test]
fn every_kind_of_container_counts() {
    let harmless = json!({"name": "main"});
    for kind in ["initContainers", "ephemeralContainers"] {
        let mut pod = pod("web", &harmless);
        pod[kind] = json!([adds(&["PERFMON"])]);
        assert!(refusal("shop", &pod).is_some(), "{kind}");
    }
}

#[test]
fn who_asks_for_nothing_of_it_is_let_in() {
    let harmless = [
        json!({"name": "it"}),
        json!({"name": "it", "securityContext": {"privileged": false, "runAsUser": 0}}),
        json!({"name": "it", "securityContext": {"capabilities": {"drop": ["ALL"]}}}),
        adds(&["NET_ADMIN", "SYS_PTRACE"]),
    ];
    for container in harmless {
        assert_eq!(refusal("shop", &pod("web", &container)), None, "{container}");
    }
}

/// The agent that is shipped with the policy gets past it.
#[test]
fn the_daemonset_is_let_in() {
    let all = objects(super::AGENT);
    let daemonset = all.iter().find(|it| it["kind"] == "DaemonSet").expect("it is there");
    let spec = &daemonset["spec"]["template"]["spec"];
    assert_eq!(refusal("fathom", spec), None);
    assert!(refusal("elsewhere", spec).is_some());
}
