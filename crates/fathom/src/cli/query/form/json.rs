//! One JSON object a line.

use anyhow::Result;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use schema::plain::Clock;

use super::super::cells::{Column, string};
use super::{Form, Sink};

/// Writes JSON lines.
pub(super) struct Json {
    sink: Sink,
    clock: Clock,
    /// `{"time":`, `,"pid":`, …
    keys: Vec<Vec<u8>>,
    text: Vec<u8>,
}

impl Json {
    pub(super) fn new(schema: &SchemaRef, sink: Sink) -> Json {
        let keys = schema.fields().iter().enumerate().map(|(at, field)| {
            let mut key = vec![if at == 0 { b'{' } else { b',' }];
            string(&mut key, field.name());
            key.push(b':');
            key
        });
        Json { sink, clock: Clock::new(), keys: keys.collect(), text: Vec::new() }
    }
}

impl Form for Json {
    fn rows(&mut self, rows: &RecordBatch) -> Result<()> {
        let columns: Vec<Column> = rows.columns().iter().map(Column::new).collect();
        for row in 0..rows.num_rows() {
            for (key, column) in self.keys.iter().zip(&columns) {
                self.text.extend_from_slice(key);
                column.json(row, &mut self.clock, &mut self.text);
            }
            let end: &[u8] = if self.keys.is_empty() { b"{}\n" } else { b"}\n" };
            self.text.extend_from_slice(end);
        }
        self.sink.write_all(&self.text)?;
        self.text.clear();
        Ok(self.sink.flush()?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        Ok(self.sink.flush()?)
    }
}
