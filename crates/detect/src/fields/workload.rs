//! Where it runs: `container.*`, `k8s.*`.

use schema::{Container, Runtime};

use super::{Chosen, Event, Id, Surroundings};
use crate::value::Seen;

pub(super) fn read<'a>(field: &Chosen, event: &'a Event<'_>) -> Option<Seen<'a>> {
    let container = event.process().container.as_deref();
    let image = || container.and_then(|it| it.names.image.get());
    let seen = || container.and_then(|it| event.around.state.container(&it.id));
    Some(match field.id {
        Id::ContainerShort => Seen::owned(short_id(container)),
        Id::ContainerLong => Seen::maybe(container, |it| Seen::text(&it.id)),
        Id::ContainerName => match container {
            None => Seen::text("host"),
            Some(it) => Seen::maybe(it.names.name.get(), |name| Seen::text(&**name)),
        },
        Id::ContainerType => Seen::text(match container.map(|it| it.runtime) {
            None => "host",
            Some(Runtime::Docker) => "docker",
            Some(Runtime::Containerd) => "containerd",
            Some(Runtime::Crio) => "cri-o",
            Some(Runtime::Podman) => "podman",
            Some(Runtime::Unknown) => "unknown",
        }),
        Id::ContainerImage => Seen::maybe(image(), |image| Seen::text(&**image)),
        Id::ContainerImageRepository => {
            Seen::maybe(image(), |image| Seen::text(image_parts(image).0))
        }
        Id::ContainerImageTag => Seen::maybe(image(), |image| match image_parts(image) {
            (_, Some(tag), _) => Seen::text(tag),
            (_, None, None) => Seen::text("latest"),
            _ => Seen::Nothing,
        }),
        Id::ContainerImageDigest => {
            Seen::maybe(image().and_then(|image| image_parts(image).2), Seen::text)
        }
        Id::ContainerPrivileged => Seen::maybe(seen(), |it| Seen::Bool(it.privileged)),
        Id::ContainerStartTs => Seen::maybe(seen(), |it| Seen::number(it.started)),
        Id::ContainerDuration => {
            Seen::maybe(seen(), |it| Seen::number(event.time().saturating_sub(it.started)))
        }
        Id::K8sPodName => Seen::maybe(pod(container), |pod| Seen::text(&*pod.name)),
        Id::K8sNsName => Seen::maybe(pod(container), |pod| Seen::text(&*pod.namespace)),
        Id::K8sPodUid => Seen::maybe(container.and_then(|it| it.pod_uid.as_ref()), Seen::text),
        Id::K8sWorkload => {
            Seen::maybe(container.and_then(|it| it.names.workload.get()), |it| Seen::text(&**it))
        }
        Id::Novel => novel(field, event, container),
        _ => return None,
    })
}

/// Whether the image never had this value of the field. Outside of containers the node is one image.
fn novel<'a>(field: &Chosen, event: &'a Event<'_>, container: Option<&Container>) -> Seen<'a> {
    let Some(asked) = super::asked_by_novelty(field) else { return Seen::Nothing };
    let seen = super::read(&asked, event);
    let Some(value) = seen.shown() else { return Seen::Nothing };
    let image = container.map_or("host", |it| {
        let names = &it.names;
        names.image.get().or(names.workload.get()).map_or(it.id.as_str(), |name| name)
    });
    let Surroundings { state, novelty, .. } = event.around;
    let since = container.map_or(Some(state.since()), |it| Some(state.container(&it.id)?.seen));
    let times = (since.unwrap_or(event.time()), event.time());
    Seen::Bool(novelty.is_new(image, &field.key, value.as_bytes(), times))
}

fn pod(container: Option<&Container>) -> Option<&schema::PodName> {
    container.and_then(|it| it.names.pod.get())
}

/// The first 12 characters, or `host`.
pub(super) fn short_id(container: Option<&Container>) -> &str {
    container.map_or("host", |it| it.id.get(..12).unwrap_or(&it.id))
}

/// Repository, tag and digest: `ghcr.io/a/b:1.2@sha256:…`.
fn image_parts(image: &str) -> (&str, Option<&str>, Option<&str>) {
    let (image, digest) = match image.split_once('@') {
        Some((image, digest)) => (image, Some(digest)),
        None => (image, None),
    };
    // A colon before the last slash belongs to a port.
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag), digest),
        _ => (image, None, digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_come_apart() {
        assert_eq!(image_parts("nginx"), ("nginx", None, None));
        assert_eq!(
            image_parts("r:5000/a/b:1@sha256:x"),
            ("r:5000/a/b", Some("1"), Some("sha256:x"))
        );
        assert_eq!(image_parts("r:5000/a/b"), ("r:5000/a/b", None, None));
    }
}
