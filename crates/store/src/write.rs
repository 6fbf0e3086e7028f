//! How segments get to disk: whole, under another name, synced, told to the chain, renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, new_null_array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use schema::{COMMON, Kind, Table};

use crate::chain::{Written, hex, sha256};
use crate::columns::arrow_schema;
use crate::listing::{PART, path_of};
use crate::segment::{Encoder, Segment, hour, times};

/// A segment on disk under its other name, which the chain does not know yet.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) written: Written,
}

/// Writes `rows` as parts, one for each hour, each synced.
pub(crate) fn write_parts(
    folder: &Path,
    table: &'static Table,
    rows: &[RecordBatch],
    sequence: u64,
) -> io::Result<Vec<Part>> {
    let by_hour = by_hour(rows);
    let parts = by_hour.into_iter().map(|(_, rows)| {
        let mut encoder = encoder(table)?;
        for batch in &rows {
            encoder.push(batch).map_err(io::Error::other)?;
        }
        write_part(folder, table.name, encoder, sequence)
    });
    parts.collect()
}

/// An encoder for segments of `table`.
pub(crate) fn encoder(table: &'static Table) -> io::Result<Encoder> {
    Encoder::new(&arrow_schema(table), &looked_up(table)).map_err(io::Error::other)
}

/// Ends `encoder` and writes what it made.
pub(crate) fn write_part(
    folder: &Path,
    table: &str,
    encoder: Encoder,
    sequence: u64,
) -> io::Result<Part> {
    let (bytes, mut name) = encoder.finish().map_err(io::Error::other)?;
    name.sequence = sequence;
    let path = path_of(table, &name);
    let hour = folder.join(table).join(name.hour());
    if !hour.is_dir() {
        fs::create_dir_all(&hour)?;
        // The new folders' names have to be there after a crash.
        File::open(folder.join(table))?.sync_all()?;
        File::open(folder)?.sync_all()?;
    }
    let part = part_of(&folder.join(&path));
    let written = File::create(&part).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_data()?;
        // The chain will tell of it, so its name has to be there after a crash as well.
        File::open(&hour)?.sync_all()
    });
    if let Err(error) = written {
        // What there is of it only takes room.
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    let sha256 = hex(&sha256(&bytes));
    Ok(Part { written: Written { path, sha256, rows: name.rows, bytes: bytes.len() as u64 } })
}

/// Takes a part away that the chain will not know.
pub(crate) fn discard(folder: &Path, written: &Written) {
    // One that stays is removed when the store is opened the next time.
    let _ = fs::remove_file(part_of(&folder.join(&written.path)));
}

/// Segments of `rows` that no chain knows, for benches and tests that need many.
pub fn write_segments(
    folder: &Path,
    table: &'static Table,
    rows: &[RecordBatch],
    sequence: u64,
) -> io::Result<Vec<Arc<Segment>>> {
    let parts = write_parts(folder, table, rows, sequence)?;
    parts.iter().map(|part| rename(folder, &part.written)).collect()
}

/// Gives a part its name, once the chain knows it. Where a crash undoes that, the chain says to do it
/// again.
pub(crate) fn rename(folder: &Path, written: &Written) -> io::Result<Arc<Segment>> {
    let path = folder.join(&written.path);
    fs::rename(part_of(&path), &path)?;
    let segment = Segment::at(&path, written.bytes).map(Arc::new);
    segment.ok_or_else(|| io::Error::other(format!("{} is no segment's name", path.display())))
}

/// The segment of a part that has not got its name.
pub(crate) fn still_a_part(folder: &Path, written: &Written) -> Option<Arc<Segment>> {
    let name = folder.join(&written.path);
    let part = part_of(&name);
    part.exists().then(|| Segment::called(&name, &part, written.bytes).map(Arc::new)).flatten()
}

/// What a segment is called while it is written.
pub(crate) fn part_of(path: &Path) -> std::path::PathBuf {
    path.with_extension(PART)
}

/// `rows` with the columns of `schema`: those that are missing are null, others are left out.
pub(crate) fn conform(rows: &RecordBatch, schema: &SchemaRef) -> Option<RecordBatch> {
    if rows.schema_ref() == schema {
        return Some(rows.clone());
    }
    let columns = schema.fields().iter().map(|field| -> Option<ArrayRef> {
        match rows.column_by_name(field.name()) {
            Some(column) => cast(column, field.data_type()).ok(),
            None if field.is_nullable() => Some(new_null_array(field.data_type(), rows.num_rows())),
            None => None,
        }
    });
    RecordBatch::try_new(schema.clone(), columns.collect::<Option<Vec<_>>>()?).ok()
}

/// The columns that people look things up by: a filter in each segment says what is not in it.
fn looked_up(table: &'static Table) -> Vec<&'static str> {
    let common = ["process", "container", "pod"];
    let own =
        table.fields.iter().filter(|it| matches!(it.kind, Kind::Ip | Kind::Path | Kind::Process));
    debug_assert!(common.iter().all(|name| COMMON.iter().any(|it| it.name == *name)));
    common.into_iter().chain(own.map(|it| it.name)).collect()
}

/// Rows by the hour of their time; nearly always it is one.
fn by_hour(rows: &[RecordBatch]) -> Vec<(String, Vec<RecordBatch>)> {
    let mut hours: Vec<(String, Vec<RecordBatch>)> = Vec::new();
    let mut add = |hour: String, batch: RecordBatch| match hours.iter_mut().find(|it| it.0 == hour)
    {
        Some((_, batches)) => batches.push(batch),
        None => hours.push((hour, vec![batch])),
    };
    for batch in rows.iter().filter(|it| it.num_rows() > 0) {
        let mut left: Vec<i64> = times(batch).iter().map(|time| time.div_euclid(HOUR)).collect();
        left.sort_unstable();
        left.dedup();
        for &number in &left {
            let text = hour(number * HOUR);
            if left.len() == 1 {
                add(text, batch.clone());
                continue;
            }
            let mask: BooleanArray =
                times(batch).iter().map(|time| Some(time.div_euclid(HOUR) == number)).collect();
            add(text, filter_record_batch(batch, &mask).expect("the mask is as long as the batch"));
        }
    }
    hours
}

const HOUR: i64 = 3_600_000_000_000;
