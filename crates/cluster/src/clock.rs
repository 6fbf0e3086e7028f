//! The clocks: when something is told, and when something else says that it was.

use k8s_openapi::jiff::Timestamp;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Now, on the clock that rows are told by.
pub(crate) fn now() -> u64 {
    nanoseconds(clock_gettime(ClockId::Boottime)).max(0).unsigned_abs()
}

/// A time as the API server and runtimes write it, on the boot clock; none where it is no time.
pub(crate) fn from_text(text: &str) -> Option<u64> {
    let time: Timestamp = text.parse().ok()?;
    Some(from_wall(i64::try_from(time.as_nanosecond()).ok()?))
}

/// Nanoseconds since 1970 on the boot clock; 0 for times before the boot.
pub(crate) fn from_wall(wall: i64) -> u64 {
    let ago = nanoseconds(clock_gettime(ClockId::Realtime)).saturating_sub(wall);
    let now = nanoseconds(clock_gettime(ClockId::Boottime));
    now.saturating_sub(ago).max(0).unsigned_abs()
}

fn nanoseconds(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_others_are_put_on_our_clock() {
        let wall = Timestamp::now();
        let ago = now() - from_text(&wall.to_string()).unwrap();
        assert!(ago < 5_000_000_000, "{ago}");
        assert_eq!(from_text("1970-01-01T00:00:01Z"), Some(0));
        assert_eq!(from_text("yesterday"), None);
    }
}
