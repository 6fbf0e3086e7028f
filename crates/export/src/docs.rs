//! The reference of the tables, from their own descriptions.

use std::fmt::Write;

use schema::{COMMON, Field, Kind, Sensitivity, Table};

use crate::escape;

/// The reference in Markdown: `docs/reference/tables.md`.
pub fn markdown(tables: &[&Table]) -> String {
    let mut text = String::from("# Tables\n\nEvery table begins with the same columns.\n\n");
    markdown_fields(&mut text, COMMON);
    for Table { name, doc, since, fields, .. } in tables {
        line(&mut text, format_args!("\n## `{name}`\n\n{doc} Since {since}.\n"));
        markdown_fields(&mut text, fields);
    }
    text
}

/// All tables for a terminal: one line each.
pub fn list(tables: &[&Table]) -> String {
    let rows = tables.iter().map(|table| vec![table.name.to_string(), table.doc.to_string()]);
    aligned(&["TABLE", "MEANING"], rows.collect())
}

/// One table for a terminal: one line for each of its own columns, and where the others are.
pub fn text(table: &Table) -> String {
    let rows = table.fields.iter().map(|field| {
        let nullable = if field.nullable { "yes" } else { "no" };
        let cells =
            [field.name, field.kind.name(), field.unit.name(), nullable, field.since, field.doc];
        cells.map(str::to_string).to_vec()
    });
    let head = ["COLUMN", "KIND", "UNIT", "NULL", "SINCE", "MEANING"];
    let columns = aligned(&head, rows.collect());
    let common: Vec<_> = COMMON.iter().map(|field| field.name).collect();
    let Table { name, doc, since, .. } = table;
    format!(
        "{name}: {doc} Since {since}.\n\n{columns}\nAnd, as every table: {}.\n",
        common.join(", ")
    )
}

/// The tables as one JSON object on one line: `{"common":[…],"tables":[…]}`.
pub fn json(tables: &[&Table]) -> String {
    let mut out = b"{\"common\":".to_vec();
    json_fields(&mut out, COMMON);
    out.extend_from_slice(b",\"tables\":[");
    for (at, table) in tables.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"{" } else { b",{" });
        json_texts(&mut out, &[("name", table.name), ("doc", table.doc), ("since", table.since)]);
        out.extend_from_slice(b",\"columns\":");
        json_fields(&mut out, table.fields);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}\n");
    String::from_utf8_lossy(&out).into_owned()
}

fn markdown_fields(text: &mut String, fields: &[Field]) {
    line(text, format_args!("| column | kind | unit | null | since | meaning |"));
    line(text, format_args!("|---|---|---|---|---|---|"));
    for field in fields {
        let nullable = if field.nullable { "yes" } else { "" };
        let Field { name, kind, unit, since, .. } = field;
        let mut meaning = field.doc.replace('|', "\\|");
        if let Kind::Flags(names) = kind {
            let names: Vec<_> = names.iter().map(|(_, name)| format!("`{name}`")).collect();
            let _ = write!(meaning, " Any of {}.", names.join(", "));
        }
        if field.sensitivity == Sensitivity::Personal {
            meaning.push_str(" *Personal.*");
        }
        line(
            text,
            format_args!(
                "| `{name}` | {} | {} | {nullable} | {since} | {meaning} |",
                kind.name(),
                unit.name()
            ),
        );
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes every write");
}

/// Rows with their columns under one another; the last column is as long as it is.
fn aligned(head: &[&str], mut rows: Vec<Vec<String>>) -> String {
    rows.insert(0, head.iter().map(|name| (*name).to_string()).collect());
    let widths: Vec<usize> =
        (0..head.len()).map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut shown = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(shown, "{cell:<width$}  ");
        }
        line(&mut text, format_args!("{}", shown.trim_end()));
    }
    text
}

fn json_fields(out: &mut Vec<u8>, fields: &[Field]) {
    out.push(b'[');
    for (at, field) in fields.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"{" } else { b",{" });
        let sensitivity = match field.sensitivity {
            Sensitivity::Plain => "plain",
            Sensitivity::Personal => "personal",
        };
        let texts = [
            ("name", field.name),
            ("kind", field.kind.name()),
            ("unit", field.unit.name()),
            ("since", field.since),
            ("sensitivity", sensitivity),
            ("doc", field.doc),
        ];
        json_texts(out, &texts);
        let nullable: &[u8] = if field.nullable { b"true" } else { b"false" };
        out.extend_from_slice(b",\"nullable\":");
        out.extend_from_slice(nullable);
        if let Kind::Flags(names) = field.kind {
            out.extend_from_slice(b",\"flags\":[");
            for (at, (_, name)) in names.iter().enumerate() {
                out.extend_from_slice(if at == 0 { b"" } else { b"," });
                escape::string(out, name.as_bytes());
            }
            out.push(b']');
        }
        out.push(b'}');
    }
    out.push(b']');
}

/// Appends `"name":"text"` pairs.
fn json_texts(out: &mut Vec<u8>, pairs: &[(&str, &str)]) {
    for (at, (name, text)) in pairs.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"" } else { b"," });
        escape::string(out, name.as_bytes());
        out.push(b':');
        escape::string(out, text.as_bytes());
    }
}
