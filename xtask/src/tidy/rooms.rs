//! Which way things point: the table of rooms, and the check that nobody names who is above.

use std::fs;

use super::{Dependency, Finding, Kind, Package};
use crate::place;

/// A room, or with `*` a floor of rooms, and whom it may name.
struct Room {
    folder: &'static str,
    row: u8,
    /// The rows whose rooms it may name.
    rows: &'static [u8],
    /// Rooms that it may name besides.
    also: &'static [&'static str],
    /// Whether it may name signals where its rows would let it: some are handed tables instead.
    signals: bool,
}

/// ARCHITECTURE.md draws this table; this is where it is kept.
const ROOMS: &[Room] = &[
    // 0: words
    room("crates/wire", 0, &[]),
    Room { also: &["crates/schema-derive"], ..room("crates/schema", 0, &[]) },
    room("crates/schema-derive", 0, &[]),
    room("crates/telemetry", 0, &[]),
    // 1: the only door to bpf(2)
    room("crates/kernel", 1, &[0]),
    // 2: a BPF program each; who is who
    room("signals/*", 2, &[0, 1]),
    room("controls/*", 2, &[0, 1]),
    room("crates/identity", 2, &[0]),
    // 3: pure, synchronous thinking
    room("crates/flow", 3, &[0, 1, 2]),
    room("crates/protocols", 3, &[0]),
    Room { also: &["crates/protocols"], ..room("crates/l7", 3, &[0, 1, 2]) },
    room("crates/policy", 3, &[0, 1, 2]),
    room("crates/symbols", 3, &[0, 1, 2]),
    room("crates/detect", 3, &[0]),
    room("crates/script", 3, &[0]),
    room("crates/store", 3, &[0]),
    room("crates/bus", 3, &[0]),
    room("crates/flame", 3, &[0]),
    // 4: async, sockets, other people's files
    Room { also: &["crates/query"], signals: false, ..room("crates/api", 4, &[0, 1, 2, 3]) },
    Room { signals: false, ..room("crates/query", 4, &[0, 1, 2, 3]) },
    Room { signals: false, ..room("crates/export", 4, &[0, 1, 2, 3]) },
    room("crates/cluster", 4, &[0, 1, 2, 3]),
    Room { also: &["crates/export"], signals: false, ..room("crates/deliver", 4, &[0, 1, 2, 3]) },
    // 5: the composition root
    room("crates/fathom", 5, &[0, 1, 2, 3, 4]),
    // Beside the house: the workshop. No row is open to others, see `WORKSHOP`.
    room("crates/testkit", 9, &[0, 1, 2, 3, 4]),
    room("crates/bench", 9, &[0, 1, 2, 3, 4, 5]),
    room("crates/bpf-build", 9, &[]),
    room("xtask", 9, &[]),
];

/// Rooms of the workshop that may be named, and only so.
const WORKSHOP: &[(&str, Kind)] =
    &[("crates/testkit", Kind::Dev), ("crates/bpf-build", Kind::Build)];

/// What the tests of a room may name although its table forbids it: no signal reports
/// anything before it has been told whom to watch.
const FOR_TESTS: &[(&str, &str)] = &[("signals/", "controls/scope")];

const fn room(folder: &'static str, row: u8, rows: &'static [u8]) -> Room {
    Room { folder, row, rows, also: &[], signals: true }
}

/// What breaks the table.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let manifest = format!("{}/Cargo.toml", package.folder);
        let Some(room) = find(&package.folder) else {
            let what =
                format!("{} has no row in the table in xtask/src/tidy/rooms.rs", package.folder);
            findings.push(Finding::new(manifest, 1, what));
            continue;
        };
        for dependency in &package.dependencies {
            if let Some(what) = breaks(room, &package.folder, dependency) {
                findings.push(Finding::new(
                    manifest.clone(),
                    line_of(&manifest, &dependency.name),
                    what,
                ));
            }
        }
    }
    findings
}

fn find(folder: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| match room.folder.strip_suffix('*') {
        Some(floor) => folder.strip_prefix(floor).is_some_and(|name| !name.contains('/')),
        None => room.folder == folder,
    })
}

fn breaks(room: &Room, folder: &str, dependency: &Dependency) -> Option<String> {
    let other = &dependency.folder;
    // The benches are a workshop of their own: they run what testkit has.
    let benches = folder == "crates/bench" && other == "crates/testkit";
    if let Some((_, kind)) = WORKSHOP.iter().find(|(tool, _)| tool == other && !benches) {
        let word = if *kind == Kind::Dev { "dev" } else { "build" };
        return (dependency.kind != *kind)
            .then(|| format!("{other} may be a {word}-dependency only"));
    }
    // Tests may look down past the table, never up, and a crate's own tests may use itself.
    let target = find(other)?;
    if benches {
        return None;
    }
    let fixture = FOR_TESTS.iter().any(|(from, to)| folder.starts_with(from) && to == other);
    if dependency.kind == Kind::Dev && (target.row < room.row || other == folder || fixture) {
        return None;
    }
    let allowed = room.rows.contains(&target.row) || room.also.contains(&other.as_str());
    if !allowed {
        let rows: Vec<String> = room.rows.iter().map(u8::to_string).collect();
        let rows = if rows.is_empty() { "none".into() } else { rows.join(", ") };
        return Some(format!(
            "{folder} (row {}) names {other} (row {}); it may name rows: {rows}",
            room.row, target.row
        ));
    }
    (!room.signals && other.starts_with("signals/"))
        .then(|| format!("{folder} names {other}; it is to be handed tables instead"))
}

/// The line of the manifest that names the dependency.
fn line_of(manifest: &str, name: &str) -> usize {
    let text = fs::read_to_string(place::root().join(manifest)).unwrap_or_default();
    let names = |line: &str| {
        let rest = line.trim_start().strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with([' ', '.', '=']))
    };
    text.lines().position(names).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(from: &str, to: &str, kind: Kind) -> Option<String> {
        let dependency = Dependency { name: String::new(), folder: to.into(), kind };
        breaks(find(from).unwrap(), from, &dependency)
    }

    #[test]
    fn down_is_allowed() {
        for (from, to) in [
            ("crates/kernel", "crates/wire"),
            ("signals/file", "crates/kernel"),
            ("crates/flow", "signals/socket"),
            ("crates/policy", "controls/netpol"),
            ("crates/l7", "crates/protocols"),
            ("crates/api", "crates/query"),
            ("crates/fathom", "crates/cluster"),
            ("crates/schema", "crates/schema-derive"),
        ] {
            assert_eq!(says(from, to, Kind::Normal), None, "{from} → {to}");
        }
    }

    #[test]
    fn up_and_across_are_not() {
        for (from, to) in [
            ("crates/wire", "crates/schema"),
            ("crates/kernel", "signals/file"),
            ("signals/file", "signals/process"),
            ("signals/file", "controls/scope"),
            ("crates/identity", "crates/kernel"),
            ("crates/detect", "signals/file"),
            ("crates/bus", "crates/identity"),
            ("crates/query", "crates/api"),
            ("crates/query", "signals/file"),
            ("crates/export", "crates/fathom"),
            ("crates/fathom", "crates/testkit"),
            ("crates/kernel", "crates/bpf-build"),
            ("xtask", "crates/wire"),
        ] {
            assert!(says(from, to, Kind::Normal).is_some(), "{from} → {to}");
        }
    }

    #[test]
    fn tests_and_builds_may_use_the_workshop() {
        assert_eq!(says("signals/file", "crates/testkit", Kind::Dev), None);
        assert_eq!(says("signals/file", "crates/bpf-build", Kind::Build), None);
        assert_eq!(says("crates/flow", "crates/kernel", Kind::Dev), None);
        assert_eq!(says("signals/file", "controls/scope", Kind::Dev), None);
        assert!(says("signals/file", "signals/process", Kind::Dev).is_some());
        assert!(says("signals/file", "crates/fathom", Kind::Dev).is_some());
        assert!(says("signals/file", "crates/testkit", Kind::Build).is_some());
    }

    #[test]
    fn a_room_that_is_not_in_the_table_is_a_finding() {
        let package = Package {
            name: "attic".into(),
            folder: "crates/attic".into(),
            dependencies: Vec::new(),
        };
        assert_eq!(check(&[package])[0].file, "crates/attic/Cargo.toml");
        assert!(find("signals/file/inner").is_none());
    }
}
