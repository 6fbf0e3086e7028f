//! How long to wait before trying again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Waits that double from the first to the longest, each shortened by chance so that the nodes
/// of a cluster do not come back all at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Retry {
    pub(crate) fn new(first: Duration, longest: Duration) -> Retry {
        Retry { first, longest, next: first }
    }

    /// All is well: the next wait is the first again.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    /// How long to wait now.
    pub(crate) fn wait(&mut self) -> Duration {
        let whole = self.next;
        self.next = self.longest.min(whole * 2);
        // Each hasher's keys are made by chance.
        let chance = RandomState::new().hash_one(0) % 1000;
        whole.mul_f64(0.5 + chance as f64 / 2000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_begin_anew() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut retry = Retry::new(first, longest);
        for whole in [100, 200, 400, 800, 1000, 1000] {
            let wait = retry.wait().as_millis();
            assert!((whole / 2..=whole).contains(&wait), "{wait} of {whole}");
        }
        retry.reset();
        assert!(retry.wait() <= first);
    }
}
