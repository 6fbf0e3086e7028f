//! From the start of the program to the first row.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::cli::Arguments;
use crate::figure::{Report, Target};
use crate::place;

/// A person takes no notice of less than this.
const MOST: f64 = 1000.0;

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let times: Result<Vec<f64>> = (0..2 * arguments.rounds()).map(|_| first_row()).collect();
    report.median("first-row", &times?, "ms", Target::Below(MOST));
    Ok(())
}

/// Rows come on stderr, since stdout belongs to the command.
fn first_row() -> Result<f64> {
    let begun = Instant::now();
    let mut child = Command::new(place::fathom()?)
        .args(["observe", "-q", "-o", "json", "--", "/bin/true"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start fathom")?;
    let mut rows = BufReader::new(child.stderr.take().context("fathom has no stderr")?);
    let mut line = String::new();
    rows.read_line(&mut line)?;
    let took = begun.elapsed().as_secs_f64() * 1e3;
    rows.read_to_end(&mut Vec::new())?;
    child.wait()?;
    ensure!(line.starts_with('{'), "the first line is no row: {line}");
    Ok(took)
}
