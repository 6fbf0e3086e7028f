//! The derive describes the table and fills its columns.

use schema::{Decoded, Event, Kind, Origin, Sensitivity, Unit, Value};

/// Something was measured.
#[derive(Event)]
#[event(table = "thing_measure", since = "0.1")]
struct Measured<'a> {
    /// What was measured.
    #[event(kind = Path, personal)]
    path: &'a [u8],
    /// How large it was;
    /// null where it could not be told.
    #[event(kind = Uint, unit = Bytes, since = "0.2")]
    size: Option<u32>,
    /// How it was measured.
    #[event(kind = Flags(&[(1, "FAST")]))]
    how: u16,
}

#[test]
fn the_table_says_what_the_struct_says() {
    let table = Measured::TABLE;
    assert_eq!((table.name, table.doc), ("thing_measure", "Something was measured."));
    let [path, size, how] = table.fields else { panic!("three fields") };
    assert_eq!(
        (path.kind, path.sensitivity, path.nullable),
        (Kind::Path, Sensitivity::Personal, false)
    );
    assert_eq!((size.unit, size.nullable, size.since), (Unit::Bytes, true, "0.2"));
    assert_eq!(size.doc, "How large it was; null where it could not be told.");
    assert!(matches!(how.kind, Kind::Flags(_)));
}

#[test]
fn rows_come_out_as_they_went_in() {
    let mut rows = Decoded::new(Measured::TABLE);
    rows.push(Origin::default(), Measured { path: b"/a", size: Some(7), how: 1 });
    rows.push(Origin::default(), Measured { path: b"/bc", size: None, how: 0 });
    rows.push(Origin::default(), Measured { path: b"", size: Some(9), how: 0 });
    let value = |column: usize, row| rows.columns[column].value(row);
    assert_eq!(value(0, 1), Value::Text(b"/bc"));
    assert_eq!(value(0, 2), Value::Text(b""));
    assert_eq!(
        [value(1, 0), value(1, 1), value(1, 2)],
        [Value::Uint(7), Value::Null, Value::Uint(9)]
    );
    assert_eq!(value(2, 0), Value::Uint(1));
}
