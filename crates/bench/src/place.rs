//! Where things are: the programs beside this one, the results, the checkout.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// This program.
pub(crate) fn own() -> Result<PathBuf> {
    env::current_exe().context("cannot find this program")
}

/// The agent, as it was built beside this program.
pub(crate) fn fathom() -> Result<PathBuf> {
    beside("fathom")
}

/// The workloads.
pub(crate) fn testkit() -> Result<PathBuf> {
    beside("testkit")
}

/// Where results are kept: `target/bench`.
pub(crate) fn results() -> PathBuf {
    let target = own().ok().and_then(|own| own.ancestors().nth(2).map(PathBuf::from));
    target.unwrap_or_else(|| "target".into()).join("bench")
}

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let here =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    PathBuf::from(here).ancestors().nth(2).map(PathBuf::from).unwrap_or_default()
}

/// A program on the PATH.
pub(crate) fn installed(name: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut folders = env::split_paths(&path).chain(sbin);
    let found = folders.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()));
    found.with_context(|| format!("{name} is not installed (`cargo xtask setup --bench`)"))
}

fn beside(name: &str) -> Result<PathBuf> {
    let path = own()?.with_file_name(name);
    let what = "build it first: cargo build --release -p fathom -p testkit";
    ensure!(path.is_file(), "{} is not there; {what}", path.display());
    Ok(path)
}
