//! Captures: what the kernel said, byte for byte, to run through the same stream again.
//!
//! A file is a line of JSON (what wrote it, on which node, which signals with which record
//! layouts) and then frames: a length, a checksum, and that many bytes of records. An empty frame
//! is a mark: the worker flushed there. Nothing in a file is believed without its checksum.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use kernel::Signal;
use serde::{Deserialize, Serialize};

use crate::node::Node;
use crate::stream::Stream;

/// The first line of a capture.
#[derive(Debug, Serialize, Deserialize)]
pub struct Head {
    /// Always `fathom-capture`.
    pub format: String,
    /// The version of this format.
    pub version: u32,
    /// The node's name.
    pub node: String,
    /// A hash of its boot id.
    pub boot: u32,
    /// What to add to the records' clock for nanoseconds since 1970 UTC.
    pub clock_offset: i64,
    /// The signals, by the number in their records.
    pub signals: Vec<SignalHead>,
}

/// One signal of a capture.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct SignalHead {
    /// Its name.
    pub name: String,
    /// A hash of its records' layout.
    pub layout: u64,
}

/// Writes a capture; shared by the workers.
pub struct Recorder {
    state: Mutex<Writing>,
}

struct Writing {
    out: BufWriter<File>,
    frame: Vec<u8>,
    records: u64,
    failed: Option<io::Error>,
    lost: u64,
}

/// What became of a capture.
#[derive(Debug)]
pub struct Written {
    /// Records in the file.
    pub records: u64,
    /// Records that could not be written, and why.
    pub lost: Option<(u64, io::Error)>,
}

/// Reads a capture.
pub struct Player {
    input: BufReader<File>,
    /// The first line.
    pub head: Head,
}

/// How reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// At the end of the file.
    Complete,
    /// In the middle of a frame: the writer was cut off.
    Truncated {
        /// Where the last whole frame ends.
        at: u64,
    },
    /// At a frame whose checksum does not fit.
    Corrupt {
        /// Where it begins.
        at: u64,
    },
}

const FORMAT: &str = "fathom-capture";
const VERSION: u32 = 1;
const FRAME: usize = 64 << 10;
/// No frame is longer: a length beyond it is not one.
const FRAME_MOST: usize = 1 << 20;

impl Recorder {
    /// Begins a capture of `signals` on `node`.
    pub fn create(path: &Path, node: &Node, signals: &[&'static Signal]) -> Result<Recorder> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let head = Head {
            format: FORMAT.to_string(),
            version: VERSION,
            node: node.name.to_string(),
            boot: node.boot,
            clock_offset: node.clock_offset,
            signals: signals.iter().map(|signal| SignalHead::of(signal)).collect(),
        };
        let mut out = BufWriter::new(file);
        serde_json::to_writer(&mut out, &head)?;
        out.write_all(b"\n").with_context(|| format!("cannot write {}", path.display()))?;
        let frame = Vec::with_capacity(FRAME);
        Ok(Recorder {
            state: Mutex::new(Writing { out, frame, records: 0, failed: None, lost: 0 }),
        })
    }

    /// Appends one record.
    pub fn record(&self, record: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // The ring gives whole records; their length stands in their head, so no other is kept.
        state.records += 1;
        state.frame.extend_from_slice(record);
        if state.frame.len() >= FRAME {
            state.write_frame();
        }
    }

    /// Appends records that stand one behind the other.
    pub fn record_all(&self, records: &[u8]) {
        if !records.is_empty() {
            self.record(records);
        }
    }

    /// Notes that the worker flushes here.
    pub fn mark(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.frame.is_empty() {
            state.write_frame();
            state.write(&[]);
        }
    }

    /// Writes what is left and says what became of it.
    pub fn finish(&self) -> Written {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.frame.is_empty() {
            state.write_frame();
        }
        if let Err(error) = state.out.flush() {
            state.failed.get_or_insert(error);
        }
        let lost = state.failed.take().map(|error| (state.lost, error));
        Written { records: state.records - state.lost, lost }
    }
}

impl Writing {
    fn write_frame(&mut self) {
        let frame = std::mem::take(&mut self.frame);
        self.write(&frame);
        self.frame = frame;
        self.frame.clear();
    }

    /// After the first error nothing more is written: a hole in the middle could not be told.
    fn write(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            self.lost += 1;
            return;
        }
        let head = [bytes.len() as u32, crc32fast::hash(bytes)].map(u32::to_le_bytes).concat();
        let written = self.out.write_all(&head).and_then(|()| self.out.write_all(bytes));
        if let Err(error) = written {
            self.failed = Some(error);
            self.lost += 1;
        }
    }
}

impl SignalHead {
    fn of(signal: &Signal) -> SignalHead {
        SignalHead { name: signal.name.to_string(), layout: signal.layout }
    }
}

impl Player {
    /// Opens a capture and reads its first line.
    pub fn open(path: &Path) -> Result<Player> {
        let place = path.display();
        let file = File::open(path).with_context(|| format!("cannot read {place}"))?;
        let mut input = BufReader::with_capacity(FRAME, file);
        let mut line = Vec::new();
        input.by_ref().take(1 << 20).read_until(b'\n', &mut line)?;
        let head: Head = serde_json::from_slice(&line)
            .with_context(|| format!("{place} is not a capture: its first line is not the head"))?;
        ensure!(head.format == FORMAT, "{place} is not a capture: it is `{}`", head.format);
        ensure!(
            head.version == VERSION,
            "{place} is a capture of version {}; this build reads version {VERSION}",
            head.version
        );
        Ok(Player { input, head })
    }

    /// The node that the capture was made on.
    pub fn node(&self) -> Node {
        let Head { node, boot, clock_offset, .. } = &self.head;
        Node { name: node.as_str().into(), boot: *boot, clock_offset: *clock_offset }
    }

    /// The signals by their number in the records; an error where this build reads them otherwise.
    pub fn signals(&self, known: &[&'static Signal]) -> Result<Vec<&'static Signal>> {
        let find = |head: &SignalHead| {
            let Some(signal) = known.iter().find(|signal| signal.name == head.name) else {
                bail!("the capture has records of `{}`, which this build does not know", head.name);
            };
            ensure!(
                signal.layout == head.layout,
                "the records of `{}` have another layout in this build; replay the capture with \
                 the release that made it",
                head.name
            );
            Ok(*signal)
        };
        self.head.signals.iter().map(find).collect()
    }

    /// Runs every record through `stream`; `flushed` is told after each flush how many rows it had.
    pub fn play(&mut self, stream: &mut Stream, mut flushed: impl FnMut(usize)) -> Result<Ending> {
        let mut frame = Vec::new();
        let mut at = 0u64;
        loop {
            let mut head = [0; 8];
            match read_full(&mut self.input, &mut head)? {
                0 => break,
                8 => {}
                _ => return Ok(Ending::Truncated { at }),
            }
            let [length, checksum] = [0, 4].map(|from| {
                u32::from_le_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]])
            });
            if length as usize > FRAME_MOST {
                return Ok(Ending::Corrupt { at });
            }
            frame.resize(length as usize, 0);
            if read_full(&mut self.input, &mut frame)? < frame.len() {
                return Ok(Ending::Truncated { at });
            }
            if crc32fast::hash(&frame) != checksum {
                return Ok(Ending::Corrupt { at });
            }
            if frame.is_empty() {
                flushed(stream.flush());
            }
            stream.take_all(&frame);
            at += 8 + u64::from(length);
        }
        flushed(stream.flush());
        Ok(Ending::Complete)
    }
}

/// Reads until `buffer` is full or the file ends; returns how much was read.
fn read_full(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
