//! `fathom profile --diff BEFORE AFTER`.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use flame::folded::Reading;
use flame::{Diff, Profile, View, folded, pprof};

use super::form::Form;

pub(super) fn run(
    before: &Path,
    after: &Path,
    forms: &[Form],
    view: &View,
    count: usize,
) -> Result<ExitCode> {
    let (before, after) = (read(before)?, read(after)?);
    let diff = Diff::of(&before, &after, view);
    forms.iter().try_for_each(|form| form.write_diff(&before, &after, &diff, view))?;
    let out = io::stdout();
    let width = crate::cli::output::looks(out.is_terminal()).width.map_or(120, usize::from);
    diff.write(count, width, out.lock()).context("cannot write the table")?;
    Ok(ExitCode::SUCCESS)
}

/// A profile as `fathom profile -o` or others wrote it.
fn read(path: &Path) -> Result<Profile> {
    let cannot = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(cannot)?;
    if path.extension().is_some_and(|it| it == "folded" || it == "txt") {
        let read = folded::read(file, &Reading::default()).with_context(cannot)?;
        for bad in &read.first_bad {
            eprintln!("fathom: {}:{}: {}", path.display(), bad.line, bad.why);
        }
        if read.bad > read.first_bad.len() as u64 {
            eprintln!("fathom: {}: {} lines say nothing", path.display(), read.bad);
        }
        return Ok(read.profile);
    }
    pprof::read(file, &pprof::Limits::default()).with_context(cannot)
}
