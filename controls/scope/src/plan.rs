//! What the kernel has to know for a scope: a pure function.

use std::path::PathBuf;

use kernel::ScopeMode;

/// One thing to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The whole node.
    Node,
    /// A cgroup2 directory and all below it.
    Cgroup(PathBuf),
    /// A process and its descendants.
    Pid(u32),
}

/// The scope as the kernel takes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// Which of the two tables count.
    pub mode: ScopeMode,
    /// The roots of cgroup subtrees.
    pub cgroups: Vec<PathBuf>,
    /// The roots of process trees.
    pub pids: Vec<u32>,
}

/// Lowers `scopes`; the whole node makes all others needless.
pub fn plan(scopes: &[Scope]) -> Plan {
    let mut plan = Plan { mode: ScopeMode::NOTHING, cgroups: Vec::new(), pids: Vec::new() };
    if scopes.contains(&Scope::Node) {
        plan.mode = ScopeMode::NODE;
        return plan;
    }
    for scope in scopes {
        match scope {
            Scope::Node => {}
            Scope::Cgroup(path) => plan.cgroups.push(path.clone()),
            Scope::Pid(pid) => plan.pids.push(*pid),
        }
    }
    plan.cgroups.sort();
    plan.cgroups.dedup();
    plan.pids.sort_unstable();
    plan.pids.dedup();
    let bit = |is_used: bool, mode: ScopeMode| if is_used { mode.0 } else { 0 };
    plan.mode = ScopeMode(
        bit(!plan.cgroups.is_empty(), ScopeMode::CGROUPS)
            | bit(!plan.pids.is_empty(), ScopeMode::PIDS),
    );
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_add_up_and_the_node_swallows_them() {
        let both = plan(&[Scope::Pid(7), Scope::Cgroup("/a".into()), Scope::Pid(7)]);
        assert_eq!(both.mode, ScopeMode(ScopeMode::CGROUPS.0 | ScopeMode::PIDS.0));
        assert_eq!((both.cgroups.len(), both.pids.as_slice()), (1, &[7][..]));
        let node = plan(&[Scope::Pid(7), Scope::Node]);
        assert_eq!((node.mode, node.pids.len()), (ScopeMode::NODE, 0));
        assert_eq!(plan(&[]).mode, ScopeMode::NOTHING);
    }
}
