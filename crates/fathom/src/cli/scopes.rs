//! The scope flags, the same for every command.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use scope::Scope;

use super::Usage;

/// Whom to watch. Given more than once, they add up.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Scope")]
pub(crate) struct ScopeArguments {
    /// A process and all its descendants
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// A cgroup2 directory and all below it (absolute, or below the cgroup2 mount)
    #[arg(long, value_name = "PATH")]
    cgroup: Vec<PathBuf>,
    /// The whole node
    #[arg(long)]
    node: bool,
}

impl ScopeArguments {
    /// The scopes, as they were given.
    pub(crate) fn scopes(&self) -> Result<Vec<Scope>> {
        let mut scopes: Vec<Scope> = self.pid.iter().map(|&pid| Scope::Pid(pid)).collect();
        for path in &self.cgroup {
            let Some(scope) = Scope::cgroup(path) else {
                bail!("cgroup2 is not mounted here, so there is no cgroup to watch; use --pid");
            };
            scopes.push(scope);
        }
        if self.node {
            scopes.push(Scope::Node);
        }
        Ok(scopes)
    }

    /// The same where a command line without a scope makes no sense.
    pub(crate) fn required(&self) -> Result<Vec<Scope>> {
        let scopes = self.scopes()?;
        if scopes.is_empty() {
            let what = "say whom to watch: `-- COMMAND`, --pid, --cgroup or --node (everything)";
            return Err(Usage(what.to_string()).into());
        }
        Ok(scopes)
    }
}
