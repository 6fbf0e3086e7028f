//! Which pods a user meant.

use super::selector::{is_domain, is_name};
use super::{LabelSelector, ParseError, Pod, PodContainer};

/// Which pods and containers a user meant; all that was given has to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    namespaces: Vec<String>,
    labels: LabelSelector,
    pod: Option<(String, String)>,
    container: Option<ContainerWord>,
}

/// What was given on the command line, as it was written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// Names of namespaces, any of which will do; each may hold several, separated by commas.
    pub namespaces: &'a [String],
    /// A label selector.
    pub selector: Option<&'a str>,
    /// `NAMESPACE/NAME`.
    pub pod: Option<&'a str>,
    /// A container's id, or its beginning, or a container's name.
    pub container: Option<&'a str>,
}

/// How a container is named. Names that look like ids may be either.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ContainerWord {
    /// The beginning of an id.
    id: Option<String>,
    name: String,
}

/// Fewer digits could be an ordinary name, as `beef`.
const SHORTEST_ID: usize = 12;
const LONGEST_ID: usize = 64;

impl Selection {
    /// Reads what was given.
    pub fn parse(given: Given) -> Result<Selection, ParseError> {
        let mut namespaces = Vec::new();
        for text in given.namespaces {
            let mut at = 0;
            for name in text.split(',') {
                check(is_label(name), "namespace", text, at, "the name of a namespace")?;
                namespaces.push(name.to_string());
                at += name.len() + 1;
            }
        }
        Ok(Selection {
            namespaces,
            labels: LabelSelector::parse(given.selector.unwrap_or_default())?,
            pod: given.pod.map(pod).transpose()?,
            container: given.container.map(container).transpose()?,
        })
    }

    /// Whether the pod is meant, or one of its containers.
    pub fn matches(&self, pod: &Pod) -> bool {
        let named = || pod.containers.iter().any(|it| self.names(it));
        self.fits(pod) && (self.container.is_none() || named())
    }

    /// Whether the container of the pod is meant.
    pub fn matches_container(&self, pod: &Pod, container: &PodContainer) -> bool {
        self.fits(pod) && self.names(container)
    }

    /// Whether everything is meant, what belongs to no pod too.
    pub fn is_everything(&self) -> bool {
        *self == Selection::default()
    }

    fn fits(&self, pod: &Pod) -> bool {
        let space = &*pod.namespace;
        let named =
            |(namespace, name): &(String, String)| *namespace == space && *name == *pod.name;
        (self.namespaces.is_empty() || self.namespaces.iter().any(|name| name == space))
            && self.pod.as_ref().is_none_or(named)
            && self.labels.matches(&pod.labels)
    }

    fn names(&self, container: &PodContainer) -> bool {
        self.container.as_ref().is_none_or(|word| {
            let begins = |id: &String| container.id.starts_with(id.as_str());
            word.id.as_ref().is_some_and(begins) || *word.name == *container.name
        })
    }
}

fn pod(text: &str) -> Result<(String, String), ParseError> {
    let form = "NAMESPACE/NAME";
    let Some((namespace, name)) = text.split_once('/') else {
        return Err(ParseError {
            subject: "pod",
            text: text.into(),
            at: text.len(),
            expected: form,
        });
    };
    check(is_label(namespace), "pod", text, 0, "the name of a namespace")?;
    check(is_domain(name), "pod", text, namespace.len() + 1, "the name of a pod")?;
    Ok((namespace.into(), name.into()))
}

fn container(text: &str) -> Result<ContainerWord, ParseError> {
    // A status names its runtime first: `containerd://…`.
    let bare = text.split_once("://").map_or(text, |(_, id)| id);
    let hex = bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = hex && (SHORTEST_ID..=LONGEST_ID).contains(&bare.len());
    let expected = "12 to 64 hexadecimal digits of a container's id, or a container's name";
    let at = text.len() - bare.len();
    check(id || (at == 0 && is_label(bare)), "container", text, at, expected)?;
    Ok(ContainerWord { id: id.then(|| bare.to_ascii_lowercase()), name: bare.into() })
}

/// What Kubernetes allows as the name of a namespace or a container.
fn is_label(text: &str) -> bool {
    is_name(text) && is_domain(text) && !text.contains('.')
}

fn check(
    well: bool,
    subject: &'static str,
    text: &str,
    at: usize,
    expected: &'static str,
) -> Result<(), ParseError> {
    let wrong = || ParseError { subject, text: text.into(), at, expected };
    if well { Ok(()) } else { Err(wrong()) }
}
