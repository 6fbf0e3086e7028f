//! The folder of one API server: its data, and the files that its clients need.

use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

/// A folder of our own; removed when dropped.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
}

/// Our folders are named so, with our pid and a number behind it.
const PREFIX: &str = "fathom-cluster-";

/// The users of the server: the name, the group.
const USERS: [(&str, &str); 2] = [("test", "system:masters"), ("fathom", "fathom")];

impl Home {
    /// Makes the folder, with the tokens of the users.
    pub(super) fn make() -> Result<Home> {
        remove_stale(&env::temp_dir());
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("{PREFIX}{}-{number}", std::process::id()));
        // A folder of that name is of an earlier process with our pid.
        let _ = fs::remove_dir_all(&path);
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make {}", path.display()))?;
        let home = Home { path };
        let mut tokens = String::new();
        for (user, group) in USERS {
            // Others on this machine can reach the server, and are not to guess it.
            let token = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
            let token = token.trim();
            tokens += &format!("{token},{user},{user},{group}\n");
            fs::write(home.at(&format!("{user}.token")), token)?;
        }
        fs::write(home.at("tokens.csv"), tokens)?;
        Ok(home)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes what clients need, once the server has made its certificate; whether it has.
    pub(super) fn write_access(&self, url: &str) -> Result<bool> {
        let made = fs::read_to_string(self.at("certs/apiserver.crt")).unwrap_or_default();
        let Some(issuer) = issuer(&made) else { return Ok(false) };
        fs::write(self.at("ca.crt"), issuer)?;
        for (user, _) in USERS {
            fs::write(self.at(&format!("{user}.kubeconfig")), self.kubeconfig(url, user))?;
        }
        Ok(true)
    }

    /// JSON, which is YAML too.
    fn kubeconfig(&self, url: &str, user: &str) -> String {
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{
                "name": "test",
                "cluster": { "server": url, "certificate-authority": self.at("ca.crt") },
            }],
            "users": [{
                "name": user,
                "user": { "tokenFile": self.at(&format!("{user}.token")) },
            }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": user } }],
        });
        config.to_string()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The second certificate of the two in the server's own file: of the one who signed the first.
fn issuer(certificates: &str) -> Option<&str> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let at = certificates.rfind(BEGIN).filter(|at| *at > 0)?;
    let issuer = &certificates[at..];
    issuer.trim_end().ends_with("-----END CERTIFICATE-----").then_some(issuer)
}

/// Removes what a killed test left behind: folders whose process is gone.
fn remove_stale(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner =
            name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_is_the_second_certificate_when_it_is_whole() {
        let one = "-----BEGIN CERTIFICATE-----\na\n-----END CERTIFICATE-----\n";
        let two = "-----BEGIN CERTIFICATE-----\nb\n-----END CERTIFICATE-----\n";
        assert_eq!(issuer(&format!("{one}{two}")), Some(two));
        assert_eq!(issuer(one), None);
        assert_eq!(issuer(&format!("{one}{}", &two[..40])), None);
    }

    #[test]
    fn the_folder_goes_with_its_owner() {
        let home = Home::make().unwrap();
        let path = home.path().to_path_buf();
        assert_eq!(fs::read_to_string(home.at("tokens.csv")).unwrap().lines().count(), 2);
        assert!(!home.write_access("https://127.0.0.1:1").unwrap(), "there is no certificate yet");
        drop(home);
        assert!(!path.exists());
    }
}
