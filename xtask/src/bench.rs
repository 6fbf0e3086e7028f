//! `bench`: builds the measuring program and hands it the names.

use crate::cli::Command;
use crate::command_line::Flag;
use crate::place;
use crate::python;
use crate::run;
use crate::setup::{self, Scope};

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    usage: "[NAME…] [--quick] [--rounds N]",
    about: "Measures what the budgets promise",
    more: "Prints one line per figure, `figure NAME VALUE UNIT target OP VALUE met|missed`, and keeps\n\
           them in target/bench/NAME.json. The tools it compares with are installed first. All of\n\
           them take about ten minutes. The benches: startup, latency, cost, overhead, pipeline,\n\
           loss, memory, pods, profile, requests, store. Only what they start themselves is watched.",
    flags: &[
        Flag { name: "--quick", value: "", doc: "a tenth of the work, in two rounds" },
        Flag { name: "--rounds", value: "N", doc: "how often each comparison is made (5)" },
    ],
    examples: &[("bench", "every figure"), ("bench overhead", "what observing costs the observed")],
    run: |words| {
        setup::ensure(Scope { bench: true, ..Scope::default() })?;
        let python =
            python::ensure(&python::READERS).map_err(|failure| run::say(failure.to_string())).ok();
        // The agent and the workloads have to be there before the program that starts them.
        let mut cargo = place::cargo();
        cargo.args(["build", "--release", "--locked", "-p", "fathom", "-p", "testkit", "--bins"]);
        run::through(&mut cargo)?;
        let mut cargo = place::cargo();
        cargo.args(["run", "--release", "--locked", "-p", "bench", "--"]).args(&words.names);
        if let Some(python) = python {
            cargo.env(python::VARIABLE, python);
        }
        if words.has("--quick") {
            cargo.arg("--quick");
        }
        if words.has("--rounds") {
            cargo.args(["--rounds", &words.number("--rounds", 5)?.to_string()]);
        }
        run::through(&mut cargo)
    },
};
