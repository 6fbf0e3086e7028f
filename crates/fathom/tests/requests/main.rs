//! `fathom observe request` on calls that real clients make to real servers. Nothing is watched but the
//! clients and servers themselves, which are on loopback.

use std::path::Path;

use kernel::{Features, Mechanism};
use testkit::requests::cases::{self, Group};
use testkit::requests::fathom;
use testkit::requests::judge::{self, Judged};
use testkit::watch::not_run;

#[test]
fn every_http_call_has_its_rows() {
    judge("every_http_call_has_its_rows", Group::Http);
}

#[test]
fn every_redis_command_has_its_rows() {
    judge("every_redis_command_has_its_rows", Group::Redis);
}

#[test]
fn every_postgres_statement_has_its_rows() {
    judge("every_postgres_statement_has_its_rows", Group::Postgres);
}

#[test]
fn every_question_to_a_name_server_has_its_rows() {
    judge("every_question_to_a_name_server_has_its_rows", Group::Dns);
}

#[test]
fn a_hundred_calls_at_once_on_a_connection_have_their_rows() {
    judge("a_hundred_calls_at_once_on_a_connection_have_their_rows", Group::Interleaved);
}

#[test]
fn every_call_of_caches_databases_and_brokers_has_its_rows() {
    judge("every_call_of_caches_databases_and_brokers_has_its_rows", Group::Others);
}

#[test]
fn connections_that_were_open_before_are_taken_up() {
    judge("connections_that_were_open_before_are_taken_up", Group::Late);
}

#[test]
fn every_call_over_the_tls_of_go_has_its_rows() {
    judge("every_call_over_the_tls_of_go_has_its_rows", Group::Go);
}

#[test]
fn a_shop_is_seen_from_the_customer_to_the_statement() {
    judge("a_shop_is_seen_from_the_customer_to_the_statement", Group::Shop);
}

/// Runs the cases of a group and says all that is wrong at once.
fn judge(test: &str, group: Group) {
    let features = Features::probe();
    if let Some(obstacle) = features.obstacle(Mechanism::TpBtf) {
        return not_run(test, obstacle);
    }
    let binary =
        std::env::var("FATHOM_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_fathom").into());
    let (mut judged, mut failed) = (vec![], vec![]);
    for case in cases::of(group) {
        let ready = match case.prepare() {
            Ok(ready) => ready,
            Err(error) => {
                not_run(&format!("{test}: {}", case.name), &format!("{error:#}"));
                continue;
            }
        };
        let again = || fathom::observe(Path::new(&binary), &case.prepare()?);
        let found = fathom::observe(Path::new(&binary), &ready);
        match found.and_then(|found| found.or_again(again)) {
            Ok(found) => judged.push(found),
            Err(error) => failed.push(format!("{}: {error:#}", case.name)),
        }
    }
    let table = judge::table(&judged);
    println!("{table}");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(judged.iter().all(Judged::is_right), "\n{table}");
}
