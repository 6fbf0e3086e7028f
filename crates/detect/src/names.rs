//! What rules ask that no event says: how users and hosts are called.

use std::net::IpAddr;
use std::sync::Arc;

use schema::{Process, ProcessKey};

/// Whoever knows. It is asked on the way of events, so it answers from memory or nearly so.
pub trait Names: Send + Sync {
    /// The user `uid` as the process's own /etc/passwd calls it.
    fn user(&self, process: &Process, uid: u32) -> Option<Arc<str>>;

    /// The group `gid` as the process's own /etc/group calls it.
    fn group(&self, process: &Process, gid: u32) -> Option<Arc<str>>;

    /// The host names, of those that rules were [told of](Names::interest), that have the address.
    fn hosts(&self, address: IpAddr) -> Vec<Arc<str>>;

    /// The capabilities of whoever may do everything on this node: one that lacks none of them is
    /// privileged.
    fn all_capabilities(&self) -> u64 {
        (1 << schema::plain::words::CAPABILITIES.len()) - 1
    }

    /// These host names are asked for from now on.
    fn interest(&self, hosts: &[String]);

    /// The process of that key, for one that another acts upon. Without it, it is known if this
    /// worker saw it run something.
    fn process(&self, _: ProcessKey) -> Option<Arc<Process>> {
        None
    }

    /// How long before `time` (nanoseconds since 1970) the process came to be, in nanoseconds.
    fn age_of(&self, process: ProcessKey, time: i64) -> Option<i64>;

    /// The same of a whole process.
    fn age(&self, process: &Process, time: i64) -> Option<i64> {
        self.age_of(process.key, time)
    }
}

/// Nobody has a name but root: for captures, and for tests.
#[derive(Debug, Default, Clone, Copy)]
pub struct Nameless {
    /// Nanoseconds from 1970 to the node's boot.
    pub boot: i64,
}

impl Names for Nameless {
    fn user(&self, _: &Process, uid: u32) -> Option<Arc<str>> {
        (uid == 0).then(|| "root".into())
    }

    fn group(&self, _: &Process, gid: u32) -> Option<Arc<str>> {
        (gid == 0).then(|| "root".into())
    }

    fn hosts(&self, _: IpAddr) -> Vec<Arc<str>> {
        Vec::new()
    }

    fn interest(&self, _: &[String]) {}

    fn age_of(&self, process: ProcessKey, time: i64) -> Option<i64> {
        let since_boot = time.checked_sub(self.boot)?;
        (process.start > 0).then(|| since_boot - process.start as i64)
    }
}
