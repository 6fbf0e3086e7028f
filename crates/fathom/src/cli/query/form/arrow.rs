//! An Arrow IPC stream, in types that every reader knows.

use anyhow::{Context, Result};
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use query::{portable, portable_schema};

use super::{Form, Sink};

/// Writes an Arrow stream.
pub(super) struct Stream {
    writer: StreamWriter<Sink>,
}

impl Stream {
    pub(super) fn new(schema: &SchemaRef, sink: Sink) -> Result<Stream> {
        let writer = StreamWriter::try_new(sink, &portable_schema(schema));
        Ok(Stream { writer: writer.context("cannot begin an Arrow stream")? })
    }
}

impl Form for Stream {
    fn rows(&mut self, rows: &RecordBatch) -> Result<()> {
        self.writer.write(&portable(rows)?)?;
        Ok(self.writer.flush()?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.writer.finish()?;
        Ok(self.writer.flush()?)
    }
}
