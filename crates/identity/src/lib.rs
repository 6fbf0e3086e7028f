//! Who did it: the process table, and from a cgroup to its container and pod.
//!
//! [`Identity`] is fed with [`schema::Change`]s and answers for each row which process it speaks
//! of, as that process was at the row's time. Entries are immutable and shared; whoever holds one
//! holds the truth of that moment. Several workers use one table, each through a [`Resolver`]
//! of its own. [`CgroupIndex`] knows what the cgroups are, [`cgroup`] reads their paths, and
//! [`mounts`] reads where they are mounted. [`pods`] has what the cluster says of them.
//!
//! Nothing here does I/O or reads a clock: times are arguments, `CLOCK_BOOTTIME` nanoseconds.
#![forbid(unsafe_code)]

pub mod cgroup;
mod entry;
mod index;
pub mod mounts;
pub mod pods;
mod resolver;
mod shards;
mod table;
mod version;

pub use index::CgroupIndex;
pub use resolver::Resolver;
pub use table::{Identity, Limits};
