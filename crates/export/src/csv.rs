//! Rows as CSV, quoted as RFC 4180 says, with one line feed after each record.
//!
//! One table gives its own columns after the common ones. Several tables give one stream: a
//! leading column `table`, the common columns, then every column that any of them has, by name;
//! a table leaves empty what it does not have. Null is empty, an empty text is `""`. Values are
//! told as in JSON, except that sets are joined by `|` and arguments are quoted as for a shell.

use schema::{COMMON, Field, Row, Sensitivity, Table, Value, common_value};

use crate::{Format, Options};
use schema::plain::{self, Clock};

/// Writes rows as CSV.
#[derive(Debug)]
pub struct Csv {
    options: Options,
    clock: Clock,
    named: bool,
    /// The names of the columns after the common ones.
    names: Vec<&'static str>,
    /// For each table met, which of its columns stands at each of `names`.
    places: Vec<(&'static Table, Vec<Option<usize>>)>,
    cell: Vec<u8>,
}

impl Csv {
    /// A writer for rows of `tables`.
    pub fn new(tables: &[&'static Table], options: Options) -> Csv {
        let mut names: Vec<&str> = Vec::new();
        for field in tables.iter().flat_map(|table| table.fields) {
            if !names.contains(&field.name) {
                names.push(field.name);
            }
        }
        let (clock, named) = (Clock::new(), tables.len() != 1);
        Csv { options, clock, named, names, places: Vec::new(), cell: Vec::new() }
    }

    /// The entry of `table` in `places`.
    fn place(&mut self, table: &'static Table) -> usize {
        let known = self.places.iter().position(|(known, _)| std::ptr::eq(*known, table));
        known.unwrap_or_else(|| {
            let columns = self.names.iter().map(|name| table.field(name)).collect();
            self.places.push((table, columns));
            self.places.len() - 1
        })
    }

    fn put(&mut self, field: &Field, value: Value<'_>, out: &mut Vec<u8>) {
        if value == Value::Null {
            return;
        }
        self.cell.clear();
        if self.options.hide_personal && field.sensitivity == Sensitivity::Personal {
            self.cell.extend_from_slice(crate::HIDDEN.as_bytes());
        } else {
            plain::write(&mut self.cell, &mut self.clock, field.kind, value);
        }
        let empty_text = self.cell.is_empty() && matches!(value, Value::Text(_));
        let needs_quotes = |byte: &u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
        if !empty_text && !self.cell.iter().any(needs_quotes) {
            out.extend_from_slice(&self.cell);
            return;
        }
        out.push(b'"');
        for &byte in &self.cell {
            if byte == b'"' {
                out.push(b'"');
            }
            out.push(byte);
        }
        out.push(b'"');
    }
}

impl Format for Csv {
    fn head(&mut self, out: &mut Vec<u8>) {
        let table = self.named.then_some("table");
        let common = COMMON.iter().map(|field| field.name);
        let names: Vec<_> =
            table.into_iter().chain(common).chain(self.names.iter().copied()).collect();
        out.extend_from_slice(names.join(",").as_bytes());
        out.push(b'\n');
    }

    fn row(&mut self, row: Row<'_>, out: &mut Vec<u8>) {
        let Row { batch, index } = row;
        let place = self.place(batch.table);
        if self.named {
            out.extend_from_slice(batch.table.name.as_bytes());
            out.push(b',');
        }
        for (at, field) in COMMON.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            self.put(field, common_value(batch, index, at), out);
        }
        for at in 0..self.names.len() {
            out.push(b',');
            if let Some(column) = self.places[place].1[at] {
                self.put(&batch.table.fields[column], batch.columns[column].value(index), out);
            }
        }
        out.push(b'\n');
    }
}
