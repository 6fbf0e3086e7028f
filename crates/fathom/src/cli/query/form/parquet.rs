//! A Parquet file, in types that every reader knows.

use anyhow::{Context, Result};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use query::{portable, portable_schema};

use super::{Form, Sink};

/// Writes a Parquet file.
pub(super) struct File {
    writer: ArrowWriter<Sink>,
}

/// Rows that are in memory at most before they are written.
const GROUP_ROWS: usize = 128 << 10;

impl File {
    pub(super) fn new(schema: &SchemaRef, sink: Sink) -> Result<File> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).expect("3 is a level")))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_created_by(concat!("fathom ", env!("CARGO_PKG_VERSION")).to_string())
            .build();
        let writer = ArrowWriter::try_new(sink, portable_schema(schema), Some(properties));
        Ok(File { writer: writer.context("these columns do not fit into a Parquet file")? })
    }
}

impl Form for File {
    fn rows(&mut self, rows: &RecordBatch) -> Result<()> {
        Ok(self.writer.write(&portable(rows)?)?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let mut sink = self.writer.into_inner()?;
        Ok(sink.flush()?)
    }
}
