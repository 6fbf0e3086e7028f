//! What may be kept of whose requests: of all, and of those of single namespaces.

use std::collections::HashMap;
use std::sync::Arc;

use identity::CgroupIndex;
use l7::Ruling;
use protocols::Policy;
use schema::{Container, Decoded, Process};

/// A policy for all, and those of namespaces that have their own.
///
/// A namespace is known by the cgroup of whoever moved the bytes: its container, and that one's pod.
/// Until the cluster has named the pod, only so much is kept as every namespace allows; where one of them
/// allows nothing, rows of nobody knows whom are told to nobody.
#[derive(Debug, Clone, PartialEq)]
pub struct Policies {
    whole: Ruling,
    strictest: Ruling,
    own: HashMap<String, Ruling>,
    /// Whether any namespace is not read.
    refuses: bool,
}

/// What a policy says of rows.
#[derive(Debug, Default)]
pub(crate) struct Permitted {
    /// These may be told.
    pub(crate) ready: Vec<usize>,
    /// So many may not.
    pub(crate) refused: u64,
    /// Of so many nobody knows whether they may.
    pub(crate) unknown: u64,
}

impl Default for Policies {
    fn default() -> Policies {
        Policies::new(Policy::default(), Vec::new())
    }
}

impl Policies {
    /// `whole` for all but those in `own`; `None` there is not to be read.
    pub fn new(whole: Policy, own: Vec<(String, Option<Policy>)>) -> Policies {
        let given = own.iter().filter_map(|(_, policy)| policy.as_ref());
        let strictest = given.fold(whole.clone(), |strictest, policy| strictest.and(policy));
        let ruling = |policy: Option<Policy>| match policy {
            Some(policy) => Ruling::Read(Arc::new(policy)),
            None => Ruling::Refuse,
        };
        Policies {
            whole: ruling(Some(whole)),
            strictest: ruling(Some(strictest)),
            refuses: own.iter().any(|(_, policy)| policy.is_none()),
            own: own.into_iter().map(|(name, policy)| (name, ruling(policy))).collect(),
        }
    }

    /// How many bytes of a body are kept where most are.
    pub(crate) fn bodies(&self) -> u32 {
        let all = self.own.values().chain([&self.whole]);
        let kept = all.filter_map(|ruling| match ruling {
            Ruling::Read(policy) => Some(policy.bodies),
            Ruling::Refuse => None,
        });
        kept.max().unwrap_or(0) as u32
    }

    /// What is kept where nothing is known.
    pub(crate) fn strictest(&self) -> Policy {
        match &self.strictest {
            Ruling::Read(policy) => Policy::clone(policy),
            Ruling::Refuse => Policy::default(),
        }
    }

    /// Whether the same holds for all.
    pub(crate) fn is_one(&self) -> bool {
        self.own.is_empty()
    }

    /// Whether rows have to be asked about: some namespace is not read.
    pub(crate) fn refuses(&self) -> bool {
        self.refuses
    }

    /// What holds for whoever is in a cgroup, and whether that is known for good.
    pub(crate) fn of(&self, cgroup: u64, cgroups: &CgroupIndex) -> (&Ruling, bool) {
        match self.known(cgroups.container(cgroup).as_deref(), cgroup, cgroups) {
            Some(ruling) => (ruling, true),
            None => (&self.strictest, false),
        }
    }

    /// Which of the rows may be told, each of the process beside it.
    pub(crate) fn permit(
        &self,
        rows: &Decoded,
        processes: &[Arc<Process>],
        cgroups: &CgroupIndex,
    ) -> Permitted {
        let mut permitted = Permitted::default();
        for (row, (origin, process)) in rows.origin.iter().zip(processes).enumerate() {
            match self.known(process.container.as_deref(), origin.cgroup, cgroups) {
                Some(Ruling::Read(_)) => permitted.ready.push(row),
                Some(Ruling::Refuse) => permitted.refused += 1,
                None => permitted.unknown += 1,
            }
        }
        permitted
    }

    fn known(
        &self,
        container: Option<&Container>,
        cgroup: u64,
        cgroups: &CgroupIndex,
    ) -> Option<&Ruling> {
        match container {
            Some(container) => match container.names.pod.get() {
                Some(pod) => Some(self.own.get(&*pod.namespace).unwrap_or(&self.whole)),
                // A container of no pod is in no namespace.
                None => container.pod_uid.is_none().then_some(&self.whole),
            },
            None => cgroups.knows(cgroup).then_some(&self.whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use schema::PodName;

    use super::*;

    const POD: &[u8] = b"/kubepods.slice/kubepods-burstable.slice/\
        kubepods-burstable-pod1e0a4c5e_0d6f_4b1c_9b7e_3c8f4f0a9d11.slice/\
        cri-containerd-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.scope";
    const DOCKER: &[u8] = b"/system.slice/\
        docker-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.scope";

    fn cgroups() -> CgroupIndex {
        let cgroups = CgroupIndex::new();
        cgroups.insert(1, b"/");
        cgroups.insert(2, POD);
        cgroups.insert(3, DOCKER);
        cgroups
    }

    fn named(cgroups: &CgroupIndex, namespace: &str) {
        let pod = PodName { namespace: namespace.into(), name: "web-0".into() };
        cgroups.container(2).expect("a container").names.pod.set(pod).expect("not named yet");
    }

    fn policies() -> Policies {
        let whole = Policy { query_values: true, bodies: 100, ..Policy::default() };
        let dev = Policy { literals: true, bodies: 1000, ..whole.clone() };
        Policies::new(whole, vec![("dev".into(), Some(dev)), ("payments".into(), None)])
    }

    fn kept(ruling: &Ruling) -> Option<&Policy> {
        match ruling {
            Ruling::Read(policy) => Some(policy),
            Ruling::Refuse => None,
        }
    }

    #[test]
    fn a_pod_without_a_name_keeps_what_all_allow() {
        let (policies, cgroups) = (policies(), cgroups());
        for unknown in [2, 99] {
            let (ruling, known) = policies.of(unknown, &cgroups);
            assert!(!known);
            assert_eq!(kept(ruling), Some(&policies.strictest()));
        }
        let strictest = policies.strictest();
        assert_eq!((strictest.query_values, strictest.literals), (true, false));
        assert_eq!((strictest.bodies, policies.bodies()), (100, 1000));
        for elsewhere in [1, 3] {
            assert_eq!(policies.of(elsewhere, &cgroups), (&policies.whole, true));
        }
    }

    #[test]
    fn a_namespace_has_its_own_or_that_of_all() {
        for (namespace, bodies) in [("dev", Some(1000)), ("payments", None), ("shop", Some(100))] {
            let (policies, cgroups) = (policies(), cgroups());
            named(&cgroups, namespace);
            let (ruling, known) = policies.of(2, &cgroups);
            assert!(known);
            assert_eq!(kept(ruling).map(|it| it.bodies), bodies, "{namespace}");
        }
    }

    #[test]
    fn rows_of_whom_nobody_knows_are_told_to_nobody() {
        let cgroups = cgroups();
        let mut rows = Decoded::new(protocols::REQUEST);
        let mut processes = Vec::new();
        for cgroup in [1, 2, 99] {
            rows.origin.push(schema::Origin { cgroup, ..schema::Origin::default() });
            let process = Process::unknown(schema::ProcessKey::default(), "x", cgroup);
            let container = cgroups.container(cgroup);
            processes.push(Arc::new(Process { container, ..process }));
        }
        let told = |cgroups| policies().permit(&rows, &processes, cgroups);
        let before = told(&cgroups);
        assert_eq!((before.ready, before.refused, before.unknown), (vec![0], 0, 2));
        named(&cgroups, "payments");
        let after = told(&cgroups);
        assert_eq!((after.ready, after.refused, after.unknown), (vec![0], 1, 1));
    }
}
