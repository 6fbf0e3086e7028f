//! Conditions on rows of one table, for whoever follows them live.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::filter_record_batch;
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::common::{DFSchema, Result};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::parser::DFParserBuilder;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use schema::Table;

use crate::problem::{self, Names};
use crate::provider::sql_schema;
use crate::{Problem, Trouble};

/// A compiled condition.
#[derive(Debug, Clone)]
pub struct Filter {
    condition: Arc<dyn PhysicalExpr>,
}

impl Filter {
    pub(crate) fn new(
        state: &SessionState,
        table: &'static Table,
        condition: &str,
        names: &Names,
    ) -> Result<Filter, Problem> {
        let condition = compile(state, table, condition)
            .map_err(|error| problem::explain(&error, condition, names))?;
        Ok(Filter { condition })
    }

    /// The rows of `batch` that fit. Its columns are the table's, as the store holds them.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, Problem> {
        let fits = self.condition.evaluate(batch).and_then(|it| it.into_array(batch.num_rows()));
        let kept = fits.and_then(|fits| Ok(filter_record_batch(batch, fits.as_boolean())?));
        kept.map_err(|error| problem::explain(&error, "", &Names::default()))
    }
}

fn compile(
    state: &SessionState,
    table: &'static Table,
    condition: &str,
) -> Result<Arc<dyn PhysicalExpr>> {
    let mut parser = DFParserBuilder::new(condition).with_dialect(&GenericDialect {}).build()?;
    let parsed = parser.parse_into_expr()?;
    let schema = sql_schema(table);
    let named = DFSchema::try_from_qualified_schema(table.name, &schema)?;
    let condition = state.create_logical_expr_from_sql_expr(parsed, &named)?;
    // Calls such as `ago('1h')` become the moments that they mean.
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(named.clone()))
        .with_config_options(state.config_options().clone())
        .with_current_time()
        .build();
    let simplifier = ExprSimplifier::new(context);
    let condition = simplifier.simplify(simplifier.coerce(condition, &named)?)?;
    let condition = state.create_physical_expr(condition, &named)?;
    match condition.data_type(&schema)? {
        DataType::Boolean => Ok(condition),
        other => Err(DataFusionError::External(Box::new(Problem {
            kind: Trouble::Sql,
            message: format!("a filter is a condition: this one gives {other}"),
            place: None,
            near: Vec::new(),
        }))),
    }
}
