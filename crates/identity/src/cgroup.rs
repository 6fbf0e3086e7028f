//! From a cgroup's path to the container in it.
//!
//! Every runtime puts the container's id, 64 hexadecimal digits, into the name of a directory;
//! how depends on the runtime and on the cgroup driver:
//!
//! ```text
//!             systemd driver                        cgroupfs driver
//! docker      /system.slice/docker-ID.scope         /docker/ID
//! containerd  …/cri-containerd-ID.scope             …/ID    …/POD.slice:cri-containerd:ID
//! CRI-O       …/crio-ID.scope                       …/crio-ID
//! podman      …/libpod-ID.scope                     /libpod_parent/libpod-ID   …/libpod-payload-ID
//! pods        kubepods-burstable-podUID.slice       /kubepods/burstable/podUID
//! ```
//!
//! Paths nest: a container may run systemd or a runtime of its own, a node may be a container.
//! The innermost container counts, with the innermost pod that it is in.

use schema::{Container, Qos, Runtime};

/// The container that the cgroup at `path` is in, if any. Whatever the bytes are, this is safe.
///
/// A pod's own cgroup, a runtime's monitor (`conmon`) and a podman pod are no containers.
pub fn container(path: &[u8]) -> Option<Container> {
    place(path).container
}

/// What the cgroup at `path` is to Kubernetes. Whatever the bytes are, this is safe.
pub fn place(path: &[u8]) -> Place {
    let mut walk = Walk::default();
    for name in path.split(|&byte| byte == b'/') {
        walk.step(name);
    }
    let nursery = walk.pods && walk.pod.is_none() && walk.container.is_none();
    let pod_uid = walk.pod.map(|(uid, _)| uid);
    Place { container: walk.container, pod_uid, nursery }
}

/// What a cgroup's path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The container that it is in, as [`container`] gives it.
    pub container: Option<Container>,
    /// The pod that it is in, or is itself the cgroup of.
    pub pod_uid: Option<String>,
    /// Whether it is a directory below which the node makes its pods.
    pub nursery: bool,
}

/// What is known after each directory of a path, from the outermost on.
#[derive(Default)]
struct Walk<'a> {
    above: &'a [u8],
    /// Whether a directory said that pods follow.
    pods: bool,
    qos: Option<Qos>,
    pod: Option<(String, Option<Qos>)>,
    container: Option<Container>,
}

impl<'a> Walk<'a> {
    fn step(&mut self, name: &'a [u8]) {
        // containerd's answer to a slice for a cgroupfs path: SLICE:PREFIX:ID in one name.
        let mut parts = name.splitn(3, |&byte| byte == b':');
        let slice = parts.next().unwrap_or_default();
        self.step_pod(slice);
        let found = match (parts.next(), parts.next()) {
            (Some(prefix), Some(id)) if is_id(id) => named(prefix).map(|runtime| (id, runtime)),
            (None, None) => find_container(name, self.above),
            _ => None,
        };
        if let Some((id, runtime)) = found {
            let id = String::from_utf8_lossy(id).into_owned();
            let (pod_uid, qos) = match &self.pod {
                Some((uid, qos)) => (Some(uid.clone()), *qos),
                None => (None, None),
            };
            self.container = Some(Container::new(id, runtime, pod_uid, qos));
        }
        self.above = name;
    }

    fn step_pod(&mut self, name: &[u8]) {
        match name.strip_suffix(b".slice") {
            Some(slice) => self.step_slice(slice),
            None if name == b"kubepods" => (self.pods, self.qos) = (true, None),
            None => {
                if let Some(uid) = name.strip_prefix(b"pod").and_then(pod_uid) {
                    self.enter_pod(uid);
                } else if let Some(qos) = qos(name) {
                    self.qos = Some(qos);
                }
            }
        }
    }

    /// A slice's name repeats those above it: `[ROOT-]kubepods[-QOS][-podUID]`.
    fn step_slice(&mut self, slice: &[u8]) {
        let mut words = slice.split(|&byte| byte == b'-').skip_while(|word| *word != b"kubepods");
        if words.next().is_none() {
            return;
        }
        (self.pods, self.qos) = (true, None);
        for word in words {
            if let Some(qos) = qos(word) {
                self.qos = Some(qos);
            } else if let Some(uid) = word.strip_prefix(b"pod").and_then(pod_uid) {
                self.enter_pod(uid);
            }
        }
    }

    fn enter_pod(&mut self, uid: String) {
        // A pod without a directory for its class is guaranteed its resources; where the path
        // begins at the pod (a cgroup namespace), the class is not known.
        let qos = self.qos.or(self.pods.then_some(Qos::Guaranteed));
        self.pod = Some((uid, qos));
    }
}

/// The container's id and runtime in a directory's name.
fn find_container<'a>(name: &'a [u8], above: &[u8]) -> Option<(&'a [u8], Runtime)> {
    let name = name.strip_suffix(b".scope").unwrap_or(name);
    if is_id(name) {
        return bare(above).map(|runtime| (name, runtime));
    }
    if is_task_id(name, above) || is_garden_id(name, above) {
        return Some((name, Runtime::Unknown));
    }
    let dash = name.len().checked_sub(ID_LENGTH + 1)?;
    let (prefix, id) = (&name[..dash], &name[dash + 1..]);
    if name[dash] != b'-' || !is_id(id) {
        return None;
    }
    named(prefix).map(|runtime| (id, runtime))
}

/// The runtime that puts `prefix` before its ids; `None` where that is no container.
fn named(prefix: &[u8]) -> Option<Runtime> {
    match prefix {
        b"docker" => Some(Runtime::Docker),
        b"cri-containerd" | b"containerd" | b"nerdctl" => Some(Runtime::Containerd),
        b"crio" => Some(Runtime::Crio),
        b"libpod" | b"libpod-payload" => Some(Runtime::Podman),
        _ if prefix.ends_with(b"conmon") || prefix.ends_with(b"mount") => None,
        _ => Some(Runtime::Unknown),
    }
}

/// The runtime of a directory that is named by the id alone, by the directory above it.
fn bare(above: &[u8]) -> Option<Runtime> {
    match above {
        b"docker" => Some(Runtime::Docker),
        b"nerdctl" => Some(Runtime::Containerd),
        // Here it is a podman pod; its containers are named libpod-ID.
        b"libpod_parent" => None,
        _ => Some(Runtime::Unknown),
    }
}

fn qos(name: &[u8]) -> Option<Qos> {
    match name {
        b"guaranteed" => Some(Qos::Guaranteed),
        b"burstable" => Some(Qos::Burstable),
        b"besteffort" => Some(Qos::BestEffort),
        _ => None,
    }
}

const ID_LENGTH: usize = 64;

fn is_id(name: &[u8]) -> bool {
    name.len() == ID_LENGTH && is_hex(name)
}

/// An AWS ECS task on Fargate: `/ecs/TASK/TASK-NUMBER`.
fn is_task_id(name: &[u8], above: &[u8]) -> bool {
    let Some((task, number)) = name.split_at_checked(32) else { return false };
    task == above
        && is_hex(task)
        && number.split_first().is_some_and(|(&dash, digits)| {
            dash == b'-' && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        })
}

/// A Cloud Foundry container: `/garden/8-4-4-4-4`.
fn is_garden_id(name: &[u8], above: &[u8]) -> bool {
    above == b"garden" && has_groups(name, b'-', &[8, 4, 4, 4, 4])
}

/// A pod's uid, written as the API server writes it: a systemd slice has `_` for `-`, and a pod
/// from a file on the node has the MD5 hash of that file without any.
fn pod_uid(name: &[u8]) -> Option<String> {
    let groups = [8, 4, 4, 4, 12];
    let plain = name.len() == 32 && is_hex(name);
    if !plain && !has_groups(name, b'-', &groups) && !has_groups(name, b'_', &groups) {
        return None;
    }
    Some(String::from_utf8_lossy(name).replace('_', "-"))
}

fn has_groups(name: &[u8], separator: u8, lengths: &[usize]) -> bool {
    let groups = || name.split(|&byte| byte == separator);
    groups().all(is_hex) && groups().map(<[u8]>::len).eq(lengths.iter().copied())
}

fn is_hex(name: &[u8]) -> bool {
    name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
