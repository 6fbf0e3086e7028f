//! Real cgroup paths of every runtime and driver, and random ones.

use identity::cgroup::container;
use proptest::prelude::*;
use schema::{Container, Qos, Runtime};

/// `ID`, `IN` stand for two container ids; `UID` for a pod's uid, `UI_D` for it as a slice
/// writes it, `HASH` for a static pod's, `POD2` for another pod's.
const ID: &str = "17db96a24ae1e9dd57143e62b1cb0d2d35e693c65c774c7470e87b0572e07c1a";
const IN: &str = "d4a9f9195eae7e4a75a24151101e15b8f09f3c2ad492dda08c2da4f5ea3b6f7f";
const UID: &str = "6a4ce4a0-ba47-11ea-b2a7-0cc47ac5979e";
const HASH: &str = "e73aa69b5d9bd2a4a4b1d1d3f2b04d8c";
const POD2: &str = "4ed02c0b-0df8-4d14-a30e-fd589ee4143a";

/// A path, and what it says: `id runtime pod qos`; empty where there is no container.
const SHAPES: &[(&str, &str)] = &[
    // docker
    ("/docker/ID", "ID docker - -"),
    ("/system.slice/docker-ID.scope", "ID docker - -"),
    ("/user.slice/user-1000.slice/user@1000.service/app.slice/docker-ID.scope", "ID docker - -"),
    ("/docker/ID/system.slice/nginx.service", "ID docker - -"),
    ("/system.slice/docker-ID.scope/init.scope", "ID docker - -"),
    ("/docker-ce/docker/ID", "ID docker - -"),
    ("/../../docker-ID.scope", "ID docker - -"),
    ("/docker/buildkit/3nm4w1k0v8m7t2q5z9x1c3v5b", ""),
    ("/docker/ID/docker/buildkit/3nm4w1k0v8m7t2q5z9x1c3v5b", "ID docker - -"),
    ("/docker", ""),
    ("/system.slice/docker.service", ""),
    ("/system.slice/docker.socket", ""),
    // docker in docker
    ("/docker/ID/docker/IN", "IN docker - -"),
    ("/system.slice/docker-ID.scope/docker/IN", "IN docker - -"),
    // Kubernetes, cgroupfs driver
    ("/kubepods/podUID/ID", "ID unknown UID Guaranteed"),
    ("/kubepods/burstable/podUID/ID", "ID unknown UID Burstable"),
    ("/kubepods/besteffort/podUID/ID", "ID unknown UID BestEffort"),
    ("/kubepods/burstable/podHASH/ID", "ID unknown HASH Burstable"),
    ("/kubepods/burstable/podUID/crio-ID", "ID cri-o UID Burstable"),
    ("/kubepods/burstable/podUID/crio-conmon-ID", ""),
    ("/kubepods/burstable/podUID", ""),
    ("/kubepods/burstable", ""),
    ("/ourroot/kubepods/besteffort/podUID/ID", "ID unknown UID BestEffort"),
    // Kubernetes, systemd driver
    (
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUI_D.slice/\
         cri-containerd-ID.scope",
        "ID containerd UID Burstable",
    ),
    (
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podUI_D.slice/\
         cri-containerd-ID.scope",
        "ID containerd UID BestEffort",
    ),
    (
        "/kubepods.slice/kubepods-podUI_D.slice/cri-containerd-ID.scope",
        "ID containerd UID Guaranteed",
    ),
    (
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podHASH.slice/\
         cri-containerd-ID.scope",
        "ID containerd HASH Burstable",
    ),
    (
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUI_D.slice/docker-ID.scope",
        "ID docker UID Burstable",
    ),
    ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUI_D.slice", ""),
    // CRI-O and OpenShift
    (
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podUI_D.slice/crio-ID.scope",
        "ID cri-o UID BestEffort",
    ),
    (
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUI_D.slice/crio-ID.scope/\
         container",
        "ID cri-o UID Burstable",
    ),
    (
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUI_D.slice/\
         crio-conmon-ID.scope",
        "",
    ),
    ("/system.slice/crio-ID.scope", "ID cri-o - -"),
    ("/system.slice/crio.service", ""),
    // containerd's own name for a systemd path under cgroupfs
    (
        "/system.slice/containerd.service/kubepods-besteffort-podUI_D.slice:cri-containerd:ID",
        "ID containerd UID BestEffort",
    ),
    ("/kubepods-burstable-podUI_D.slice:cri-containerd:ID", "ID containerd UID Burstable"),
    ("/kubepods-podUI_D.slice:crio:ID", "ID cri-o UID Guaranteed"),
    (
        "/system.slice/k3s.service/kubepods-podUI_D.slice:cri-containerd:ID/x",
        "ID containerd UID Guaranteed",
    ),
    ("/system.slice:docker:ID", "ID docker - -"),
    ("/kubepods-podUI_D.slice:crio-conmon:ID", ""),
    // containerd without Kubernetes
    ("/system.slice/nerdctl-ID.scope", "ID containerd - -"),
    ("/nerdctl/ID", "ID containerd - -"),
    ("/default/ID", "ID unknown - -"),
    ("/system.slice/containerd.service", ""),
    // k3s, kind, minikube, GKE, EKS, Talos
    ("/k3s/kubepods/besteffort/podUID/ID", "ID unknown UID BestEffort"),
    (
        "/system.slice/docker-ID.scope/kubelet.slice/kubelet-kubepods.slice/\
         kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-podUI_D.slice/\
         cri-containerd-IN.scope",
        "IN containerd UID Burstable",
    ),
    (
        "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podUI_D.slice/\
         cri-containerd-ID.scope",
        "ID containerd UID Guaranteed",
    ),
    ("/docker/ID/kubelet/kubepods/besteffort/podUID/IN", "IN unknown UID BestEffort"),
    ("/docker/ID/kubelet/kubepods/besteffort/podUID", "ID docker - -"),
    ("/system.slice/docker-ID.scope/kubelet.slice/kubelet.service", "ID docker - -"),
    ("/docker/ID/kubepods/burstable/podUID/IN", "IN unknown UID Burstable"),
    ("/libpod_parent/libpod-ID/kubepods/podUID/crio-IN", "IN cri-o UID Guaranteed"),
    ("/podruntime/runtime", ""),
    ("/podruntime/docker/kubepods/podUID/ID", "ID unknown UID Guaranteed"),
    ("/kubepods/kata_overhead/ID", "ID unknown - -"),
    // inside a pod: docker, systemd, another cluster
    ("/kubepods/besteffort/podUID/ID/docker/IN", "IN docker UID BestEffort"),
    (
        "/kubepods.slice/kubepods-podUI_D.slice/cri-containerd-ID.scope/system.slice/\
         docker-IN.scope",
        "IN docker UID Guaranteed",
    ),
    (
        "/kubepods.slice/kubepods-podUI_D.slice/cri-containerd-ID.scope/system.slice/sshd.service",
        "ID containerd UID Guaranteed",
    ),
    (
        "/kubepods/burstable/podUID/ID/kubelet.slice/kubelet-kubepods.slice/\
         kubelet-kubepods-podPO_D2.slice/cri-containerd-IN.scope",
        "IN containerd POD2 Guaranteed",
    ),
    // from inside a cgroup namespace
    ("/../cri-containerd-ID.scope", "ID containerd - -"),
    ("/../../podUID/ID", "ID unknown UID -"),
    ("/../../besteffort/podUID/ID", "ID unknown UID BestEffort"),
    ("/../../kubepods-burstable-podUI_D.slice/crio-ID.scope", "ID cri-o UID Burstable"),
    ("/../../../../..", ""),
    ("/..", ""),
    // podman
    ("/machine.slice/libpod-ID.scope", "ID podman - -"),
    ("/machine.slice/libpod-ID.scope/container", "ID podman - -"),
    ("/machine.slice/libpod-conmon-ID.scope", ""),
    ("/libpod_parent/libpod-ID", "ID podman - -"),
    ("/libpod_parent/libpod-ID/ctr", "ID podman - -"),
    ("/libpod_parent/conmon", ""),
    ("/libpod_parent/ID/libpod-IN", "IN podman - -"),
    ("/libpod_parent/ID/conmon", ""),
    (
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
        "ID podman - -",
    ),
    ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-conmon-ID.scope", ""),
    ("/machine.slice/machine-libpod_pod_ID.slice/libpod-IN.scope/container", "IN podman - -"),
    ("/machine.slice/machine-libpod_pod_ID.slice", ""),
    ("/srv.slice/container-hass.service/libpod-payload-ID", "ID podman - -"),
    ("/srv.slice/container-hass.service/runtime", ""),
    // others
    ("/ecs/b4a12f3c4b4c4cb0a2cbb2bd2b1e3d5f/ID", "ID unknown - -"),
    (
        "/ecs/b4a12f3c4b4c4cb0a2cbb2bd2b1e3d5f/b4a12f3c4b4c4cb0a2cbb2bd2b1e3d5f-2327137833",
        "b4a12f3c4b4c4cb0a2cbb2bd2b1e3d5f-2327137833 unknown - -",
    ),
    ("/garden/70f45b29-c82b-4f79-4bd7-4d64", "70f45b29-c82b-4f79-4bd7-4d64 unknown - -"),
    ("/actions_job/ID", "ID unknown - -"),
    ("/ID", "ID unknown - -"),
    ("/lxc.payload.hub/init.scope", ""),
    ("/", ""),
    ("", ""),
    ("/init.scope", ""),
    ("/user.slice/user-0.slice/session-12.scope", ""),
    ("/system.slice/cron.service", ""),
    // nearly
    ("/system.slice/var-lib-docker-containers-ID-mounts-shm.mount", ""),
    ("/system.slice/docker-ID.mount", ""),
    ("/system.slice/docker-ID.service", ""),
    ("/docker/IDa", ""),
    ("/docker/xID", ""),
    ("/kubepods/burstable/podUID0/crio-ID", "ID cri-o - -"),
];

fn fill(text: &str) -> String {
    let filled = [("UI_D", UID.replace('-', "_")), ("PO_D2", POD2.replace('-', "_"))];
    let filled =
        filled.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
    let plain = [("POD2", POD2), ("UID", UID), ("HASH", HASH), ("ID", ID), ("IN", IN)];
    plain.iter().fold(filled, |text, (name, value)| text.replace(name, value))
}

fn told(container: Option<Container>) -> String {
    container.map_or_else(String::new, |it| {
        let pod = it.pod_uid.unwrap_or_else(|| "-".to_owned());
        let qos = it.qos.map_or("-", Qos::name);
        format!("{} {} {pod} {qos}", it.id, it.runtime.name())
    })
}

#[test]
fn real_paths_say_what_they_mean() {
    for (path, expected) in SHAPES {
        assert_eq!(told(container(fill(path).as_bytes())), fill(expected), "{path}");
    }
    assert!(SHAPES.len() > 90);
}

fn uid() -> impl Strategy<Value = String> {
    prop_oneof!["[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[0-9a-f]{32}"]
}

/// Directories that name neither a container nor a pod.
fn plain() -> impl Strategy<Value = String> {
    prop_oneof!["(/[a-z]{1,8}\\.(slice|service|scope)){0,3}", "(/\\.\\.){0,4}"]
}

/// A directory for a container of `runtime`, before its id is put in.
fn holder() -> impl Strategy<Value = (&'static str, Runtime)> {
    prop_oneof![
        Just(("docker-ID.scope", Runtime::Docker)),
        Just(("cri-containerd-ID.scope", Runtime::Containerd)),
        Just(("crio-ID.scope", Runtime::Crio)),
        Just(("crio-ID", Runtime::Crio)),
        Just(("libpod-ID.scope/container", Runtime::Podman)),
        Just(("ID", Runtime::Unknown)),
    ]
}

fn class() -> impl Strategy<Value = Qos> {
    prop_oneof![Just(Qos::Guaranteed), Just(Qos::Burstable), Just(Qos::BestEffort)]
}

proptest! {
    #[test]
    fn any_bytes_are_safe(path in proptest::collection::vec(any::<u8>(), 0..300)) {
        container(&path);
    }

    #[test]
    fn anything_like_a_path_is_safe(path in "([/:_.-]|[a-f0-9]{1,70}|pod|kubepods|slice|scope|docker|crio){0,20}") {
        if let Some(found) = container(path.as_bytes()) {
            prop_assert!(path.contains(&found.id));
        }
    }

    #[test]
    fn a_container_in_a_pod_is_found_wherever_the_pod_is(
        before in plain(),
        after in plain(),
        id in "[0-9a-f]{64}",
        uid in uid(),
        (holder, runtime) in holder(),
        class in class(),
        systemd: bool,
    ) {
        let level = match class {
            Qos::Guaranteed => "",
            Qos::Burstable => "burstable",
            Qos::BestEffort => "besteffort",
        };
        let pod = if systemd {
            let dash = if level.is_empty() { "" } else { "-" };
            format!("/kubepods.slice/kubepods{dash}{level}-pod{}.slice", uid.replace('-', "_"))
        } else if level.is_empty() {
            format!("/kubepods/pod{uid}")
        } else {
            format!("/kubepods/{level}/pod{uid}")
        };
        let path = format!("{before}{pod}/{}{after}", holder.replace("ID", &id));
        let expected = Container::new(id, runtime, Some(uid), Some(class));
        prop_assert_eq!(container(path.as_bytes()), Some(expected), "{}", path);
    }

    #[test]
    fn the_innermost_container_counts(
        outer in "[0-9a-f]{64}",
        inner in "[0-9a-f]{64}",
        (outside, _) in holder(),
        (inside, runtime) in holder(),
        between in plain(),
        uid in uid(),
    ) {
        let outside = outside.replace("ID", &outer);
        let inside = inside.replace("ID", &inner);
        let path = format!("/kubepods/pod{uid}/{outside}{between}/{inside}");
        let qos = Some(Qos::Guaranteed);
        let expected = Container::new(inner, runtime, Some(uid), qos);
        prop_assert_eq!(container(path.as_bytes()), Some(expected), "{}", path);
    }

    #[test]
    fn a_shorter_or_longer_id_is_none(prefix in "(docker-|crio-|)", id in "[0-9a-f]{1,63}|[0-9a-f]{65,80}") {
        prop_assert_eq!(container(format!("/system.slice/{prefix}{id}.scope").as_bytes()), None);
    }
}
