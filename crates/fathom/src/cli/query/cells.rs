//! Columns of an answer, ready to be told value by value: as JSON, or as plain text.

use std::io::Write;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int64Array, ListArray,
    StringViewArray, StructArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int64Type, TimeUnit, TimestampNanosecondType, UInt64Type,
};
use arrow::util::display::array_value_to_string;
use schema::plain::{Clock, digits};

/// One column of a batch.
pub(super) struct Column(Values);

/// What values a column has, brought to few types.
enum Values {
    Null,
    Bool(BooleanArray),
    Int(Int64Array),
    Uint(UInt64Array),
    Float32(Float32Array),
    Float(Float64Array),
    Text(StringViewArray),
    Time(TimestampNanosecondArray),
    /// Nanoseconds.
    Span(Int64Array),
    List(ListArray, Box<Column>),
    Struct(StructArray, Vec<(String, Column)>),
    /// What is told as Arrow tells it; `true` where that is a number.
    Other(ArrayRef, bool),
}

impl Column {
    /// The column that `array` is.
    pub(super) fn new(array: &ArrayRef) -> Column {
        // A value that a wider type cannot hold (a time of the year 3000) stays as it was.
        let cast = |to: &DataType| {
            cast(array, to).ok().filter(|cast| cast.null_count() == array.null_count())
        };
        let values = match array.data_type() {
            DataType::Null => Some(Values::Null),
            DataType::Boolean => Some(Values::Bool(array.as_boolean().clone())),
            it if it.is_signed_integer() => {
                cast(&DataType::Int64).map(|it| Values::Int(it.as_primitive::<Int64Type>().clone()))
            }
            it if it.is_unsigned_integer() => cast(&DataType::UInt64)
                .map(|it| Values::Uint(it.as_primitive::<UInt64Type>().clone())),
            DataType::Float32 => Some(Values::Float32(array.as_primitive::<Float32Type>().clone())),
            DataType::Float64 => Some(Values::Float(array.as_primitive::<Float64Type>().clone())),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                cast(&DataType::Utf8View).map(|it| Values::Text(it.as_string_view().clone()))
            }
            DataType::Timestamp(_, zone) => {
                let to = DataType::Timestamp(TimeUnit::Nanosecond, zone.clone());
                cast(&to)
                    .map(|it| Values::Time(it.as_primitive::<TimestampNanosecondType>().clone()))
            }
            DataType::Duration(_) => cast(&DataType::Duration(TimeUnit::Nanosecond))
                .and_then(|it| arrow::compute::cast(&it, &DataType::Int64).ok())
                .map(|it| Values::Span(it.as_primitive::<Int64Type>().clone())),
            DataType::Dictionary(_, value) => cast(value).map(|it| Column::new(&it).0),
            DataType::List(_) => {
                let list = array.as_list::<i32>().clone();
                let entries = Box::new(Column::new(list.values()));
                Some(Values::List(list, entries))
            }
            DataType::Struct(fields) => {
                let rows = array.as_struct().clone();
                let columns = fields.iter().zip(rows.columns());
                let columns = columns.map(|(it, array)| (it.name().clone(), Column::new(array)));
                let columns = columns.collect();
                Some(Values::Struct(rows, columns))
            }
            _ => None,
        };
        let number = array.data_type().is_decimal() || array.data_type().is_numeric();
        Column(values.unwrap_or_else(|| Values::Other(array.clone(), number)))
    }

    /// Whether there is no value in `row`.
    pub(super) fn is_null(&self, row: usize) -> bool {
        match &self.0 {
            Values::Null => true,
            Values::Bool(values) => values.is_null(row),
            Values::Int(values) | Values::Span(values) => values.is_null(row),
            Values::Uint(values) => values.is_null(row),
            Values::Float32(values) => values.is_null(row),
            Values::Float(values) => values.is_null(row),
            Values::Text(values) => values.is_null(row),
            Values::Time(values) => values.is_null(row),
            Values::List(values, _) => values.is_null(row),
            Values::Struct(values, _) => values.is_null(row),
            Values::Other(values, _) => values.is_null(row),
        }
    }

    /// The time in `row`, where it is one: nanoseconds since 1970.
    pub(super) fn time(&self, row: usize) -> Option<i64> {
        match &self.0 {
            Values::Time(times) if times.is_valid(row) => Some(times.value(row)),
            _ => None,
        }
    }

    /// The span in `row`, where it is one: nanoseconds.
    pub(super) fn span(&self, row: usize) -> Option<i64> {
        match &self.0 {
            Values::Span(spans) if spans.is_valid(row) => Some(spans.value(row)),
            _ => None,
        }
    }

    /// Appends the value of `row` as plain text: times in RFC 3339, spans in nanoseconds. Null is
    /// nothing.
    pub(super) fn plain(&self, row: usize, clock: &mut Clock, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return;
        }
        match &self.0 {
            Values::Text(values) => out.extend_from_slice(values.value(row).as_bytes()),
            Values::Time(values) => clock.write(out, values.value(row)),
            Values::Float32(values) => put(out, values.value(row)),
            Values::Float(values) => put(out, values.value(row)),
            Values::Other(values, _) => {
                out.extend_from_slice(other(values, row).as_bytes());
            }
            _ => self.json(row, clock, out),
        }
    }

    /// Appends the value of `row` as JSON: as plain text where that is a number, else a string.
    /// A number that JSON has not (`NaN`) is null.
    pub(super) fn json(&self, row: usize, clock: &mut Clock, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return out.extend_from_slice(b"null");
        }
        match &self.0 {
            Values::Null => {}
            Values::Bool(values) => put(out, values.value(row)),
            Values::Int(values) | Values::Span(values) => digits::int(out, values.value(row)),
            Values::Uint(values) => digits::uint(out, values.value(row)),
            Values::Float32(values) => float(out, values.value(row), values.value(row).is_finite()),
            Values::Float(values) => float(out, values.value(row), values.value(row).is_finite()),
            Values::Text(values) => string(out, values.value(row)),
            Values::Time(values) => {
                // None of its letters is one that JSON escapes.
                out.push(b'"');
                clock.write(out, values.value(row));
                out.push(b'"');
            }
            Values::List(list, entries) => {
                let [from, to] = [row, row + 1].map(|at| list.value_offsets()[at] as usize);
                out.push(b'[');
                for at in from..to {
                    separate(out, at > from);
                    entries.json(at, clock, out);
                }
                out.push(b']');
            }
            Values::Struct(_, columns) => {
                out.push(b'{');
                for (at, (name, column)) in columns.iter().enumerate() {
                    separate(out, at > 0);
                    string(out, name);
                    out.push(b':');
                    column.json(row, clock, out);
                }
                out.push(b'}');
            }
            Values::Other(values, true) => out.extend_from_slice(other(values, row).as_bytes()),
            Values::Other(values, false) => string(out, &other(values, row)),
        }
    }
}

/// Whether values of this type are numbers, which stand at the right of their column.
pub(super) fn is_number(it: &DataType) -> bool {
    it.is_numeric() || matches!(it, DataType::Duration(_))
}

/// Appends `text` as a JSON string.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a vector takes every write");
}

fn float(out: &mut Vec<u8>, value: impl std::fmt::Display, finite: bool) {
    if finite { put(out, value) } else { out.extend_from_slice(b"null") }
}

fn other(values: &ArrayRef, row: usize) -> String {
    array_value_to_string(values, row).unwrap_or_else(|error| format!("({error})"))
}

fn separate(out: &mut Vec<u8>, again: bool) {
    if again {
        out.push(b',');
    }
}

fn put(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("a vector takes every write");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Decimal128Array, DurationMillisecondArray, Int8Array, LargeStringArray,
        TimestampSecondArray,
    };
    use arrow::datatypes::Int32Type;

    use super::*;

    fn told(array: impl Array + 'static) -> Vec<(String, String)> {
        let rows = array.len();
        let column = Column::new(&(Arc::new(array) as ArrayRef));
        let mut clock = Clock::new();
        let told = (0..rows).map(|row| {
            let (mut plain, mut json) = (Vec::new(), Vec::new());
            column.plain(row, &mut clock, &mut plain);
            column.json(row, &mut clock, &mut json);
            let json = String::from_utf8(json).unwrap();
            serde_json::from_str::<serde_json::Value>(&json).expect("it is JSON");
            (String::from_utf8(plain).unwrap(), json)
        });
        told.collect()
    }

    fn pair(plain: &str, json: &str) -> (String, String) {
        (plain.to_string(), json.to_string())
    }

    #[test]
    fn every_kind_of_value_is_told() {
        assert_eq!(
            told(Int8Array::from(vec![Some(-7), None])),
            [pair("-7", "-7"), pair("", "null")]
        );
        assert_eq!(told(UInt64Array::from(vec![u64::MAX]))[0].1, u64::MAX.to_string());
        assert_eq!(
            told(Float64Array::from(vec![0.5, f64::NAN, 3.0])),
            [pair("0.5", "0.5"), pair("NaN", "null"), pair("3", "3")]
        );
        assert_eq!(told(Float32Array::from(vec![0.1]))[0], pair("0.1", "0.1"));
        let text = "a\"b\n\u{1}é";
        let expected = pair(text, "\"a\\\"b\\n\\u0001é\"");
        assert_eq!(told(LargeStringArray::from(vec![text]))[0], expected);
        assert_eq!(told(StringViewArray::from(vec![text]))[0], expected);
        let time = "2000-02-29T00:00:00.000000000Z";
        let quoted = format!("\"{time}\"");
        assert_eq!(told(TimestampSecondArray::from(vec![951_782_400]))[0], pair(time, &quoted));
        let spans = told(DurationMillisecondArray::from(vec![1500]));
        assert_eq!(spans[0], pair("1500000000", "1500000000"));
        let decimals = Decimal128Array::from(vec![12345]).with_precision_and_scale(9, 2).unwrap();
        assert_eq!(told(decimals)[0], pair("123.45", "123.45"));
        let lists = [Some(vec![Some(1), None]), None, Some(vec![])];
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
        assert_eq!(told(lists)[0], pair("[1,null]", "[1,null]"));
    }

    #[test]
    fn a_time_beyond_nanoseconds_is_not_lost() {
        let far = TimestampSecondArray::from(vec![32_503_680_000]);
        assert_eq!(told(far)[0].0, "3000-01-01T00:00:00");
    }
}
