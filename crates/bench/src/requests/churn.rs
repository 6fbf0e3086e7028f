//! Connections that live for one request, as many as there can be: whether anything stays of them.

use std::process::Command;

use anyhow::Result;
use testkit::workload::Scratch;

use super::load::{CASES, Case};
use crate::cli::Arguments;
use crate::figure::{Report, Target, number};
use crate::place;
use crate::run::Observer;

/// Connections of a round.
const CONNECTIONS: usize = 50_000;
/// Rounds that make room, which the allocator keeps.
const FIRST: usize = 2;
/// Rounds after them.
const ROUNDS: usize = 4;
/// MB that the agent may have more in the end than after the first rounds.
const GROWTH: f64 = 10.0;
/// Of the connections, how many rows there have to be.
const LEAST: f64 = 0.999;

/// Redis, each of whose clients asks once.
pub(super) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let home = Scratch::new("bench-churn")?;
    let case: &Case = &CASES[0];
    let server = case.server(home.path())?;
    let mut command = Command::new(place::own()?);
    command.args(["errand", "serve", "--port", &server.port.to_string(), "--"]).args(server.words);
    let observer = Observer::of(&["request"], &mut command)?;
    let (mut rates, mut held) = (vec![], vec![]);
    for _ in 0..FIRST + ROUNDS {
        rates.push(super::load::connect(server.port, arguments.count(CONNECTIONS))?);
        held.push(observer.resident()? / 1e6);
    }
    let summary = observer.stop()?;
    let made = (arguments.count(CONNECTIONS) * (FIRST + ROUNDS)) as f64;
    let texts = |values: &[f64]| values.iter().map(|it| number(*it)).collect::<Vec<_>>().join(", ");
    report.note(format!(
        "churn: {} connections/s; {} MB after each {}; {} rows, {} lost",
        texts(&rates),
        texts(&held),
        arguments.count(CONNECTIONS),
        summary.rows,
        summary.lost
    ));
    let grown = held[FIRST + ROUNDS - 1] - held[FIRST - 1];
    report.figure("churn.growth", grown, "MB", Target::Below(GROWTH));
    report.figure("churn.rows", summary.rows / made, "of the connections", Target::AtLeast(LEAST));
    Ok(())
}
