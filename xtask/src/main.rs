//! `cargo xtask`: sets up, builds, shows, tests and measures Fathom.
//!
//! Every job that a person or a CI machine does on this repository is a command here, so
//! that there is one way to do it. The crate uses the standard library alone: it has to
//! run before anything has been installed.

#![forbid(unsafe_code)]

mod bench;
mod ci;
mod cli;
mod command_line;
mod commands;
mod debian;
mod demo;
mod failure;
mod image;
mod json;
mod k8s;
mod new_signal;
mod place;
mod python;
mod run;
mod servers;
mod setup;
mod suggest;
mod tally;
mod test;
mod tidy;
mod vm;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match cli::run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(failure.code())
        }
    }
}
