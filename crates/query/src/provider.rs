//! A table of the schema as SQL sees it: its hot rows and its segments.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{max, min};
use arrow::datatypes::{Field, Schema, SchemaRef, TimestampNanosecondType};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, DataFusionError, Result, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_datasource::PartitionedFile;
use schema::Table;
use store::{Contents, Segment, arrow_schema};

use crate::TIME;
use crate::progress::{Counters, Tally};
use crate::reader::{Readers, Stored};
use crate::scan::{Hot, Source};
use crate::window::Window;

/// Rows of a hot piece, about.
const HOT_ROWS: usize = 64 << 10;
/// A piece of a segment should be no more than its part of all rows, if each thread has so many.
const PIECES: u64 = 4;
/// Segments of no more rows than this, one row group of the store's, stay whole.
const WHOLE_ROWS: u64 = 128 << 10;

/// One query, as its scans see it: what there is to read, and what they tell of it.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) contents: Arc<Contents>,
    pub(crate) counters: Arc<Counters>,
    reads: Mutex<Vec<(&'static str, Window)>>,
}

/// A table.
#[derive(Debug)]
pub(crate) struct Provider {
    table: &'static Table,
    schema: SchemaRef,
}

/// The columns of `table` in SQL. An older segment may lack any of them but the time.
pub(crate) fn sql_schema(table: &Table) -> SchemaRef {
    let schema = arrow_schema(table);
    let fields = schema.fields().iter().map(|field| {
        let nullable = field.name() != TIME;
        Field::clone(field).with_nullable(nullable)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The first and the last time in `batch`; none if it has no rows.
pub(crate) fn times(batch: &RecordBatch) -> Option<(i64, i64)> {
    let time = batch.column_by_name(TIME)?.as_primitive_opt::<TimestampNanosecondType>()?;
    Some((min(time)?, max(time)?))
}

impl Asked {
    pub(crate) fn new(contents: Arc<Contents>) -> Asked {
        Asked { contents, ..Asked::default() }
    }

    /// The tables that are read, each once, and the stretch that is asked for: that of all scans
    /// together which have one. A view's scans that only look for something to stand beside its
    /// rows (ancestors, the other end) have none.
    pub(crate) fn reads(&self) -> (Vec<&'static str>, Window) {
        let reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let bounded = reads.iter().map(|(_, window)| *window);
        let window = bounded.filter(|it| *it != Window::default()).reduce(Window::hull);
        let mut tables: Vec<&'static str> = reads.iter().map(|(table, _)| *table).collect();
        tables.sort_unstable();
        tables.dedup();
        (tables, window.unwrap_or_default())
    }

    fn note(&self, table: &'static str, window: Window) {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).push((table, window));
    }
}

impl Provider {
    pub(crate) fn new(table: &'static Table) -> Provider {
        Provider { table, schema: sql_schema(table) }
    }

    /// The pieces that may have rows of `window`, newest first.
    fn pieces(
        &self,
        asked: &Asked,
        window: Window,
        threads: usize,
    ) -> Result<Vec<PartitionedFile>> {
        let Some(rows) = asked.contents.tables.get(self.table.name) else { return Ok(Vec::new()) };
        let mut pieces = self.hot(&rows.hot, asked, window, threads);
        let fits = |segment: &&Arc<Segment>| window.touches(segment.from, segment.to);
        let mut segments: Vec<&Arc<Segment>> = rows.segments.iter().filter(fits).collect();
        segments.sort_by_key(|segment| (segment.to, segment.sequence));
        let left_out = rows.segments.len() - segments.len();
        asked.counters.add_segments(segments.len() as u64, left_out as u64);
        let rows: u64 = segments.iter().map(|segment| segment.rows).sum();
        let most = WHOLE_ROWS.max(rows / (PIECES * threads.max(1) as u64));
        for segment in segments.into_iter().rev() {
            if segment.rows > most && threads > 1 {
                self.apart(segment, asked, most, &mut pieces)?;
            } else {
                pieces.push(self.whole(segment, asked));
            }
        }
        Ok(pieces)
    }

    fn hot(
        &self,
        batches: &[RecordBatch],
        asked: &Asked,
        window: Window,
        threads: usize,
    ) -> Vec<PartitionedFile> {
        let timed = batches.iter().filter_map(|batch| Some((batch, times(batch)?)));
        let timed: Vec<_> = timed.filter(|(_, (from, to))| window.touches(*from, *to)).collect();
        let rows: usize = timed.iter().map(|(batch, _)| batch.num_rows()).sum();
        let most = HOT_ROWS.min(rows.div_ceil(threads.max(1)));
        let mut pieces = Vec::new();
        let mut batches = timed.into_iter().rev().peekable();
        while batches.peek().is_some() {
            let (mut held, mut rows) = (Vec::new(), 0);
            let (mut from, mut to) = (i64::MAX, i64::MIN);
            while rows < most
                && let Some((batch, (first, last))) = batches.next()
            {
                rows += batch.num_rows();
                (from, to) = (from.min(first), to.max(last));
                held.push(batch.clone());
            }
            let tally = Arc::new(Tally::new(asked.counters.clone(), rows as u64));
            let statistics = self.statistics(rows as u64, Some((from, to)), true);
            let piece = PartitionedFile::new(format!("{}/memory", self.table.name), 0)
                .with_statistics(Arc::new(statistics))
                .with_extension(Hot { batches: held, tally });
            pieces.push(piece);
        }
        pieces
    }

    fn whole(&self, segment: &Arc<Segment>, asked: &Asked) -> PartitionedFile {
        let times = Some((segment.from, segment.to));
        let statistics = self.statistics(segment.rows, times, true);
        let tally = Arc::new(Tally::new(asked.counters.clone(), segment.rows));
        PartitionedFile::new(segment.path.display().to_string(), segment.bytes)
            .with_statistics(Arc::new(statistics))
            .with_extension(Stored { segment: segment.clone(), tally })
    }

    /// Makes pieces of a segment's row groups, so that no thread waits for another's large file.
    fn apart(
        &self,
        segment: &Arc<Segment>,
        asked: &Asked,
        most: u64,
        pieces: &mut Vec<PartitionedFile>,
    ) -> Result<()> {
        let opened = segment.open().map_err(|error| DataFusionError::External(Box::new(error)))?;
        let groups = opened.metadata().row_groups();
        let number = groups.len();
        let each = ((most * number as u64 / segment.rows) as usize).max(1);
        // Rows come by time, so the last groups are the newest.
        for from in (0..number).step_by(each).rev() {
            let within: Range<usize> = from..number.min(from + each);
            let rows = groups[within.clone()].iter().map(|group| group.num_rows() as u64).sum();
            let mut plan = ParquetAccessPlan::new_none(number);
            within.for_each(|at| plan.set(at, RowGroupAccess::Scan));
            let statistics = self.statistics(rows, Some((segment.from, segment.to)), false);
            let tally = Arc::new(Tally::new(asked.counters.clone(), rows));
            let piece = PartitionedFile::new(segment.path.display().to_string(), segment.bytes)
                .with_statistics(Arc::new(statistics))
                .with_extension(Stored { segment: segment.clone(), tally })
                .with_extension(plan);
            pieces.push(piece);
        }
        Ok(())
    }

    /// What is known of so many rows with these times, which may be wider than the rows'.
    fn statistics(&self, rows: u64, times: Option<(i64, i64)>, exact: bool) -> Statistics {
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Exact(rows as usize);
        let at = self.schema.index_of(TIME);
        if let (Ok(at), Some((from, to))) = (at, times) {
            let moment = |time| {
                let value = ScalarValue::TimestampNanosecond(Some(time), Some("UTC".into()));
                if exact { Precision::Exact(value) } else { Precision::Inexact(value) }
            };
            statistics.column_statistics[at] = ColumnStatistics {
                null_count: Precision::Exact(0),
                min_value: moment(from),
                max_value: moment(to),
                ..ColumnStatistics::new_unknown()
            };
        }
        statistics
    }

    /// What is known of all rows in `window`'s pieces.
    fn total(&self, asked: &Asked, window: Window) -> Statistics {
        let Some(rows) = asked.contents.tables.get(self.table.name) else {
            return self.statistics(0, None, true);
        };
        let hot = rows.hot.iter().filter_map(|it| times(it).map(|(a, b)| (a, b, it.num_rows())));
        let stored = rows.segments.iter().map(|it| (it.from, it.to, it.rows as usize));
        let (mut number, mut span) = (0, None);
        for (from, to, rows) in hot.chain(stored).filter(|it| window.touches(it.0, it.1)) {
            number += rows as u64;
            let (first, last) = span.unwrap_or((from, to));
            span = Some((from.min(first), to.max(last)));
        }
        self.statistics(number, span, true)
    }
}

#[async_trait]
impl TableProvider for Provider {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // They prune here; the physical plan hands them to the scan, which applies them.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let asked = session.config().get_extension::<Asked>();
        let asked = asked.ok_or_else(|| DataFusionError::Internal("nobody asked".to_string()))?;
        let window = Window::of(filters);
        asked.note(self.table.name, window);
        let threads = session.config().target_partitions();
        let pieces = self.pieces(&asked, window, threads)?;
        let options = session.table_options().parquet.clone();
        let parquet = ParquetSource::new(self.schema.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(Readers));
        let source = Arc::new(Source::new(parquet));
        // Dealt like cards, so that each thread begins with the newest there is.
        let mut groups = vec![Vec::new(); threads.min(pieces.len()).max(1)];
        let number = groups.len();
        for (at, piece) in pieces.into_iter().enumerate() {
            groups[at % number].push(piece);
        }
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_statistics(self.total(&asked, window))
            .with_file_groups(groups.into_iter().map(FileGroup::new).collect())
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
