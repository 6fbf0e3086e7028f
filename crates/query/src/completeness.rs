//! How far an answer can be trusted to be all: read from what the agent wrote of itself.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::common::DataFusionError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schema::Event;
use store::{AgentCoverage, Contents, Rows, Segment};

use crate::provider::{Asked, times};
use crate::window::Window;
use crate::{Completeness, Lost, TIME};

/// Stretches that are no further apart than this are one: the agent writes one every second.
const TOUCH: i64 = 2_500_000_000;
/// What loss can belong to beside a table: it may have been of any.
const ANY: &[&str] = &["record", "program", "system_call", "cgroup"];
const COLUMNS: &[&str] = &[TIME, "begun", "stage", "subject", "reason", "lost"];

/// What is known of the stretch that `asked` reads.
pub(crate) fn completeness(asked: &Asked) -> Result<Completeness, DataFusionError> {
    let (tables, window) = asked.reads();
    let mut found = Found { tables: &tables, window, watched: Vec::new(), lost: BTreeMap::new() };
    if !tables.is_empty()
        && let Some(rows) = asked.contents.tables.get(AgentCoverage::<'_>::TABLE.name)
    {
        found.read(rows)?;
    }
    let since = |table: &&str| Some((table.to_string(), kept_since(&asked.contents, table)?));
    let lost = found.lost.into_iter().map(|((stage, subject, reason), count)| Lost {
        stage,
        subject,
        reason,
        count,
    });
    Ok(Completeness {
        asked: (window.from, window.to),
        watched: joined(found.watched),
        kept_since: tables.iter().filter_map(since).collect(),
        lost: lost.collect(),
        unreadable: Vec::new(),
        tables: tables.into_iter().map(str::to_string).collect(),
    })
}

struct Found<'a> {
    tables: &'a [&'static str],
    window: Window,
    watched: Vec<(i64, i64)>,
    lost: BTreeMap<(String, String, String), u64>,
}

impl Found<'_> {
    fn read(&mut self, rows: &Rows) -> Result<(), DataFusionError> {
        // A row's time is its stretch's end, and stretches are short: a segment that ends before
        // the window has none of it. One that begins after it may, with its first rows.
        let window =
            Window { to: self.window.to.map(|to| to.saturating_add(TOUCH)), ..self.window };
        for segment in rows.segments.iter().filter(|it| window.touches(it.from, it.to)) {
            self.read_segment(segment)?;
        }
        for batch in &rows.hot {
            if times(batch).is_some_and(|(from, to)| window.touches(from, to)) {
                self.take(batch)?;
            }
        }
        Ok(())
    }

    fn read_segment(&mut self, segment: &Segment) -> Result<(), DataFusionError> {
        let opened = segment.open().map_err(|error| DataFusionError::External(Box::new(error)))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(opened)?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), COLUMNS.iter().copied());
        for batch in builder.with_projection(mask).build()? {
            self.take(&batch?)?;
        }
        Ok(())
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<(), DataFusionError> {
        let column = |name: &str, to: &DataType| match batch.column_by_name(name) {
            Some(column) => Ok(cast(column, to)?),
            None => Err(DataFusionError::Internal(format!("agent_coverage has no `{name}`"))),
        };
        let moment = |name: &str| {
            let time = column(name, &DataType::Timestamp(TimeUnit::Nanosecond, None))?;
            Ok::<_, DataFusionError>(cast(&time, &DataType::Int64)?)
        };
        let texts = |name: &str| column(name, &DataType::Utf8View);
        let (ended, begun, lost) =
            (moment(TIME)?, moment("begun")?, column("lost", &DataType::Int64)?);
        let (stage, subject, reason) = (texts("stage")?, texts("subject")?, texts("reason")?);
        let number = |it: &dyn Array, row: usize| it.as_primitive::<Int64Type>().value(row);
        let text =
            |it: &StringViewArray, row: usize| it.is_valid(row).then(|| it.value(row).to_string());
        for row in 0..batch.num_rows() {
            let stretch = (number(&begun, row), number(&ended, row));
            if !self.window.touches(stretch.0, stretch.1) {
                continue;
            }
            let Some(reason) = text(reason.as_string_view(), row) else {
                self.watched.push(stretch);
                continue;
            };
            let subject = text(subject.as_string_view(), row).unwrap_or_default();
            let of_these = self.tables.contains(&subject.as_str()) || ANY.contains(&&*subject);
            let count = u64::try_from(number(&lost, row)).unwrap_or(0);
            if of_these && count > 0 {
                let stage = text(stage.as_string_view(), row).unwrap_or_default();
                *self.lost.entry((stage, subject, reason)).or_default() += count;
            }
        }
        Ok(())
    }
}

/// Stretches in order, those that touch as one.
fn joined(mut stretches: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    stretches.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (from, to) in stretches {
        match joined.last_mut() {
            Some(last) if from <= last.1.saturating_add(TOUCH) => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

fn kept_since(contents: &Contents, table: &str) -> Option<i64> {
    let rows = contents.tables.get(table)?;
    let hot = rows.hot.iter().filter_map(|batch| times(batch).map(|(from, _)| from));
    rows.segments.iter().map(|segment| segment.from).chain(hot).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_that_touch_are_one() {
        let second = 1_000_000_000;
        let stretches = vec![(10 * second, 11 * second), (0, second), (2 * second, 3 * second)];
        assert_eq!(joined(stretches), [(0, 3 * second), (10 * second, 11 * second)]);
    }
}
