//! The chain: an append-only log in which every change of what is stored has its place.
//!
//! Each line of `chain.log` is an [`Entry`] as JSON, a tab, the line's hash, and, where there is a
//! key, a tab and the hash's Ed25519 signature. A line's hash is SHA-256 over the hash before it and
//! the line's JSON: who changes, adds or takes away a line changes every hash after it. The last
//! hash, the [`Head`], is told to the outside, so a chain that was cut or made anew shows as well.
//!
//! What is about to happen is written here first: after a crash the chain says what to finish.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use ring::digest::{self, SHA256};
use serde::{Deserialize, Serialize};

use crate::key::{Key, PublicKey};

/// The chain's file in the store's folder.
pub const CHAIN: &str = "chain.log";

/// One line of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub sequence: u64,
    /// When it was written, RFC 3339.
    pub time: String,
    /// Whose store it is.
    pub node: String,
    /// What happens.
    #[serde(flatten)]
    pub event: Event,
}

/// What happens to the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An agent opened it.
    Opened {
        /// The agent's version.
        version: String,
    },
    /// Rows of a table became segments, one for each hour.
    Sealed {
        /// The table.
        table: String,
        /// The segments.
        files: Vec<Written>,
        /// The last frame of the journal whose rows are in them.
        through: u64,
    },
    /// Segments became one.
    Merged {
        /// The new one.
        files: Vec<Written>,
        /// Those that it replaces.
        from: Vec<String>,
    },
    /// A segment was removed, as the configuration wants it.
    Dropped {
        /// Which.
        path: String,
        /// What was over its bound: `age`, `share`, `total`, `free`.
        why: String,
    },
    /// The chain before this one was broken or gone.
    Begun {
        /// The name under which it is kept; none where it was gone.
        broken: Option<String>,
        /// What was wrong with it.
        why: String,
        /// The segments that were there, as they were then.
        files: Vec<Written>,
        /// What its lines said of the journal, for each table.
        through: BTreeMap<String, u64>,
    },
}

/// A segment as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Relative to the store's folder.
    pub path: String,
    /// The whole file's SHA-256, in hexadecimal: what `sha256sum` prints.
    pub sha256: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// The end of the chain. Whoever keeps it can tell later that nothing before it was changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Head {
    /// The number of the last line; 0 before the first.
    pub sequence: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// A chain that lines are appended to.
#[derive(Debug)]
pub(crate) struct Chain {
    file: File,
    head: Head,
    node: String,
    key: Option<Key>,
    /// Where the last whole line ends: an append that failed is taken back to there.
    length: u64,
}

/// What reading a chain found.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The lines that fit, with their hashes.
    pub(crate) entries: Vec<(Entry, [u8; 32])>,
    /// Where the last of them ends.
    pub(crate) length: u64,
    /// What is behind it.
    pub(crate) rest: Rest,
    /// How many lines have a signature.
    pub(crate) signed: u64,
}

/// What is behind the lines that fit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    #[default]
    Nothing,
    /// A line without an end: the agent was ended while it wrote.
    Torn,
    /// A line that does not fit.
    Broken {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
}

impl Head {
    /// The hash in hexadecimal.
    pub fn hash_text(&self) -> String {
        hex(&self.hash)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash_text())
    }
}

impl std::str::FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Head, String> {
        let parsed = text.split_once(':').and_then(|(sequence, hash)| {
            Some(Head { sequence: sequence.parse().ok()?, hash: from_hex(hash)? })
        });
        parsed.ok_or_else(|| {
            format!("`{text}` is no head of a chain: a number, a colon and 64 hexadecimal digits")
        })
    }
}

impl Event {
    /// The segments that it brings.
    pub(crate) fn brings(&self) -> &[Written] {
        match self {
            Event::Sealed { files, .. }
            | Event::Merged { files, .. }
            | Event::Begun { files, .. } => files,
            Event::Opened { .. } | Event::Dropped { .. } => &[],
        }
    }

    /// The segments that it takes away.
    pub(crate) fn takes(&self) -> &[String] {
        match self {
            Event::Merged { from, .. } => from,
            Event::Dropped { path, .. } => std::slice::from_ref(path),
            Event::Sealed { .. } | Event::Opened { .. } | Event::Begun { .. } => &[],
        }
    }
}

impl Chain {
    /// Goes on behind `reading`, which was read from the same folder. What is behind its last
    /// whole line is cut off.
    pub(crate) fn resume(
        folder: &Path,
        reading: &Reading,
        node: &str,
        key: Option<Key>,
    ) -> io::Result<Chain> {
        let path = folder.join(CHAIN);
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.set_len(reading.length)?;
        let head = reading
            .entries
            .last()
            .map(|(entry, hash)| Head { sequence: entry.sequence, hash: *hash });
        let (head, node) = (head.unwrap_or_default(), node.to_string());
        Ok(Chain { file, head, node, key, length: reading.length })
    }

    /// Appends a line and waits until it is on disk; where that fails, the line is taken back.
    pub(crate) fn commit(&mut self, time: i64, event: Event) -> io::Result<()> {
        let (head, length) = (self.head, self.length);
        self.append(time, event)?;
        self.file.sync_data().inspect_err(|_| {
            let _ = self.file.set_len(length);
            (self.head, self.length) = (head, length);
        })
    }

    /// Its end.
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// The number that the next line will have.
    pub(crate) fn next(&self) -> u64 {
        self.head.sequence + 1
    }

    /// Its size.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    fn append(&mut self, time: i64, event: Event) -> io::Result<()> {
        let sequence = self.head.sequence + 1;
        let time = schema::plain::rfc3339(time);
        let entry = Entry { sequence, time, node: self.node.clone(), event };
        let mut line = serde_json::to_string(&entry)?;
        let hash = next_hash(&self.head.hash, line.as_bytes());
        line.push('\t');
        line.push_str(&hex(&hash));
        if let Some(key) = &self.key {
            line.push('\t');
            line.push_str(&hex(key.sign(&hash).as_ref()));
        }
        line.push('\n');
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // Half a line would break the chain for whoever reads it.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += line.len() as u64;
        self.head = Head { sequence, hash };
        Ok(())
    }
}

impl Reading {
    /// Reads `text` line by line, as far as it fits; with a key also the signatures have to.
    pub(crate) fn of(text: &[u8], key: Option<&PublicKey>) -> Reading {
        let mut reading = Reading::default();
        let mut hash = [0; 32];
        for (at, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let Some(whole) = line.strip_suffix(b"\n") else {
                reading.rest = Rest::Torn;
                break;
            };
            match read_line(whole, at as u64 + 1, &hash, key) {
                Ok((entry, next, signed)) => {
                    hash = next;
                    reading.signed += u64::from(signed);
                    reading.entries.push((entry, hash));
                    reading.length += line.len() as u64;
                }
                Err(what) => {
                    reading.rest = Rest::Broken { line: at as u64 + 1, what };
                    break;
                }
            }
        }
        reading
    }
}

fn read_line(
    line: &[u8],
    sequence: u64,
    before: &[u8; 32],
    key: Option<&PublicKey>,
) -> Result<(Entry, [u8; 32], bool), String> {
    let mut parts = line.split(|&byte| byte == b'\t');
    let json = parts.next().unwrap_or_default();
    let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
    let hash = parts.next().map(text).ok_or("it has no hash")?;
    let computed = next_hash(before, json);
    if hash != hex(&computed) {
        return Err("its hash does not fit what is before it".to_string());
    }
    let signature = parts.next().map(text);
    match (key, &signature) {
        (None, _) => {}
        (Some(_), None) => return Err("it is not signed".to_string()),
        (Some(key), Some(signature)) => {
            let bytes = bytes_of(signature).unwrap_or_default();
            if !key.verifies(&computed, &bytes) {
                return Err("its signature is not by this key".to_string());
            }
        }
    }
    let entry: Entry =
        serde_json::from_slice(json).map_err(|error| format!("it cannot be read: {error}"))?;
    if entry.sequence != sequence {
        return Err(format!("it says that it is number {}", entry.sequence));
    }
    Ok((entry, computed, signature.is_some()))
}

fn next_hash(before: &[u8; 32], json: &[u8]) -> [u8; 32] {
    let mut context = digest::Context::new(&SHA256);
    context.update(before);
    context.update(json);
    whole(context.finish())
}

/// SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    whole(digest::digest(&SHA256, bytes))
}

fn whole(digest: digest::Digest) -> [u8; 32] {
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    bytes_of(text)?.try_into().ok()
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
