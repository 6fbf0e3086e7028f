//! Segments: Parquet files that know whether they are whole.
//!
//! Any tool that reads Parquet reads them. Between the leading `PAR1` and the first column stands a
//! header of ours, and behind the last column a checksum for each block of [`BLOCK`] bytes:
//!
//! ```text
//! PAR1 | header: where the columns end, checksum of the tail | columns | tail
//!                                                     tail: block checksums | Parquet's indexes, footer
//! ```
//!
//! Nothing is parsed or decoded whose checksum was not compared first, so a flipped bit is an error
//! that says where, and never another row. A segment is written whole, under another name, synced,
//! and then renamed: a file with a segment's name is complete.
//!
//! `TABLE/2026-11-22T05/00000017-1795323600000000000-1795323659999999999-120034.parquet` is the 17th
//! segment of the node, with the times of its first and last row and its number of rows: the
//! catalogue is what a listing says.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::AsArray;
use arrow::datatypes::{SchemaRef, TimestampNanosecondType};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::ColumnPath;
use schema::plain::rfc3339;

/// How many bytes share a checksum.
const BLOCK: u64 = 16 << 10;
/// Where the columns begin.
const START: u64 = 64;
const MAGIC: &[u8; 8] = b"FATHOMS1";
/// Rows of a row group: what is skipped or read together.
const GROUP_ROWS: usize = 128 << 10;

/// What a segment's name says; the same for every reader.
#[derive(Debug)]
pub struct Segment {
    /// Where it is.
    pub path: PathBuf,
    /// Its number among the node's segments: later ones were written later.
    pub sequence: u64,
    /// The time of its first row.
    pub from: i64,
    /// The time of its last row.
    pub to: i64,
    /// Its rows.
    pub rows: u64,
    /// Its size on disk.
    pub bytes: u64,
    /// What was read of its tail, until it is forgotten.
    tail: Mutex<Option<Arc<Tail>>>,
    /// Whether it was opened lately.
    used: AtomicBool,
    /// Whether the file goes when nobody reads it any more.
    gone: AtomicBool,
}

/// A segment that is being read.
#[derive(Debug, Clone)]
pub struct Opened {
    path: Arc<Path>,
    file: Arc<File>,
    tail: Arc<Tail>,
}

/// All behind the columns of a segment, checked.
#[derive(Debug)]
struct Tail {
    /// Where the columns end and it begins.
    start: u64,
    /// It as it is.
    bytes: Bytes,
    /// What Parquet's footer says, with its indexes.
    metadata: Arc<ParquetMetaData>,
}

/// A file that is not what was written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Damaged {
    /// Which.
    pub path: String,
    /// What is wrong.
    pub what: String,
}

/// The name of a segment, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) sequence: u64,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) rows: u64,
}

impl Segment {
    /// The segment at `path`, if that is the name of one.
    pub(crate) fn at(path: &Path, bytes: u64) -> Option<Segment> {
        Segment::called(path, path, bytes)
    }

    /// The segment that is to be at `name` and is in `file`.
    pub(crate) fn called(name: &Path, file: &Path, bytes: u64) -> Option<Segment> {
        let Name { sequence, from, to, rows } = Name::parse(name.file_name()?.to_str()?)?;
        let (path, tail) = (file.to_path_buf(), Mutex::default());
        let (used, gone) = (AtomicBool::default(), AtomicBool::default());
        Some(Segment { path, sequence, from, to, rows, bytes, tail, used, gone })
    }

    /// The segment at `path`, for benches and tests; none where that is no segment's name.
    pub fn open_at(path: &Path) -> Option<Arc<Segment>> {
        Segment::at(path, fs::metadata(path).ok()?.len()).map(Arc::new)
    }

    /// Opens it for reading; its tail is read and checked the first time.
    pub fn open(&self) -> Result<Opened, Damaged> {
        let damaged = |what: String| Damaged { path: self.path.display().to_string(), what };
        let file = File::open(&self.path).map_err(|error| damaged(error.to_string()))?;
        self.used.store(true, Ordering::Relaxed);
        let mut known = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = match &*known {
            Some(tail) => tail.clone(),
            None => {
                let tail = Tail::read(&file).map_err(|error| damaged(error.to_string()))?;
                known.insert(Arc::new(tail)).clone()
            }
        };
        Ok(Opened { path: self.path.as_path().into(), file: Arc::new(file), tail })
    }

    /// Lets go of what was read of it, if it was not opened since this was last called.
    pub(crate) fn rest(&self) {
        if !self.used.swap(false, Ordering::Relaxed) {
            *self.tail.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Has the file removed as soon as nobody reads it.
    pub(crate) fn remove_when_unread(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if *self.gone.get_mut() {
            // One that stays is removed when the store is opened the next time.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Opened {
    /// What Parquet's footer says, with its indexes.
    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        &self.tail.metadata
    }

    /// The whole length.
    pub fn length(&self) -> u64 {
        self.tail.start + self.tail.bytes.len() as u64
    }

    /// The bytes of `range`, each block of them checked.
    pub fn read(&self, range: Range<u64>) -> Result<Bytes, Damaged> {
        let within = range.start >= START && range.start <= range.end && range.end <= self.length();
        if !within {
            return Err(self.damaged(format!("nothing is at {}..{}", range.start, range.end)));
        }
        let start = self.tail.start;
        if range.start >= start {
            let [from, to] = [range.start, range.end].map(|at| (at - start) as usize);
            return Ok(self.tail.bytes.slice(from..to));
        }
        if range.end > start {
            return Err(self.damaged("a column reaches beyond the columns".to_string()));
        }
        let first = (range.start - START) / BLOCK;
        let from = START + first * BLOCK;
        let to = start.min(START + (range.end - START).div_ceil(BLOCK) * BLOCK);
        let mut bytes = vec![0; (to - from) as usize];
        let read = self.file.read_exact_at(&mut bytes, from);
        read.map_err(|error| self.damaged(error.to_string()))?;
        for (at, block) in bytes.chunks(BLOCK as usize).enumerate() {
            let number = first as usize + at;
            if checksum(&self.tail.bytes, number) != Some(crc32fast::hash(block)) {
                let place = START + number as u64 * BLOCK;
                let what = format!(
                    "what is at {place} is not what was written: the checksum does not fit"
                );
                return Err(self.damaged(what));
            }
        }
        Ok(Bytes::from(bytes).slice((range.start - from) as usize..(range.end - from) as usize))
    }

    fn damaged(&self, what: String) -> Damaged {
        Damaged { path: self.path.display().to_string(), what }
    }
}

impl Length for Opened {
    fn len(&self) -> u64 {
        self.length()
    }
}

impl ChunkReader for Opened {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        use bytes::Buf;
        let end = if start < self.tail.start { self.tail.start } else { self.length() };
        Ok(self.read(start..end).map_err(external)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.read(start..start + length as u64).map_err(external)
    }
}

fn external(error: Damaged) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl Tail {
    fn read(file: &File) -> io::Result<Tail> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
        let mut header = [0; START as usize];
        file.read_exact_at(&mut header, 0)?;
        let header = Header::read(&header).ok_or_else(|| wrong("its header is not a segment's"))?;
        let length = file.metadata()?.len();
        if length != header.length {
            return Err(wrong(&format!("it has {length} bytes and not {}", header.length)));
        }
        let mut bytes = vec![0; (length - header.end) as usize];
        file.read_exact_at(&mut bytes, header.end)?;
        if crc32fast::hash(&bytes) != header.tail {
            return Err(wrong("its tail is not what was written: the checksum does not fit"));
        }
        let within = Within { start: header.end, bytes: bytes.into() };
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata =
            reader.parse_and_finish(&within).map_err(|error| wrong(&error.to_string()))?;
        Ok(Tail { start: header.end, bytes: within.bytes, metadata: Arc::new(metadata) })
    }
}

/// The checksum of block `number`.
fn checksum(tail: &[u8], number: usize) -> Option<u32> {
    let bytes = tail.get(4 * number..4 * number + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// A file of which only the end is at hand.
struct Within {
    start: u64,
    bytes: Bytes,
}

impl Length for Within {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Within {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        use bytes::Buf;
        Ok(self.get_bytes(start, (self.len().saturating_sub(start)) as usize)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let from = start.checked_sub(self.start).map(|it| it as usize);
        let range = from.and_then(|from| Some(from..from.checked_add(length)?));
        let range = range.filter(|it| it.end <= self.bytes.len());
        let range = range.ok_or_else(|| ParquetError::EOF("behind the columns".to_string()))?;
        Ok(self.bytes.slice(range))
    }
}

/// What stands before the columns.
struct Header {
    end: u64,
    length: u64,
    tail: u32,
}

impl Header {
    fn read(bytes: &[u8; START as usize]) -> Option<Header> {
        let long = |at: usize| Some(u64::from_le_bytes(bytes[at..at + 8].try_into().ok()?));
        let short = |at: usize| Some(u32::from_le_bytes(bytes[at..at + 4].try_into().ok()?));
        let header = Header { end: long(12)?, length: long(20)?, tail: short(28)? };
        let whole = bytes[4..12] == *MAGIC && short(32)? == crc32fast::hash(&bytes[..32]);
        (whole && header.end >= START && header.end <= header.length).then_some(header)
    }

    fn write(&self, bytes: &mut [u8]) {
        bytes[4..12].copy_from_slice(MAGIC);
        bytes[12..20].copy_from_slice(&self.end.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.length.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.tail.to_le_bytes());
        let own = crc32fast::hash(&bytes[..32]);
        bytes[32..36].copy_from_slice(&own.to_le_bytes());
    }
}

/// A segment of `batches`, whole, as it is to be on disk.
pub(crate) struct Encoder {
    writer: ArrowWriter<Vec<u8>>,
    from: i64,
    to: i64,
    rows: u64,
}

impl Encoder {
    /// Nothing yet.
    pub(crate) fn new(schema: &SchemaRef, looked_up: &[&str]) -> Result<Encoder, ParquetError> {
        let options = ArrowWriterOptions::new()
            .with_properties(properties(looked_up))
            // Other tools read plain text, whatever our arrays look like.
            .with_skip_arrow_metadata(true);
        let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options)?;
        writer.write_all(&[0; START as usize - 4])?;
        Ok(Encoder { writer, from: i64::MAX, to: i64::MIN, rows: 0 })
    }

    /// Appends rows.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        for time in times(batch) {
            self.from = self.from.min(*time);
            self.to = self.to.max(*time);
        }
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch)
    }

    /// The whole file, and its name but for the number.
    pub(crate) fn finish(mut self) -> Result<(Vec<u8>, Name), ParquetError> {
        self.writer.flush()?;
        // Through our writer's own buffer, too: what is checked has to be at hand.
        self.writer.sync()?;
        let end = self.writer.bytes_written();
        let columns = &self.writer.inner()[START as usize..end];
        let sums: Vec<u8> = columns
            .chunks(BLOCK as usize)
            .flat_map(|block| crc32fast::hash(block).to_le_bytes())
            .collect();
        self.writer.write_all(&sums)?;
        let mut bytes = self.writer.into_inner()?;
        let tail = crc32fast::hash(&bytes[end..]);
        let length = bytes.len() as u64;
        Header { end: end as u64, length, tail }.write(&mut bytes[..START as usize]);
        let Encoder { from, to, rows, .. } = self;
        Ok((bytes, Name { sequence: 0, from, to, rows }))
    }
}

/// The times of the rows of `batch`.
pub(crate) fn times(batch: &RecordBatch) -> &[i64] {
    let time = batch.column(0).as_primitive::<TimestampNanosecondType>();
    time.values()
}

fn properties(looked_up: &[&str]) -> WriterProperties {
    let column = |name: &str| ColumnPath::from(name);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("1 is a level")))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        // Long texts are of no use in statistics beyond their beginning.
        .set_statistics_truncate_length(Some(32))
        .set_column_statistics_enabled(column("time"), EnabledStatistics::Page)
        .set_column_encoding(column("time"), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(column("time"), false)
        .set_created_by(concat!("fathom ", env!("CARGO_PKG_VERSION")).to_string());
    for &name in looked_up {
        properties = properties
            .set_column_bloom_filter_enabled(column(name), true)
            .set_column_bloom_filter_fpp(column(name), 0.01)
            .set_column_bloom_filter_max_ndv(column(name), GROUP_ROWS as u64 / 8);
    }
    properties.build()
}

impl Name {
    /// Takes `00000017-FROM-TO-ROWS.parquet` apart.
    fn parse(name: &str) -> Option<Name> {
        // A time before 1970 has a sign of its own, so the parts are told by their ends.
        let (sequence, rest) = name.strip_suffix(".parquet")?.split_once('-')?;
        let (times, rows) = rest.rsplit_once('-')?;
        let at = times.get(1..)?.find('-')? + 1;
        let (from, to) = (times.get(..at)?, times.get(at + 1..)?);
        let name = Name {
            sequence: sequence.parse().ok()?,
            from: from.parse().ok()?,
            to: to.parse().ok()?,
            rows: rows.parse().ok()?,
        };
        (name.from <= name.to).then_some(name)
    }

    /// The hour that its first row belongs to, as a folder's name.
    pub(crate) fn hour(&self) -> String {
        hour(self.from)
    }
}

/// `2026-11-22T05`
pub(crate) fn hour(time: i64) -> String {
    let mut text = rfc3339(time);
    text.truncate(13);
    text
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Name { sequence, from, to, rows } = self;
        write!(f, "{sequence:08}-{from}-{to}-{rows}.parquet")
    }
}
