//! `fathom query`: SQL over what an agent has, or over a directory without one.

mod ask;
mod cells;
pub(super) mod complete;
mod form;
mod listed;
mod progress;
mod repl;
pub(super) mod source;
mod target;
mod trouble;
mod wait;

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use self::ask::{Asking, Outcome};
use self::form::Style;
use self::source::SourceArguments;
use self::target::Target;
use self::trouble::Origin;
use super::Usage;
use super::interrupt::Interrupt;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The question; `-` reads it from standard input. Without one, a prompt on a terminal
    #[arg(conflicts_with = "file")]
    sql: Option<String>,
    /// Read the question from this file
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How to write the answer
    #[arg(short = 'o', long, value_enum, default_value = "table", value_name = "FORMAT")]
    format: Style,
    /// Write the answer to this file, which is there once the answer is whole
    #[arg(long, visible_alias = "to", value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    source: SourceArguments,
    /// End the answer after so many rows
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Break off after this time, such as `30s`, `5m` or `1h`
    #[arg(long, value_name = "TIME", value_parser = super::observe::duration)]
    timeout: Option<Duration>,
    /// Do not say after the rows how complete they are
    #[arg(long)]
    no_completeness: bool,
}

const EXAMPLES: &str = "\
Examples:
  fathom query 'select comm, count(*) from process_exec group by comm order by 2 desc limit 10'
  fathom query --data /var/lib/fathom -o csv 'select * from file_open' > opens.csv
  fathom query -o parquet --output execs.parquet 'select * from process_exec'
  fathom query                     a prompt; \\help there says what it knows";

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    let target = match arguments.output.clone() {
        Some(path) => Target::File(path),
        None => Target::Out,
    };
    let file = arguments.file.as_ref().map(|path| path.display().to_string());
    let sql = sql(&arguments)?;
    if let Some(sql) = &sql {
        refuse(sql, arguments.format, &target)?;
    }
    let interrupt = if sql.is_some() { Interrupt::listen()? } else { Interrupt::keyboard()? };
    let source = arguments.source.open(arguments.timeout, &interrupt)?;
    let asking = Asking {
        source,
        interrupt,
        style: arguments.format,
        target,
        limit: arguments.limit,
        time_out: arguments.timeout,
        completeness: !arguments.no_completeness,
        timing: true,
        voice: if sql.is_some() { "fathom: " } else { "" },
    };
    match sql {
        Some(sql) => {
            let outcome = asking.answer(&Origin { file: file.as_deref(), sql: &sql })?;
            Ok(if outcome == Outcome::Told { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        None => repl::run(asking),
    }
}

/// The question, from wherever it comes; none if it is to be asked for at a prompt.
fn sql(arguments: &Arguments) -> Result<Option<String>> {
    match (&arguments.sql, &arguments.file) {
        (Some(sql), _) if sql != "-" => Ok(Some(sql.clone())),
        (_, Some(path)) => {
            let read = fs::read_to_string(path);
            Ok(Some(read.with_context(|| format!("cannot read {}", path.display()))?))
        }
        (None, None) if io::stdin().is_terminal() => Ok(None),
        _ => {
            let mut sql = String::new();
            let read = io::stdin().lock().read_to_string(&mut sql);
            read.context("cannot read the question from standard input")?;
            Ok(Some(sql))
        }
    }
}

/// Refuses what makes no sense before anything is opened.
fn refuse(sql: &str, style: Style, target: &Target) -> Result<()> {
    if sql.trim().trim_end_matches(';').is_empty() {
        return Err(Usage("the question is empty; try `fathom query 'show tables'`".into()).into());
    }
    refuse_binary(style, target).map_err(|said| Usage(said).into())
}

/// A terminal cannot show every form, and Parquet is a file.
fn refuse_binary(style: Style, target: &Target) -> Result<(), String> {
    match (style, target) {
        (Style::Parquet, Target::Out) => {
            Err("Parquet is a file: name it with --output FILE".to_string())
        }
        (style, target) if style.is_binary() && target.is_terminal() => {
            Err("a terminal cannot show this form; --output FILE writes it to a file".to_string())
        }
        _ => Ok(()),
    }
}

/// The width of the terminal that standard error is.
fn stderr_width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}
