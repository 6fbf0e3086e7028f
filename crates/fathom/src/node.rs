//! Which node this is, and its clock.

use std::sync::Arc;

use schema::{Origin, ProcessKey};
use wire::RecordHeader;

/// What is the same for every row of a node's boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The node's name: `$NODE_NAME` as Kubernetes gives it, or the host's.
    pub name: Arc<str>,
    /// A hash of the boot id.
    pub boot: u32,
    /// What to add to `CLOCK_BOOTTIME` for nanoseconds since 1970 UTC.
    pub clock_offset: i64,
}

impl Node {
    /// This node, now.
    pub fn here() -> Node {
        let named = std::env::var("NODE_NAME").ok().filter(|name| !name.is_empty());
        let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        Node {
            name: named.unwrap_or_else(host).into(),
            boot: kernel::boot_id(),
            clock_offset: kernel::wall_clock_offset(),
        }
    }

    /// The same node under `name`, where one is given.
    pub fn called(mut self, name: Option<&str>) -> Node {
        if let Some(name) = name {
            self.name = name.into();
        }
        self
    }

    /// Where a record came from.
    #[inline]
    pub fn origin(&self, header: &RecordHeader) -> Origin {
        Origin {
            time: self.wall(header.time),
            process: ProcessKey { start: header.start, pid: header.tgid, boot: self.boot },
            tid: header.tid,
            cgroup: header.cgroup,
            comm: header.comm,
        }
    }

    /// Nanoseconds since 1970 UTC for a moment of `CLOCK_BOOTTIME`.
    pub fn wall(&self, boot_time: u64) -> i64 {
        (boot_time as i64).wrapping_add(self.clock_offset)
    }

    /// The moment of `CLOCK_BOOTTIME` for nanoseconds since 1970 UTC.
    pub fn boot_time(&self, wall: i64) -> u64 {
        u64::try_from(wall.wrapping_sub(self.clock_offset)).unwrap_or(0)
    }

    /// Where rows about the agent itself come from: its own process, now.
    pub fn own_origin(&self) -> Origin {
        // The start is told by /proc in hundredths of a second only; for the agent's own rows
        // that is as good a name as any.
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = after.split_whitespace().nth(19).and_then(|it| it.parse::<u64>().ok());
        let pid = std::process::id();
        let start = ticks.unwrap_or(0) * 10_000_000;
        let mut comm = [0; 16];
        comm[..6].copy_from_slice(b"fathom");
        let process = ProcessKey { start, pid, boot: self.boot };
        Origin { time: self.wall(self.now()), process, tid: pid, cgroup: 0, comm }
    }

    /// `CLOCK_BOOTTIME` now.
    pub fn now(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    }
}
