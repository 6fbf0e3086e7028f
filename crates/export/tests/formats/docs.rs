//! The reference says what the tables say.

use export::docs;
use schema::{Event, Table};

use crate::sample::*;

const TABLES: &[&Table] = &[FileOpen::TABLE, ProcessExit::TABLE];

#[test]
fn the_reference_reads_well() {
    let all = [docs::list(TABLES), docs::text(ProcessExit::TABLE), docs::markdown(TABLES)];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn the_json_reference_names_every_column() {
    let reference: serde_json::Value = serde_json::from_str(&docs::json(TABLES)).unwrap();
    assert_eq!(reference["common"].as_array().unwrap().len(), schema::COMMON.len());
    for (told, table) in reference["tables"].as_array().unwrap().iter().zip(TABLES) {
        assert_eq!(told["name"], table.name);
        let names = told["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| column["name"].as_str().unwrap());
        assert!(names.eq(table.fields.iter().map(|field| field.name)));
    }
    let flags = &reference["tables"][0]["columns"][4];
    assert_eq!((&flags["kind"], &flags["flags"][1]), (&"flags".into(), &"O_RDWR".into()));
    assert_eq!(reference["tables"][1]["columns"][3]["unit"], "ns");
}
