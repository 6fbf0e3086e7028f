//! `setup`: installs what is missing, and says what and why.

mod apt;
mod needs;

use crate::cli::Command;
use crate::command_line::Flag;
use crate::failure::{Failure, Result};
use crate::run::{self, say};
use needs::Need;

pub(crate) const COMMAND: Command = Command {
    name: "setup",
    usage: "[--vm] [--bench] [--k8s]",
    about: "Installs what building needs and this machine lacks",
    more: "Looks first and installs only what is missing, through apt-get (as root, or with sudo).\n\
           On a system without apt it prints the packages and ends with exit code 1.\n\
           `demo`, `test`, `vm` and `bench` call it themselves.",
    flags: &[
        Flag {
            name: "--vm",
            value: "",
            doc: "also what the kernel matrix needs: QEMU and tools to unpack packages",
        },
        Flag {
            name: "--bench",
            value: "",
            doc: "also the tools that benches compare with: bpftrace, strace, perf",
        },
        Flag {
            name: "--k8s",
            value: "",
            doc: "also what the tests with a Kubernetes API server need, and build that server",
        },
    ],
    examples: &[("setup", "for building"), ("setup --vm --bench", "for everything")],
    run: |words| {
        words.nothing_more()?;
        let (vm, bench, k8s) = (words.has("--vm"), words.has("--bench"), words.has("--k8s"));
        let missing = ensure(Scope { vm, bench, k8s, ..Scope::default() })?;
        if missing == 0 {
            say("nothing is missing");
        }
        if k8s {
            crate::k8s::ensure()?;
        }
        Ok(())
    },
};

/// What the machine is to be made ready for, beyond building.
#[derive(Clone, Copy, Default)]
pub(crate) struct Scope {
    pub(crate) vm: bool,
    pub(crate) bench: bool,
    pub(crate) k8s: bool,
    pub(crate) python: bool,
    pub(crate) requests: bool,
}

/// Makes sure that nothing is missing; hands back how many things were.
pub(crate) fn ensure(scope: Scope) -> Result<usize> {
    let missing: Vec<&Need> = needs::of(scope).filter(|need| !(need.present)()).collect();
    if missing.is_empty() {
        return Ok(0);
    }
    if run::find("apt-get").is_none() {
        return Err(Failure::new(format!(
            "this system has no apt; install these with its own package manager and run again\n{}",
            listed(&missing)
        )));
    }
    let packages =
        apt::update().and_then(|()| missing.iter().map(|need| apt::choose(need)).collect())?;
    for (need, package) in missing.iter().zip::<&Vec<String>>(&packages) {
        say(format!("installing {package}: {}, for {}", need.what, need.why));
    }
    apt::install(&packages)?;
    match missing.iter().find(|need| !(need.present)()) {
        None => Ok(missing.len()),
        Some(need) => {
            Err(Failure::new(format!("{} is still missing after the installation", need.what)))
        }
    }
}

fn listed(missing: &[&Need]) -> String {
    let line = |need: &&Need| {
        format!("  {:<34} for {} (Debian: {})", need.what, need.why, need.packages.join(" or "))
    };
    missing.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Whether this system installs through apt, so that Debian's packages can be had.
pub(crate) fn has_apt() -> bool {
    run::find("apt-get").is_some()
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    apt::is_root()
}

/// A command that runs `program` as root: itself when we are, else through sudo.
pub(crate) fn as_root(program: &str) -> Result<std::process::Command> {
    apt::as_root(program)
}
