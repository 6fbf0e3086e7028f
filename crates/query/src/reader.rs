//! Reading segments: every byte that the Parquet reader sees was checked by the store.
//!
//! Reads block: the engine's threads are there for that, and what they read is mostly in the page
//! cache.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_datasource::PartitionedFile;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use store::{Damaged, Opened, Segment};

use crate::progress::Tally;

/// Ranges that are this near are read together: the store checks whole blocks anyway.
const NEAR: u64 = 16 << 10;

/// A segment, or some of its row groups, as a piece of a scan. It rides on the `PartitionedFile`.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) segment: Arc<Segment>,
    pub(crate) tally: Arc<Tally>,
}

/// Makes readers of [`Stored`] pieces.
#[derive(Debug)]
pub(crate) struct Readers;

struct Reader {
    stored: Stored,
    /// Opened with the first read: a file may be left out before.
    opened: Option<Opened>,
    /// Where the columns of each row group are, and its rows.
    groups: Vec<(Range<u64>, u64)>,
}

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        _partition: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        _metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let stored = file.extension::<Stored>().cloned();
        let stored = stored
            .ok_or_else(|| DataFusionError::Internal(format!("{} is no segment", file.path())))?;
        stored.tally.begin();
        Ok(Box::new(Reader { stored, opened: None, groups: Vec::new() }))
    }
}

impl Reader {
    fn opened(&mut self) -> Result<&Opened, ParquetError> {
        if self.opened.is_none() {
            let opened = self.stored.segment.open().map_err(external)?;
            self.groups = groups(opened.metadata());
            self.opened = Some(opened);
        }
        Ok(self.opened.as_ref().expect("it was just opened"))
    }

    fn read(&mut self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        let bytes = self.opened()?.read(range.clone()).map_err(external)?;
        let tally = &self.stored.tally;
        tally.counters().add_bytes_read(range.end - range.start);
        for (number, (columns, rows)) in self.groups.iter().enumerate() {
            if columns.start < range.end && range.start < columns.end {
                tally.read(number, *rows);
            }
        }
        Ok(bytes)
    }

    /// Reads `ranges`, those near each other at once.
    fn read_all(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ParquetError> {
        let mut order: Vec<usize> = (0..ranges.len()).collect();
        order.sort_unstable_by_key(|&at| ranges[at].start);
        let mut all = vec![Bytes::new(); ranges.len()];
        let mut rest = &order[..];
        while let Some(&first) = rest.first() {
            let mut whole = ranges[first].clone();
            let near = rest.iter().take_while(|&&at| {
                let near = ranges[at].start <= whole.end + NEAR;
                if near {
                    whole.end = whole.end.max(ranges[at].end);
                }
                near
            });
            let (together, behind) = rest.split_at(near.count());
            rest = behind;
            let bytes = self.read(whole.clone())?;
            for &at in together {
                let [from, to] = [ranges[at].start, ranges[at].end].map(|it| it - whole.start);
                all[at] = bytes.slice(from as usize..to as usize);
            }
        }
        Ok(all)
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move { self.read(range) }.boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { self.read_all(&ranges) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move { Ok(self.opened()?.metadata().clone()) }.boxed()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stored.tally.end();
    }
}

/// Where the columns of each row group are, and its rows.
fn groups(metadata: &ParquetMetaData) -> Vec<(Range<u64>, u64)> {
    let of = |group: &parquet::file::metadata::RowGroupMetaData| {
        let ranges = group.columns().iter().map(|column| column.byte_range());
        let ranges = ranges.map(|(start, length)| start..start + length);
        let whole = ranges.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
        (whole.unwrap_or(0..0), group.num_rows() as u64)
    };
    metadata.row_groups().iter().map(of).collect()
}

fn external(error: Damaged) -> ParquetError {
    ParquetError::External(Box::new(error))
}
