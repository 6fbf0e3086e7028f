//! Comma-separated values, quoted as RFC 4180 says, with one line feed after each record.
//!
//! Null is empty, an empty text is `""`.

use anyhow::Result;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use schema::plain::Clock;

use super::super::cells::Column;
use super::{Form, Sink};

/// Writes CSV.
pub(super) struct Csv {
    sink: Sink,
    clock: Clock,
    cell: Vec<u8>,
    text: Vec<u8>,
}

impl Csv {
    /// Writes the header at once: an answer without rows has one too.
    pub(super) fn new(schema: &SchemaRef, mut sink: Sink) -> Result<Csv> {
        let mut text = Vec::new();
        for (at, field) in schema.fields().iter().enumerate() {
            separate(&mut text, at);
            put(field.name().as_bytes(), &mut text);
        }
        text.push(b'\n');
        sink.write_all(&text)?;
        text.clear();
        Ok(Csv { sink, clock: Clock::new(), cell: Vec::new(), text })
    }
}

impl Form for Csv {
    fn rows(&mut self, rows: &RecordBatch) -> Result<()> {
        let columns: Vec<Column> = rows.columns().iter().map(Column::new).collect();
        for row in 0..rows.num_rows() {
            for (at, column) in columns.iter().enumerate() {
                separate(&mut self.text, at);
                if !column.is_null(row) {
                    self.cell.clear();
                    column.plain(row, &mut self.clock, &mut self.cell);
                    put(&self.cell, &mut self.text);
                }
            }
            self.text.push(b'\n');
        }
        self.sink.write_all(&self.text)?;
        self.text.clear();
        Ok(self.sink.flush()?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        Ok(self.sink.flush()?)
    }
}

fn separate(text: &mut Vec<u8>, at: usize) {
    if at > 0 {
        text.push(b',');
    }
}

/// Appends one value, in quotes where it needs them.
fn put(cell: &[u8], text: &mut Vec<u8>) {
    let needs_quotes = |byte: &u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    if !cell.is_empty() && !cell.iter().any(needs_quotes) {
        return text.extend_from_slice(cell);
    }
    text.push(b'"');
    for &byte in cell {
        if byte == b'"' {
            text.push(b'"');
        }
        text.push(byte);
    }
    text.push(b'"');
}
