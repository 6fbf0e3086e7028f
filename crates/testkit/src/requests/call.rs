//! What a driver logged.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// A call as its client made it.
#[derive(Debug, Clone, Deserialize)]
pub struct Call {
    /// What was spoken, as rows name it.
    pub protocol: String,
    /// What was done.
    pub operation: String,
    /// What it was done to: no other call has the same, unless the driver makes several alike.
    pub resource: String,
    /// How it went.
    pub status: String,
    /// When it began, in nanoseconds since 1970, by the client's clock.
    pub time: u64,
    /// How long it took, in nanoseconds, as the client measured it; none where it did not.
    pub latency: Option<u64>,
    /// The client's port; none where the driver does not know.
    pub client: Option<u16>,
    /// The server's port.
    pub server: Option<u16>,
    /// Whether it goes through TLS; none where that is not asked.
    #[serde(default)]
    pub tls: Option<bool>,
    /// Whether the client's clock is not that of its system calls: it is told, and not judged.
    #[serde(default)]
    pub loose: bool,
    /// Whether only the client is watched.
    #[serde(default)]
    pub one_sided: bool,
}

/// Calls of which no more is known than how many they were.
#[derive(Debug, Clone, Deserialize)]
pub struct Tally {
    /// What was spoken.
    pub protocol: String,
    /// What was done.
    pub operation: String,
    /// To what; none where it is all the same.
    #[serde(default)]
    pub resource: Option<String>,
    /// How it went; none where it is all the same.
    #[serde(default)]
    pub status: Option<String>,
    /// How many on each side; none where there may be any number.
    pub count: Option<u64>,
}

/// All that a driver logged.
#[derive(Debug, Default)]
pub struct Log {
    /// The calls, in the order in which they ended.
    pub calls: Vec<Call>,
    /// What else went on.
    pub tallies: Vec<Tally>,
}

#[derive(Deserialize)]
enum Line {
    #[serde(rename = "call")]
    Call(Call),
    #[serde(rename = "tally")]
    Tally(Tally),
}

impl Log {
    /// Reads a log.
    pub fn read(path: &Path) -> Result<Log> {
        let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        Log::parse(&text)
    }

    /// Reads a log's text: JSON objects, one a line, with the one key `call` or `tally`.
    pub fn parse(text: &str) -> Result<Log> {
        let mut log = Log::default();
        for (at, line) in text.lines().enumerate() {
            match serde_json::from_str(line).with_context(|| format!("line {}", at + 1))? {
                Line::Call(call) => log.calls.push(call),
                Line::Tally(tally) => log.tallies.push(tally),
            }
        }
        Ok(log)
    }
}

impl Tally {
    /// Whether a row of these words is one of them.
    pub fn has(&self, protocol: &str, operation: &str, resource: &str, status: &str) -> bool {
        self.protocol == protocol
            && self.operation == operation
            && self.resource.as_deref().is_none_or(|it| it == resource)
            && self.status.as_deref().is_none_or(|it| it == status)
    }
}
