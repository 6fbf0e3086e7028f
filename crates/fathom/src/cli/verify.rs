//! `fathom verify`: whether what is stored is what was written.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use store::{CHAIN, Finding, Head, Misfit, PublicKey, VerifyOptions, VerifyReport};

/// Where an agent keeps its store if nothing else is said.
pub(super) const DIRECTORY: &str = "/var/lib/fathom";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The directory that an agent wrote or writes; nothing in it is changed
    #[arg(long, value_name = "DIR", default_value = DIRECTORY)]
    data: PathBuf,
    /// Every line of the chain has to be signed by the key to which this one belongs, PEM
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// A head of the chain that the agent told earlier: the chain has to have it
    #[arg(long, value_name = "SEQUENCE:HASH")]
    head: Option<Head>,
    /// How to write the verdict
    #[arg(short = 'o', long, value_enum, default_value = "text", value_name = "FORMAT")]
    format: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Style {
    /// Text to read
    Text,
    /// JSON
    Json,
}

const EXAMPLES: &str = "\
Examples:
  fathom verify --data /var/lib/fathom
  fathom verify --head 4711:9f86d0…     the head that a log line or a metric told
  fathom verify --public-key node.pub   `openssl pkey -in node.key -pubout -out node.pub`

Without --head, a chain whose last lines were cut off together with their segments looks whole.";

/// Findings that are named one by one.
const NAMED: usize = 20;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let public_key = arguments.public_key.as_deref().map(PublicKey::read).transpose()?;
    let options = VerifyOptions { public_key, head: arguments.head };
    let folder = arguments.data.display();
    // Else a folder that was emptied would be one with nothing wrong in it.
    let chain = arguments.data.join(CHAIN);
    chain.metadata().with_context(|| format!("there is no store in {folder}: no {CHAIN}"))?;
    let report = store::verify(&arguments.data, &options)
        .with_context(|| format!("cannot verify {folder}"))?;
    let text = match arguments.format {
        Style::Text => text(&report, arguments),
        Style::Json => json(&report)?,
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(report: &VerifyReport, arguments: &Arguments) -> String {
    let VerifyReport { segments, rows, head, findings, notes, lines, signed, taken } = report;
    let mut text = match findings.split_first() {
        None => {
            let signed = if arguments.public_key.is_some() { ", signed by this key" } else { "" };
            format!("ok: {segments} segments, {rows} rows, chain head {head}{signed}\n")
        }
        Some((first, _)) => format!("not ok: {}\n", line(first)),
    };
    for finding in findings.iter().skip(1).take(NAMED) {
        text.push_str(&format!("  and {}\n", line(finding)));
    }
    if findings.len() > NAMED + 1 {
        text.push_str(&format!("  and {} more\n", findings.len() - NAMED - 1));
    }
    if !findings.is_empty() {
        text.push_str(&format!(
            "{segments} other segments, {rows} rows, are as they were written\n"
        ));
    }
    if *taken > 0 {
        text.push_str(&format!("retention and merging took {taken} segments, as the chain says\n"));
    }
    if *signed > 0 && arguments.public_key.is_none() {
        text.push_str(&format!(
            "{signed} of {lines} lines are signed; --public-key FILE checks by whom\n"
        ));
    }
    for note in notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

fn line(finding: &Finding) -> String {
    let Finding { path, kind, what } = finding;
    let kind = match kind {
        Misfit::Chain => "chain broken",
        Misfit::Head => "head not reached",
        Misfit::Changed => "changed",
        Misfit::Missing => "missing",
        Misfit::Unknown => "unknown",
    };
    format!("{path}: {kind}: {what}")
}

fn json(report: &VerifyReport) -> Result<String> {
    let mut value = serde_json::to_value(report)?;
    value["ok"] = report.is_sound().into();
    Ok(format!("{value}\n"))
}
