//! Keeps what profiling costs within its budget: by sampling fewer of the clock's ticks.

use std::time::{Duration, Instant};

use kernel::Kernel;
use rustix::time::{ClockId, clock_gettime};
use signal_profile::PROFILE;

/// Watches the cost.
#[derive(Debug)]
pub(super) struct Thrift {
    budget: Option<f64>,
    /// One tick in so many is sampled.
    every: u32,
    looked: Instant,
    /// What was spent by then: this thread's time, and our programs'.
    spent: Duration,
}

/// Long enough that the tables of a new binary do not count for ever.
const WINDOW: Duration = Duration::from_secs(10);
const MOST: u32 = 64;

impl Thrift {
    /// `budget` is a share of all CPUs.
    pub(super) fn new(budget: Option<f64>) -> Thrift {
        Thrift { budget, every: 1, looked: Instant::now(), spent: Duration::ZERO }
    }

    /// One tick in so many is to be sampled.
    pub(super) fn every(&self) -> u32 {
        self.every
    }

    /// Whether that is another number now. Called from the thread whose time counts.
    pub(super) fn adapt(&mut self, kernel: &Kernel) -> bool {
        let (Some(budget), elapsed) = (self.budget, self.looked.elapsed()) else { return false };
        if elapsed < WINDOW {
            return false;
        }
        let spent = own_time() + in_kernel(kernel);
        let cpus = kernel::online_cpus();
        let used = spent.saturating_sub(self.spent).as_secs_f64();
        let share = used / (elapsed.as_secs_f64() * cpus as f64);
        (self.spent, self.looked) = (spent, Instant::now());
        let wanted = next(self.every, share / budget);
        std::mem::replace(&mut self.every, wanted) != wanted
    }
}

/// After a window that cost so many times the budget.
fn next(every: u32, times: f64) -> u32 {
    match times {
        much if much > 1.0 => (every * 2).min(MOST),
        // Half as seldom may cost twice as much.
        little if little < 0.4 => (every / 2).max(1),
        _ => every,
    }
}

fn own_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// 0 while the kernel does not measure it.
fn in_kernel(kernel: &Kernel) -> Duration {
    let programs = kernel.programs().into_iter();
    programs.filter(|it| it.signal == PROFILE.name).map(|it| it.run_time).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_too_much_is_done_less_often() {
        assert_eq!(next(1, 3.0), 2);
        assert_eq!(next(2, 0.7), 2);
        assert_eq!(next(2, 0.1), 1);
        assert_eq!((next(1, 0.1), next(64, 9.0)), (1, 64));
    }
}
