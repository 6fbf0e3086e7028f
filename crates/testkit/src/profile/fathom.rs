//! Our own profiler, run as a command on a case.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::cases::Ready;
use super::folded::Folded;

/// A profile, and what `fathom` said of it.
#[derive(Debug)]
pub struct Profiled {
    /// The stacks.
    pub profile: Folded,
    /// Everything that it wrote to its stderr.
    pub said: String,
}

/// A sample stands for so many nanoseconds: 99 in a second.
pub const PERIOD: u64 = 1_000_000_000 / 99;

/// It ends with the command; what does not end is not waited for any longer.
const LONGEST: &str = "120s";

/// Runs a case under `fathom profile`, the program `binary`, which watches that command alone.
pub fn profile(binary: &Path, case: &Ready) -> Result<Profiled> {
    let file = case.home.path().join("profile.folded");
    let mut command = Command::new(binary);
    command.args(["profile", "--for", LONGEST, "-o"]).arg(&file);
    if case.waits() {
        command.arg("--off-cpu");
    }
    command.arg("--").args(&case.command).stdin(Stdio::null()).stdout(Stdio::null());
    // cargo's library path is not the programs'.
    command.env_remove("LD_LIBRARY_PATH");
    let output = command.output().with_context(|| format!("cannot start {}", binary.display()))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "fathom profile ended with {}: {said}", output.status);
    let text = fs::read_to_string(&file).with_context(|| format!("no profile: {said}"))?;
    let profile = Folded::parse(&text)?.in_units(PERIOD);
    Ok(Profiled { profile, said })
}
