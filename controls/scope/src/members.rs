//! Single cgroups in scope, for whoever decides from moment to moment.

use anyhow::{Context, Result};
use kernel::{Kernel, SharedMap};

use crate::record;

/// The table of cgroups that are watched. What is made below any of them is watched at once, until
/// it is told to [`leave`](Members::leave).
pub struct Members<'a> {
    map: SharedMap<'a>,
}

impl Members<'_> {
    /// The kernel's table.
    pub fn of(kernel: &Kernel) -> Result<Members<'_>> {
        let map = kernel.shared_map("scope_cgroups").context("the scope control is not loaded")?;
        Ok(Members { map })
    }

    /// From now on the cgroup is watched.
    pub fn enter(&self, id: u64) -> Result<()> {
        self.set(id, record::SCOPE_MEMBER)
    }

    /// The cgroup is not watched, but what is made below it from now on is.
    pub fn nurse(&self, id: u64) -> Result<()> {
        self.set(id, record::SCOPE_NURSERY)
    }

    /// From now on the cgroup is not watched; those below it stay as they are.
    pub fn leave(&self, id: u64) {
        self.map.remove(&id.to_ne_bytes());
    }

    fn set(&self, id: u64, marks: u32) -> Result<()> {
        self.map.set(&id.to_ne_bytes(), &marks.to_ne_bytes())
    }
}
