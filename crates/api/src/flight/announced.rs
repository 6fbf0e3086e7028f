//! The columns as they are announced before a statement runs, and sent when it does.
//!
//! Clients demand that the two are the same. What a plan knows about nulls is not what its
//! execution knows, so neither is told: every column may have nulls.

use std::sync::Arc;

use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

/// `schema` as it is announced.
pub(super) fn schema(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(|it| field(it)).collect::<Vec<_>>()))
}

/// `batch` with the columns of `schema`, which is [`schema`] of its own.
pub(super) fn batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| match column.data_type() == field.data_type() {
        true => Ok(column.clone()),
        false => cast(column, field.data_type()),
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}

fn field(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::List(item) => DataType::List(Arc::new(self::field(item))),
        DataType::LargeList(item) => DataType::LargeList(Arc::new(self::field(item))),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|it| self::field(it)).collect())
        }
        other => other.clone(),
    };
    Field::new(field.name(), data_type, true)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, ListArray};
    use arrow::buffer::OffsetBuffer;

    use super::*;

    #[test]
    fn nothing_is_said_about_nulls() {
        let item = Arc::new(Field::new("item", DataType::Int64, false));
        let numbers = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let list = ListArray::new(item, OffsetBuffer::from_lengths([2, 1]), numbers, None);
        let before = RecordBatch::try_from_iter([("list", Arc::new(list) as ArrayRef)]).unwrap();
        let announced = schema(before.schema_ref());
        let after = batch(&before, &announced).unwrap();
        assert_eq!(after.schema(), announced);
        assert!(announced.field(0).is_nullable());
        let DataType::List(item) = announced.field(0).data_type() else { panic!("a list") };
        assert!(item.is_nullable());
    }
}
