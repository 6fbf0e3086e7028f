//! `fathom agent`: everything that the configuration turns on, until it is told to end.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};

use anyhow::{Context, Result};
use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_shutdown;
use signal_hook::iterator::Signals;

use crate::agent::{Agent, Origin, Request};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The configuration; without one the defaults hold, which watch the whole node
    #[arg(long, value_name = "FILE", env = "FATHOM_CONFIG")]
    config: Option<PathBuf>,
    /// Print the whole configuration that is in effect, with its documentation, and end
    #[arg(long)]
    print_config: bool,
    /// Say whether the configuration is right, and end
    #[arg(long)]
    check: bool,
}

const EXAMPLES: &str = "\
Examples:
  fathom agent --print-config > fathom.yaml   every key, with its default
  fathom agent --config fathom.yaml --check
  fathom agent --config fathom.yaml
  FATHOM_SCOPE_PIDS=4711 fathom agent         one process and its children, rows on stdout
  kill -HUP PID                               read the configuration again";

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    // What is no UTF-8 is no setting either, and is told as such.
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    let environment = variables.collect();
    let origin = Origin { file: arguments.config, environment };
    let config = match origin.load() {
        Ok(config) => config,
        Err(problem) => {
            eprint!("fathom: {problem}\n{}", problem.excerpt());
            return Ok(ExitCode::FAILURE);
        }
    };
    if arguments.print_config {
        io::stdout().write_all(config.print_all().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.check {
        let place =
            origin.file.as_ref().map_or("the configuration".into(), |it| it.display().to_string());
        eprintln!("fathom: {place} is right");
        return Ok(ExitCode::SUCCESS);
    }
    let requests = listen()?;
    Agent::start(origin, config)?.run(&requests);
    Ok(ExitCode::SUCCESS)
}

/// Turns signals into requests. A second one to end ends us at once.
fn listen() -> Result<Receiver<Request>> {
    let ending = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        register_conditional_shutdown(signal, 1, ending.clone())
            .context("cannot listen for signals")?;
    }
    let mut signals =
        Signals::new([SIGHUP, SIGINT, SIGTERM]).context("cannot listen for signals")?;
    let (ask, requests) = mpsc::channel();
    let relay = move || {
        for signal in signals.forever() {
            let request = if signal == SIGHUP { Request::Reload } else { Request::Stop };
            ending.store(request == Request::Stop, Ordering::Relaxed);
            if ask.send(request).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("fathom-signals".into());
    thread.spawn(relay).context("cannot listen for signals")?;
    Ok(requests)
}
