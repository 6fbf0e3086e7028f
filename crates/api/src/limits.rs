//! How much may be asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How much may be asked at one door. What one query may use is the engine's to say
/// ([`query::Options`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Queries a second that one identity may ask in the long run.
    pub queries_per_second: f64,
    /// Queries that one identity may ask at once after a pause.
    pub burst: u32,
    /// Live tails at once, of all identities together.
    pub tails: usize,
    /// Connections at once; one more is closed at once.
    pub connections: usize,
    /// Bytes of one request.
    pub request_bytes: usize,
}

/// Keeps the count of what is asked.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    buckets: Mutex<HashMap<Arc<str>, Bucket>>,
    tails: Arc<Semaphore>,
}

/// What one identity may still ask.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// Certificates are many: beyond so many identities, those are forgotten that have a full
/// bucket anyway.
const IDENTITIES: usize = 1024;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            queries_per_second: 20.0,
            burst: 40,
            tails: 16,
            connections: 256,
            request_bytes: 256 << 10,
        }
    }
}

impl Gate {
    pub(crate) fn new(limits: Limits) -> Gate {
        let tails = Arc::new(Semaphore::new(limits.tails));
        Gate { limits, buckets: Mutex::default(), tails }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes one query of `who`; where there is none left, says when there is one.
    pub(crate) fn query(&self, who: &Arc<str>, now: Instant) -> Result<(), Duration> {
        let (rate, most) = (self.limits.queries_per_second, f64::from(self.limits.burst.max(1)));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= IDENTITIES && !buckets.contains_key(who) {
            buckets.retain(|_, bucket| bucket.filled(rate, most, now) < most);
        }
        let bucket = buckets.entry(who.clone()).or_insert(Bucket { left: most, at: now });
        *bucket = Bucket { left: bucket.filled(rate, most, now), at: now };
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - bucket.left) / rate;
        Err(Duration::try_from_secs_f64(wait).unwrap_or(Duration::from_secs(3600)))
    }

    /// A place for one tail, until it is dropped.
    pub(crate) fn tail(&self) -> Option<OwnedSemaphorePermit> {
        self.tails.clone().try_acquire_owned().ok()
    }
}

impl Bucket {
    fn filled(&self, rate: f64, most: f64, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.left + passed * rate).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_and_each_for_themselves() {
        let gate = Gate::new(Limits { queries_per_second: 2.0, burst: 3, ..Limits::default() });
        let (ann, bob): (Arc<str>, Arc<str>) = ("ann".into(), "bob".into());
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(gate.query(&ann, start), Ok(()));
        }
        assert_eq!(gate.query(&ann, start), Err(Duration::from_millis(500)));
        assert_eq!(gate.query(&bob, start), Ok(()));
        let later = start + Duration::from_millis(500);
        assert_eq!(gate.query(&ann, later), Ok(()));
        assert!(gate.query(&ann, later).is_err());
    }

    #[test]
    fn a_rate_of_nothing_is_a_long_wait() {
        let gate = Gate::new(Limits { queries_per_second: 0.0, burst: 1, ..Limits::default() });
        let (who, now): (Arc<str>, _) = ("ann".into(), Instant::now());
        assert_eq!(gate.query(&who, now), Ok(()));
        assert_eq!(gate.query(&who, now), Err(Duration::from_secs(3600)));
    }

    #[test]
    fn the_known_identities_are_bounded() {
        let gate = Gate::new(Limits::default());
        let start = Instant::now();
        for one in 0..IDENTITIES * 3 {
            let who: Arc<str> = one.to_string().into();
            gate.query(&who, start + Duration::from_secs(one as u64)).unwrap();
        }
        assert!(gate.buckets.lock().unwrap().len() <= IDENTITIES);
    }

    #[test]
    fn tails_are_counted() {
        let gate = Gate::new(Limits { tails: 1, ..Limits::default() });
        let first = gate.tail();
        assert!(first.is_some() && gate.tail().is_none());
        drop(first);
        assert!(gate.tail().is_some());
    }
}
