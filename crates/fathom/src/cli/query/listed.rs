//! The tables and views that a source has, with what their columns mean.

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use query::Engine;
use schema::COMMON;

use crate::signals;

/// A table or view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: String,
    /// What one row says; empty where that is not known.
    pub(super) doc: String,
    pub(super) columns: Vec<Column>,
}

/// A column of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// Its type, as a person calls it.
    pub(super) kind: String,
    /// What it says; empty where that is not known.
    pub(super) doc: String,
}

/// Asks for the table, column and type of each column.
pub(super) const COLUMNS: &str = "
SELECT table_name, column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' ORDER BY table_name, ordinal_position";

/// What `engine` has.
pub(super) fn of_engine(engine: &Engine) -> Vec<Listed> {
    let listed = engine.catalogue().into_iter().map(|it| {
        let columns = it.schema.fields().iter();
        let columns = columns.map(|column| {
            Column::new(&it.name, column.name().clone(), type_name(column.data_type()))
        });
        Listed { columns: columns.collect(), name: it.name, doc: it.doc }
    });
    listed.collect()
}

/// What the answer to [`COLUMNS`] tells.
pub(super) fn of_rows(rows: &[RecordBatch]) -> Vec<Listed> {
    let mut listed: Vec<Listed> = Vec::new();
    for batch in rows {
        let texts = batch.columns().iter().map(|column| cast(column, &DataType::Utf8));
        let Ok(texts) = texts.collect::<Result<Vec<_>, _>>() else { continue };
        let [tables, names, kinds] = &texts[..] else { continue };
        let text = |array: &dyn Array, row| array.as_string::<i32>().value(row).to_string();
        for row in 0..batch.num_rows() {
            let table = text(tables, row);
            if listed.last().is_none_or(|last| last.name != table) {
                let doc = signals::tables().iter().find(|it| it.name == table).map(|it| it.doc);
                let doc = doc.unwrap_or_default().to_string();
                listed.push(Listed { name: table.clone(), doc, columns: Vec::new() });
            }
            let kind = text(kinds, row);
            let kind = kind.parse().map_or(kind, |kind: DataType| type_name(&kind));
            let column = Column::new(&table, text(names, row), kind);
            if let Some(last) = listed.last_mut() {
                last.columns.push(column);
            }
        }
    }
    listed
}

impl Column {
    /// The column `name` of `table`, with its meaning where this build knows it.
    fn new(table: &str, name: String, kind: String) -> Column {
        let tables = signals::tables();
        let own = tables.iter().find(|it| it.name == table).map_or(&[][..], |it| it.fields);
        let field = COMMON.iter().chain(own).find(|field| field.name == name);
        let doc = field.map_or(String::new(), |field| field.doc.to_string());
        Column { name, kind, doc }
    }
}

/// A type as a person calls it.
fn type_name(it: &DataType) -> String {
    match it {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => "text".to_string(),
        DataType::Timestamp(..) => "time".to_string(),
        DataType::Boolean => "bool".to_string(),
        DataType::Int64 => "int".to_string(),
        DataType::UInt64 | DataType::UInt32 | DataType::UInt16 => "uint".to_string(),
        other => other.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray, StringViewArray};

    use super::*;

    #[test]
    fn an_agents_columns_are_told_with_what_this_build_knows_of_them() {
        let column = |texts: &[&str]| Arc::new(StringViewArray::from(texts.to_vec())) as ArrayRef;
        let rows = RecordBatch::try_from_iter([
            ("table_name", column(&["file_open", "file_open", "newer"])),
            ("column_name", column(&["time", "path", "what"])),
            (
                "data_type",
                Arc::new(StringArray::from(vec!["Timestamp(ns, \"UTC\")", "Utf8View", "Odd"])),
            ),
        ]);
        let listed = of_rows(&[rows.unwrap()]);
        assert_eq!(listed.len(), 2);
        let [time, path] = &listed[0].columns[..] else { panic!("{listed:?}") };
        assert_eq!((time.kind.as_str(), path.kind.as_str()), ("time", "text"));
        assert!(!path.doc.is_empty() && !listed[0].doc.is_empty());
        assert_eq!((listed[1].doc.as_str(), listed[1].columns[0].kind.as_str()), ("", "Odd"));
    }
}
