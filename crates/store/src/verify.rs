//! Verifying: whether what is stored is what was written, by nothing but the folder itself.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ring::digest::{self, SHA256};
use serde::Serialize;

use crate::chain::{CHAIN, Event, Head, Rest, hex};
use crate::key::PublicKey;
use crate::listing;
use crate::record::{Record, read_chain};
use crate::recover::relative;

/// What else to hold the chain against.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// Every line has to be signed by this key.
    pub public_key: Option<PublicKey>,
    /// A head that was told earlier: the chain has to reach it and have that hash there.
    pub head: Option<Head>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Segments that are as they were written.
    pub segments: u64,
    /// Their rows.
    pub rows: u64,
    /// Segments that retention or merging took away, as the chain says.
    pub taken: u64,
    /// Lines of the chain.
    pub lines: u64,
    /// How many of them are signed.
    pub signed: u64,
    /// The chain's end: `NUMBER:HASH`.
    pub head: String,
    /// What does not fit, the oldest first; nothing where all is well.
    pub findings: Vec<Finding>,
    /// What is no sign of tampering, but of a crash.
    pub notes: Vec<String>,
}

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// What kind of misfit.
    pub kind: Misfit,
    /// In words.
    pub what: String,
}

/// The kinds of misfit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Misfit {
    /// A line of the chain does not follow from those before it.
    Chain,
    /// The chain ends before a head that was told, or is another one.
    Head,
    /// A segment is not what was written.
    Changed,
    /// A segment is gone, and retention did not take it.
    Missing,
    /// A segment that the chain does not know.
    Unknown,
}

/// Compares what is in `folder` with what its chain says. Nothing is changed.
pub fn verify(folder: &Path, options: &VerifyOptions) -> io::Result<VerifyReport> {
    let reading = read_chain(folder, options.public_key.as_ref())?;
    let listing = listing::list(folder)?;
    let record = Record::of(reading.entries.iter().map(|(entry, _)| &entry.event));
    let end =
        reading.entries.last().map(|(entry, hash)| Head { sequence: entry.sequence, hash: *hash });
    let mut report = VerifyReport {
        segments: 0,
        rows: 0,
        taken: record.taken.len() as u64,
        lines: reading.entries.len() as u64,
        signed: reading.signed,
        head: end.unwrap_or_default().to_string(),
        findings: Vec::new(),
        notes: Vec::new(),
    };
    match &reading.rest {
        Rest::Nothing => {}
        Rest::Torn => report.notes.push(format!("{CHAIN} ends in half a line, as after a crash")),
        Rest::Broken { line, what } => {
            report.find(CHAIN, Misfit::Chain, format!("line {line}: {what}"));
        }
    }
    for (entry, _) in &reading.entries {
        if let Event::Begun { broken, why, .. } = &entry.event {
            let kept = broken.as_deref().map_or("", |it| it);
            let what = format!(
                "on {} a new chain was begun, for the one before did not fit ({why}) {kept}",
                entry.time
            );
            report.find(CHAIN, Misfit::Chain, what.trim_end().to_string());
        }
    }
    if let Some(head) = &options.head {
        let at = reading.entries.iter().find(|(entry, _)| entry.sequence == head.sequence);
        let what = match at {
            Some((_, hash)) if *hash == head.hash => None,
            Some(_) => Some(format!("line {} is not the one that was told", head.sequence)),
            None => Some(format!(
                "it ends at line {}, and line {} was told: its end was cut off",
                reading.entries.len(),
                head.sequence
            )),
        };
        if let Some(what) = what {
            report.find(CHAIN, Misfit::Head, what);
        }
    }
    let mut there = BTreeSet::new();
    for (_, segment) in &listing.segments {
        let path = relative(folder, &segment.path);
        if !record.live.contains_key(&path) {
            match record.taken.contains(&path) {
                true => report.notes.push(format!("{path} was dropped, but is still there")),
                false => {
                    report.find(&path, Misfit::Unknown, "no line of the chain tells of it".into())
                }
            }
        }
        there.insert(path);
    }
    for (path, written) in &record.live {
        let file = folder.join(path);
        let sum = match there.contains(path) {
            true => sha256_of(&file),
            // The chain is written first; a crash may come before the name.
            false => sha256_of(&crate::write::part_of(&file)),
        };
        match sum {
            Ok(sum) if sum == written.sha256 => {
                report.segments += 1;
                report.rows += written.rows;
            }
            Ok(_) if there.contains(path) => {
                report.find(path, Misfit::Changed, "it is not what was written".into());
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => report.find(
                path,
                Misfit::Missing,
                format!("it is gone with {} rows, and retention did not take it", written.rows),
            ),
        }
    }
    Ok(report)
}

impl VerifyReport {
    /// Whether all fits.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, path: &str, kind: Misfit, what: String) {
        self.findings.push(Finding { path: path.to_string(), kind, what });
    }
}

fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut context = digest::Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(context.finish().as_ref())),
            read => context.update(&buffer[..read]),
        }
    }
}
