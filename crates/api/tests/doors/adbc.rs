//! Flight SQL by a client that is not ours: the ADBC driver from PyPI, driven by
//! `tests/adbc/adbc.py`.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::support::Fixed;
use crate::support::rows::{engine, options};
use crate::tls::Files;
use api::{Access, Doorway, Limits, serve_flight};

/// The rows here are made up, and none is stored.
const WITHOUT: [&str; 2] = ["--except", "written down"];

/// The Python that has the driver; `cargo xtask test` makes one.
fn python(test: &str) -> Option<String> {
    let python = std::env::var("FATHOM_PYTHON").ok();
    if python.is_none() {
        testkit::watch::not_run(test, "FATHOM_PYTHON names no Python with ADBC's driver");
    }
    python
}

fn script(python: &str, address: &str, more: &[&str]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/adbc/adbc.py");
    let mut command = Command::new(python);
    let status = command.arg(file).arg(address).args(WITHOUT).args(more).status().unwrap();
    assert!(status.success(), "{status}");
}

fn asked(python: &str, access: Access, more: &[&str]) {
    let source = Arc::new(Fixed { engine: Some(engine(50_000, options())), ..Fixed::default() });
    let limits = Limits { queries_per_second: 1000.0, burst: 1000, ..Limits::default() };
    let doorway = Doorway { access, limits, listen: "127.0.0.1:0".parse().unwrap() };
    let door = serve_flight(doorway, source.clone()).unwrap();
    let address = match door.tls() {
        // By the name that the certificate has.
        true => format!("grpc+tls://localhost:{}", door.address().port()),
        false => format!("grpc://{}", door.address()),
    };
    script(python, &address, more);
    let audits = source.audits.lock().unwrap();
    assert!(audits.iter().any(|it| it.outcome == "cancelled" && it.sql.contains("RECURSIVE")));
}

#[test]
fn adbc_is_answered() {
    let Some(python) = python("adbc_is_answered") else { return };
    asked(&python, Access::default(), &[]);
}

#[test]
fn adbc_may_log_in() {
    let Some(python) = python("adbc_may_log_in") else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    std::fs::write(&file, "grafana 0123456789abcdef\n").unwrap();
    let access = Access { tokens: Some(file), ..Access::default() };
    asked(&python, access.clone(), &["--token", "0123456789abcdef"]);
    asked(&python, access, &["--token", "0123456789abcdef", "--user", "grafana"]);
}

#[test]
fn adbc_may_speak_tls() {
    let Some(python) = python("adbc_may_speak_tls") else { return };
    let files = Files::new();
    let ca = files.path("ca.pem");
    asked(
        &python,
        files.access(true, false),
        &["--token", "0123456789abcdef", "--ca", ca.to_str().unwrap()],
    );
}
