//! `fathom doctor`: what this node can do.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How to write it
    #[arg(long, value_enum, default_value = "text")]
    format: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Style {
    /// Text to read
    Text,
    /// JSON
    Json,
}

pub(crate) fn run(_arguments: &Arguments) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
