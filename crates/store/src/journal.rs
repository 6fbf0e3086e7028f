//! The journal: what is in memory and in no segment yet, so that a crash loses seconds at most.
//!
//! `journal/NUMBER.log` is frames, one behind the other: a length, a checksum, and that many bytes,
//! compressed: a number, the table's name, a hash of its columns, and rows as Arrow's IPC has them.
//! A segment says through which frame its table's rows are in it; a file all of whose frames are in
//! segments is removed. Frames are read as far as they are whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

/// The journal's folder in the store's.
const FOLDER: &str = "journal";
/// No frame is longer: a length beyond it is none.
const FRAME_MOST: usize = 512 << 20;

/// What frames are appended to.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    /// The file that is written, once there is one.
    open: Option<Writing>,
    /// The number of the last frame.
    last: u64,
    /// For each file, the last frame of each table in it.
    files: BTreeMap<PathBuf, BTreeMap<String, u64>>,
    /// Bytes in all files.
    bytes: u64,
}

#[derive(Debug)]
struct Writing {
    path: PathBuf,
    file: File,
    /// Where the last whole frame ends.
    length: u64,
    unsynced: bool,
}

/// Rows of one table.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) number: u64,
    pub(crate) table: String,
    pub(crate) rows: RecordBatch,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) frames: Vec<Frame>,
    /// Files that end in something that is no frame: where, and how many bytes.
    pub(crate) torn: Vec<(PathBuf, u64)>,
}

impl Journal {
    /// Reads what is there; the next frame is behind it, in a new file.
    pub(crate) fn open(folder: &Path) -> io::Result<(Journal, Recovered)> {
        let folder = folder.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let mut journal = Journal { folder, open: None, last: 0, files: BTreeMap::new(), bytes: 0 };
        let mut recovered = Recovered::default();
        for path in files(&journal.folder)? {
            let before = recovered.frames.len();
            let length = read_file(&path, &mut recovered)?;
            // What is written behind half a frame could not be read.
            OpenOptions::new().write(true).open(&path)?.set_len(length)?;
            journal.bytes += length;
            let tables = journal.files.entry(path).or_default();
            for frame in &recovered.frames[before..] {
                tables.insert(frame.table.clone(), frame.number);
                journal.last = journal.last.max(frame.number);
            }
        }
        Ok((journal, recovered))
    }

    /// Only reads: nothing is made or removed.
    pub(crate) fn read(folder: &Path) -> io::Result<Recovered> {
        let mut recovered = Recovered::default();
        for path in files(&folder.join(FOLDER))? {
            match read_file(&path, &mut recovered) {
                // The agent that writes it was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => drop(done?),
            }
        }
        Ok(recovered)
    }

    /// No frame gets a number up to `number` any more.
    pub(crate) fn skip_to(&mut self, number: u64) {
        self.last = self.last.max(number);
    }

    /// Appends rows of `table`; they are on disk after [`Journal::sync`].
    pub(crate) fn append(&mut self, table: &str, rows: &RecordBatch) -> io::Result<()> {
        let number = self.last + 1;
        let frame = encode(number, table, rows)?;
        let writing = self.writing()?;
        if let Err(error) = writing.file.write_all(&frame) {
            // Half a frame would hide those behind it.
            let _ = writing.file.set_len(writing.length);
            return Err(error);
        }
        writing.length += frame.len() as u64;
        writing.unsynced = true;
        let path = writing.path.clone();
        self.bytes += frame.len() as u64;
        self.files.entry(path).or_default().insert(table.to_string(), number);
        self.last = number;
        Ok(())
    }

    /// Waits until all frames are on disk.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let Some(writing) = &mut self.open else { return Ok(()) };
        if writing.unsynced {
            writing.file.sync_data()?;
            writing.unsynced = false;
        }
        Ok(())
    }

    /// The next frame begins a new file.
    pub(crate) fn turn_over(&mut self) {
        self.open = None;
    }

    /// The number of the last frame.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Removes files all of whose frames are in segments: of each table those up to `through`.
    pub(crate) fn trim(&mut self, through: &BTreeMap<String, u64>) -> io::Result<()> {
        let covered = |tables: &BTreeMap<String, u64>| {
            tables.iter().all(|(table, last)| through.get(table).is_some_and(|it| it >= last))
        };
        let current = self.open.as_ref().map(|it| it.path.clone());
        let dead: Vec<PathBuf> = self
            .files
            .iter()
            .filter(|(path, tables)| Some(*path) != current.as_ref() && covered(tables))
            .map(|(path, _)| path.clone())
            .collect();
        for path in dead {
            let bytes = fs::metadata(&path).map_or(0, |it| it.len());
            fs::remove_file(&path)?;
            self.bytes = self.bytes.saturating_sub(bytes);
            self.files.remove(&path);
        }
        Ok(())
    }

    fn writing(&mut self) -> io::Result<&mut Writing> {
        if self.open.is_none() {
            let path = self.folder.join(format!("{:08}.log", self.last + 1));
            let file = OpenOptions::new().create(true).append(true).open(&path)?;
            // The file's name, too, has to be there after a crash.
            File::open(&self.folder)?.sync_all()?;
            let length = file.metadata()?.len();
            self.open = Some(Writing { path, file, length, unsynced: false });
        }
        Ok(self.open.as_mut().expect("it was opened just now"))
    }
}

/// The journal's files, oldest first.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "log") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn encode(number: u64, table: &str, rows: &RecordBatch) -> io::Result<Vec<u8>> {
    let mut plain = number.to_le_bytes().to_vec();
    plain.push(table.len() as u8);
    plain.extend_from_slice(table.as_bytes());
    let mut writer = StreamWriter::try_new(plain, &rows.schema()).map_err(io::Error::other)?;
    writer.write(rows).map_err(io::Error::other)?;
    let plain = writer.into_inner().map_err(io::Error::other)?;
    let mut frame = vec![0; 8];
    zstd::stream::copy_encode(&plain[..], &mut frame, 1)?;
    let length = (frame.len() - 8) as u32;
    let sum = crc32fast::hash(&frame[8..]);
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..8].copy_from_slice(&sum.to_le_bytes());
    Ok(frame)
}

/// Reads the frames of one file; returns where the last whole one ends.
fn read_file(path: &Path, recovered: &mut Recovered) -> io::Result<u64> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    let mut rest = &bytes[..];
    while let Some((frame, behind)) = decode(rest) {
        recovered.frames.push(frame);
        rest = behind;
    }
    if !rest.is_empty() {
        recovered.torn.push((path.to_path_buf(), rest.len() as u64));
    }
    Ok((bytes.len() - rest.len()) as u64)
}

/// The first frame of `bytes` and what is behind it; none where it is not whole.
fn decode(bytes: &[u8]) -> Option<(Frame, &[u8])> {
    let (head, rest) = bytes.split_at_checked(8)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let sum = u32::from_le_bytes(head[4..].try_into().ok()?);
    let (body, behind) = rest.split_at_checked(length)?;
    if length == 0 || crc32fast::hash(body) != sum {
        return None;
    }
    let mut plain = Vec::new();
    let decoder = zstd::stream::Decoder::new(body).ok()?;
    decoder.take(FRAME_MOST as u64).read_to_end(&mut plain).ok()?;
    let (number, rest) = plain.split_at_checked(8)?;
    let number = u64::from_le_bytes(number.try_into().ok()?);
    let (&name, rest) = rest.split_first()?;
    let (table, rest) = rest.split_at_checked(name.into())?;
    let table = String::from_utf8(table.to_vec()).ok()?;
    let rows = StreamReader::try_new(rest, None).ok()?.next()?.ok()?;
    Some((Frame { number, table, rows }, behind))
}
