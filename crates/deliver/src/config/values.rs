//! Values that one word says: spans of time, sizes, secrets.

use std::fmt;
use std::fs;
use std::io;
use std::time::Duration;

use detect::language::Priority;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A span of time: `500ms`, `30s`, `5m`, `12h`, `7d`; `0` is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A number of bytes: `64KiB`, `2MiB`, `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// A word that is nobody's business: it stands there, or in a file (`file:/run/secrets/key`),
/// which is read again when it is needed. It is never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

/// Units of time, the largest first, in milliseconds.
const SPANS: &[(&str, u64)] =
    &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size, the largest first.
const SIZES: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

const FILE: &str = "file:";

impl Span {
    /// So many milliseconds.
    pub const fn millis(count: u64) -> Span {
        Span(Duration::from_millis(count))
    }

    /// So many seconds.
    pub const fn seconds(count: u64) -> Span {
        Span(Duration::from_secs(count))
    }
}

impl Size {
    /// So many times 1024 times 1024 bytes.
    pub const fn mib(count: u64) -> Size {
        Size(count << 20)
    }
}

impl Secret {
    /// One that stands there.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The secret itself; the error names the file that could not be read.
    pub(crate) fn read(&self) -> io::Result<String> {
        let Some(path) = self.0.strip_prefix(FILE) else { return Ok(self.0.clone()) };
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"));
        Ok(fs::read_to_string(path).map_err(named)?.trim().to_string())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Secret {
    fn shown(&self) -> &str {
        let open = self.0.is_empty() || self.0.starts_with(FILE);
        if open { &self.0 } else { "[hidden]" }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.0.as_millis() as u64, SPANS, "0s")
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.0, SIZES, "0")
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || {
            let words = "a whole number and its unit: 500ms, 30s, 5m, 12h, 7d";
            de::Error::custom(format!("`{text}` is no span of time; write {words}"))
        };
        parse(&text, SPANS).map(|millis| Span(Duration::from_millis(millis))).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Size, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || {
            let words = "a size with its unit: 64KiB, 2MiB, 1GiB";
            de::Error::custom(format!("`{text}` is no size; write {words}"))
        };
        parse(&text, SIZES).map(Size).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        String::deserialize(from).map(Secret)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.shown())
    }
}

/// Priorities by their names, in any case.
pub(super) mod priority {
    use super::*;

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Priority, D::Error> {
        let text = String::deserialize(from)?;
        let names = Priority::ALL.map(|it| it.name().to_lowercase());
        let wrong = || {
            de::Error::custom(format!("`{text}` is no priority; there are {}", names.join(", ")))
        };
        Priority::named(&text).ok_or_else(wrong)
    }

    pub(in crate::config) fn serialize<S: Serializer>(
        priority: &Priority,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&priority.name().to_lowercase())
    }
}

/// A whole number and its unit; 0 needs none.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    match unit.trim() {
        "" => (number == 0).then_some(0),
        unit => {
            let (_, unit) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
            number.checked_mul(*unit)
        }
    }
}

fn show(f: &mut fmt::Formatter<'_>, number: u64, units: &[(&str, u64)], zero: &str) -> fmt::Result {
    let fitting = units.iter().find(|(_, unit)| number > 0 && number.is_multiple_of(*unit));
    match fitting {
        Some((name, unit)) => write!(f, "{}{name}", number / unit),
        None => f.write_str(zero),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for text in ["500ms", "30s", "5m", "12h", "7d", "0s"] {
            let span: Span = serde_json::from_value(text.into()).unwrap();
            assert_eq!(span.to_string(), text);
        }
        for text in ["64KiB", "2MiB", "1GiB", "0", "7B"] {
            let size: Size = serde_json::from_value(text.into()).unwrap();
            assert_eq!(size.to_string(), text);
        }
        for text in ["", "5", "5 parsecs", "-5s", "s", "99999999999999999d"] {
            let error = serde_json::from_value::<Span>(text.into()).unwrap_err();
            assert!(error.to_string().contains("is no span of time; write"), "{error}");
        }
    }

    #[test]
    fn a_secret_is_not_printed_and_may_be_a_file() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "[hidden]");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[hidden]\"");
        assert_eq!(secret.read().unwrap(), "hunter2");

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let secret = Secret::new(format!("file:{}", path.display()));
        assert!(secret.read().unwrap_err().to_string().contains("/key: "));
        fs::write(&path, "hunter3\n").unwrap();
        assert_eq!(secret.read().unwrap(), "hunter3");
        assert_eq!(format!("{secret:?}"), format!("file:{}", path.display()));
    }
}
