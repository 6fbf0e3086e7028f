//! Files of rules.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use detect::language::Source;

/// Reads the files, and those in folders: `*.yaml` and `*.yml` by name, and behind them each
/// folder's `rule.yaml`, which is how Fathom's own rules lie.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        let place = path.display();
        let is_folder =
            fs::metadata(path).with_context(|| format!("cannot read {place}"))?.is_dir();
        let files = if is_folder { inside(path)? } else { vec![path.clone()] };
        ensure!(!files.is_empty(), "{place} has no files of rules: *.yaml, or */rule.yaml");
        for file in files {
            let name = file.display().to_string();
            let bytes = fs::read(&file).with_context(|| format!("cannot read {name}"))?;
            sources.push(Source::from_bytes(&name, bytes).map_err(|error| anyhow!("{error}"))?);
        }
    }
    Ok(sources)
}

fn inside(folder: &Path) -> Result<Vec<PathBuf>> {
    let place = folder.display();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {place}"))?;
    let mut entries = entries.map(|it| it.map(|it| it.path())).collect::<Result<Vec<_>, _>>()?;
    entries.sort();
    let is_yaml = |path: &&PathBuf| {
        path.is_file() && path.extension().is_some_and(|it| it == OsStr::new("yaml") || it == "yml")
    };
    let files = entries.iter().filter(is_yaml).cloned();
    let folders = entries.iter().map(|path| path.join("rule.yaml")).filter(|path| path.is_file());
    Ok(files.chain(folders).collect())
}
