//! How complete an answer is, in a few short lines.

use query::{Completeness, Lost};
use schema::plain::rfc3339;

/// A hole at the edge of the stretch that is no longer than this is none: what was watched is
/// noted every second or two.
const EDGE: i64 = 5_000_000_000;
/// Holes, reasons and files that are named one by one.
const NAMED: usize = 5;

/// What there is to say; nothing where no table was read.
pub(in crate::cli) fn lines(told: &Completeness) -> Vec<String> {
    if told.tables.is_empty() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let holes = holes(told);
    let whole = holes.is_empty() && told.lost.is_empty() && told.unreadable.is_empty();
    match stretch(told) {
        None => lines.push(match told.asked {
            (None, None) => "not known to be complete: no agent has noted that it watched".into(),
            asked => format!("not watched: no agent noted that it watched {}", between(asked)),
        }),
        Some((from, to)) if whole => {
            lines.push(format!("complete: nothing was lost between {} and {}", at(from), at(to)));
        }
        Some((from, to)) => lines.push(format!("covers {} to {}", at(from), at(to))),
    }
    for (table, since) in &told.kept_since {
        // Only where rows from before were asked for, and were there.
        let begun = told.watched.first().map(|(from, _)| *from);
        let asked = told.asked.0.or(begun);
        if asked.is_some_and(|asked| asked < since - EDGE)
            && begun.is_some_and(|it| it < since - EDGE)
        {
            lines.push(format!("{table}: the oldest row that is kept is of {}", at(*since)));
        }
    }
    if !holes.is_empty() {
        let named = holes
            .iter()
            .map(|(from, to)| format!("{} to {} ({})", at(*from), at(*to), span(to - from)));
        lines.push(format!("not watched: {}", list(named)));
    }
    if !told.lost.is_empty() {
        let mut lost: Vec<&Lost> = told.lost.iter().collect();
        lost.sort_by_key(|lost| std::cmp::Reverse(lost.count));
        let named = lost
            .iter()
            .map(|it| format!("{} {} in {} ({})", it.count, it.subject, it.stage, it.reason));
        lines.push(format!("lost: {}", list(named)));
    }
    if !told.unreadable.is_empty() {
        lines.push(format!("could not be read: {}", list(told.unreadable.iter().cloned())));
    }
    lines
}

/// From the first moment that was watched to the last.
fn stretch(told: &Completeness) -> Option<(i64, i64)> {
    let (first, last) = (told.watched.first()?, told.watched.last()?);
    let from = told.asked.0.map_or(first.0, |asked| asked.max(first.0));
    let to = told.asked.1.map_or(last.1, |asked| asked.min(last.1));
    Some((from, to.max(from)))
}

/// The stretches that were asked for and not watched.
fn holes(told: &Completeness) -> Vec<(i64, i64)> {
    let mut holes = Vec::new();
    let (Some(first), Some(last)) = (told.watched.first(), told.watched.last()) else {
        return holes;
    };
    if let Some(asked) = told.asked.0
        && first.0.saturating_sub(asked) > EDGE
    {
        holes.push((asked, first.0));
    }
    holes.extend(told.watched.windows(2).map(|pair| (pair[0].1, pair[1].0)));
    if let Some(asked) = told.asked.1
        && asked.saturating_sub(last.1) > EDGE
    {
        holes.push((last.1, asked));
    }
    holes
}

fn between(asked: (Option<i64>, Option<i64>)) -> String {
    match asked {
        (Some(from), Some(to)) => format!("between {} and {}", at(from), at(to)),
        (Some(from), None) => format!("since {}", at(from)),
        (None, Some(to)) => format!("before {}", at(to)),
        (None, None) => String::new(),
    }
}

fn list(named: impl ExactSizeIterator<Item = String>) -> String {
    let more = named.len().saturating_sub(NAMED);
    let mut text = named.take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// `2026-11-22 05:20:00Z`
pub(super) fn at(time: i64) -> String {
    let mut text = rfc3339(time).replacen('T', " ", 1);
    text.truncate(19);
    text.push('Z');
    text
}

fn span(nanos: i64) -> String {
    export::human::duration(nanos.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: i64 = 1_795_299_005_000_000_000;
    const SECOND: i64 = 1_000_000_000;

    fn told() -> Completeness {
        Completeness {
            tables: vec!["file_open".to_string()],
            asked: (Some(TIME), Some(TIME + 100 * SECOND)),
            watched: vec![(TIME - SECOND, TIME + 99 * SECOND)],
            ..Completeness::default()
        }
    }

    #[test]
    fn nothing_lost_is_one_line() {
        let expected =
            "complete: nothing was lost between 2026-11-21 22:10:05Z and 2026-11-21 22:11:44Z";
        assert_eq!(lines(&told()), [expected]);
        assert!(lines(&Completeness::default()).is_empty());
    }

    #[test]
    fn holes_and_losses_are_told() {
        let mut told = told();
        told.watched = vec![
            (TIME + 20 * SECOND, TIME + 30 * SECOND),
            (TIME + 40 * SECOND, TIME + 60 * SECOND),
        ];
        let lost = |reason: &str, count| Lost {
            stage: "kernel".to_string(),
            subject: "file_open".to_string(),
            reason: reason.to_string(),
            count,
        };
        told.lost = vec![lost("ring_full", 3), lost("table_full", 7)];
        told.unreadable = vec!["a.parquet".to_string()];
        let lines = lines(&told);
        assert_eq!(lines[0], "covers 2026-11-21 22:10:25Z to 2026-11-21 22:11:05Z");
        assert!(
            lines[1]
                .starts_with("not watched: 2026-11-21 22:10:05Z to 2026-11-21 22:10:25Z (20.0s), ")
        );
        assert_eq!(lines[1].matches(" to ").count(), 3);
        assert_eq!(
            lines[2],
            "lost: 7 file_open in kernel (table_full), 3 file_open in kernel (ring_full)"
        );
        assert_eq!(lines[3], "could not be read: a.parquet");
    }

    #[test]
    fn what_nobody_watched_is_not_called_complete() {
        let mut told = told();
        told.watched.clear();
        assert!(lines(&told)[0].starts_with("not watched: no agent noted"));
        told.asked = (None, None);
        assert!(lines(&told)[0].starts_with("not known to be complete"));
    }

    #[test]
    fn rows_that_retention_took_are_told() {
        let mut told = told();
        told.kept_since = vec![("file_open".to_string(), TIME + 50 * SECOND)];
        assert!(lines(&told)[1].contains("the oldest row that is kept is of 2026-11-21 22:10:55Z"));
    }
}
