//! The judge on a profiler that everybody knows: what perf does well it has to find good, and what
//! perf cannot do it has to find wrong.

use testkit::profile::cases::{self, Ready};
use testkit::profile::judge::Judged;
use testkit::profile::perf::{self, Unwinding};
use testkit::profile::programs;
use testkit::watch::not_run;

/// A case's program under perf; none, and a note for `test`, where there is no perf.
fn judged(test: &str, name: &str, unwinding: Unwinding) -> Option<Judged> {
    let ready = cases::all(3.0).into_iter().find(|case| case.name == name);
    let ready: Ready = ready.expect("a case of this name").prepare().expect("a C compiler");
    let data = ready.home.path().join("perf.data");
    if let Err(error) = programs::tool("perf") {
        not_run(test, &format!("{error:#}"));
        return None;
    }
    match perf::record(&ready.command, &data, unwinding) {
        Ok(profile) => Some(ready.judge(&profile).expect("judged")),
        Err(error) => {
            not_run(test, &format!("{error:#}"));
            None
        }
    }
}

#[test]
fn what_perf_does_well_is_good() {
    let test = "what_perf_does_well_is_good";
    let Some(judged) = judged(test, "c-plain", Unwinding::Dwarf) else { return };
    assert!(judged.is_good(), "{:?}", judged.faults);
}

#[test]
fn without_frame_pointers_and_tables_there_is_no_chain() {
    let test = "without_frame_pointers_and_tables_there_is_no_chain";
    let Some(judged) = judged(test, "c-plain", Unwinding::FramePointers) else { return };
    assert_eq!(judged.exact, Some(0.0), "{:?}", judged.faults);
    assert!(judged.faults.iter().any(|fault| fault.starts_with("exact 0.0 %")));
}
