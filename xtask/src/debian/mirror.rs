//! Where this machine gets Debian's packages from, read from its own apt configuration.

use std::env;
use std::fs;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::run;

/// Names the mirror where the machine's own configuration has none, as on Ubuntu.
const OVERRIDE: &str = "FATHOM_DEBIAN_MIRROR";

/// Debian's archive and, where the machine uses it, the one with security updates.
#[derive(Debug, PartialEq)]
pub(crate) struct Mirror {
    pub(crate) archive: String,
    pub(crate) security: Option<String>,
}

impl Mirror {
    /// The mirror that this machine uses.
    pub(crate) fn of_this_machine() -> Result<Self> {
        if let Ok(archive) = env::var(OVERRIDE) {
            return Ok(Self { archive, security: None });
        }
        let format = "$(REPO_URI)\t$(RELEASE)\t$(LABEL)";
        let targets = run::output(Command::new("apt-get").args([
            "indextargets",
            "--format",
            format,
            "Created-By: Packages",
        ]))?;
        let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
        Self::among(&targets, &system).ok_or_else(|| {
            Failure::new(format!(
                "this machine's apt sources name no Debian mirror; set {OVERRIDE} to one"
            ))
        })
    }

    /// Picks by the label of the archive; before the first `apt-get update` there are no
    /// labels, and then a Debian's own release name has to do.
    fn among(targets: &str, os_release: &str) -> Option<Self> {
        let value = |key: &str| {
            let line = os_release.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_default().trim_matches('"').to_string()
        };
        let own = (value("ID=") == "debian").then(|| value("VERSION_CODENAME="));
        let find = |label: &str, suffix: &str| {
            let release = own.as_ref().map(|own| format!("{own}{suffix}"));
            let mut rows = targets.lines().map(|line| line.split('\t').collect::<Vec<_>>());
            let fits = |row: &Vec<&str>| {
                row.len() == 3 && (row[2] == label || release.as_deref() == Some(row[1]))
            };
            rows.find(fits).map(|row| row[0].to_string())
        };
        Some(Self { archive: find("Debian", "")?, security: find("Debian-Security", "-security") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "ID=debian\nVERSION_CODENAME=bookworm\n";

    #[test]
    fn the_labels_tell_which_source_is_which() {
        let targets = "https://other.example/x/\tstable\tOther\n\
                       http://mirror.example/debian/\tbookworm\tDebian\n\
                       http://mirror.example/security/\tbookworm-security\tDebian-Security\n";
        let mirror = Mirror::among(targets, "ID=other\n").unwrap();
        assert_eq!(mirror.archive, "http://mirror.example/debian/");
        assert_eq!(mirror.security.as_deref(), Some("http://mirror.example/security/"));
    }

    #[test]
    fn before_the_first_update_the_release_name_does() {
        let targets = "http://m.example/debian/\tbookworm\t$(LABEL)\n";
        let mirror = Mirror::among(targets, DEBIAN).unwrap();
        assert_eq!(mirror.archive, "http://m.example/debian/");
        assert_eq!(mirror.security, None);
    }

    #[test]
    fn a_machine_without_a_debian_mirror_has_none() {
        assert_eq!(Mirror::among("http://u.example/ubuntu/\tnoble\tUbuntu\n", "ID=ubuntu\n"), None);
    }
}
