//! `fathom tables`: what the schema says.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use schema::Table;

use super::Usage;
use crate::signals;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The table to describe; all of them, a line each, without one
    table: Option<String>,
    /// How to write it
    #[arg(short = 'o', long = "format", value_enum, default_value = "text", value_name = "FORMAT")]
    format: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Style {
    /// Text to read
    Text,
    /// JSON
    Json,
    /// The reference, as Markdown
    Markdown,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let tables = match &arguments.table {
        Some(name) => find(std::slice::from_ref(name))?,
        None => signals::tables(),
    };
    let text = match arguments.format {
        Style::Json => export::docs::json(&tables),
        Style::Markdown => export::docs::markdown(&tables),
        Style::Text if arguments.table.is_none() => export::docs::list(&tables),
        Style::Text => {
            tables.iter().map(|table| export::docs::text(table)).collect::<Vec<_>>().join("\n")
        }
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The tables named, or all that tell of the node; an unknown name is told with the nearest right ones.
pub(crate) fn find(names: &[String]) -> Result<Vec<&'static Table>> {
    let all = signals::tables();
    if names.is_empty() {
        return Ok(signals::node_tables());
    }
    let mut found = Vec::new();
    for name in names {
        // `file` or `file_*` is every table of that subject.
        let subject = name.trim_end_matches('*').trim_end_matches('_');
        let exact = all.iter().filter(|table| table.name == name);
        let by_subject = all.iter().filter(|table| {
            table.name.strip_prefix(subject).is_some_and(|rest| rest.starts_with('_'))
        });
        let before = found.len();
        found.extend(exact.chain(by_subject).copied());
        if found.len() == before {
            return Err(Usage(unknown(name, &all)).into());
        }
    }
    found.dedup_by_key(|table| table.name);
    Ok(found)
}

fn unknown(name: &str, all: &[&'static Table]) -> String {
    let subject = |table: &&'static Table| table.name.split('_').next().unwrap_or_default();
    let words = all.iter().map(|table| table.name).chain(all.iter().map(subject));
    let nearest = words.map(|word| (distance(name, word), word)).min();
    match nearest {
        Some((distance, nearest)) if distance <= 1 + name.len() / 3 => {
            format!("there is no table `{name}`; did you mean `{nearest}`?")
        }
        _ => format!("there is no table `{name}`; `fathom tables` lists all"),
    }
}

/// How many letters have to be changed, added or taken away.
pub(crate) fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &against) in other.iter().enumerate() {
            let change = diagonal + usize::from(letter != against);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_requests_is_there() {
        let requests = find(&["request".to_string()]).expect("a table");
        let words = requests[0].brief.iter().flat_map(|word| word.split(['>', '|', '+']));
        let columns = words.map(|word| word.trim_end_matches(['!', '?']));
        for column in columns {
            let there = [column.to_string(), format!("{column}_ip")];
            let there = there.iter().any(|name| requests[0].field(name).is_some());
            assert!(there, "`request` has no `{column}`");
        }
        assert!(!requests[0].brief.is_empty());
    }

    #[test]
    fn a_wrong_name_finds_the_nearest_right_one() {
        let error = find(&["file_opne".to_string()]).expect_err("there is no such table");
        assert_eq!(error.to_string(), "there is no table `file_opne`; did you mean `file_open`?");
        assert!(find(&["process".to_string()]).expect("a subject").len() >= 3);
    }
}
