//! `ci`: all that a change has to pass.

use crate::cli::Command;
use crate::failure::{Context, Failure, Result};
use crate::place;
use crate::run::{self, say};
use crate::setup::{self, Scope};
use crate::{test, tidy};

pub(crate) const COMMAND: Command = Command {
    name: "ci",
    usage: "[--no-vm] [--k8s]",
    about: "Checks the house rules, the formatting and the lints, then runs `test`",
    more: "",
    flags: test::COMMAND.flags,
    examples: &[("ci", "before handing in a change")],
    run: |words| {
        words.nothing_more()?;
        checks()?;
        (test::COMMAND.run)(words)
    },
};

fn checks() -> Result<()> {
    let findings = tidy::findings()?;
    if !findings.is_empty() {
        return Err(Failure::new(format!("tidy: {} findings", findings.len())));
    }
    setup::ensure(Scope::default())?;
    say("formatting");
    run::through(place::cargo().args(["fmt", "--all", "--check"]))
        .context(|| "`cargo fmt --all` puts it right".into())?;
    say("lints");
    let mut clippy = place::cargo();
    clippy.args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
    run::through(&mut clippy)
}
