//! What a user meets: commands, flags, exit codes (0 success, 1 failure, 2 usage).

mod agent;
mod conditions;
mod doctor;
mod interrupt;
mod observe;
mod output;
mod profile;
mod query;
mod record;
mod rules;
mod scopes;
mod shell;
pub(crate) mod tables;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// See what a node's processes really do, from the kernel.
#[derive(Debug, Parser)]
#[command(name = "fathom", version, about, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  fathom observe -- make test          everything that `make test` does
  fathom observe file_open --pid 4711  the files that a process and its children open
  fathom profile -o out.svg -- make    where the CPU time of `make` goes
  fathom tables file_open              what a row of a table says
  fathom query 'show tables'           SQL over what was seen
  fathom doctor                        what this node lets us see, and how";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show live rows: of a command, of processes, of cgroups, or of the whole node
    Observe(observe::Arguments),
    /// Show where CPU time goes, or what threads wait for: live, or as files to look at
    Profile(profile::Arguments),
    /// Run as the node's agent: everything that the configuration turns on
    Agent(agent::Arguments),
    /// Show every table, or every column of one
    Tables(tables::Arguments),
    /// Ask in SQL what was seen: of an agent, or of a directory that one wrote
    Query(query::Arguments),
    /// Say whether what an agent stored is what it wrote
    Verify(verify::Arguments),
    /// Say what this node can do, how, and what would fix the rest
    Doctor(doctor::Arguments),
    /// Record what the kernel says into a file
    Capture(record::CaptureArguments),
    /// Run a capture through the same stream again, offline
    Replay(record::ReplayArguments),
    /// Check, show and try rules
    Rules(rules::Arguments),
    /// Print the completions for a shell
    Completions(shell::Completions),
    /// Print the manual page
    Man(shell::Man),
}

/// Runs the command line; every error is printed once, with its causes.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Observe(arguments) => observe::run(arguments),
        Command::Profile(arguments) => profile::run(arguments),
        Command::Agent(arguments) => agent::run(arguments),
        Command::Tables(arguments) => tables::run(&arguments),
        Command::Query(arguments) => query::run(arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Capture(arguments) => record::capture(arguments),
        Command::Replay(arguments) => record::replay(&arguments),
        Command::Rules(arguments) => rules::run(arguments),
        Command::Completions(arguments) => arguments.run(Cli::command()),
        Command::Man(arguments) => arguments.run(Cli::command()),
    };
    done.unwrap_or_else(|error| {
        // A reader that has seen enough (`| head`) is no failure.
        if output::is_broken_pipe(&error) {
            return ExitCode::SUCCESS;
        }
        eprintln!("fathom: {error:#}");
        let usage = error.downcast_ref::<Usage>().is_some();
        if usage { ExitCode::from(2) } else { ExitCode::FAILURE }
    })
}

/// A command line that clap takes, but that makes no sense: exit code 2.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}
