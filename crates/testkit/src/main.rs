//! The program `testkit`: see the library of that name for what it is for.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> anyhow::Result<ExitCode> {
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    let words: Vec<String> = args.filter_map(|arg| arg.into_string().ok()).collect();
    if let Some(played) = testkit::shop::play(&program, &words) {
        return played.map(|()| ExitCode::SUCCESS);
    }
    cli::Cli::parse().run()
}
