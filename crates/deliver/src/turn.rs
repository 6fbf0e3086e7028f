//! The thread of a receiver: it takes the next notices and carries them there, again and again.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::Backoff;
use crate::carry::{Carrier, Trouble};
use crate::lane::Lane;

/// A receiver that says how long to wait is believed so far.
const ASKED_MOST: Duration = Duration::from_secs(3600);

/// Carries notices until no more come.
pub(crate) fn run(lane: &Lane, mut carrier: Box<dyn Carrier>, backoff: &Backoff) {
    let mut pauses = Pauses::new(backoff);
    // How many are to be carried one by one, to find those that made a batch be refused.
    let mut singly = 0;
    while let Some(notices) = lane.next(if singly > 0 { 1 } else { carrier.most() }) {
        let count = notices.len();
        singly -= count.min(singly);
        match carrier.carry(&notices) {
            Ok(refused) => {
                lane.works();
                pauses.reset();
                if refused > 0 {
                    let name = lane.name();
                    lane.complain(format!("{name} refused {refused} of {count}"));
                }
                lane.done(count, Some(("refused", refused.min(count))));
            }
            Err(Trouble::Refused { words, .. }) if count > 1 => {
                lane.complain(words);
                singly = count;
            }
            Err(Trouble::Refused { reason, words }) => {
                lane.complain(words);
                lane.done(count, Some((reason, count)));
            }
            Err(Trouble::Later { delivered, after, words }) => {
                lane.failed(words);
                if delivered > 0 {
                    lane.done(delivered, None);
                    pauses.reset();
                }
                let pause = pauses.next();
                let pause = after.map_or(pause, |asked| asked.min(ASKED_MOST).max(pause));
                if !lane.pause(pause) {
                    break;
                }
            }
        }
    }
    carrier.finish();
}

/// Growing pauses.
struct Pauses {
    first: Duration,
    most: Duration,
    next: Duration,
    random: u64,
}

impl Pauses {
    fn new(backoff: &Backoff) -> Pauses {
        let first = backoff.first.0.max(Duration::from_millis(1));
        let most = backoff.most.0.max(first);
        Pauses { first, most, next: first, random: RandomState::new().build_hasher().finish() | 1 }
    }

    /// Between half of what it would be and all of it: not all agents come back at once.
    fn next(&mut self) -> Duration {
        // Xorshift: any number will do.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let whole = self.next;
        self.next = (whole * 2).min(self.most);
        whole / 2 + whole / 2 * ((self.random % 1000) as u32) / 1000
    }

    fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Span;

    #[test]
    fn pauses_grow_up_to_the_longest_and_are_never_the_same() {
        let backoff = Backoff { first: Span::millis(100), most: Span::seconds(1) };
        let mut pauses = Pauses::new(&backoff);
        let taken: Vec<Duration> = (0..40).map(|_| pauses.next()).collect();
        for (at, most) in [(0, 100), (1, 200), (2, 400), (3, 800), (4, 1000), (39, 1000)] {
            let most = Duration::from_millis(most);
            assert!((most / 2..=most).contains(&taken[at]), "{at}: {:?}", taken[at]);
        }
        let long: std::collections::HashSet<_> = taken[4..].iter().collect();
        assert!(long.len() > 10);
        pauses.reset();
        assert!(pauses.next() <= Duration::from_millis(100));
    }
}
