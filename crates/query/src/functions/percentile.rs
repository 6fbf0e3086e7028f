//! `p50`, `p90`, `p95`, `p99`: shares of a distribution, by a t-digest.
//!
//! They are approximate: a digest keeps about 100 weighted points, denser at both ends, and
//! interpolates between them. Groups of fewer values than that are as good as exact.

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::functions_aggregate::approx_percentile_cont::{
    ApproxPercentileAccumulator, ApproxPercentileCont,
};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};

use super::wrong;

/// The value that a share of all values is below.
#[derive(Debug)]
pub(super) struct Percentile {
    name: &'static str,
    share: f64,
    signature: Signature,
}

impl Percentile {
    pub(super) fn new(name: &'static str, share: f64) -> Percentile {
        Percentile { name, share, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Percentile {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [it] if it.is_numeric() || it.is_null() => Ok(vec![DataType::Float64]),
            _ => Err(wrong(format!("{} takes one number", self.name))),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(ApproxPercentileAccumulator::new(self.share, DataType::Float64)))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        ApproxPercentileCont::new().state_fields(args)
    }
}

impl PartialEq for Percentile {
    fn eq(&self, other: &Percentile) -> bool {
        self.name == other.name
    }
}

impl Eq for Percentile {}

impl std::hash::Hash for Percentile {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
