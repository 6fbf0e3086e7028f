//! What the agent itself costs.

use std::fs;
use std::time::Duration;

/// CPU time and memory of this process, from `/proc/self`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time spent in user space.
    pub user: Duration,
    /// Time spent in the kernel on our behalf.
    pub system: Duration,
    /// Resident memory now, in bytes.
    pub resident: u64,
    /// The most it ever was.
    pub peak: u64,
}

/// The kernel reports `utime` and `stime` in these, on every architecture that Linux has.
const TICKS_PER_SECOND: u64 = 100;

impl Usage {
    /// What has been used until now; zeros where `/proc` is not readable.
    pub fn now() -> Usage {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Usage::parse(&stat, &status)
    }

    fn parse(stat: &str, status: &str) -> Usage {
        // The second field is the command in parentheses and may hold anything, so count from
        // the last parenthesis: utime and stime are the 12th and 13th fields after it.
        let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = |at| after.split_whitespace().nth(at).and_then(|field| field.parse().ok());
        let time = |at| Duration::from_millis(ticks(at).unwrap_or(0u64) * 1000 / TICKS_PER_SECOND);
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
            number.unwrap_or(0u64) * 1024
        };
        Usage { user: time(11), system: time(12), resident: bytes("VmRSS:"), peak: bytes("VmHWM:") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 1 1 0 -1 4194304 1 0 0 0 150 25 0 0 20 0 1 0 5 1 1";
        let usage = Usage::parse(stat, "VmHWM:\t  20 kB\nVmRSS:\t  10 kB\n");
        assert_eq!((usage.user.as_millis(), usage.system.as_millis()), (1500, 250));
        assert_eq!((usage.resident, usage.peak), (10240, 20480));
    }
}
