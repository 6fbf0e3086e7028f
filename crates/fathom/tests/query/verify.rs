//! `fathom verify`: untouched, edited, removed, cut off.

use std::fs;

use tempfile::TempDir;

use crate::stored::{ROWS, segments, stored};
use crate::{out, verify};

#[test]
fn verify_is_content_with_what_nobody_touched() {
    let folder = stored(0, false);
    let output = verify(folder.path(), &[]);
    let text = out(&output);
    let rows = ROWS + 2;
    assert!(
        text.starts_with("ok: 6 segments, ") && text.contains(&format!(" {rows} rows, ")),
        "{text}"
    );
    let head = text.split("chain head ").nth(1).expect("the head").trim();
    assert!(verify(folder.path(), &["--head", head]).status.success());

    let (sequence, hash) = head.split_once(':').expect("a number and a hash");
    let later = format!("{}:{hash}", sequence.parse::<u64>().unwrap() + 1);
    let output = verify(folder.path(), &["--head", &later]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("was cut off"));
    assert_eq!(verify(folder.path(), &["--head", "twelve"]).status.code(), Some(2));

    let json = verify(folder.path(), &["-o", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&json["ok"], &json["segments"]), (&true.into(), &6.into()));
}

#[test]
fn verify_names_what_was_edited_and_what_is_gone() {
    let folder = stored(0, false);
    let segments = segments(folder.path());
    let mut bytes = fs::read(&segments[1]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segments[1], bytes).unwrap();
    let output = verify(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let name = segments[1].file_name().unwrap().to_str().unwrap();
    assert!(
        text.starts_with("not ok: ") && text.contains(name) && text.contains("changed"),
        "{text}"
    );

    fs::remove_file(&segments[1]).unwrap();
    let output = verify(folder.path(), &["-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["findings"][0]["kind"], "missing");

    let nothing = TempDir::new().unwrap();
    assert_eq!(verify(nothing.path(), &[]).status.code(), Some(1));
}
