//! The kernels of the matrix: which Debian release has each, fetched once and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::debian::{AptRoot, Mirror};
use crate::failure::{Context, Failure, Result};
use crate::place::{self, lock};
use crate::run::say;

/// A kernel of the matrix, by the name that users give it.
pub(super) struct Line {
    pub(super) name: &'static str,
    releases: &'static [&'static str],
}

/// Oldest first. Each is the newest of its line in the first of these releases that has one.
pub(super) const MATRIX: [Line; 4] = [
    Line { name: "5.10", releases: &["bullseye"] },
    Line { name: "6.1", releases: &["bookworm"] },
    Line { name: "6.12", releases: &["trixie", "bookworm-backports"] },
    Line { name: "sid", releases: &["sid"] },
];

/// The kernel for virtual machines: a quarter of the drivers, the same core.
const PACKAGE: &str = "linux-image-cloud-amd64";

/// How long a fetched kernel is taken for the newest one.
const FRESH: Duration = Duration::from_secs(14 * 24 * 3600);

/// Says when a kernel was fetched: the folders themselves keep the times of their packages.
const STAMP: &str = "fetched";

/// A kernel unpacked on disk.
#[derive(Debug)]
pub(super) struct Kernel {
    /// As `uname -r` will say.
    pub(super) release: String,
    pub(super) image: PathBuf,
    /// The folder that is /lib/modules/RELEASE.
    pub(super) modules: PathBuf,
}

/// The kernel of this line: the kept one while it is fresh, else the newest that the mirror has.
pub(super) fn kernel(line: &Line, refresh: bool) -> Result<Kernel> {
    let cache = cache_folder()?;
    // Two runs at once would unpack over each other.
    let _lock = lock(&cache)?;
    let kept = cache.join("kernels").join(line.name);
    if kept.exists() && !refresh && age(&kept.join(STAMP)) < FRESH {
        return find(&kept);
    }
    match fetch(line, &cache, &kept) {
        Ok(()) => find(&kept),
        Err(failure) if kept.exists() => {
            say(format!(
                "kernel {}: keeping the one fetched before, no newer could be had: {failure}",
                line.name
            ));
            find(&kept)
        }
        Err(failure) => Err(failure),
    }
}

/// Where everything for the guests is kept.
pub(super) fn cache_folder() -> Result<PathBuf> {
    let folder = place::cache()?.join("vm");
    fs::create_dir_all(&folder).context(|| folder.display().to_string())?;
    Ok(folder)
}

fn fetch(line: &Line, cache: &Path, kept: &Path) -> Result<()> {
    let mirror = Mirror::of_this_machine()?;
    let mut reasons = Vec::new();
    for release in line.releases {
        say(format!("fetching kernel {} from Debian {release}", line.name));
        let tried = AptRoot::of_release(&cache.join("apt").join(release), &mirror, release)
            .and_then(|root| unpack(&root, kept));
        match tried {
            Ok(()) => return Ok(()),
            Err(failure) => reasons.push(format!("{release}: {failure}")),
        }
    }
    Err(Failure::new(reasons.join("; ")))
}

fn unpack(root: &AptRoot, kept: &Path) -> Result<()> {
    let files = root.closure(&[PACKAGE.to_string()])?;
    let files: Vec<String> = files.into_iter().filter(|file| holds_kernel(file)).collect();
    if files.is_empty() {
        return Err(Failure::new(format!("{PACKAGE} brings no kernel")));
    }
    // Unpacked beside and moved when whole, so that what is kept is never half a kernel.
    let fresh = kept.with_extension("new");
    let _ = fs::remove_dir_all(&fresh);
    root.unpack(&files, |_| fresh.clone())?;
    let found = find(&fresh)?;
    let stamp = fresh.join(STAMP);
    fs::write(&stamp, files.join("\n")).context(|| stamp.display().to_string())?;
    say(format!("got {} ({})", found.release, files.join(", ")));
    let _ = fs::remove_dir_all(kept);
    fs::rename(&fresh, kept).context(|| kept.display().to_string())
}

/// One package up to Debian 13; afterwards the image and its modules come apart.
fn holds_kernel(file: &str) -> bool {
    ["linux-image-", "linux-binary-", "linux-modules-"]
        .iter()
        .filter_map(|prefix| file.strip_prefix(prefix))
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// What is where in an unpacked kernel; it has moved between releases.
fn find(folder: &Path) -> Result<Kernel> {
    let missing = |what: &str| Failure::new(format!("{} has no {what}", folder.display()));
    let libs = [folder.join("usr/lib/modules"), folder.join("lib/modules")];
    let modules =
        libs.iter().find_map(|lib| fs::read_dir(lib).ok()?.next()?.ok()).map(|entry| entry.path());
    let modules = modules.ok_or_else(|| missing("modules"))?;
    let release = modules.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let images = [folder.join("boot").join(format!("vmlinuz-{release}")), modules.join("vmlinuz")];
    let image =
        images.into_iter().find(|image| image.is_file()).ok_or_else(|| missing("vmlinuz"))?;
    Ok(Kernel { release, image, modules })
}

fn age(path: &Path) -> Duration {
    let modified =
        fs::metadata(path).and_then(|of| of.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    SystemTime::now().duration_since(modified).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_with_a_kernel_in_them_are_told_from_those_about_it() {
        assert!(holds_kernel("linux-image-6.1.0-50-cloud-amd64_6.1.176-1_amd64.deb"));
        assert!(holds_kernel("linux-binary-7.2.13+deb14-cloud-amd64_7.2.13-1_amd64.deb"));
        assert!(holds_kernel("linux-modules-7.2.13+deb14-cloud-amd64_7.2.13-1_amd64.deb"));
        assert!(!holds_kernel("linux-image-cloud-amd64_7.2.13-1_amd64.deb"));
        assert!(!holds_kernel("linux-base_4.17_all.deb"));
    }
}
