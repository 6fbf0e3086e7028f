//! A queue on disk: notices in segments, and how far they have been delivered.
//!
//! `NUMBER.q` is frames, one behind the other: a length and a checksum, four bytes each, and that
//! many bytes. `cursor` says which segment and which byte of it come next; it is written after
//! each delivery and not waited for, so after a crash of the machine some notices are sent again.
//! A segment that was delivered is removed.
//!
//! What cannot be written, since the disk is full or broken, waits in memory behind what is on
//! disk, so that a receiver that is there is served all the same.

mod cursor;
mod frame;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Notice;
use cursor::Cursor;

/// Notices on disk, oldest first.
#[derive(Debug)]
pub(crate) struct Queue {
    folder: PathBuf,
    /// How many bytes the segments may have together.
    most: u64,
    /// Oldest first. The last one is being written if `writing` is there.
    segments: VecDeque<Segment>,
    writing: Option<File>,
    /// The first segment, once it was read from.
    reading: Option<File>,
    /// Where the next notice begins in the first segment.
    offset: u64,
    /// The number of the next segment.
    next: u64,
    /// The lengths of the frames that were peeked at.
    peeked: Vec<u64>,
    cursor: Cursor,
    /// What the disk did not take; bounded.
    overflow: VecDeque<Arc<Notice>>,
    overflow_most: usize,
    /// How many of `overflow` were peeked at: they stay where they are.
    lent: usize,
    /// What was written and not waited for.
    unsynced: Vec<File>,
    /// Why the disk took nothing, the last time that it did not.
    trouble: Option<String>,
    /// Held as long as the queue is: two agents would send everything twice.
    lock: File,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    /// Whole frames, in bytes.
    length: u64,
    /// Notices that are to be delivered.
    left: u64,
}

/// What was found in the folder.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Notices that an earlier agent did not deliver.
    pub(crate) waiting: u64,
    /// Segments whose end could not be read: at least one notice each.
    pub(crate) torn: u64,
}

/// Why a notice was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There are as many bytes as there may be.
    Full,
    /// The disk takes nothing, and neither does the memory beside it.
    Disk,
}

impl Queue {
    /// Opens the queue in `folder`, which is made where it is not there. Up to `overflow_most`
    /// notices wait in memory while the disk takes none.
    pub(crate) fn open(
        folder: &Path,
        most: u64,
        overflow_most: usize,
    ) -> io::Result<(Queue, Found)> {
        fs::create_dir_all(folder)?;
        let lock = lock(folder)?;
        let (cursor, place) = Cursor::open(&folder.join("cursor"))?;
        let mut queue = Queue {
            folder: folder.to_path_buf(),
            most,
            segments: VecDeque::new(),
            writing: None,
            reading: None,
            offset: 0,
            next: place.0 + 1,
            peeked: Vec::new(),
            cursor,
            overflow: VecDeque::new(),
            overflow_most,
            lent: 0,
            unsynced: Vec::new(),
            trouble: None,
            lock,
        };
        let found = queue.recover(place)?;
        Ok((queue, found))
    }

    /// Takes a notice. It survives a crash of the agent from now on, and one of the machine after
    /// the files of [`Queue::take_unsynced`] were synced.
    pub(crate) fn push(&mut self, notice: Arc<Notice>) -> Result<(), Refusal> {
        self.refill();
        if self.overflow.is_empty() {
            match self.write(&notice) {
                Ok(taken) => return if taken { Ok(()) } else { Err(Refusal::Full) },
                Err(error) => self.trouble = Some(format!("{}: {error}", self.folder.display())),
            }
        }
        if self.overflow.len() >= self.overflow_most {
            return Err(Refusal::Disk);
        }
        self.overflow.push_back(notice);
        Ok(())
    }

    /// The next notices, at most `most`; they stay until [`Queue::pop`]. With them comes how many
    /// were found to be unreadable and are gone.
    pub(crate) fn peek(&mut self, most: usize) -> (Vec<Arc<Notice>>, u64) {
        self.peeked.clear();
        self.lent = 0;
        let mut damaged = 0;
        while let Some(first) = self.segments.front() {
            if first.left == 0 {
                if self.writing.is_some() && self.segments.len() == 1 {
                    break;
                }
                self.remove_first();
                continue;
            }
            let notices = self.read_first(most);
            if !notices.is_empty() {
                return (notices, damaged);
            }
            damaged += self.segments.front().map_or(0, |it| it.left);
            self.remove_first();
        }
        self.lent = self.overflow.len().min(most);
        (self.overflow.iter().take(self.lent).cloned().collect(), damaged)
    }

    /// The first `count` of those that were peeked at are delivered.
    pub(crate) fn pop(&mut self, count: usize) {
        if self.lent > 0 {
            self.overflow.drain(..count.min(self.lent));
            self.lent = 0;
            return;
        }
        let count = count.min(self.peeked.len());
        self.offset += self.peeked.drain(..count).sum::<u64>();
        self.peeked.clear();
        let Some(first) = self.segments.front_mut() else { return };
        first.left -= (count as u64).min(first.left);
        let (number, length, left) = (first.number, first.length, first.left);
        let current = self.writing.is_some() && self.segments.len() == 1;
        // A segment that is still written stays while it is small: making files costs more.
        if left == 0 && (!current || length >= self.segment_most() / 2) {
            self.remove_first();
        } else {
            self.cursor.move_to((number, self.offset));
        }
    }

    /// How many wait, on disk and beside it.
    pub(crate) fn len(&self) -> u64 {
        self.segments.iter().map(|it| it.left).sum::<u64>() + self.overflow.len() as u64
    }

    /// When the oldest of them happened, in nanoseconds since the epoch.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let file = |first: &Segment| File::open(self.path(first.number)).ok();
        let first = self.segments.front().filter(|it| it.left > 0);
        let Some(file) = first.and_then(file) else {
            return self.overflow.front().map(|it| it.time);
        };
        frame::read(&file, self.offset).map(|(notice, _)| notice.time)
    }

    /// Gives up what waits in memory only, and says how much that was.
    pub(crate) fn forget_overflow(&mut self) -> u64 {
        self.lent = 0;
        self.overflow.drain(..).count() as u64
    }

    /// Lets another agent have it. To be called by the last who uses it.
    pub(crate) fn release(&self) {
        // To close the file is not enough: a process that is just being made has it open, too.
        let _ = self.lock.unlock();
    }

    /// What has to be synced so that a crash of the machine loses nothing that was pushed.
    pub(crate) fn take_unsynced(&mut self) -> Vec<File> {
        std::mem::take(&mut self.unsynced)
    }

    /// Why the disk took nothing the last time; none when it does.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Notices that wait in memory go to disk again, once it takes them.
    fn refill(&mut self) {
        while self.lent == 0
            && let Some(notice) = self.overflow.front().cloned()
        {
            match self.write(&notice) {
                Ok(true) => drop(self.overflow.pop_front()),
                _ => return,
            }
        }
    }

    /// Writes to the last segment; false where there is no room.
    fn write(&mut self, notice: &Notice) -> io::Result<bool> {
        let frame = frame::of(&notice.to_bytes());
        let size = frame.len() as u64;
        let bytes: u64 = self.segments.iter().map(|it| it.length).sum();
        if bytes + size > self.most {
            return Ok(false);
        }
        let length = self.segments.back().map_or(0, |it| it.length);
        if length > 0 && length + size > self.segment_most() {
            self.writing = None;
        }
        if self.writing.is_none() {
            self.begin_segment()?;
        }
        let (Some(file), Some(segment)) = (&mut self.writing, self.segments.back_mut()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if let Err(error) = file.write_all(&frame) {
            // Half a frame would hide those behind it.
            let cut = file.set_len(segment.length);
            if cut.is_err() {
                self.writing = None;
            }
            return Err(error);
        }
        segment.length += size;
        segment.left += 1;
        self.trouble = None;
        if self.unsynced.is_empty() {
            self.unsynced.extend(file.try_clone());
        }
        Ok(true)
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        let path = self.path(self.next);
        let mut options = OpenOptions::new();
        // Alerts tell what users did: not for everybody's eyes.
        let file = options.append(true).create_new(true).mode(0o640).open(path)?;
        // The file's name, too, has to be there after a crash.
        self.unsynced.extend(File::open(&self.folder));
        self.unsynced.extend(file.try_clone());
        self.segments.push_back(Segment { number: self.next, length: 0, left: 0 });
        self.writing = Some(file);
        self.next += 1;
        Ok(())
    }

    /// The next notices of the first segment; empty where it cannot be read.
    fn read_first(&mut self, most: usize) -> Vec<Arc<Notice>> {
        let Some(first) = self.segments.front() else { return Vec::new() };
        if self.reading.is_none() {
            self.reading = File::open(self.path(first.number)).ok();
        }
        let Some(file) = &self.reading else { return Vec::new() };
        let (mut at, mut notices) = (self.offset, Vec::new());
        while notices.len() < most && at < first.length {
            let Some((notice, length)) = frame::read(file, at) else { break };
            notices.push(Arc::new(notice));
            self.peeked.push(length);
            at += length;
        }
        notices
    }

    /// The first segment is done with.
    fn remove_first(&mut self) {
        let Some(first) = self.segments.pop_front() else { return };
        self.reading = None;
        self.offset = 0;
        if self.segments.is_empty() {
            self.writing = None;
        }
        // The cursor goes first: a segment that stays is then removed by the next agent.
        self.cursor.move_to((first.number + 1, 0));
        let _ = fs::remove_file(self.path(first.number));
    }

    /// Finds out what earlier agents left, from `place` on.
    fn recover(&mut self, place: (u64, u64)) -> io::Result<Found> {
        let mut found = Found::default();
        let mut numbers: Vec<u64> = fs::read_dir(&self.folder)?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".q")?.parse().ok())
            .collect();
        numbers.sort_unstable();
        for number in numbers {
            self.next = self.next.max(number + 1);
            let path = self.path(number);
            if number < place.0 {
                let _ = fs::remove_file(path);
                continue;
            }
            let from = if number == place.0 { place.1 } else { 0 };
            let scan = frame::scan(&fs::read(&path)?, from);
            found.torn += u64::from(scan.torn);
            if scan.left == 0 {
                let _ = fs::remove_file(path);
                continue;
            }
            if self.segments.is_empty() {
                self.offset = scan.from;
            }
            found.waiting += scan.left;
            self.segments.push_back(Segment { number, length: scan.length, left: scan.left });
        }
        Ok(found)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:016}.q"))
    }

    /// Large enough that there are few, small enough that delivered ones free their room soon.
    fn segment_most(&self) -> u64 {
        (self.most / 8).clamp(4 << 10, 1 << 20)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.release();
    }
}

fn lock(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let path = folder.join("lock");
    let file = options.write(true).create(true).truncate(false).mode(0o640).open(path)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::ResourceBusy, "another agent has this queue"))
        }
        // Some network file systems have no locks.
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(file),
    }
}

#[cfg(test)]
mod tests;
