//! Debian packages for the guest: resolved with all that they need, unpacked, kept.

use std::fs;
use std::path::{Path, PathBuf};

use super::fetch::cache_folder;
use crate::debian::AptRoot;
use crate::failure::{Context, Result};
use crate::place::lock;
use crate::run::say;

/// The folders to lay over the guest's tree so that it has `packages`. Nothing of them is
/// run here: what their install scripts would do is left undone.
pub(super) fn unpacked(packages: &[String]) -> Result<Vec<PathBuf>> {
    let cache = cache_folder()?;
    let _lock = lock(&cache)?;
    // Reading the lists anew takes a second or two and the network: only when the old ones
    // no longer do.
    let own = cache.join("apt/own");
    AptRoot::of_this_machine_as_read(&own)
        .and_then(|root| fetch(&root, &cache, packages))
        .or_else(|_| fetch(&AptRoot::of_this_machine(&own)?, &cache, packages))
}

fn fetch(root: &AptRoot, cache: &Path, packages: &[String]) -> Result<Vec<PathBuf>> {
    let files = root.closure(packages)?;
    let folder = cache.join("packages");
    let name = |file: &str| file.trim_end_matches(".deb").to_string();
    let missing: Vec<String> =
        files.iter().filter(|file| !folder.join(name(file)).exists()).cloned().collect();
    if !missing.is_empty() {
        say(format!("fetching {} packages for the guest: {}", missing.len(), missing.join(", ")));
        // Unpacked beside and moved when whole, so that what is kept is never half a package.
        let fresh = folder.join("new");
        let _ = fs::remove_dir_all(&fresh);
        root.unpack(&missing, |file| fresh.join(name(file)))?;
        for file in &missing {
            let kept = folder.join(name(file));
            fs::rename(fresh.join(name(file)), &kept).context(|| kept.display().to_string())?;
        }
    }
    Ok(files.iter().map(|file| folder.join(name(file))).collect())
}
