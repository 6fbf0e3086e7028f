//! `fathom rules test`: whether rules fire on the rows that they are for, and are silent on others.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use detect::language::Severity;
use detect::novelty::{Limits, Novelty};
use detect::{Alert, Detector, Listed, Matching, Options, Program};
use export::ink::{Line, Style};
use schema::plain::rfc3339;

use super::super::output;
use super::files::{RULE, Rules, entries, rendered};
use super::{counted, say};
use crate::offline::{Ages, Lines};

#[derive(Debug, Args)]
#[command(after_help = LAYOUT)]
pub(super) struct Arguments {
    /// Folders of a rule, or folders that hold such
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
}

const LAYOUT: &str = "\
A rule's folder has
  rule.yaml      one rule or more
  fires.jsonl    rows on which each of them fires
  silent.jsonl   rows on which none of them does
Rows are made by `fathom observe -o json --output fires.jsonl -- COMMAND`. Lists and macros that
several rules share stand in common.yaml beside the folders; it is loaded first.

`workload.novel[FIELD]` learns for ten minutes, by the times of the rows, as it does in an agent.";

/// What is loaded before each rule.
const SHARED: &str = "common.yaml";
const FIRES: &str = "fires.jsonl";
const SILENT: &str = "silent.jsonl";
/// Alerts of one rule that are told where there should be none.
const TOLD: usize = 3;

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let colour = output::looks(io::stdout().is_terminal()).colour;
    let mut folders = Vec::new();
    for path in &arguments.folders {
        folders.extend(of(path)?);
    }
    folders.dedup();
    let mut failed = 0;
    for folder in &folders {
        let (words, style, why) = match tried(folder) {
            Ok((rules, rows)) => {
                let rules = counted(rules, "rule");
                (format!("ok ({rules}, {})", counted(rows, "row")), Style::Green, String::new())
            }
            Err(why) => {
                failed += 1;
                ("FAILED".to_string(), Style::Red, why)
            }
        };
        let (mut line, mut out) = (Line::default(), Vec::new());
        line.put(Style::Plain, format!("test {} ... ", folder.display()));
        line.put(style, words);
        line.write(&mut out, colour);
        say(&format!("{}{why}", String::from_utf8_lossy(&out)))?;
    }
    say(&format!("\n{} passed, {failed} failed\n", folders.len() - failed))?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The folders of rules that `path` means.
fn of(path: &Path) -> Result<Vec<PathBuf>> {
    if path.join(RULE).is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let below = entries(path)?.into_iter().filter(|entry| entry.join(RULE).is_file());
    let folders: Vec<PathBuf> = below.collect();
    if folders.is_empty() {
        bail!("there are no rules in {}: no {RULE}, and no folder with one", path.display());
    }
    Ok(folders)
}

/// The numbers of rules and of rows; or what is wrong, in whole lines.
fn tried(folder: &Path) -> Result<(usize, usize), String> {
    let wrong = |error: anyhow::Error| format!("  {error:#}\n");
    let file = folder.join(RULE);
    let shared = [folder.join(SHARED), folder.join("..").join(SHARED)];
    let shared = shared.into_iter().find(|path| path.is_file());
    let files: Vec<PathBuf> = shared.into_iter().chain([file.clone()]).collect();
    // Rules of one file are tried each for itself, those that are turned off, too.
    let options = Options { matching: Matching::All, ..Options::default() };
    let rules = Rules::of(&files, &options, |loaded| {
        loaded.ruleset.rules.iter_mut().for_each(|rule| rule.enabled = true);
    });
    let rules = rules.map_err(wrong)?;
    if rules.count(Severity::Error) > 0 {
        let errors = rules.diagnostics.iter().filter(|it| it.severity == Severity::Error);
        return Err(rendered(errors, &rules.sources, false));
    }
    let program = Arc::new(rules.program);
    let own: Vec<Listed<'_>> =
        program.rules().filter(|it| file.as_os_str() == &*it.rule.place.file).collect();
    if own.is_empty() {
        return Err(format!("  {} holds no rule\n", file.display()));
    }
    let mut why = String::new();
    let fired = asked(folder, FIRES, &program).unwrap_or_else(|error| {
        why += &wrong(error);
        Asked::default()
    });
    let silent = asked(folder, SILENT, &program).unwrap_or_else(|error| {
        why += &wrong(error);
        Asked::default()
    });
    for listed in &own {
        let name = listed.rule.name.as_str();
        if fired.rows > 0 && !fired.alerts.contains_key(name) {
            why += &format!("  \"{name}\" does not fire on {FIRES}: {}\n", unmoved(listed, &fired));
        }
        let alerts = silent.alerts.get(name).map(Vec::as_slice).unwrap_or_default();
        for alert in alerts.iter().take(TOLD) {
            why += &format!("  \"{name}\" fires on {SILENT} at {}\n", rfc3339(alert.time()));
            why += &format!("    {}\n    since {}\n", alert.message, alert.why());
        }
        if alerts.len() > TOLD {
            why += &format!("    and {} times more\n", alerts.len() - TOLD);
        }
    }
    if why.is_empty() { Ok((own.len(), fired.rows + silent.rows)) } else { Err(why) }
}

/// What rules did with the rows of a file.
#[derive(Default)]
struct Asked {
    rows: usize,
    alerts: BTreeMap<String, Vec<Alert>>,
    /// How many events each was asked about.
    events: BTreeMap<String, u64>,
}

fn asked(folder: &Path, file: &str, program: &Arc<Program>) -> Result<Asked> {
    let path = folder.join(file);
    if !path.is_file() {
        bail!(
            "there is no {}: make it with `fathom observe -o json --output {file} -- COMMAND`",
            path.display()
        );
    }
    let ages = Arc::new(Ages::default());
    let mut lines = Lines::open(&path, ages.clone())?;
    let novelty = Arc::new(Novelty::new(Limits::default()));
    let mut detector = Detector::new(program.clone(), ages, novelty);
    let mut asked = Asked::default();
    while let Some(turn) = lines.next()? {
        asked.rows += turn.iter().map(|batch| batch.len()).sum::<usize>();
        detector.detect(&turn, |alert| {
            asked.alerts.entry(alert.rule.name.clone()).or_default().push(alert);
        });
    }
    if asked.rows == 0 {
        bail!("{} holds no rows", path.display());
    }
    asked.events = detector.costs().map(|(name, cost)| (name.to_string(), cost.asked)).collect();
    Ok(asked)
}

/// Why a rule may not have fired.
fn unmoved(listed: &Listed<'_>, asked: &Asked) -> String {
    let rows = counted(asked.rows, "row");
    match asked.events.get(&listed.rule.name).copied().unwrap_or(0) {
        0 if listed.events.is_empty() => "no event that Fathom sees can match it".to_string(),
        0 => format!(
            "of its {rows} none is an event that it asks for ({})",
            listed.events.join(", ")
        ),
        events => {
            let events = counted(usize::try_from(events).unwrap_or(usize::MAX), "event");
            format!("it was asked about {events} of the {rows}, and its condition held for none")
        }
    }
}
