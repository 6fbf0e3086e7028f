//! `fathom-bench`: measures what the budgets promise and prints one line per figure.
//!
//! Called by `cargo xtask bench`. Everything that is measured is watched in a cgroup of our own
//! or by our own pid, and everything that is started is ours and ended by its handle.
#![forbid(unsafe_code)]

mod account;
mod cli;
mod cost;
mod detect;
mod errand;
mod figure;
mod latency;
mod loss;
mod machine;
mod memory;
mod overhead;
mod pipeline;
mod place;
mod pods;
mod profile;
mod requests;
mod run;
mod spread;
mod startup;
mod store;
mod work;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let done = match words.first() {
        Some(first) if first == errand::WORD => errand::run(&words[1..]),
        _ => cli::run(),
    };
    done.unwrap_or_else(|error| {
        eprintln!("fathom-bench: {error:#}");
        ExitCode::FAILURE
    })
}
