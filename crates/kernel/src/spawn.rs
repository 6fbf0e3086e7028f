//! The node around us: cgroups, clocks, and starting a command in a cgroup of its own.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

/// A cgroup that we made; removed when dropped.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    id: u64,
}

/// Our cgroups are named so, with our pid and a number behind it.
const PREFIX: &str = "fathom-observe-";

/// Where cgroup2 is mounted: alone at `/sys/fs/cgroup`, or beside version 1 somewhere below it.
pub fn cgroup2_mount() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| {
        line.split_once(" - ").is_some_and(|(_, after)| after.starts_with("cgroup2 "))
    })?;
    line.split(' ').nth(4).map(PathBuf::from)
}

/// What has to be added to `CLOCK_BOOTTIME` to get nanoseconds since 1970 UTC.
pub fn wall_clock_offset() -> i64 {
    let nanoseconds = |id| {
        let now = clock_gettime(id);
        now.tv_sec * 1_000_000_000 + now.tv_nsec
    };
    // The pair is not read at once; the closest of a few readings is good to well under 1 µs.
    let reading = |_| {
        let before = nanoseconds(ClockId::Boottime);
        let wall = nanoseconds(ClockId::Realtime);
        let after = nanoseconds(ClockId::Boottime);
        (after - before, wall - (before + after) / 2)
    };
    (0..5).map(reading).min().map_or(0, |(_, offset)| offset)
}

/// A hash of this boot's id, the part of a process key that tells nodes apart.
pub fn boot_id() -> u32 {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    // FNV-1a: stable across builds and releases, which the standard hasher does not promise.
    id.trim()
        .bytes()
        .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Starts `command` in the cgroup at `path`: it belongs to it before its first instruction.
pub fn spawn_into(path: &Path, command: &mut Command) -> Result<Child> {
    let door = path.join("cgroup.procs");
    let mut door = File::options().write(true).open(&door).context("cannot enter the cgroup")?;
    // SAFETY: between fork and exec the closure makes one write(2) to an open file, which is
    // async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(move || door.write_all(b"0")) };
    let name = command.get_program().to_string_lossy().into_owned();
    command.spawn().with_context(|| format!("cannot run `{name}`"))
}

impl Cgroup {
    /// Makes a cgroup for one command, directly below the root.
    pub fn create() -> Result<Cgroup> {
        let root = cgroup2_mount().context("cgroup2 is not mounted")?;
        remove_stale(&root);
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let id = fs::metadata(&path)?.ino();
        Ok(Cgroup { path, id })
    }

    /// The id by which the kernel knows it.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts `command` inside: it belongs to the cgroup before its first instruction.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        spawn_into(&self.path, command)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // What the command left running goes back to the root and lives on.
        let root = self.path.parent().map(|root| root.join("cgroup.procs"));
        let left = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        for pid in left.lines() {
            let _ = root.as_ref().map(|root| fs::write(root, pid));
        }
        remove_tree(&self.path);
    }
}

/// Cgroups can only be removed leaf first, and not while anyone is inside.
fn remove_tree(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _: io::Result<()> = fs::remove_dir(path);
}

/// Removes what a killed agent left behind: our cgroups whose agent is gone.
fn remove_stale(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner =
            name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            remove_tree(&entry.path());
        }
    }
}
