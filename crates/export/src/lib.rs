//! Rows and counts on their way out: JSON lines, CSV, the live table, files with rotation,
//! Prometheus metrics, requests as OTLP and as rates, and the reference of the tables.
//!
//! Everything here is an ordinary function over [`schema::Table`]: no table is known by name,
//! so a new signal needs nothing here. Of requests the columns are named that all their tables have
//! (`request.rs`), so a new protocol needs nothing either, unless a convention has words for it
//! (`otlp/convention.rs`). Nothing here opens a socket or starts a thread.
#![forbid(unsafe_code)]

mod csv;
pub mod docs;
mod escape;
mod json;
mod live;
pub mod metrics;
pub mod otlp;
mod page;
mod red;
mod request;
mod rotate;

pub use csv::Csv;
pub use json::Json;
pub use live::{Live, Terminal, human, ink};
pub use red::{MOST_EDGES, Red};
pub use rotate::{Reason, RotatingFile, Rotation, WriteError};

use schema::{Batch, Row};

/// A way to write rows.
pub trait Format: Send {
    /// Appends what stands before the first row.
    fn head(&mut self, _out: &mut Vec<u8>) {}

    /// Appends one row, with the end of its line.
    fn row(&mut self, row: Row<'_>, out: &mut Vec<u8>);

    /// Appends every row of a batch.
    fn batch(&mut self, batch: &Batch, out: &mut Vec<u8>) {
        for row in batch.rows() {
            self.row(row, out);
        }
    }
}

/// What every format has to respect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether values that may hold what a user typed are replaced by `[hidden]`.
    pub hide_personal: bool,
}

/// What stands for a value that is not shown.
pub(crate) const HIDDEN: &str = "[hidden]";

/// The rows of several batches in the order of their times; equal times stay in batch order.
pub fn by_time<'a>(batches: impl IntoIterator<Item = &'a Batch>) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = batches.into_iter().flat_map(Batch::rows).collect();
    rows.sort_by_key(|row| row.batch.origin[row.index].time);
    rows
}
