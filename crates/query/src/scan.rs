//! A scan over memory and disk at once: hot batches are files that need no reading.
//!
//! Both kinds are pieces in one queue, newest first, which the threads empty together. So pruning
//! by a sort's threshold, limits and statistics need to be thought of once. What is done with a
//! segment is DataFusion's [`ParquetSource`]; a hot piece gets the same condition and projection
//! here.

use std::fmt;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Schema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::physical_plan::{
    FileOpener, FileScanConfig, FileSource, ParquetSource,
};
use datafusion::object_store::ObjectStore;
use datafusion::physical_expr::projection::{ProjectionExprs, Projector};
use datafusion::physical_expr::utils::reassign_expr_columns;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use datafusion_datasource::{PartitionedFile, TableSchema};
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::progress::Tally;

/// Rows in memory as a piece of a scan. It rides on the `PartitionedFile`.
#[derive(Debug, Clone)]
pub(crate) struct Hot {
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) tally: Arc<Tally>,
}

/// Reads pieces: [`Hot`] ones here, all others as Parquet.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    parquet: ParquetSource,
    batch_size: usize,
}

impl Source {
    pub(crate) fn new(parquet: ParquetSource) -> Source {
        Source { parquet, batch_size: 8192 }
    }

    /// The same around what became of the inner source.
    fn around(&self, inner: &Arc<dyn FileSource>) -> Result<Arc<dyn FileSource>> {
        let parquet = inner.downcast_ref::<ParquetSource>().cloned();
        let parquet = parquet
            .ok_or_else(|| DataFusionError::Internal("a Parquet source turned".to_string()))?;
        Ok(Arc::new(Source { parquet, ..self.clone() }))
    }
}

impl FileSource for Source {
    fn create_file_opener(
        &self,
        _store: Arc<dyn ObjectStore>,
        _config: &FileScanConfig,
        _partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        Err(DataFusionError::Internal("pieces are read as morsels".to_string()))
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let stored = self.parquet.create_morselizer(store, config, partition)?;
        let schema = self.table_schema().table_schema();
        let projection = match self.parquet.projection() {
            Some(projection) => projection.clone(),
            None => {
                let all: Vec<usize> = (0..schema.fields().len()).collect();
                ProjectionExprs::from_indices(&all, schema)
            }
        };
        let hot = HotWork::new(self.parquet.filter(), projection, schema, self.batch_size)?;
        Ok(Box::new(Pieces { stored, hot: Arc::new(hot) }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.parquet.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        let inner = self.parquet.with_batch_size(batch_size);
        let parquet = inner.downcast_ref::<ParquetSource>().unwrap_or(&self.parquet).clone();
        Arc::new(Source { parquet, batch_size })
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.parquet.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.parquet.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.parquet.metrics()
    }

    fn file_type(&self) -> &str {
        "rows"
    }

    fn fmt_extra(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parquet.fmt_extra(format, f)
    }

    fn supports_repartitioning(&self) -> bool {
        // Pieces are small enough as they are made.
        false
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let done = self.parquet.try_pushdown_filters(filters, config)?;
        let updated_node = done.updated_node.map(|inner| self.around(&inner)).transpose()?;
        Ok(FilterPushdownPropagation { filters: done.filters, updated_node })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        Ok(match self.parquet.try_pushdown_sort(order, properties)? {
            // Nothing is declared to be sorted, so nothing can be exact.
            SortOrderPushdownResult::Exact { inner }
            | SortOrderPushdownResult::Inexact { inner } => {
                SortOrderPushdownResult::Inexact { inner: self.around(&inner)? }
            }
            SortOrderPushdownResult::Unsupported => SortOrderPushdownResult::Unsupported,
        })
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.parquet.reorder_files(files)
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        let inner = self.parquet.try_pushdown_projection(projection)?;
        inner.map(|inner| self.around(&inner)).transpose()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.parquet.apply_expressions(f)
    }
}

/// Sends each piece to where it is read.
#[derive(Debug)]
struct Pieces {
    stored: Box<dyn Morselizer>,
    hot: Arc<HotWork>,
}

impl Morselizer for Pieces {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        match file.extension::<Hot>() {
            Some(piece) => {
                piece.tally.begin();
                Ok(Box::new(HotPiece { piece: piece.clone(), work: self.hot.clone() }))
            }
            None => self.stored.plan_file(file),
        }
    }
}

/// What is done with hot batches.
#[derive(Debug)]
struct HotWork {
    condition: Option<Arc<dyn PhysicalExpr>>,
    /// The columns that the projection needs, and the projection over these alone.
    columns: Vec<usize>,
    projector: Projector,
    batch_size: usize,
}

impl HotWork {
    fn new(
        condition: Option<Arc<dyn PhysicalExpr>>,
        projection: ProjectionExprs,
        schema: &Schema,
        batch_size: usize,
    ) -> Result<HotWork> {
        let columns = projection.column_indices();
        let narrow = schema.project(&columns)?;
        let projection = projection.try_map_exprs(|it| reassign_expr_columns(it, &narrow))?;
        let projector = projection.make_projector(&narrow)?;
        Ok(HotWork { condition, columns, projector, batch_size })
    }

    fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let narrow = batch.project(&self.columns)?;
        let Some(condition) = &self.condition else { return self.projector.project_batch(&narrow) };
        let fits = condition.evaluate(batch)?.into_array(batch.num_rows())?;
        self.projector.project_batch(&filter_record_batch(&narrow, fits.as_boolean())?)
    }
}

/// A hot piece that is read. Dropping it ends its part in the counters.
#[derive(Debug)]
struct HotPiece {
    piece: Hot,
    work: Arc<HotWork>,
}

impl MorselPlanner for HotPiece {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        Ok(Some(MorselPlan::new().with_morsels(vec![self])))
    }
}

impl Morsel for HotPiece {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let size = self.work.batch_size;
        let slices: Vec<(usize, usize)> = (0..self.piece.batches.len())
            .flat_map(|at| {
                let rows = self.piece.batches[at].num_rows();
                (0..rows).step_by(size).map(move |from| (at, from))
            })
            .collect();
        let read = slices.into_iter().enumerate().map(move |(number, (at, from))| {
            let batch = &self.piece.batches[at];
            let rows = size.min(batch.num_rows() - from);
            self.piece.tally.read(number, rows as u64);
            self.work.apply(&batch.slice(from, rows))
        });
        stream::iter(read).boxed()
    }
}

impl Drop for HotPiece {
    fn drop(&mut self) {
        self.piece.tally.end();
    }
}
