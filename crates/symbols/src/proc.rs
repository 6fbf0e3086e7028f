//! What `/proc` says of a process while it lives.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use schema::ProcessKey;

use crate::debugfile;
use crate::maps::{self, Region};

/// `starttime` counts in hundredths of a second, on every kernel for x86-64.
const TICK: u64 = 10_000_000;
const O_NONBLOCK: i32 = 0o4000;
const O_CLOEXEC: i32 = 0o2000000;

/// The code that `process` has mapped. An error where it has gone, or its number is another's by now.
pub(crate) fn regions(process: ProcessKey) -> io::Result<Vec<Region>> {
    let file = File::open(format!("/proc/{}/maps", process.pid))?;
    let regions = maps::read(BufReader::new(file))?;
    // Asked afterwards: what was read is of the process that is there now.
    let started = started(process.pid)?;
    if started.abs_diff(process.start / TICK) > 1 {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(regions)
}

/// The file behind a region: the very one that is mapped, even where its name has gone or is another
/// mount namespace's.
pub(crate) fn open(pid: u32, region: &Region) -> io::Result<File> {
    let Region { range, inode, path, .. } = region;
    let mapped = format!("/proc/{pid}/map_files/{:x}-{:x}", range.start, range.end);
    if let Ok(file) = open_plain(&mapped) {
        return Ok(file);
    }
    // Without the capability to do that. Nothing in the path leads out of the process's own root.
    let file = debugfile::open_below(&root(pid), Path::new(path.as_ref()));
    let file = file.ok_or(io::ErrorKind::NotFound)?;
    let found = file.metadata()?;
    // Another file may have its name by now. Overlays have devices of their own, so that the inode's
    // number is all that is sure to agree.
    if found.ino() != *inode || !found.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(file)
}

/// What a process says of the code that it made, if it does: `/tmp/perf-PID.map`, by its own number and
/// in its own file system.
pub(crate) fn perf_map(pid: u32) -> Option<File> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    let own = line.split_whitespace().next_back()?;
    let owner = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
    let file = debugfile::open_below(&root(pid), Path::new(&format!("/tmp/perf-{own}.map")))?;
    let found = file.metadata().ok()?;
    // /tmp is everybody's: what somebody else says of this process is not believed.
    (found.is_file() && (found.uid() == 0 || found.uid() == owner)).then_some(file)
}

/// The root directory of a process.
pub(crate) fn root(pid: u32) -> PathBuf {
    format!("/proc/{pid}/root").into()
}

/// Opens a plain file, and waits for nothing where it is a pipe or a device instead.
fn open_plain(path: &str) -> io::Result<File> {
    let mut how = File::options();
    let file = how.read(true).custom_flags(O_NONBLOCK | O_CLOEXEC).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// When the process with this number started, in ticks since boot.
fn started(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may hold anything, brackets and spaces as well.
    let after = text.rsplit_once(')').map_or("", |(_, after)| after);
    let started = after.split_whitespace().nth(19).and_then(|word| word.parse().ok());
    started.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
