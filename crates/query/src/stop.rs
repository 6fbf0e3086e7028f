//! How a query is stopped that does not come up for air.
//!
//! A task that is aborted ends where it next waits. A join that multiplies rows in memory waits for
//! nothing: what it gives is made to yield, and its condition looks at the clock itself, so that it
//! ends even where no thread is left to tell the time.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::datatypes::{FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder,
};
use tokio::time::Instant;

use crate::answer::{broken_off, too_long};

/// Whether a query is to end.
#[derive(Debug)]
pub(crate) struct Stop {
    deadline: Instant,
    time_out: Duration,
    gone: AtomicBool,
}

/// A condition that ends with its query.
#[derive(Debug)]
struct Stoppable {
    inner: Arc<dyn PhysicalExpr>,
    stop: Arc<Stop>,
}

impl Stop {
    pub(crate) fn new(deadline: Instant, time_out: Duration) -> Stop {
        Stop { deadline, time_out, gone: AtomicBool::new(false) }
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn gone(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> Result<()> {
        let problem = if self.gone.load(Ordering::Relaxed) {
            broken_off()
        } else if Instant::now() >= self.deadline {
            too_long(self.time_out)
        } else {
            return Ok(());
        };
        Err(DataFusionError::External(Box::new(problem)))
    }
}

/// `plan` with joins that `stop` ends.
pub(crate) fn stoppable(
    plan: Arc<dyn ExecutionPlan>,
    stop: &Arc<Stop>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let done = plan.transform_up(|plan| {
        if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
            let join = nested_loop(join, stop)?;
            return Ok(Transformed::yes(Arc::new(CooperativeExec::new(join)) as _));
        }
        if plan.is::<CrossJoinExec>() || plan.is::<HashJoinExec>() {
            return Ok(Transformed::yes(Arc::new(CooperativeExec::new(plan)) as _));
        }
        Ok(Transformed::no(plan))
    })?;
    Ok(done.data)
}

fn nested_loop(join: &NestedLoopJoinExec, stop: &Arc<Stop>) -> Result<Arc<dyn ExecutionPlan>> {
    let filter = join.filter().map(|filter| {
        let (inner, stop) = (filter.expression().clone(), stop.clone());
        let condition = Arc::new(Stoppable { inner, stop });
        JoinFilter::new(condition, filter.column_indices().to_vec(), filter.schema().clone())
    });
    let join = NestedLoopJoinExecBuilder::new(
        join.left().clone(),
        join.right().clone(),
        *join.join_type(),
    )
    .with_projection_ref(join.projection().clone())
    .with_filter(filter)
    .build()?;
    Ok(Arc::new(join))
}

impl PhysicalExpr for Stoppable {
    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.stop.check()?;
        self.inner.evaluate(batch)
    }

    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(schema)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let inner = children.into_iter().next().unwrap_or_else(|| self.inner.clone());
        Ok(Arc::new(Stoppable { inner, stop: self.stop.clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}

impl fmt::Display for Stoppable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PartialEq for Stoppable {
    fn eq(&self, other: &Stoppable) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Stoppable {}

impl Hash for Stoppable {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}
