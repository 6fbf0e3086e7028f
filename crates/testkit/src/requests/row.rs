//! What `fathom observe request` printed.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

/// A row of the table `request`, as far as it is judged.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// What was spoken.
    pub protocol: String,
    /// `client` or `server`.
    pub role: String,
    /// What was done.
    pub operation: String,
    /// To what.
    pub resource: Option<String>,
    /// How it went.
    pub status: Option<String>,
    /// What became of it.
    pub outcome: String,
    /// From the request's first byte to the response's last, in nanoseconds.
    pub latency: Option<u64>,
    /// The port of this end.
    pub local_port: Option<u16>,
    /// The port of the other end.
    pub peer_port: Option<u16>,
    /// Whether it went through TLS.
    pub tls: bool,
    /// Whether something of it was not seen that would have been read.
    pub truncated: bool,
    /// Its line in the output, from 1 on.
    #[serde(skip)]
    pub line: usize,
}

/// What became of bytes, over all rows of `coverage`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bytes {
    /// All that were moved.
    pub moved: u64,
    /// Those that were lost on their way.
    pub lost: u64,
    /// Those of a protocol that is known and which were not understood.
    pub skipped: u64,
    /// Those that were not copied and may have said something.
    pub cut: u64,
    /// Those of no known protocol.
    pub unknown: u64,
}

/// The rows of an output, and the sum of its coverage. Other tables are passed over.
pub fn parse(text: &str) -> Result<(Vec<Row>, Bytes)> {
    let (mut rows, mut bytes) = (vec![], Bytes::default());
    for (at, line) in text.lines().enumerate() {
        let value: Value =
            serde_json::from_str(line).with_context(|| format!("line {}: {line}", at + 1))?;
        match value["table"].as_str() {
            Some("request") => {
                let row: Row = serde_json::from_value(value)?;
                rows.push(Row { line: at + 1, ..row });
            }
            Some("coverage") => {
                let count = |name: &str| value[name].as_u64().unwrap_or(0);
                bytes.moved += count("moved");
                bytes.lost += count("lost");
                bytes.skipped += count("skipped");
                bytes.cut += count("cut");
                bytes.unknown += count("unknown");
            }
            _ => {}
        }
    }
    Ok((rows, bytes))
}
