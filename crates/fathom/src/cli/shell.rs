//! What shells and `man` want to know.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Command};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The subcommand to describe; `fathom` itself without one
    command: Option<String>,
}

impl Completions {
    pub(crate) fn run(&self, mut command: Command) -> Result<ExitCode> {
        clap_complete::generate(self.shell, &mut command, "fathom", &mut io::stdout());
        Ok(ExitCode::SUCCESS)
    }
}

impl Man {
    pub(crate) fn run(&self, command: Command) -> Result<ExitCode> {
        let wanted = match &self.command {
            None => command,
            Some(name) => {
                let found = command.get_subcommands().find(|sub| sub.get_name() == name).cloned();
                let message = || super::Usage(format!("there is no command `{name}`"));
                found.ok_or_else(message)?
            }
        };
        let mut page = Vec::new();
        let title = self.command.as_ref().map_or("fathom".into(), |name| format!("fathom-{name}"));
        clap_mangen::Man::new(wanted).title(title).render(&mut page)?;
        io::stdout().write_all(&page)?;
        Ok(ExitCode::SUCCESS)
    }
}
