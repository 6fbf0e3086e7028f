//! Tables as Arrow: the one place where a [`Table`] becomes a schema and batches become arrays.
//!
//! A value is what CSV shows of it, but for times, numbers and yes-or-no, which keep their types:
//! addresses, process keys, errors, signals, sets, permissions and argument vectors are text. So a
//! query needs no functions to read a row, and every tool that reads Parquet shows the same.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, PrimitiveArray, StringViewArray, StringViewBuilder,
    TimestampNanosecondArray, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field as ArrowField, Schema, SchemaRef, TimeUnit, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow::record_batch::RecordBatch;
use schema::plain::{self, Clock};
use schema::{Batch, COMMON, Column, Field, Kind, ProcessKey, Table, Unit, Value, common_value};

/// The columns of `table` as Arrow has them: the common ones first.
pub fn arrow_schema(table: &Table) -> SchemaRef {
    let fields = COMMON.iter().chain(table.fields);
    let fields = fields.map(|it| ArrowField::new(it.name, data_type(it), it.nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// How values of `field` are held. What counts or measures is signed, so that SQL can subtract.
pub fn data_type(field: &Field) -> DataType {
    match field.kind {
        Kind::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some(UTC.into())),
        Kind::Duration | Kind::Int => DataType::Int64,
        Kind::Uint if field.unit != Unit::None => DataType::Int64,
        Kind::Uint => DataType::UInt64,
        Kind::Pid | Kind::Uid | Kind::Gid => DataType::UInt32,
        Kind::Port => DataType::UInt16,
        Kind::Bool => DataType::Boolean,
        Kind::Process
        | Kind::Text
        | Kind::Path
        | Kind::Args
        | Kind::Ip
        | Kind::Peer(_)
        | Kind::Errno
        | Kind::Signal
        | Kind::Flags(_)
        | Kind::Capabilities
        | Kind::Mode
        | Kind::Device => DataType::Utf8View,
    }
}

/// Rows of one table as arrays, in the order of `batches`.
pub fn to_arrow(table: &'static Table, batches: &[Arc<Batch>]) -> RecordBatch {
    let rows = batches.iter().map(|batch| batch.len()).sum();
    let mut arrays = common(batches, rows);
    for (at, field) in table.fields.iter().enumerate() {
        let columns: Vec<&Column> = batches.iter().map(|batch| &batch.columns[at]).collect();
        arrays.push(own(field, &columns, rows));
    }
    RecordBatch::try_new(arrow_schema(table), arrays).expect("the arrays are made by the schema")
}

const UTC: &str = "UTC";
/// The first common column that follows from the process alone, as do all after it.
const FROM_PROCESS: usize = 6;

/// The columns that every table has. Those that follow from the process are made once for each
/// process, and then taken for each row.
fn common(batches: &[Arc<Batch>], rows: usize) -> Vec<ArrayRef> {
    let mut time = Vec::with_capacity(rows);
    let (mut pid, mut tid) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    let mut comm = StringViewBuilder::with_capacity(rows).with_deduplicate_strings();
    let mut node = StringViewBuilder::with_capacity(rows).with_deduplicate_strings();
    let (mut keys, mut processes) = (Distinct::new(rows), Distinct::new(rows));
    let mut scratch = Vec::new();
    for batch in batches {
        for (row, (origin, process)) in batch.origin.iter().zip(&batch.process).enumerate() {
            time.push(origin.time);
            pid.push(origin.process.pid);
            tid.push(origin.tid);
            node.append_value(&batch.node);
            append(&mut comm, common_value(batch, row, 5).text().unwrap_or_default(), &mut scratch);
            keys.push(origin.process, || origin.process);
            // A name that comes meanwhile makes the process another one.
            let names = process.container.as_ref().map_or(0, |it| it.names.known());
            processes.push((Arc::as_ptr(process), names), || (batch.as_ref(), row));
        }
    }
    let key_texts = texts(keys.values.iter().map(|key: &ProcessKey| Some(key.to_string())));
    let keys = UInt32Array::from(keys.places);
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from(time).with_timezone(UTC)),
        Arc::new(node.finish()),
        taken(&key_texts, &keys),
        Arc::new(UInt32Array::from(pid)),
        Arc::new(UInt32Array::from(tid)),
        Arc::new(comm.finish()),
    ];
    let places = UInt32Array::from(processes.places);
    for (at, field) in COMMON.iter().enumerate().skip(FROM_PROCESS) {
        let values = processes.values.iter().map(|&(batch, row): &(&Batch, usize)| {
            let mut text = Vec::new();
            match common_value(batch, row, at) {
                Value::Null => None,
                value => {
                    plain::write(&mut text, &mut Clock::new(), field.kind, value);
                    Some(String::from_utf8_lossy(&text).into_owned())
                }
            }
        });
        arrays.push(taken(&texts(values), &places));
    }
    arrays
}

/// Values that come often, each kept once, and for each row the place of its value.
struct Distinct<K, V> {
    known: HashMap<K, u32>,
    last: Option<(K, u32)>,
    values: Vec<V>,
    places: Vec<u32>,
}

impl<K: Copy + Eq + std::hash::Hash, V> Distinct<K, V> {
    fn new(rows: usize) -> Distinct<K, V> {
        let (known, values) = (HashMap::new(), Vec::new());
        Distinct { known, last: None, values, places: Vec::with_capacity(rows) }
    }

    fn push(&mut self, key: K, value: impl FnOnce() -> V) {
        let place = match self.last {
            // Rows of one process come in bursts.
            Some((last, place)) if last == key => place,
            _ => *self.known.entry(key).or_insert_with(|| {
                self.values.push(value());
                self.values.len() as u32 - 1
            }),
        };
        self.last = Some((key, place));
        self.places.push(place);
    }
}

fn texts(values: impl Iterator<Item = Option<String>>) -> StringViewArray {
    let mut builder = StringViewBuilder::new().with_deduplicate_strings();
    values.for_each(|value| builder.append_option(value));
    builder.finish()
}

fn taken(values: &StringViewArray, places: &UInt32Array) -> ArrayRef {
    take(values, places, None).expect("each place was given to a value")
}

/// One of the table's own columns.
fn own(field: &Field, columns: &[&Column], rows: usize) -> ArrayRef {
    let values =
        || columns.iter().flat_map(|column| (0..column.len()).map(|row| column.value(row)));
    match data_type(field) {
        DataType::Timestamp(..) => {
            let times: TimestampNanosecondArray = values().map(Value::number).collect();
            Arc::new(times.with_timezone(UTC))
        }
        DataType::Int64 => Arc::new(values().map(Value::number).collect::<Int64Array>()),
        DataType::UInt64 => unsigned::<UInt64Type>(values()),
        DataType::UInt32 => unsigned::<UInt32Type>(values()),
        DataType::UInt16 => unsigned::<UInt16Type>(values()),
        DataType::Boolean => Arc::new(values().map(truth).collect::<BooleanArray>()),
        _ => Arc::new(text(field.kind, columns, rows)),
    }
}

/// Numbers that fit by their kind (a pid, a port); one that does not is none.
fn unsigned<'a, T: ArrowPrimitiveType>(values: impl Iterator<Item = Value<'a>>) -> ArrayRef
where
    T::Native: TryFrom<u64>,
{
    let values = values.map(|value| match value {
        Value::Uint(value) => T::Native::try_from(value).ok(),
        _ => None,
    });
    Arc::new(values.collect::<PrimitiveArray<T>>())
}

fn truth(value: Value<'_>) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(value),
        _ => None,
    }
}

fn text(kind: Kind, columns: &[&Column], rows: usize) -> StringViewArray {
    let mut builder = StringViewBuilder::with_capacity(rows).with_deduplicate_strings();
    let (mut clock, mut scratch) = (Clock::new(), Vec::new());
    // What is told of the number before: sets and permissions repeat.
    let mut last = None;
    for column in columns {
        for row in 0..column.len() {
            let value = column.value(row);
            match value {
                Value::Null => builder.append_null(),
                Value::Text(bytes) if kind != Kind::Args => {
                    append(&mut builder, bytes, &mut scratch)
                }
                value => {
                    if last != Some(value) {
                        scratch.clear();
                        plain::write(&mut scratch, &mut clock, kind, value);
                        last = is_number(value).then_some(value);
                    }
                    builder.append_value(String::from_utf8_lossy(&scratch));
                }
            }
        }
    }
    builder.finish()
}

fn is_number(value: Value<'_>) -> bool {
    matches!(value, Value::Uint(_) | Value::Int(_) | Value::Ip(_) | Value::Process(_))
}

/// Appends text; what is not UTF-8 as `\xNN`.
fn append(builder: &mut StringViewBuilder, bytes: &[u8], scratch: &mut Vec<u8>) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return builder.append_value(text);
    }
    scratch.clear();
    plain::write(scratch, &mut Clock::new(), Kind::Text, Value::Text(bytes));
    builder.append_value(String::from_utf8_lossy(scratch));
}
