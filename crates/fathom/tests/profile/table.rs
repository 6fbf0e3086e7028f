//! The table of truth cases, a test for each group of them.

use std::path::Path;

use kernel::{Features, Mechanism};
use testkit::profile::cases::{self, Group, Ready};
use testkit::profile::fathom;
use testkit::profile::judge::{self, Judged};
use testkit::watch::not_run;

/// CPU time of each case, in seconds: some 400 samples.
const SECONDS: f64 = 3.0;

/// The program under test.
pub(crate) fn binary() -> String {
    std::env::var("FATHOM_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_fathom").into())
}

/// Whether this machine lets us trace; a note for `test` where not.
pub(crate) fn can_trace(test: &str) -> bool {
    let features = Features::probe();
    let obstacle = features.obstacle(Mechanism::TpBtf);
    if let Some(obstacle) = obstacle {
        not_run(test, obstacle);
    }
    obstacle.is_none()
}

#[test]
fn however_it_was_compiled_the_shares_and_chains_are_true() {
    judge("however_it_was_compiled_the_shares_and_chains_are_true", Group::Compiled);
}

#[test]
fn whatever_the_stack_looks_like_it_is_whole() {
    judge("whatever_the_stack_looks_like_it_is_whole", Group::Shapes);
}

#[test]
fn files_that_come_late_change_or_hide_have_their_names() {
    judge("files_that_come_late_change_or_hide_have_their_names", Group::Files);
}

#[test]
fn short_processes_and_threads_are_seen() {
    judge("short_processes_and_threads_are_seen", Group::Processes);
}

#[test]
fn scripts_have_frames_of_their_own() {
    judge("scripts_have_frames_of_their_own", Group::Interpreted);
}

#[test]
fn what_waits_is_told_by_time() {
    judge("what_waits_is_told_by_time", Group::Waits);
}

/// Runs the cases of a group and says all that is wrong at once.
fn judge(test: &str, group: Group) {
    if !can_trace(test) {
        return;
    }
    let (mut judged, mut failed) = (vec![], vec![]);
    for case in cases::of(group, SECONDS) {
        let ready = match case.prepare() {
            Ok(ready) => ready,
            Err(error) => {
                not_run(&format!("{test}: {}", case.name), &format!("{error:#}"));
                continue;
            }
        };
        match profiled(&ready).and_then(|found| found.or_again(|| profiled(&case.prepare()?))) {
            Ok(found) => judged.push(found),
            Err(error) => failed.push(format!("{}: {error:#}", case.name)),
        }
    }
    let table = judge::table(&judged);
    println!("{table}");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(judged.iter().all(Judged::is_good), "\n{table}");
}

fn profiled(ready: &Ready) -> anyhow::Result<Judged> {
    ready.judge(&fathom::profile(Path::new(&binary()), ready)?.profile)
}
