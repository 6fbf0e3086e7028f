//! What remembering costs, and how fast the node answers.
//!
//! Rows to write are a capture's, made on the spot; rows to ask about are made up in the shape of
//! `file_open`, with pods, since a hundred million opens cannot be made in a minute. Everything is
//! on the disk that `target` is on.

mod ask;
mod duck;
mod ingest;
mod made;

use anyhow::Result;
use testkit::workload::Scratch;

use crate::cli::Arguments;
use crate::figure::Report;

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    ingest::run(arguments, report)?;
    let scratch = Scratch::new("bench-store")?;
    ask::run(arguments, report, scratch.path())
}
