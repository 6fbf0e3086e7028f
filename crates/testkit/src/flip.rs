//! Opens of a path that another thread keeps changing: what was passed and what was opened are
//! not the same, and only the kernel knows which file it was.

use std::ffi::CStr;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::columns as c;
use crate::log::{Edge, Recorder};
use crate::workload::Scratch;

/// One open, and which file it truly opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// Its place among the opens.
    pub seq: u64,
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// The file descriptor.
    pub fd: i32,
    /// The opened file's inode, as `fstat` told it.
    pub inode: u64,
    /// The path of the file with that inode.
    pub path: String,
}

/// Opens `count` times a path whose last byte another thread keeps changing, between two
/// markers as a workload has them; returns what was opened.
pub fn run(count: usize) -> anyhow::Result<Vec<Opened>> {
    let scratch = Scratch::new("flip")?;
    let names = [scratch.path().join("file-a"), scratch.path().join("file-b")];
    let mut inodes = [0; 2];
    for (name, inode) in names.iter().zip(&mut inodes) {
        fs::write(name, "")?;
        *inode = fs::metadata(name)?.ino();
    }
    let buffer: &'static [u8] = [names[0].as_os_str().as_bytes(), b"\0"].concat().leak();
    let path = CStr::from_bytes_with_nul(buffer)?;
    let last = (buffer.as_ptr().addr() + buffer.len() - 2) as u64;
    // One byte is all that differs, so that every moment shows one name or the other.
    let memory = File::options().write(true).open("/proc/self/mem")?;
    let (stop, flips) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut opened = Vec::with_capacity(count);
    let mut rec = Recorder::new(Arc::new(AtomicU64::new(0)));
    let tid = rustix::thread::gettid().as_raw_nonzero().get() as u32;
    thread::scope(|scope| -> anyhow::Result<()> {
        let writer = scope.spawn(|| -> std::io::Result<()> {
            while !stop.load(Ordering::Relaxed) {
                memory.write_all_at(b"b", last)?;
                flips.fetch_add(1, Ordering::Relaxed);
                memory.write_all_at(b"a", last)?;
                flips.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        rec.mark(Edge::Begin, 0);
        let mut open_all = || -> anyhow::Result<()> {
            let mut seen = 0;
            for seq in 0..count as u64 {
                // However few the CPUs, the writer gets its turns.
                while seq % 8 == 0 && flips.load(Ordering::Relaxed) == seen {
                    anyhow::ensure!(!writer.is_finished(), "the writer ended too early");
                    thread::yield_now();
                }
                seen = flips.load(Ordering::Relaxed);
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(rustix::fs::CWD, path, flags, Mode::empty())?;
                let inode = rustix::fs::fstat(&fd)?.st_ino;
                let which = usize::from(inode == inodes[1]);
                anyhow::ensure!(inode == inodes[which], "a file was opened that is neither");
                let path = names[which].display().to_string();
                let pid = std::process::id();
                opened.push(Opened { seq, pid, tid, fd: fd.as_raw_fd(), inode, path });
            }
            Ok(())
        };
        let result = open_all();
        rec.mark(Edge::End, 0);
        stop.store(true, Ordering::Relaxed);
        writer.join().map_err(|_| anyhow::anyhow!("the writer gave up"))??;
        result
    })?;
    Ok(opened)
}

/// What a check of rows against the truth found.
#[derive(Debug, Default, PartialEq)]
pub struct Check {
    /// Rows that name the file that was opened.
    pub right: usize,
    /// Rows that name the other one, by the number of the open.
    pub wrong: Vec<u64>,
    /// The numbers of rows and of opens, where they are not the same.
    pub lost: Option<(usize, usize)>,
    /// Rows whose `path`, as the caller gave it, is not what was opened: the races that were
    /// there to be lost.
    pub raced: usize,
}

impl Check {
    /// Whether every open has its row, and every row is right.
    pub fn is_clean(&self) -> bool {
        self.wrong.is_empty() && self.lost.is_none()
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Check { right, wrong, lost, raced } = self;
        writeln!(f, "right {right}, wrong {}, raced {raced}", wrong.len())?;
        if let Some((rows, opens)) = lost {
            writeln!(f, "{rows} rows for {opens} opens")?;
        }
        for seq in wrong.iter().take(20) {
            writeln!(f, "wrong: open #{seq}")?;
        }
        Ok(())
    }
}

/// Whether `path_resolved` of the rows (in the order of their times) names the file that was
/// opened, every time.
pub fn check(opened: &[Opened], rows: &[Value]) -> Check {
    let Some(first) = opened.first() else { return Check::default() };
    let names: std::collections::BTreeSet<&str> =
        opened.iter().map(|open| open.path.as_str()).collect();
    let mut rows: Vec<&Value> = rows
        .iter()
        .filter(|row| row[c::TABLE] == c::OPEN && row[c::TID] == first.tid)
        .filter(|row| row[c::ERROR].is_null())
        .filter(|row| {
            [c::PATH, c::PATH_RESOLVED]
                .iter()
                .any(|&column| row[column].as_str().is_some_and(|path| names.contains(path)))
        })
        .collect();
    // Making the files opens them too; the opens that count are the last.
    rows.sort_by_key(|row| row[c::TIME].as_str().unwrap_or("").to_owned());
    let mut check = Check::default();
    if rows.len() < opened.len() {
        check.lost = Some((rows.len(), opened.len()));
    }
    let rows = &rows[rows.len().saturating_sub(opened.len())..];
    for (open, row) in opened.iter().zip(rows) {
        match row[c::PATH_RESOLVED] == open.path.as_str() && row[c::FD] == open.fd {
            true => check.right += 1,
            false => check.wrong.push(open.seq),
        }
        check.raced += usize::from(row[c::PATH] != open.path.as_str());
    }
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_files_are_opened_and_a_forged_path_is_found_out() {
        let opened = run(2000).unwrap();
        assert_eq!(opened.len(), 2000);
        assert!(opened.iter().any(|open| open.path != opened[0].path), "nothing was flipped");
        let row = |open: &Opened, resolved: &str| {
            let time = format!("2026-01-01T00:00:00.{:09}Z", open.seq);
            json!({
                "table": "file_open", "time": time, "tid": open.tid, "fd": open.fd,
                "path": opened[0].path, "path_resolved": resolved, "error": null,
            })
        };
        let right: Vec<_> = opened.iter().map(|open| row(open, &open.path)).collect();
        let found = check(&opened, &right);
        assert!(found.is_clean() && found.raced > 0, "{found}");
        let forged: Vec<_> = opened.iter().map(|open| row(open, &opened[0].path)).collect();
        assert!(!check(&opened, &forged).is_clean());
        assert!(!check(&opened, &right[1..]).is_clean());
    }
}
