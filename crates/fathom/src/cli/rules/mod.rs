//! `fathom rules`: what rules say, what is wrong with them, and what they would have found.

mod backtest;
mod bar;
mod check;
mod files;
mod list;
mod stored;
mod test;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  fathom rules check rules/                      everything that is wrong with them
  fathom rules list -v rules/                    what each asks, and where that is decided
  fathom rules list --fields                     what a rule may ask for
  fathom rules test rules/                       whether each fires where it should
  fathom rules backtest a.yaml --rows rows.jsonl what they would have found";

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is wrong with files of rules
    Check(check::Arguments),
    /// Show rules: the events they may match, what they ask, what that costs
    List(list::Arguments),
    /// Say whether rules fire on the rows that they are for, and on no others
    Test(test::Arguments),
    /// Show what rules would have found in what was seen
    Backtest(backtest::Arguments),
}

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Style {
    /// Text to read
    Text,
    /// JSON
    Json,
}

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::Check(arguments) => check::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Backtest(arguments) => backtest::run(&arguments),
    }
}

/// Writes to standard output, all at once.
fn say(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// `no errors`, `1 error`, `2 errors`
fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
