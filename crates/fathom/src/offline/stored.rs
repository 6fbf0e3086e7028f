//! Rows as a store has them, in columns of Arrow.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Int64Type, TimeUnit, TimestampNanosecondType, UInt16Type, UInt32Type, UInt64Type,
};
use schema::{COMMON, Cell, Column, Kind, Origin, ProcessKey, Storage, Table};

use super::family::Told;
use super::turn::{EXE, PLACE, Turn};
use super::value;

/// Appends the rows of `batch`, whose columns are `table`'s in SQL; an error is what no store of
/// ours has written.
pub(crate) fn append(
    turn: &mut Turn,
    table: &'static Table,
    batch: &RecordBatch,
) -> Result<(), String> {
    let column = |name: &str| batch.column_by_name(name).map(AsRef::as_ref);
    let text = |name: &str| column(name).and_then(|it| it.as_string_view_opt());
    let numbers = |name: &str| column(name).and_then(|it| it.as_primitive_opt::<UInt32Type>());
    let times = column("time").and_then(|it| it.as_primitive_opt::<TimestampNanosecondType>());
    let (Some(times), Some(keys)) = (times, text("process")) else {
        return Err(format!("{} has no times or no processes", table.name));
    };
    let (nodes, comms, tids) = (text("node"), text("comm"), numbers("tid"));
    let told = COMMON[EXE..].iter().map(|field| text(field.name));
    let told: Vec<_> = told.collect();
    let own: Vec<_> = table.fields.iter().map(|field| column(field.name)).collect();
    let at = |array: Option<&arrow::array::StringViewArray>, row: usize| {
        array.filter(|it| it.is_valid(row)).map(|it| it.value(row).to_string())
    };
    for row in 0..batch.num_rows() {
        let process: ProcessKey = match keys.is_valid(row) {
            true => keys.value(row).parse()?,
            false => ProcessKey::default(),
        };
        let tid = tids.filter(|it| it.is_valid(row)).map_or(process.pid, |it| it.value(row));
        let mut comm = [0; 16];
        let name = at(comms, row).unwrap_or_default();
        let most = name.len().min(comm.len() - 1);
        comm[..most].copy_from_slice(&name.as_bytes()[..most]);
        let origin = Origin { time: times.value(row), process, tid, cgroup: 0, comm };
        let mut of =
            Told { exe: at(told[0], row).map(|exe| exe.into_bytes().into()), ..Told::default() };
        for (place, array) in of.place.iter_mut().zip(&told[PLACE - EXE..]) {
            *place = at(*array, row).map(Box::from);
        }
        let part = turn.part(table, &at(nodes, row).unwrap_or_default());
        turn.append(part, origin, of, |rows| {
            for ((field, array), into) in table.fields.iter().zip(&own).zip(&mut rows.columns) {
                let pushed = match array {
                    Some(array) if array.is_valid(row) => push(into, field.kind, *array, row),
                    _ => {
                        into.push_null();
                        Ok(())
                    }
                };
                pushed.map_err(|what| format!("{}.{} {what}", table.name, field.name))?;
            }
            Ok::<(), String>(())
        })?;
    }
    Ok(())
}

/// Appends a value that is not null.
fn push(column: &mut Column, kind: Kind, array: &dyn Array, row: usize) -> Result<(), String> {
    match (array.data_type(), kind.storage()) {
        (DataType::Utf8View, _) => {
            return value::push_text(column, kind, array.as_string_view().value(row));
        }
        (DataType::Timestamp(TimeUnit::Nanosecond, _), Storage::Int) => {
            array.as_primitive::<TimestampNanosecondType>().value(row).push(column);
        }
        (DataType::Int64, Storage::Int) => {
            array.as_primitive::<Int64Type>().value(row).push(column);
        }
        // What counts is signed in SQL, so that it can be subtracted.
        (DataType::Int64, Storage::Uint) => {
            let value = array.as_primitive::<Int64Type>().value(row);
            u64::try_from(value).unwrap_or(0).push(column);
        }
        (DataType::UInt64, Storage::Uint) => {
            array.as_primitive::<UInt64Type>().value(row).push(column);
        }
        (DataType::UInt32, Storage::Uint) => {
            array.as_primitive::<UInt32Type>().value(row).push(column);
        }
        (DataType::UInt16, Storage::Uint) => {
            array.as_primitive::<UInt16Type>().value(row).push(column);
        }
        (DataType::Boolean, Storage::Bool) => array.as_boolean().value(row).push(column),
        (other, _) => return Err(format!("is a {} and stored as {other}", kind.name())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Ages, Family};
    use super::*;
    use crate::offline::samples::samples;
    use crate::signals;

    #[test]
    fn rows_of_every_table_come_back_from_arrow() {
        for table in signals::tables() {
            let sample = Arc::new(samples(table));
            let stored = store::to_arrow(table, std::slice::from_ref(&sample));
            let mut turn = Turn::default();
            append(&mut turn, table, &stored).unwrap();
            let back = turn.finish(&mut Family::default(), &Ages::default());
            assert_eq!(back.len(), 1);
            assert_eq!((&back[0].origin, &back[0].node), (&sample.origin, &sample.node));
            for (field, (one, other)) in
                table.fields.iter().zip(back[0].columns.iter().zip(&sample.columns))
            {
                assert_eq!(one, other, "{}.{}", table.name, field.name);
            }
        }
    }
}
