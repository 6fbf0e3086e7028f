//! How finely waits are sampled: as finely as the budget allows.

use std::time::Duration;

/// Sets the time of waiting for which one wait is told.
#[derive(Debug)]
pub(super) struct Pace {
    /// Waits a second, on the whole machine, that are aimed at.
    aim: f64,
    period: u64,
    told: u64,
}

/// Nobody wants to know more exactly, and nobody less.
const FINEST: u64 = 10_000_000;
const COARSEST: u64 = 60_000_000_000;
const FIRST: u64 = 10_000_000;

impl Pace {
    /// Up to `most` waits a second on each CPU.
    pub(super) fn new(most: u32) -> Pace {
        let cpus = kernel::online_cpus();
        // Beyond the bound waits are lost, so stay far below: a burst comes faster than we look.
        Pace { aim: f64::from(most) * cpus as f64 / 5.0, period: FIRST, told: 0 }
    }

    /// The period, in nanoseconds.
    pub(super) fn period(&self) -> u64 {
        self.period
    }

    /// One was told.
    pub(super) fn count(&mut self) {
        self.told += 1;
    }

    /// After `elapsed`: whether the period is another one now.
    pub(super) fn adapt(&mut self, elapsed: Duration) -> bool {
        let rate = self.told as f64 / elapsed.as_secs_f64().max(0.001);
        self.told = 0;
        let wanted = match rate / self.aim {
            much if much > 1.0 => (self.period as f64 * much.min(16.0)) as u64,
            little if little < 0.25 => self.period / 2,
            _ => self.period,
        };
        let wanted = wanted.clamp(FINEST, COARSEST);
        std::mem::replace(&mut self.period, wanted) != wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_follows_the_load() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(100);
        assert_eq!(pace.period(), FIRST);
        pace.told = 1_000_000;
        assert!(pace.adapt(second) && pace.period() > FIRST);
        for _ in 0..20 {
            pace.adapt(second);
        }
        assert_eq!(pace.period(), FINEST);
        assert!(!pace.adapt(second), "it is as fine as it gets");
    }
}
