//! The one place that installs: apt-get, as root or through sudo.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use super::needs::Need;
use crate::failure::{Context, Failure, Result};
use crate::run::{self, say};

/// Refreshes the package lists: on a new machine there are none, and old ones name
/// versions that the mirror no longer has.
pub(super) fn update() -> Result<()> {
    say("reading the package lists (apt-get update)");
    // A third party's source that is gone is no reason to stop: what matters is whether the
    // packages are found below.
    if let Err(failure) = run::output(as_root("apt-get")?.args(["-q", "update"])) {
        say(format!("not all lists could be read: {failure}"));
    }
    Ok(())
}

/// The first of the need's packages that the configured sources have.
pub(super) fn choose(need: &Need) -> Result<String> {
    let has = |package: &&&str| candidate(package).is_some();
    need.packages.iter().find(has).map(ToString::to_string).ok_or_else(|| {
        let names = need.packages.join(", ");
        Failure::new(format!(
            "none of {names} is in this machine's package sources; {} needs it",
            need.why
        ))
    })
}

/// Installs the packages, without what they merely recommend.
pub(super) fn install(packages: &[String]) -> Result<()> {
    let mut command = as_root("apt-get")?;
    command.args(["-q", "-y", "--no-install-recommends", "install"]).args(packages);
    run::output(&mut command).map(drop).context(|| "installing".into())
}

/// The version that apt would install.
fn candidate(package: &str) -> Option<String> {
    let policy = run::output(Command::new("apt-cache").args(["policy", package])).ok()?;
    let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (line != "(none)").then(|| line.to_string())
}

/// `program` as root: itself when we are, else through sudo.
pub(super) fn as_root(program: &str) -> Result<Command> {
    let mut command = if is_root() {
        Command::new(program)
    } else if run::find("sudo").is_some() {
        // Sudo drops the environment; `env` puts back what matters.
        let mut sudo = Command::new("sudo");
        sudo.args(["env", "DEBIAN_FRONTEND=noninteractive", program]);
        sudo
    } else {
        return Err(Failure::new(format!(
            "{program} needs root, and there is no sudo here: run this as root"
        )));
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command)
}

/// Whether we are root: who owns our own entry under /proc tells, without a system call of ours.
pub(super) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
