//! An apt of its own, in a folder: reads another Debian release's lists and downloads from it,
//! and the machine's own apt never knows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::KEYS;
use super::mirror::Mirror;
use crate::failure::{Context, Failure, Result};
use crate::run;

/// A folder with apt's state in it, and nothing installed as far as that apt knows.
pub(crate) struct AptRoot {
    folder: PathBuf,
    /// Its own source list; without it, the machine's sources are read.
    own_sources: bool,
}

impl AptRoot {
    /// Reads the lists of a Debian release and of its security updates.
    pub(crate) fn of_release(folder: &Path, mirror: &Mirror, release: &str) -> Result<Self> {
        Self::read(folder, mirror, release, &["deb"])
    }

    /// The same, with what the packages are built from.
    pub(crate) fn of_release_with_sources(
        folder: &Path,
        mirror: &Mirror,
        release: &str,
    ) -> Result<Self> {
        Self::read(folder, mirror, release, &["deb", "deb-src"])
    }

    /// Reads the lists of the machine's own sources: their packages fit its libraries. The
    /// machine's own copies of the lists may be missing, or name versions that are gone.
    pub(crate) fn of_this_machine(folder: &Path) -> Result<Self> {
        let root = Self::prepare(folder, false)?;
        // Sources of third parties that cannot be reached are the machine's own affair.
        run::output(root.command("apt-get").args(["-q", "update"]))?;
        Ok(root)
    }

    /// The same, with the lists as they were read before.
    pub(crate) fn of_this_machine_as_read(folder: &Path) -> Result<Self> {
        Self::prepare(folder, false)
    }

    /// All that installing `packages` on an empty system would bring.
    pub(crate) fn closure(&self, packages: &[String]) -> Result<Vec<String>> {
        let mut apt = self.command("apt-get");
        apt.args(["install", "--print-uris", "-qq", "-y", "--no-install-recommends"])
            .args(packages);
        let lines = run::output(&mut apt)?;
        // 'URI' FILE SIZE HASH, the file being NAME_VERSION_ARCH.deb
        let file = |line: &str| line.split(' ').nth(1).map(str::to_string);
        Ok(lines.lines().filter(|line| line.starts_with('\'')).filter_map(file).collect())
    }

    /// Downloads files that `closure` named and unpacks each into the folder that `to` gives.
    pub(crate) fn unpack(&self, files: &[String], to: impl Fn(&str) -> PathBuf) -> Result<()> {
        let scratch = self.folder.join("download");
        fs::create_dir_all(&scratch).context(|| scratch.display().to_string())?;
        let mut apt = self.command("apt-get");
        apt.current_dir(&scratch)
            .args(["-q", "download"])
            .args(files.iter().map(|file| exact(file)));
        run::output(&mut apt)?;
        for file in files {
            let to = to(file);
            fs::create_dir_all(&to).context(|| to.display().to_string())?;
            let file = scratch.join(file);
            run::output(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&to))?;
            fs::remove_file(&file).context(|| file.display().to_string())?;
        }
        Ok(())
    }

    /// Unpacks what `package` is built from, Debian's patches applied, as the folder `to`; hands
    /// back its version.
    pub(crate) fn unpack_source(&self, package: &str, to: &Path) -> Result<String> {
        let scratch = self.folder.join("download");
        let _ = fs::remove_dir_all(&scratch);
        fs::create_dir_all(&scratch).context(|| scratch.display().to_string())?;
        let mut apt = self.command("apt-get");
        apt.current_dir(&scratch).args(["-q", "source", "--download-only", package]);
        run::output(&mut apt)?;
        let entries = fs::read_dir(&scratch).context(|| scratch.display().to_string())?;
        let mut names =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let file = names
            .find(|name| name.ends_with(".dsc"))
            .ok_or_else(|| Failure::new(format!("no description came with {package}")))?;
        let _ = fs::remove_dir_all(to);
        // What was fetched is what the signed lists name; the key of whoever uploaded it is not
        // asked for besides.
        let mut unpack = Command::new("dpkg-source");
        unpack.args(["--no-check", "-x"]).arg(scratch.join(&file)).arg(to);
        run::output(&mut unpack)?;
        fs::remove_dir_all(&scratch).context(|| scratch.display().to_string())?;
        let version = file.trim_end_matches(".dsc").split_once('_').map(|(_, version)| version);
        Ok(version.unwrap_or_default().to_string())
    }

    fn read(folder: &Path, mirror: &Mirror, release: &str, kinds: &[&str]) -> Result<Self> {
        let root = Self::prepare(folder, true)?;
        match root.update(&sources(mirror, release, KEYS, kinds)) {
            Err(failure) if failure.to_string().contains("NO_PUBKEY") => {
                let keys = newer_keys(folder, mirror).context(|| failure.to_string())?;
                root.update(&sources(mirror, release, &keys.to_string_lossy(), kinds))?;
            }
            other => other?,
        }
        Ok(root)
    }

    fn prepare(folder: &Path, own_sources: bool) -> Result<Self> {
        for part in ["state/lists/partial", "cache/archives/partial"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).context(|| part.display().to_string())?;
        }
        let status = folder.join("status");
        fs::write(&status, "").context(|| status.display().to_string())?;
        Ok(Self { folder: folder.into(), own_sources })
    }

    fn update(&self, sources: &str) -> Result<()> {
        let list = self.folder.join("sources.list");
        fs::write(&list, sources).context(|| list.display().to_string())?;
        // Without this a release that cannot be had would be a warning, and old lists would do.
        run::output(self.command("apt-get").args(["-q", "update", "--error-on=any"])).map(drop)
    }

    /// The machine's configuration (its proxies, say) holds, but for where things are.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let mut set = |key: &str, path: PathBuf| {
            command.arg("-o").arg(format!("{key}={}", path.display()));
        };
        set("Dir::State::status", self.folder.join("status"));
        set("Dir::Cache", self.folder.join("cache"));
        set("Dir::State", self.folder.join("state"));
        if self.own_sources {
            set("Dir::Etc::sourcelist", self.folder.join("sources.list"));
            set("Dir::Etc::sourceparts", "/dev/null".into());
            set("Dir::Etc::preferencesparts", "/dev/null".into());
        }
        // The user that apt would fetch as may not write into a cache under somebody's home.
        command.args(["-o", "APT::Sandbox::User=root", "-o", "APT::Architecture=amd64"]);
        command.args([
            "-o",
            "Acquire::Languages=none",
            "-o",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
        ]);
        // The lists of a release that has gone to the archive have expired. Their signatures
        // are checked all the same, and what comes of it runs in the guest only.
        command.args(["-o", "Acquire::Check-Valid-Until=false"]);
        command.env("LC_ALL", "C");
        command
    }
}

/// The lines of a source list; `kinds` are apt's words for packages and what they are built from.
fn sources(mirror: &Mirror, release: &str, keys: &str, kinds: &[&str]) -> String {
    let mut places = vec![format!("{} {release}", mirror.archive)];
    // What is being developed has no security updates of its own.
    if let Some(security) = mirror.security.as_ref().filter(|_| release != "sid") {
        places.push(format!("{security} {release}-security"));
    }
    let line = |place: &String| {
        let of_kind = |kind: &&str| format!("{kind} [arch=amd64 signed-by={keys}] {place} main\n");
        kinds.iter().map(of_kind).collect::<String>()
    };
    places.iter().map(line).collect()
}

/// A release signed with keys that this machine does not have yet: a release it does know
/// ships the newer keys, signed with the old ones.
fn newer_keys(folder: &Path, mirror: &Mirror) -> Result<PathBuf> {
    let to = folder.join("keys");
    for release in ["trixie", "bookworm"] {
        let root = AptRoot::prepare(&folder.join("keys-root"), true)?;
        let tried = root.update(&sources(mirror, release, KEYS, &["deb"])).and_then(|()| {
            root.unpack(&root.closure(&["debian-archive-keyring".into()])?, |_| to.clone())
        });
        let keys = to.join(KEYS.trim_start_matches('/'));
        // Newer ones are in another format, under a name of its own.
        let newer = keys.with_extension("pgp");
        if tried.is_ok() && (newer.exists() || keys.exists()) {
            return Ok(if newer.exists() { newer } else { keys });
        }
    }
    Err(Failure::new("no newer archive keys could be had"))
}

/// NAME_VERSION_ARCH.deb as apt wants it asked for: NAME=VERSION.
fn exact(file: &str) -> String {
    let mut parts = file.split('_');
    match (parts.next(), parts.next()) {
        (Some(name), Some(version)) => format!("{name}={}", version.replace("%3a", ":")),
        _ => file.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_file_is_asked_for_by_name_and_version() {
        assert_eq!(exact("zlib1g_1%3a1.2.13.dfsg-1_amd64.deb"), "zlib1g=1:1.2.13.dfsg-1");
        assert_eq!(
            exact("linux-binary-7.2.13+deb14-cloud-amd64_7.2.13-1_amd64.deb"),
            "linux-binary-7.2.13+deb14-cloud-amd64=7.2.13-1"
        );
    }

    #[test]
    fn only_releases_have_security_updates() {
        let mirror = Mirror {
            archive: "http://m.example/debian".into(),
            security: Some("http://m.example/sec".into()),
        };
        assert!(
            sources(&mirror, "bullseye", "/k", &["deb"])
                .contains("http://m.example/sec bullseye-security main")
        );
        assert_eq!(sources(&mirror, "sid", "/k", &["deb"]).lines().count(), 1);
        let both = sources(&mirror, "bullseye", "/k", &["deb", "deb-src"]);
        let lines: Vec<&str> = both.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(lines, ["deb", "deb-src", "deb", "deb-src"]);
    }
}
