//! The forms in which an answer is written.

mod arrow;
mod csv;
mod json;
mod parquet;
mod table;

use std::io::Write;

use ::arrow::datatypes::SchemaRef;
use ::arrow::record_batch::RecordBatch;
use anyhow::Result;
use clap::ValueEnum;
use export::Terminal;

/// A name for each form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Style {
    /// Aligned columns to read
    Table,
    /// One JSON object a line
    Json,
    /// Comma-separated values, RFC 4180, with a header
    Csv,
    /// An Arrow IPC stream
    Arrow,
    /// A Parquet file
    Parquet,
}

/// Where bytes go.
pub(super) type Sink = Box<dyn Write + Send>;

/// Writes one answer.
pub(super) trait Form {
    /// Writes rows, or keeps them until more is known.
    fn rows(&mut self, rows: &RecordBatch) -> Result<()>;

    /// Writes what is left, and what stands at the end.
    fn finish(self: Box<Self>) -> Result<()>;
}

impl Style {
    /// Whether a terminal cannot show it.
    pub(super) fn is_binary(self) -> bool {
        matches!(self, Style::Arrow | Style::Parquet)
    }

    /// A writer of answers with these columns.
    pub(super) fn form(
        self,
        schema: &SchemaRef,
        sink: Sink,
        terminal: Terminal,
    ) -> Result<Box<dyn Form>> {
        Ok(match self {
            Style::Table if table::Plan::is(schema) => Box::new(table::Plan::new(sink)),
            Style::Table => Box::new(table::Table::new(schema, sink, terminal)),
            Style::Json => Box::new(json::Json::new(schema, sink)),
            Style::Csv => Box::new(csv::Csv::new(schema, sink)?),
            Style::Arrow => Box::new(arrow::Stream::new(schema, sink)?),
            Style::Parquet => Box::new(parquet::File::new(schema, sink)?),
        })
    }
}
