//! The functions that plain SQL lacks.

mod address;
mod label;
mod path;
mod percentile;
mod span;
mod time;

use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::cast::as_string_view_array;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{AggregateUDF, ColumnarValue, ScalarUDF};

pub use label::Labels;

/// Makes the functions known.
pub(crate) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    let scalars = [
        ScalarUDF::from(time::TimeBucket::new()),
        ScalarUDF::from(time::Ago::new()),
        ScalarUDF::from(address::IpIn::new()),
        ScalarUDF::from(path::PathPart::basename()),
        ScalarUDF::from(path::PathPart::dirname()),
    ];
    for function in scalars {
        registry.register_udf(Arc::new(function))?;
    }
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)] {
        let function = AggregateUDF::from(percentile::Percentile::new(name, share));
        registry.register_udaf(Arc::new(function))?;
    }
    register_label(registry, None)
}

/// Makes `label` known anew, with what tells pods' labels.
pub(crate) fn register_label(
    registry: &mut dyn FunctionRegistry,
    labels: Option<Labels>,
) -> Result<()> {
    registry.register_udf(Arc::new(ScalarUDF::from(label::Label::new(labels))))?;
    Ok(())
}

/// Text arguments, however they came, as one array of text.
fn texts(value: &ColumnarValue, rows: usize) -> Result<ArrayRef> {
    Ok(cast(&value.to_array(rows)?, &DataType::Utf8View)?)
}

/// `values` maps to text, row by row; null stays null.
fn map_text(
    value: &ColumnarValue,
    rows: usize,
    map: impl Fn(&str) -> Option<String>,
) -> Result<ColumnarValue> {
    let array = texts(value, rows)?;
    let array = as_string_view_array(&array)?;
    let mapped: StringViewArray = array.iter().map(|text| text.and_then(&map)).collect();
    Ok(ColumnarValue::Array(Arc::new(mapped)))
}

/// The text of a constant; none where it is null or no text.
fn constant(value: &ScalarValue) -> Option<&str> {
    value.try_as_str().flatten()
}

/// An error of the one who wrote the query.
fn wrong(what: String) -> DataFusionError {
    DataFusionError::Plan(what)
}
