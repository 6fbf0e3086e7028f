//! `time_bucket` and `ago`.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampNanosecondType};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::{constant, span, wrong};

/// `time_bucket(width, time)`: the beginning of the stretch of that width that a time is in.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TimeBucket {
    signature: Signature,
}

/// `ago(span)`: the moment so long before the query.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Ago {
    signature: Signature,
}

impl TimeBucket {
    pub(super) fn new() -> TimeBucket {
        TimeBucket { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &str {
        "time_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [width, time] = types else {
            return Err(wrong(
                "time_bucket takes a width and a time: time_bucket('10s', time)".into(),
            ));
        };
        let width = match width {
            DataType::Interval(_) | DataType::Duration(_) => width.clone(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
                DataType::Utf8
            }
            other => {
                return Err(wrong(format!(
                    "time_bucket's width is text or an interval, not {other}"
                )));
            }
        };
        let zone = match time {
            DataType::Timestamp(_, zone) => zone.clone(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
                Some("UTC".into())
            }
            other => return Err(wrong(format!("time_bucket takes a time, not {other}"))),
        };
        Ok(vec![width, DataType::Timestamp(TimeUnit::Nanosecond, zone)])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[1].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ColumnarValue::Scalar(width) = &args.args[0] else {
            return Err(wrong("time_bucket's width has to be a constant".into()));
        };
        let width = nanoseconds(width)?;
        let DataType::Timestamp(_, zone) = args.return_type() else {
            return Err(wrong("time_bucket gives a time".into()));
        };
        let begin = |time: i64| time - time.rem_euclid(width);
        match &args.args[1] {
            ColumnarValue::Scalar(ScalarValue::TimestampNanosecond(time, zone)) => {
                let begun = ScalarValue::TimestampNanosecond(time.map(begin), zone.clone());
                Ok(ColumnarValue::Scalar(begun))
            }
            times => {
                let times = times.to_array(args.number_rows)?;
                let times = times.as_primitive::<TimestampNanosecondType>();
                let begun = times.unary::<_, TimestampNanosecondType>(begin);
                let begun = begun.with_timezone_opt(zone.clone());
                debug_assert_eq!(begun.data_type(), args.return_type());
                Ok(ColumnarValue::Array(Arc::new(begun)))
            }
        }
    }
}

/// A constant width in nanoseconds.
fn nanoseconds(width: &ScalarValue) -> Result<i64> {
    if let Some(text) = constant(width) {
        return span::parse(text).map_err(wrong);
    }
    let uneven =
        || wrong("a bucket has a fixed width: months go by date_trunc('month', time)".into());
    let total = match width {
        ScalarValue::IntervalMonthDayNano(Some(it)) => {
            if it.months != 0 {
                return Err(uneven());
            }
            i64::from(it.days)
                .checked_mul(86_400_000_000_000)
                .and_then(|days| days.checked_add(it.nanoseconds))
        }
        ScalarValue::IntervalDayTime(Some(it)) => {
            Some(i64::from(it.days) * 86_400_000_000_000 + i64::from(it.milliseconds) * 1_000_000)
        }
        ScalarValue::IntervalYearMonth(Some(_)) => return Err(uneven()),
        ScalarValue::DurationNanosecond(it) => *it,
        ScalarValue::DurationMicrosecond(it) => it.and_then(|it| it.checked_mul(1_000)),
        ScalarValue::DurationMillisecond(it) => it.and_then(|it| it.checked_mul(1_000_000)),
        ScalarValue::DurationSecond(it) => it.and_then(|it| it.checked_mul(1_000_000_000)),
        _ => None,
    };
    let total = total.filter(|width| *width > 0);
    total.ok_or_else(|| wrong("time_bucket's width has to be more than nothing".into()))
}

impl Ago {
    pub(super) fn new() -> Ago {
        Ago { signature: Signature::string(1, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for Ago {
    fn name(&self) -> &str {
        "ago"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())))
    }

    fn simplify(&self, args: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(now) = context.query_execution_start_time() else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        let text = match &args[..] {
            [Expr::Literal(value, _)] => constant(value),
            _ => None,
        };
        let text = text.ok_or_else(|| wrong("ago takes a constant: ago('1h')".into()))?;
        let span = span::parse(text).map_err(wrong)?;
        let moment = now.timestamp_nanos_opt().and_then(|now| now.checked_sub(span));
        let moment = ScalarValue::TimestampNanosecond(moment, Some("UTC".into()));
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(moment, None)))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(wrong("ago takes a constant: ago('1h')".into()))
    }
}
