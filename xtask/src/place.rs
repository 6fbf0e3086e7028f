//! Where things are: the checkout, what it builds, and what is kept between checkouts.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Context, Failure, Result};

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    // Cargo says where the crate is that it runs; a binary started by hand knows where it was built.
    let here =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let here = PathBuf::from(here);
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    // A relative one is relative to where cargo is called, and `cargo` below is called in the root.
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The binary that a development build makes.
pub(crate) fn built(name: &str) -> PathBuf {
    target().join("debug").join(name)
}

/// What is downloaded once for all checkouts.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = match (env::var_os("XDG_CACHE_HOME"), env::var_os("HOME")) {
        (Some(cache), _) if !cache.is_empty() => PathBuf::from(cache),
        (_, Some(home)) => PathBuf::from(home).join(".cache"),
        _ => {
            return Err(Failure::new(
                "neither XDG_CACHE_HOME nor HOME is set; where to keep downloads?",
            ));
        }
    };
    Ok(base.join("fathom"))
}

/// Holds off other runs that work in the same folder, until it is dropped.
pub(crate) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).context(|| path.display().to_string())?;
    file.lock().context(|| path.display().to_string())?;
    Ok(file)
}

/// Cargo, the very one that runs this, in the root of the checkout.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).env("CARGO_TARGET_DIR", target());
    command
}
