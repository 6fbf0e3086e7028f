//! What is done to files by 32-bit calls and through io_uring makes the rows that the plain way makes.

use std::path::Path;

use signal_file::FILE;
use testkit::evade::{Act, Evader, Outcome};
use testkit::watch::{Seen, Watch, mechanisms, not_run};

const TEST: &str = "the_ways_around_calls_make_the_same_rows";

/// A signal that is loaded on one rung, and who acts before it.
struct Stage {
    mechanism: &'static str,
    watch: Watch,
    evader: Evader,
}

/// All of them on each rung, which is loaded once: loading is what takes the time.
#[test]
fn the_ways_around_calls_make_the_same_rows() {
    for mechanism in mechanisms() {
        let watch = Watch::start(TEST, &[&FILE], &[mechanism]).expect("it loads");
        let Some(watch) = watch else { continue };
        let evader = Evader::new(TEST).expect("a program to act");
        let stage = Stage { mechanism, watch, evader };
        calls_of_32_bits(&stage);
        for way in ["ring", "worker", "poller"] {
            through_a_ring(&stage, way);
        }
        oddities_of_rings(&stage);
    }
}

/// Every 32-bit call by which a file is opened or changed, told by the name of its call.
fn calls_of_32_bits(stage: &Stage) {
    let Some((acts, rows)) = stage.act("ia32", "files") else { return };
    let mechanism = stage.mechanism;
    stage.opened_what_they_name(&acts, &rows);
    let of = |table: &str| {
        let told = acts.iter().zip(&rows).filter(move |(act, _)| act.table == table);
        told.map(|(_, row)| row).collect::<Vec<_>>()
    };
    let owners: Vec<_> =
        of("file_chown").iter().map(|row| (row.number("uid"), row.number("gid"))).collect();
    let narrow = [(None, Some(7)), (Some(8), None), (Some(9), None)];
    let wide =
        [(Some(100_000), None), (None, Some(100_001)), (Some(0), Some(0)), (Some(0), Some(0))];
    assert_eq!(owners, [&narrow[..], &wide].concat(), "{mechanism}: ids of 16 and of 32 bits");
    let sizes: Vec<_> =
        of("file_truncate").iter().map(|row| row.text("size").unwrap_or("").to_owned()).collect();
    let large = (1u64 << 32) + 5;
    let expected = [10, 20, large, large + 1, u64::MAX].map(|size| size.to_string());
    assert_eq!(sizes, expected, "{mechanism}: sizes of 32 and of 64 bits");
    let made = stage.evader.place().join("made");
    assert_eq!(of("file_chmod")[2].text("path_resolved"), made.to_str());
}

/// What goes through a ring, done by the caller, by a worker or by the thread that polls for it.
fn through_a_ring(stage: &Stage, way: &str) {
    let Some((acts, rows)) = stage.act(way, "files") else { return };
    stage.opened_what_they_name(&acts, &rows);
    // What the hooks inside know is known here as well, unless only completions are seen.
    if stage.watch.mechanism("rename through io_uring") == "fentry"
        && !stage.watch.mechanism("resolved path of rename").is_empty()
    {
        let row = rows.iter().find(|row| row.table == "file_rename").expect("a rename");
        let made = stage.evader.place().join("made");
        assert_eq!(row.text("path_resolved"), made.to_str(), "{}: {row:#?}", stage.mechanism);
    }
}

/// What a ring can do and no call: files that no descriptor leads to, success that nobody is told.
fn oddities_of_rings(stage: &Stage) {
    let Some((acts, rows)) = stage.act("ring", "odd-files") else { return };
    let sees_the_end = stage.watch.mechanism("open through io_uring") == "fentry";
    for (act, row) in acts.iter().zip(&rows).filter(|(_, row)| row.table == "file_open") {
        let silent = act.about[0] == "silent";
        let known = !silent || sees_the_end;
        let expected = known.then(|| stage.evader.place().join(&act.about[0]));
        let resolved = row.text("path_resolved").map(Path::new);
        assert_eq!(resolved, expected.as_deref(), "{}: {row:#?}", stage.mechanism);
        let has_descriptor = silent && sees_the_end && stage.tells_descriptors();
        assert_eq!(row.number("fd").is_some(), has_descriptor, "{}: {row:#?}", stage.mechanism);
    }
}

impl Stage {
    /// Acts, and gives the acts and the rows that tell them: one each, in order, and no other.
    fn act(&self, way: &str, what: &str) -> Option<(Vec<Act>, Vec<Seen>)> {
        let name = format!("{TEST}: {what} by {way}, {}", self.mechanism);
        let (acts, rows) = match self.evader.run(&self.watch, way, what).expect("it acts") {
            Outcome::Done(acts, rows) => (acts, rows),
            Outcome::Unavailable(why) => {
                not_run(&name, &why);
                return None;
            }
        };
        if self.watch.mechanism("open through io_uring").is_empty() && way != "ia32" {
            return None;
        }
        // Where nothing sees changes that go through a ring, opens alone are expected.
        let sees_changes = !self.watch.mechanism("rename through io_uring").is_empty();
        let acts: Vec<Act> = acts
            .into_iter()
            .filter(|act| act.call != "io_uring" || sees_changes || act.table == "file_open")
            .collect();
        // Workers and the thread that polls are threads of the process that asks.
        assert!(rows.iter().all(|row| row.pid == rows[0].pid), "{name}: {rows:#?}");
        let first = rows.iter().position(|row| acts[0].is_told_by(row));
        let first = first.unwrap_or_else(|| panic!("{name}: no {:?} in {rows:#?}", acts[0]));
        let rows = rows[first..].to_vec();
        for (act, row) in acts.iter().zip(&rows) {
            assert!(act.is_told_by(row), "{name}: {act:#?} is not told by {row:#?}");
        }
        assert_eq!(rows.len(), acts.len(), "{name}: {rows:#?}");
        Some((acts, rows))
    }

    /// What was opened is what the kernel found by that name.
    fn opened_what_they_name(&self, acts: &[Act], rows: &[Seen]) {
        for (act, row) in acts.iter().zip(rows).filter(|(act, _)| act.table == "file_open") {
            let name = if act.about[0] == "link" { "made" } else { &act.about[0] };
            let expected = act.error().is_none().then(|| self.evader.place().join(name));
            let resolved = row.text("path_resolved").map(Path::new);
            assert_eq!(resolved, expected.as_deref(), "{}: {row:#?}", self.mechanism);
            let known = act.call != "io_uring" || self.tells_descriptors();
            let descriptor = (act.result >= 0 && known).then_some(act.result);
            assert_eq!(row.number("fd"), descriptor, "{}: {row:#?}", self.mechanism);
        }
    }

    /// Whether opens through io_uring have their descriptors: not by the last of the rungs.
    fn tells_descriptors(&self) -> bool {
        let hooks = self.watch.kernel.capabilities();
        hooks.iter().all(|it| it.what != "open through io_uring" || it.program != "file_ring_filp")
    }
}
