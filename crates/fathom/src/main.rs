//! `fathom`: see what a node's processes really do, from the kernel.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    fathom::cli::run()
}
