//! `fathom rules check`: everything that is wrong with files of rules.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use detect::Options;
use detect::language::{Diagnostic, Severity};
use serde_json::{Value, json};

use super::super::output;
use super::files::{Rules, rendered};
use super::{Style, counted, say};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files of rules, in the order in which they are to be loaded; of a folder its `*.yaml` and
    /// `*.yml`, and the `rule.yaml` of each folder in it
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to write the verdict
    #[arg(short = 'o', long = "format", value_enum, default_value = "text", value_name = "FORMAT")]
    format: Style,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let rules = Rules::read(&arguments.files, &Options::default())?;
    let text = match arguments.format {
        Style::Text => {
            let colour = output::looks(io::stdout().is_terminal()).colour;
            let told = rendered(rules.diagnostics.iter(), &rules.sources, colour);
            format!("{told}{}\n", summary(&rules))
        }
        Style::Json => format!("{}\n", json(&rules)),
    };
    say(&text)?;
    let failed = rules.count(Severity::Error) > 0;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// `25 rules, 87 macros, 49 lists: no errors, 2 warnings`
fn summary(rules: &Rules) -> String {
    let there = [
        counted(rules.loaded.ruleset.rules.len(), "rule"),
        counted(rules.loaded.macros, "macro"),
        counted(rules.loaded.lists, "list"),
    ];
    let errors = counted(rules.count(Severity::Error), "error");
    let warnings = counted(rules.count(Severity::Warning), "warning");
    format!("{}: {errors}, {warnings}", there.join(", "))
}

fn json(rules: &Rules) -> Value {
    json!({
        "files": rules.sources.iter().map(|source| &source.name).collect::<Vec<_>>(),
        "rules": rules.loaded.ruleset.rules.len(),
        "macros": rules.loaded.macros,
        "lists": rules.loaded.lists,
        "errors": rules.count(Severity::Error),
        "warnings": rules.count(Severity::Warning),
        "diagnostics": rules.diagnostics.iter().map(one).collect::<Vec<_>>(),
    })
}

fn one(diagnostic: &Diagnostic) -> Value {
    let Diagnostic { severity, code, place, subject, message, help } = diagnostic;
    json!({
        "severity": severity.name(),
        "code": code,
        "file": &*place.file,
        "line": place.line,
        "column": place.column,
        "subject": subject,
        "message": message,
        "help": help,
    })
}
