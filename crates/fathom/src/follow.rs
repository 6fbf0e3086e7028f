//! Follows the pods that were asked for: which cgroups are theirs, told to the kernel as they come.
//!
//! A cgroup made where pods are made is in scope at once, by the kernel's own doing. Whether it is
//! one of those that were asked for is known a little later; until then its rows wait.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock, RwLockWriteGuard};

use anyhow::Result;
use identity::pods::{PodContainer, Pods, Selection};
use identity::{Cgroup, Identity};
use kernel::Kernel;
use scope::Members;

/// The pods asked for, and what became of each cgroup. One worker updates it, all ask.
pub struct Follow {
    selection: Selection,
    fates: RwLock<HashMap<u64, Fate>>,
    /// What was known of pods and cgroups at the last update.
    asked: Mutex<Option<(u64, u64)>>,
}

/// What became of a cgroup.
struct Fate {
    state: State,
    /// The times (boot clock) at which it was asked for: from, until.
    spans: Vec<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not known yet whether it is asked for; watched meanwhile.
    Waits,
    /// It is asked for.
    In,
    /// It is not, nor is what is made below it.
    Out,
    /// It is not, but what is made below it may be.
    Nurses,
}

impl Follow {
    /// Nothing is followed before the first update.
    pub fn new(selection: Selection) -> Follow {
        Follow { selection, fates: RwLock::default(), asked: Mutex::default() }
    }

    /// Whether rows of `cgroup` at `time` (boot clock) are asked for; none where that is not known
    /// yet.
    pub fn asks_for(&self, cgroup: u64, time: u64) -> Option<bool> {
        let fates = self.fates.read().unwrap_or_else(PoisonError::into_inner);
        let fate = fates.get(&cgroup)?;
        if fate.spans.iter().any(|&(from, until)| (from..until).contains(&time)) {
            return Some(true);
        }
        (fate.state != State::Waits).then_some(false)
    }

    /// Decides anew on every cgroup where anything changed, and tells the kernel. True where
    /// cgroups came into scope in which processes may have been running before.
    pub fn update(&self, kernel: &Kernel, identity: &Identity, now: u64) -> Result<bool> {
        let known = Some((identity.pods().generation(), identity.cgroups().generation()));
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if *asked == known {
            return Ok(false);
        }
        let mut came = false;
        let members = Members::of(kernel)?;
        let mut fates = self.write();
        for (id, cgroup) in &identity.cgroups().all() {
            let state = self.decide(cgroup, identity.pods());
            let before = fates.get(id).map(|fate| fate.state);
            if before == Some(state) {
                continue;
            }
            match state {
                // What is gone is not watched any more, but its rows may wait for this.
                _ if cgroup.removed.is_some() => {}
                State::In | State::Waits => members.enter(*id)?,
                State::Nurses => members.nurse(*id)?,
                State::Out => members.leave(*id),
            }
            // All that was told of it so far was told while it was watched.
            let whole = before.is_none_or(|before| before == State::Waits);
            let is_known = before == Some(State::Waits) || (before.is_none() && cgroup.told);
            came |= state == State::In && !is_known;
            let fate = fates.entry(*id).or_insert(Fate { state, spans: Vec::new() });
            fate.change(state, whole, now);
        }
        // What was removed long ago, of which no row speaks any more.
        fates.retain(|id, _| identity.cgroups().knows(*id));
        // Only now: after an error all of it is tried again.
        *asked = known;
        Ok(came)
    }

    fn decide(&self, cgroup: &Cgroup, pods: &Pods) -> State {
        let selection = &self.selection;
        let listed = |id: &str| pods.by_container(id);
        if cgroup.nursery {
            return State::Nurses;
        }
        let Some(uid) = cgroup.pod_uid.as_deref() else {
            let bare = cgroup.container.as_ref().map(|it| {
                let told = pods.runtime_container(&it.id);
                let (name, image) =
                    told.map_or_else(Default::default, |it| (it.name.clone(), it.image.clone()));
                PodContainer { id: it.id.as_str().into(), name, image }
            });
            let asked = bare.is_some_and(|it| selection.matches_bare(&it));
            return if asked { State::In } else { State::Out };
        };
        let Some(pod) = pods.by_uid(uid) else { return State::Waits };
        match &cgroup.container {
            _ if !selection.is_by_container() => {
                if selection.matches(&pod) {
                    State::In
                } else {
                    State::Out
                }
            }
            None => State::Nurses,
            Some(container) => match listed(&container.id) {
                Some((pod, it)) if selection.matches_container(&pod, &it) => State::In,
                Some(_) => State::Out,
                None => {
                    let id = container.id.as_str().into();
                    let it = PodContainer { id, name: "".into(), image: "".into() };
                    // By its id alone it can be told to be meant, but not that it is not.
                    if selection.matches_container(&pod, &it) { State::In } else { State::Waits }
                }
            },
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<u64, Fate>> {
        self.fates.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fate {
    /// Takes on a state; `whole` where all rows until now belong to it.
    fn change(&mut self, state: State, whole: bool, now: u64) {
        if state == State::In {
            self.spans.push((if whole { 0 } else { now }, u64::MAX));
        } else if let Some((_, until)) =
            self.spans.last_mut().filter(|(_, until)| *until == u64::MAX)
        {
            *until = now;
        }
        self.state = state;
    }
}
