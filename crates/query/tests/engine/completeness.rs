//! What an answer says of itself.

use query::{Completeness, Engine, Lost};
use schema::Event;
use store::AgentCoverage;

use crate::rows::*;

/// Stage, subject, reason and how many.
type Loss = (&'static str, &'static str, &'static str, u64);

/// The agent's own word: it watched for so many seconds, and what it lost.
fn coverage(rows: &[(f64, Option<Loss>)]) -> arrow::array::RecordBatch {
    let agent = process(1, "/usr/bin/fathom");
    let rows = rows.iter().map(|(from, lost)| {
        let begun = TIME + (from * 1e9) as i64;
        let (stage, subject, reason, lost) = match *lost {
            Some((stage, subject, reason, lost)) => {
                (Some(stage), Some(subject), Some(reason), lost)
            }
            None => (None, None, None, 0),
        };
        let event = AgentCoverage { begun, stage, subject, reason, lost };
        (from + 1.0, agent.clone(), event)
    });
    batch(rows.collect::<Vec<_>>())
}

fn engine(folder: &std::path::Path) -> Engine {
    let first = coverage(&[
        (0.0, None),
        (1.0, None),
        (1.0, Some(("kernel", "file_open", "ring_full", 5))),
        (1.0, Some(("kernel", "socket_close", "ring_full", 9))),
        (2.0, None),
    ]);
    let then = coverage(&[
        (60.0, None),
        (61.0, None),
        (61.0, Some(("kernel", "file_open", "ring_full", 3))),
        (61.0, Some(("kernel", "record", "unreadable", 1))),
        (61.0, Some(("decode", "file_open", "record_short", 2))),
    ]);
    Kept::default()
        .stored::<AgentCoverage<'_>>(folder, &[first])
        .hot::<AgentCoverage<'_>>(then)
        .stored::<FileOpen<'_>>(folder, &[opens(0.5, 1.0, 3)])
        .hot::<FileOpen<'_>>(opens(60.5, 1.0, 2))
        .engine()
}

fn of(engine: &Engine, sql: &str) -> Completeness {
    engine.ask_blocking(ask(sql)).unwrap().completeness().clone()
}

fn lost(stage: &str, subject: &str, reason: &str, count: u64) -> Lost {
    let [stage, subject, reason] = [stage, subject, reason].map(str::to_string);
    Lost { stage, subject, reason, count }
}

#[test]
fn an_answer_says_what_was_watched_and_lost() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let all = of(&engine, "SELECT count(*) FROM file_open");
    assert_eq!(all.tables, ["file_open"]);
    assert_eq!(all.asked, (None, None));
    let stretches = [(TIME, TIME + 3 * SECOND), (TIME + 60 * SECOND, TIME + 62 * SECOND)];
    assert_eq!(all.watched, stretches);
    assert_eq!(all.kept_since, [("file_open".to_string(), TIME + SECOND / 2)]);
    let all_lost = [
        lost("decode", "file_open", "record_short", 2),
        lost("kernel", "file_open", "ring_full", 8),
        lost("kernel", "record", "unreadable", 1),
    ];
    assert_eq!(all.lost, all_lost);
}

#[test]
fn only_the_stretch_asked_for_counts() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let sql = "SELECT comm FROM file_open WHERE time >= '2026-11-22T05:00:30Z' \
               AND time <= '2026-11-22T05:01:30Z'";
    let some = of(&engine, sql);
    assert_eq!(some.asked, (Some(TIME + 30 * SECOND), Some(TIME + 90 * SECOND)));
    assert_eq!(some.watched, [(TIME + 60 * SECOND, TIME + 62 * SECOND)]);
    assert_eq!(some.lost.iter().map(|it| it.count).sum::<u64>(), 6);
    let sql = "SELECT comm FROM file_open WHERE time < '2026-11-22T05:00:01Z'";
    let first = of(&engine, sql);
    assert_eq!(first.lost, []);
    assert_eq!(first.watched, [(TIME, TIME + SECOND)]);
}

#[test]
fn a_view_reads_its_tables() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let view = of(&engine, "SELECT * FROM connection WHERE time > '2026-11-22T05:00:00Z'");
    assert!(view.tables.contains(&SocketClose::TABLE.name.to_string()), "{view:?}");
    assert_eq!(view.asked, (Some(TIME + 1), None));
    assert!(view.lost.contains(&lost("kernel", "socket_close", "ring_full", 9)), "{view:?}");
    let none = of(&engine, "SELECT 1");
    assert_eq!(none, Completeness::default());
}
