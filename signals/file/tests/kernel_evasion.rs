//! What is done to files by 32-bit calls and through io_uring makes the rows that the plain way makes.

use std::path::Path;

use signal_file::FILE;
use testkit::evade::{Act, Evader, Outcome};
use testkit::watch::{Seen, Watch, mechanisms, not_run};

/// Every 32-bit call by which a file is opened or changed, told by the name of its call.
#[test]
fn calls_of_32_bits_make_the_same_rows() {
    let test = "calls_of_32_bits_make_the_same_rows";
    for mechanism in &mechanisms() {
        let Some((acts, rows, place)) = acts(test, mechanism, "ia32") else { continue };
        let rows = one_each(&acts, &rows, mechanism);
        opened_what_they_name(&acts, &rows, &place);
        let of = |table: &str| {
            let told = acts.iter().zip(&rows).filter(move |(act, _)| act.table == table);
            told.map(|(_, row)| *row).collect::<Vec<_>>()
        };
        let owners = of("file_chown");
        let owners: Vec<_> =
            owners.iter().map(|row| (row.number("uid"), row.number("gid"))).collect();
        let both = (Some(0), Some(0));
        assert_eq!(
            owners,
            [
                (None, Some(7)),
                (Some(8), None),
                (Some(9), None),
                (Some(100_000), None),
                (None, Some(100_001)),
                both,
                both
            ],
            "{mechanism}: ids of 16 and of 32 bits"
        );
        let sizes: Vec<_> = of("file_truncate")
            .iter()
            .map(|row| row.text("size").unwrap_or("").to_owned())
            .collect();
        let large = (1u64 << 32) + 5;
        let expected = [10, 20, large, large + 1, u64::MAX].map(|size| size.to_string());
        assert_eq!(sizes, expected, "{mechanism}: sizes of 32 and of 64 bits");
        assert_eq!(of("file_chmod")[2].text("path_resolved"), place.join("made").to_str());
    }
}

/// What goes through a ring, done by the caller, by a worker or by the thread that polls for it.
#[test]
fn io_uring_makes_the_same_rows() {
    let test = "io_uring_makes_the_same_rows";
    for mechanism in &mechanisms() {
        for way in ["ring", "worker", "poller"] {
            let Some((acts, rows, place)) = acts(test, mechanism, way) else { continue };
            let rows = one_each(&acts, &rows, &format!("{mechanism}, {way}"));
            opened_what_they_name(&acts, &rows, &place);
        }
    }
}

/// What a ring can do and no call: files that no descriptor leads to, success that nobody is told.
#[test]
fn the_oddities_of_io_uring_are_told() {
    let test = "the_oddities_of_io_uring_are_told";
    for mechanism in &mechanisms() {
        let watch = Watch::start(test, &[&FILE], &[mechanism]).expect("it loads");
        let Some(watch) = watch else { continue };
        let evader = Evader::new(test).expect("a program to act");
        let Some((acts, rows)) = done(test, &watch, &evader, "ring", "odd-files") else { continue };
        let sees_the_end = watch.mechanism("open through io_uring") == "fentry";
        for (act, row) in acts.iter().zip(one_each(&acts, &rows, mechanism)) {
            let silent = act.about[0] == "silent";
            if row.table == "file_open" {
                let known = !silent || sees_the_end;
                let expected = known.then(|| evader.place().join(&act.about[0]));
                let resolved = row.text("path_resolved").map(Path::new);
                assert_eq!(resolved, expected.as_deref(), "{mechanism}: {row:#?}");
                let described = silent && sees_the_end;
                assert_eq!(row.number("fd").is_some(), described, "{mechanism}: {row:#?}");
            }
        }
    }
}

/// Loads the signal on one rung, acts, and gives the acts, the rows from the first act on, and where.
fn acts(
    test: &str,
    mechanism: &str,
    way: &str,
) -> Option<(Vec<Act>, Vec<Seen>, std::path::PathBuf)> {
    let watch = Watch::start(test, &[&FILE], &[mechanism]).expect("it loads")?;
    let evader = Evader::new(test).expect("a program to act");
    let (acts, rows) = done(test, &watch, &evader, way, "files")?;
    Some((acts, rows, evader.place()))
}

/// Acts, and gives the acts and the rows from the first act on.
fn done(
    test: &str,
    watch: &Watch,
    evader: &Evader,
    way: &str,
    what: &str,
) -> Option<(Vec<Act>, Vec<Seen>)> {
    match evader.run(watch, way, what).expect("it acts") {
        Outcome::Done(acts, rows) => {
            let first = rows.iter().position(|row| acts[0].is_told_by(row));
            let first = first.unwrap_or_else(|| panic!("no {:?} in {rows:#?}", acts[0]));
            Some((acts, rows[first..].to_vec()))
        }
        Outcome::Unavailable(why) => {
            not_run(test, &why);
            None
        }
    }
}

/// One row for each act, in order, and no other.
fn one_each<'r>(acts: &[Act], rows: &'r [Seen], mechanism: &str) -> Vec<&'r Seen> {
    for (act, row) in acts.iter().zip(rows) {
        assert!(act.is_told_by(row), "{mechanism}: {act:#?} is not told by {row:#?}");
    }
    assert_eq!(rows.len(), acts.len(), "{mechanism}: {rows:#?}");
    rows.iter().collect()
}

/// What was opened by a name in `place` is what the kernel found there.
fn opened_what_they_name(acts: &[Act], rows: &[&Seen], place: &Path) {
    for (act, row) in acts.iter().zip(rows).filter(|(act, _)| act.table == "file_open") {
        let name = if act.about[0] == "link" { "made" } else { &act.about[0] };
        let expected = act.error().is_none().then(|| place.join(name));
        assert_eq!(row.text("path_resolved").map(Path::new), expected.as_deref(), "{row:#?}");
        assert_eq!(row.number("fd"), (act.result >= 0).then_some(act.result));
    }
}
