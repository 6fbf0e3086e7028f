//! Merging: many small segments of a table's hour become one, by a thread of its own.
//!
//! The thread reads and writes; the store's own thread tells the chain and swaps the files.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use schema::Table;

use crate::chain::Event;
use crate::columns::arrow_schema;
use crate::recover::relative;
use crate::segment::{Opened, Segment, hour};
use crate::store::{Moment, Store};
use crate::write::{self, Part, conform};

/// The merge that is under way, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Merging {
    running: Option<Running>,
    /// Segments that could not be merged: they are not tried again.
    spared: Vec<PathBuf>,
}

#[derive(Debug)]
struct Running {
    table: &'static Table,
    sources: Vec<Arc<Segment>>,
    done: Receiver<io::Result<Part>>,
}

/// Only segments below this size are merged, and no merged one becomes much larger.
const SMALL: u64 = 16 << 20;
/// So many small segments of an hour are merged.
const ENOUGH: usize = 8;
/// So many at most at once.
const MOST: usize = 64;

impl Store {
    /// Begins to merge, where there is enough to merge and nothing is being merged.
    pub(crate) fn begin_merging(&mut self) {
        if self.merging.running.is_some() {
            return;
        }
        let Some((table, sources)) = self.to_merge() else { return };
        let (tell, done) = mpsc::channel();
        let (folder, given) = (self.options.folder.clone(), sources.clone());
        let thread = thread::Builder::new().name("fathom-merge".into());
        let started = thread.spawn(move || {
            // A query and the event path go first.
            let _ = rustix::process::setpriority_process(None, 10);
            // The store may be gone meanwhile; then the part is removed when it is opened again.
            let _ = tell.send(merge(&folder, table, &given));
        });
        if started.is_ok() {
            self.merging.running = Some(Running { table, sources, done });
        }
    }

    /// Takes over what was merged.
    pub(crate) fn take_merged(&mut self, now: Moment) {
        let Some(running) = &self.merging.running else { return };
        let part = match running.done.try_recv() {
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => {
                Err(io::Error::other("the thread that merges is gone"))
            }
            Ok(part) => part,
        };
        let Some(Running { table, sources, .. }) = self.merging.running.take() else { return };
        let swapped = part.and_then(|part| self.swap(table, &sources, part, now));
        if let Err(error) = swapped {
            self.merging.spared.extend(sources.iter().map(|it| it.path.clone()));
            self.words.push(crate::Word::Warn(format!(
                "{} segments of {} cannot be merged and stay as they are: {error}",
                sources.len(),
                table.name
            )));
        }
    }

    fn swap(
        &mut self,
        table: &'static Table,
        sources: &[Arc<Segment>],
        part: Part,
        now: Moment,
    ) -> io::Result<()> {
        let folder = self.options.folder.clone();
        let rows = &self.contents.tables.entry(table.name.to_string()).or_default().segments;
        let all_there = sources.iter().all(|it| rows.iter().any(|known| Arc::ptr_eq(it, known)));
        if !all_there {
            // Retention was faster.
            return std::fs::remove_file(write::part_of(&folder.join(&part.written.path)));
        }
        let from = sources.iter().map(|it| relative(&folder, &it.path)).collect();
        self.commit(Event::Merged { files: vec![part.written.clone()], from }, now)?;
        let merged = write::rename(&folder, &part.written)?;
        // One step for readers: rows are there once, at any moment.
        let rows = self.contents.tables.entry(table.name.to_string()).or_default();
        let rows = Arc::make_mut(rows);
        rows.segments.retain(|it| !sources.iter().any(|gone| Arc::ptr_eq(it, gone)));
        self.add_segment(table.name, merged);
        self.catalogue.set(self.contents.clone());
        sources.iter().for_each(|it| it.remove_when_unread());
        Ok(())
    }

    /// The hour with the most small segments.
    fn to_merge(&self) -> Option<(&'static Table, Vec<Arc<Segment>>)> {
        let mut best: Option<(&'static Table, Vec<Arc<Segment>>)> = None;
        for (name, rows) in &self.contents.tables {
            let Some(hot) = self.hot.get(name.as_str()) else { continue };
            let small = rows
                .segments
                .iter()
                .filter(|it| it.bytes < SMALL && !self.merging.spared.contains(&it.path));
            let mut run: Vec<Arc<Segment>> = Vec::new();
            let mut bytes = 0;
            let mut consider = |run: &mut Vec<Arc<Segment>>| {
                let more = best.as_ref().is_none_or(|(_, it)| it.len() < run.len());
                if run.len() >= ENOUGH && more {
                    best = Some((hot.table, run.clone()));
                }
                run.clear();
            };
            for segment in small {
                let same_hour = run.first().is_none_or(|it| hour(it.from) == hour(segment.from));
                if !same_hour || run.len() == MOST || bytes + segment.bytes > 2 * SMALL {
                    consider(&mut run);
                    bytes = 0;
                }
                bytes += segment.bytes;
                run.push(segment.clone());
            }
            consider(&mut run);
        }
        best
    }
}

fn merge(
    folder: &std::path::Path,
    table: &'static Table,
    sources: &[Arc<Segment>],
) -> io::Result<Part> {
    let schema = arrow_schema(table);
    let mut encoder = write::encoder(table)?;
    for source in sources {
        let opened = source.open().map_err(io::Error::other)?;
        for batch in rows_of(opened).map_err(io::Error::other)? {
            let batch = batch.map_err(io::Error::other)?;
            let batch = conform(&batch, &schema).ok_or_else(|| {
                io::Error::other(format!("{} has other columns", source.path.display()))
            })?;
            encoder.push(&batch).map_err(io::Error::other)?;
        }
    }
    // It stands where its newest source stood: what is old stays old.
    let sequence = sources.iter().map(|it| it.sequence).max().unwrap_or_default();
    write::write_part(folder, table.name, encoder, sequence)
}

/// The rows of a segment, checked as they are read.
pub fn rows_of(
    opened: Opened,
) -> parquet::errors::Result<parquet::arrow::arrow_reader::ParquetRecordBatchReader> {
    let metadata = ArrowReaderMetadata::try_new(opened.metadata().clone(), Default::default())?;
    ParquetRecordBatchReaderBuilder::new_with_metadata(opened, metadata).build()
}
