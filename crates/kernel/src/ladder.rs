//! Which rung each hook took, and what that costs.

use std::collections::BTreeSet;

use crate::{Features, Hook, Mechanism, Rung, Signal};

/// One hook as it stands on this node.
#[derive(Debug, Clone)]
pub struct Capability {
    /// The signal.
    pub signal: &'static str,
    /// What the hook sees.
    pub what: &'static str,
    /// How well.
    pub state: State,
    /// The mechanism taken, empty where none works.
    pub mechanism: &'static str,
    /// The program taken, empty where none works.
    pub program: &'static str,
    /// What is lost; empty where nothing is.
    pub cost: &'static str,
    /// The better rungs, and what was in the way of each.
    pub obstacles: Vec<Obstacle>,
}

/// Why a rung was not taken.
#[derive(Debug, Clone)]
pub struct Obstacle {
    /// Its mechanism.
    pub mechanism: &'static str,
    /// Whether the whole mechanism does not work here, or just this program.
    pub general: bool,
    /// What the kernel said.
    pub why: String,
}

/// How well a hook sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All that it should.
    Available,
    /// Less than it should.
    Degraded,
    /// Nothing.
    Missing,
}

impl State {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            State::Available => "available",
            State::Degraded => "degraded",
            State::Missing => "missing",
        }
    }
}

/// Programs that this kernel turned down, with what it said.
pub(crate) type Refused = Vec<(&'static str, String)>;

/// The programs to load: for each hook the first rung that is not known to fail.
pub(crate) fn choose(
    signal: &Signal,
    features: &Features,
    refused: &Refused,
) -> BTreeSet<&'static str> {
    let taken = signal.hooks.iter().filter_map(|hook| taken(hook, features, refused));
    taken.map(|rung| rung.program).collect()
}

/// The programs of the hooks in `left_out`, as if the kernel had turned them down.
pub(crate) fn left_out(signal: &Signal, left_out: &[&str]) -> Refused {
    let hooks = signal.hooks.iter().filter(|hook| left_out.contains(&hook.what));
    let rungs = hooks.flat_map(|hook| hook.rungs);
    rungs.map(|rung| (rung.program, "not asked for".to_string())).collect()
}

/// What a kernel that preempts programs on BTF tracepoints costs, where they cannot be put elsewhere.
const PREEMPTED: &str = "what happens on a CPU while a task is preempted inside the program; it is \
                         counted (`recursion`)";

/// The hooks with the rungs that were taken; `classic` says which programs stand on the classic
/// tracepoint in place of the BTF one.
pub(crate) fn report(
    signal: &'static Signal,
    features: &Features,
    refused: &Refused,
    classic: impl Fn(&str) -> bool,
) -> Vec<Capability> {
    let capability = |hook: &'static Hook| {
        let rung = taken(hook, features, refused);
        let exposed = |rung: &Rung| {
            let system_call =
                matches!(rung.mechanism, Mechanism::Syscall(_) | Mechanism::SyscallBehind(_));
            features.preempted && system_call && !classic(rung.program)
        };
        let cost = match rung {
            Some(rung) if rung.cannot.is_empty() && exposed(rung) => PREEMPTED,
            Some(rung) => rung.cannot,
            None => hook.lost,
        };
        let state = match rung {
            Some(_) if cost.is_empty() => State::Available,
            Some(_) => State::Degraded,
            None => State::Missing,
        };
        let above = hook
            .rungs
            .iter()
            .take_while(|above| rung.is_none_or(|rung| !std::ptr::eq(rung, *above)));
        let obstacles = above.map(|above| Obstacle {
            mechanism: above.mechanism.name(),
            general: features.obstacle(above.mechanism).is_some(),
            why: obstacle(above, features, refused).unwrap_or_default(),
        });
        Capability {
            signal: signal.name,
            what: hook.what,
            state,
            mechanism: match rung {
                Some(rung) if classic(rung.program) => rung.mechanism.classic_name(),
                Some(rung) => rung.mechanism.name(),
                None => "",
            },
            program: rung.map_or("", |rung| rung.program),
            cost,
            obstacles: obstacles.collect(),
        }
    };
    signal.hooks.iter().map(capability).collect()
}

fn taken<'a>(hook: &'a Hook, features: &Features, refused: &Refused) -> Option<&'a Rung> {
    hook.rungs.iter().find(|rung| obstacle(rung, features, refused).is_none())
}

fn obstacle(rung: &Rung, features: &Features, refused: &Refused) -> Option<String> {
    let told = refused.iter().find(|(program, _)| *program == rung.program);
    let known = features.obstacle(rung.mechanism).map(str::to_string);
    known.or_else(|| told.map(|(_, why)| why.clone()))
}
