//! `bench`: builds the measuring program and hands it the names.

use crate::cli::Command;
use crate::place;
use crate::run;
use crate::setup::{self, Scope};

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    usage: "[NAME…]",
    about: "Measures what the budgets promise",
    more: "Prints one line per figure, `figure NAME VALUE UNIT target OP VALUE met|missed`, and keeps\n\
           them in target/bench/NAME.json. The tools it compares with are installed first.",
    flags: &[],
    examples: &[("bench", "every figure"), ("bench overhead", "what observing costs the observed")],
    run: |words| {
        setup::ensure(Scope { bench: true, ..Scope::default() })?;
        let mut cargo = place::cargo();
        cargo.args(["build", "--release", "--locked", "-p", "fathom", "--bins"]);
        run::through(&mut cargo)?;
        let mut cargo = place::cargo();
        cargo.args(["run", "--release", "--locked", "-p", "testkit", "--bin", "bench", "--"]);
        run::through(cargo.args(&words.names).args(&words.command))
    },
};
