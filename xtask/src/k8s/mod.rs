//! Real Kubernetes parts for the tests: an API server, its etcd and kubectl.
//!
//! Debian has no package of the API server, but its source package `kubernetes` has the whole
//! source with everything that it uses, so it is built from that, once, with Debian's Go. Nothing
//! is installed: packages are unpacked, and only the three programs are kept.

mod build;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::failure::{Context, Failure, Result};
use crate::place::{self, lock};
use crate::run::say;
use crate::setup::{self, Scope};

/// The version of the API server, and the name under which everything is kept.
const VERSION: &str = "1.20.2";

/// How the tests learn where each program is.
const VARIABLES: [(&str, &str); 3] = [
    ("FATHOM_K8S_APISERVER", "kube-apiserver"),
    ("FATHOM_ETCD", "etcd"),
    ("FATHOM_KUBECTL", "kubectl"),
];

/// The programs, in one folder.
pub(crate) struct Parts {
    folder: PathBuf,
}

impl Parts {
    /// Tells the tests that `cargo` will run where the programs are.
    pub(crate) fn tell(&self, cargo: &mut Command) {
        for (variable, program) in VARIABLES {
            cargo.env(variable, self.folder.join(program));
        }
    }

    fn in_folder(folder: PathBuf) -> Option<Self> {
        let whole = VARIABLES.iter().all(|(_, program)| folder.join(program).is_file());
        whole.then_some(Self { folder })
    }
}

/// The programs, if they were built before.
pub(crate) fn kept() -> Option<Parts> {
    Parts::in_folder(cache().ok()?.join(VERSION))
}

/// The programs; builds them where they are not there.
pub(crate) fn ensure() -> Result<Parts> {
    if let Some(parts) = kept() {
        return Ok(parts);
    }
    if !setup::has_apt() {
        return Err(Failure::new(
            "the source comes from Debian's packages, and there is no apt here",
        ));
    }
    setup::ensure(Scope { k8s: true, ..Scope::default() })?;
    let cache = cache()?;
    fs::create_dir_all(&cache).context(|| cache.display().to_string())?;
    // Whoever had to wait for another run finds what that one built.
    let _lock = lock(&cache)?;
    if let Some(parts) = kept() {
        return Ok(parts);
    }
    let begun = Instant::now();
    say(format!("building kube-apiserver {VERSION}: minutes, and only this once"));
    make(&cache, &cache.join(VERSION))?;
    say(format!("kube-apiserver {VERSION} was built in {} s", begun.elapsed().as_secs()));
    kept().ok_or_else(|| Failure::new(format!("{} lacks a program", cache.display())))
}

/// Gathers everything beside `to` and moves it when whole: what is kept is never half of it.
fn make(cache: &Path, to: &Path) -> Result<()> {
    let scratch = cache.join("build");
    fs::create_dir_all(&scratch).context(|| scratch.display().to_string())?;
    let made = build::programs(cache, &scratch, VERSION)?;
    let fresh = cache.join(format!("{VERSION}.new"));
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).context(|| fresh.display().to_string())?;
    for (_, program) in VARIABLES {
        let from = made.folder.join(program);
        fs::copy(&from, fresh.join(program)).context(|| from.display().to_string())?;
    }
    let packages = fresh.join("packages");
    fs::write(&packages, made.packages.join("\n")).context(|| packages.display().to_string())?;
    let _ = fs::remove_dir_all(to);
    fs::rename(&fresh, to).context(|| to.display().to_string())?;
    // A gigabyte of what the compiler keeps; after a failure it stays and spares the next try.
    fs::remove_dir_all(&scratch).context(|| scratch.display().to_string())
}

fn cache() -> Result<PathBuf> {
    Ok(place::cache()?.join("k8s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_lacks_a_program_is_not_taken_for_the_whole() {
        let folder = std::env::temp_dir().join(format!("xtask-k8s-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for (_, program) in VARIABLES {
            assert!(Parts::in_folder(folder.clone()).is_none(), "before {program} is there");
            fs::write(folder.join(program), "").unwrap();
        }
        let parts = Parts::in_folder(folder.clone()).unwrap();
        let mut cargo = Command::new("cargo");
        parts.tell(&mut cargo);
        let told: Vec<_> = cargo.get_envs().map(|(name, _)| name.to_os_string()).collect();
        assert_eq!(told, ["FATHOM_ETCD", "FATHOM_K8S_APISERVER", "FATHOM_KUBECTL"]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
