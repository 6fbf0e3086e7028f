//! Edited, removed, added, cut off, begun anew: each shows, and retention is none of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use store::{Bounds, Head, Key, Misfit, Options, PublicKey, Store, VerifyOptions, verify};
use telemetry::Ledger;

use crate::sample::{TABLES, at, deeds, open, options};

#[test]
fn what_was_not_touched_is_sound_and_retention_is_no_tampering() {
    let folder = filled(|it| it);
    let report = verify(folder.path(), &VerifyOptions::default()).unwrap();
    assert!(report.is_sound(), "{report:#?}");
    assert_eq!((report.segments, report.rows, report.taken), (5, 500, 0));

    let old = Bounds { age: Duration::from_secs(1), ..options(folder.path()).bounds };
    let mut store = open(|| Options { bounds: old, ..options(folder.path()) }, at(0));
    store.turn(at(500_000));
    drop(store);
    let report = verify(folder.path(), &VerifyOptions::default()).unwrap();
    assert!(report.is_sound(), "{report:#?}");
    assert_eq!((report.segments, report.taken), (0, 5));
}

#[test]
fn a_changed_segment_is_named_first() {
    let folder = filled(|it| it);
    let path = segments(folder.path()).remove(2);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&path, bytes).unwrap();
    let report = verify(folder.path(), &VerifyOptions::default()).unwrap();
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].kind, Misfit::Changed);
    assert!(path.ends_with(&report.findings[0].path), "{report:#?}");
    assert_eq!(report.segments, 4);
}

#[test]
fn a_removed_segment_and_an_added_one_show() {
    let folder = filled(|it| it);
    let paths = segments(folder.path());
    let copy = paths[0].with_file_name("00000001-5-9-7.parquet");
    fs::copy(&paths[0], copy).unwrap();
    fs::remove_file(&paths[1]).unwrap();
    let report = verify(folder.path(), &VerifyOptions::default()).unwrap();
    let kinds: Vec<_> = report.findings.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [Misfit::Unknown, Misfit::Missing], "{report:#?}");

    // And the agent says so as well, and does not show the foreign rows.
    let mut store = open(|| options(folder.path()), at(0));
    let words = format!("{:?}", store.words());
    assert!(
        words.contains("100 rows are missing") && words.contains("does not know it"),
        "{words}"
    );
    assert_eq!(store.size().segment_rows, 400);
}

#[test]
fn an_edited_line_breaks_the_chain_there() {
    let folder = filled(|it| it);
    let path = folder.path().join(store::CHAIN);
    let chain = fs::read_to_string(&path).unwrap();
    let third = chain.lines().nth(2).unwrap();
    fs::write(&path, chain.replace(third, &third.replace("\"rows\":100", "\"rows\":101"))).unwrap();
    let report = verify(folder.path(), &VerifyOptions::default()).unwrap();
    assert_eq!(report.findings[0].kind, Misfit::Chain);
    assert!(report.findings[0].what.starts_with("line 3: "), "{report:#?}");
}

#[test]
fn a_chain_that_was_cut_shows_by_a_head_that_was_told() {
    let folder = filled(|it| it);
    let path = folder.path().join(store::CHAIN);
    let chain = fs::read_to_string(&path).unwrap();
    let whole = verify(folder.path(), &VerifyOptions::default()).unwrap();
    let told: Head = whole.head.parse().unwrap();
    let last = chain.trim_end().rfind('\n').unwrap() + 1;
    fs::write(&path, &chain[..last]).unwrap();
    fs::remove_file(segments(folder.path()).pop().unwrap()).unwrap();
    // The rest fits by itself…
    assert!(verify(folder.path(), &VerifyOptions::default()).unwrap().is_sound());
    // … but not with what was told.
    let with_head = VerifyOptions { head: Some(told), ..VerifyOptions::default() };
    let report = verify(folder.path(), &with_head).unwrap();
    assert_eq!(report.findings[0].kind, Misfit::Head, "{report:#?}");
    fs::write(&path, chain).unwrap();
    let report = verify(folder.path(), &with_head).unwrap();
    assert_eq!(report.findings[0].kind, Misfit::Missing, "{report:#?}");
}

#[test]
fn a_signed_chain_cannot_be_made_anew_without_the_key() {
    let keys = tempfile::tempdir().unwrap();
    let make = |name: &str| -> Option<(PathBuf, PublicKey)> {
        let (secret, public) = (keys.path().join(name), keys.path().join(format!("{name}.pub")));
        let openssl = |words: &[&str]| Command::new("openssl").args(words).output().ok();
        let secret_text = secret.to_str()?;
        openssl(&["genpkey", "-algorithm", "ed25519", "-out", secret_text])?;
        openssl(&["pkey", "-in", secret_text, "-pubout", "-out", public.to_str()?])?;
        Some((secret, PublicKey::read(&public).expect("a public key")))
    };
    let (Some((ours, public)), Some((_, other))) = (make("ours"), make("other")) else {
        println!(
            "not run: a_signed_chain_cannot_be_made_anew_without_the_key: there is no openssl"
        );
        return;
    };
    let folder = filled(|it| Options { key: Some(Key::read(&ours).expect("a key")), ..it });
    let signed_by = |key: &PublicKey| VerifyOptions { public_key: Some(key.clone()), head: None };
    let report = verify(folder.path(), &signed_by(&public)).unwrap();
    assert!(report.is_sound() && report.signed == report.lines, "{report:#?}");
    let report = verify(folder.path(), &signed_by(&other)).unwrap();
    assert!(report.findings[0].what.contains("signature"), "{report:#?}");
    let forged = filled(|it| it);
    let report = verify(forged.path(), &signed_by(&public)).unwrap();
    assert!(report.findings[0].what.contains("not signed"), "{report:#?}");
    let words = Key::read(&keys.path().join("ours.pub")).unwrap_err().to_string();
    assert!(words.contains("openssl genpkey"), "{words}");
}

/// A store with five segments of a hundred rows.
fn filled(with: impl FnOnce(Options) -> Options) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let options = with(options(folder.path()));
    let mut store = Store::open(options, TABLES, &Ledger::new(), at(0)).unwrap();
    for turn in 0..5 {
        store.append(deeds(turn * 100..turn * 100 + 100), at(turn * 61_000));
        store.turn(at(turn * 61_000 + 60_500));
    }
    assert_eq!(store.close(at(400_000)).0, []);
    folder
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let hour = folder.join("file_open/2026-11-21T22");
    let mut paths: Vec<_> = fs::read_dir(hour).unwrap().map(|it| it.unwrap().path()).collect();
    paths.sort();
    paths
}
