//! The versions that rule files ask for, and those that are claimed here.

use std::fmt;

/// The version of Falco's engine whose rules are understood here.
pub(super) const ENGINE: Version = Version { major: 0, minor: 63, patch: 0 };

/// The plugins whose fields are here, and the newest version of each whose rules are understood.
pub(super) const PLUGINS: [(&str, Version); 1] =
    [("container", Version { major: 0, minor: 6, patch: u32::MAX })];

/// A version, as semver has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    /// `1.2.3`, perhaps with something behind it that does not count.
    pub(super) fn parse(text: &str) -> Option<Version> {
        let core = text.split(['-', '+']).next()?;
        let mut parts = core.split('.').map(number);
        let version =
            Version { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? };
        parts.next().is_none().then_some(version)
    }

    /// The version of an engine: a number alone is the middle one.
    pub(super) fn of_engine(text: &str) -> Option<Version> {
        match number(text) {
            Some(minor) => Some(Version { major: 0, minor, patch: 0 }),
            None => Version::parse(text),
        }
    }

    /// Whether what asks for `needed` gets what it asks for.
    pub(super) fn serves(self, needed: Version) -> bool {
        self.major == needed.major && self >= needed
    }
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patch {
            u32::MAX => write!(f, "{}.{}.x", self.major, self.minor),
            patch => write!(f, "{}.{}.{patch}", self.major, self.minor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_version_serves_an_older_one_of_the_same_major() {
        let serves = |needed| ENGINE.serves(Version::of_engine(needed).unwrap());
        assert!(serves("0.63.0") && serves("0.57.0") && serves("13") && serves("0.26.0-rc1"));
        assert!(!serves("0.63.1") && !serves("64") && !serves("1.0.0"));
        for wrong in ["", "0.57", "a", "1.2.3.4", "-1", "1..2", "99999999999", "+1"] {
            assert_eq!(Version::of_engine(wrong), None, "{wrong}");
        }
        assert_eq!(ENGINE.to_string(), "0.63.0");
        assert_eq!(PLUGINS[0].1.to_string(), "0.6.x");
        assert!(PLUGINS[0].1.serves(Version::parse("0.4.0").unwrap()));
    }
}
