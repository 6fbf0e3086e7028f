//! The columns that every table has.

use std::sync::Arc;

use crate::{Batch, Container, Field, Kind, Sensitivity, Unit, Value};

/// The columns that every table has, in order; [`common_value`] fills them.
pub const COMMON: &[Field] = &[
    common("time", Kind::Time, false, "When it happened, by the kernel's clock."),
    common("node", Kind::Text, false, "The node's name."),
    common("process", Kind::Process, false, "The process's cluster-unique key."),
    common("pid", Kind::Pid, false, "The process id, as the node sees it."),
    common("tid", Kind::Pid, false, "The thread id, as the node sees it."),
    common("comm", Kind::Text, false, "The thread's name at that moment."),
    common("exe", Kind::Path, true, "The path of the process's executable."),
    common("container", Kind::Text, true, "The id of the container; null on the host."),
    common("image", Kind::Text, true, "The container's image; null where it is not known."),
    common("pod", Kind::Text, true, "The pod's name; null where it is not known."),
    common("namespace", Kind::Text, true, "The pod's namespace; null where it is not known."),
    common("workload", Kind::Text, true, "What the pod belongs to, such as its Deployment."),
];

const fn common(name: &'static str, kind: Kind, nullable: bool, doc: &'static str) -> Field {
    let sensitivity = Sensitivity::Plain;
    Field { name, doc, kind, unit: Unit::None, nullable, since: "0.1", sensitivity }
}

/// The value of the common column `field` (its place in [`COMMON`]) in `row`.
pub fn common_value(batch: &Batch, row: usize, field: usize) -> Value<'_> {
    let origin = &batch.origin[row];
    let process = &batch.process[row];
    match field {
        0 => Value::Int(origin.time),
        1 => Value::Text(batch.node.as_bytes()),
        2 => Value::Process(origin.process),
        3 => Value::Uint(origin.process.pid.into()),
        4 => Value::Uint(origin.tid.into()),
        5 => Value::Text(until_nul(&origin.comm)),
        6 if !process.facts.exe.is_empty() => Value::Text(&process.facts.exe),
        _ => process
            .container
            .as_deref()
            .and_then(|it| container_value(it, field))
            .map_or(Value::Null, |text| Value::Text(text.as_bytes())),
    }
}

/// The columns that say where the process runs.
fn container_value(container: &Container, field: usize) -> Option<&str> {
    let names = &container.names;
    match field {
        7 => Some(&container.id),
        8 => names.image.get().map(Arc::as_ref),
        9 => names.pod.get().map(|pod| pod.name.as_ref()),
        10 => names.pod.get().map(|pod| pod.namespace.as_ref()),
        11 => names.workload.get().map(Arc::as_ref),
        _ => None,
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_common_column_is_named_twice() {
        for (at, field) in COMMON.iter().enumerate() {
            assert!(COMMON[..at].iter().all(|other| other.name != field.name), "{}", field.name);
        }
    }
}
