//! What requests of a connection weigh: whether all that it moves is worth copying.

/// What requests weigh, the later ones more.
#[derive(Debug, Default)]
pub(crate) struct Weight {
    bytes: u64,
    requests: u64,
}

/// Bytes of a request and its response that may all be copied.
const LIGHT: u64 = 4096;
/// So many requests are thought to be light before they are known.
const FIRST: u64 = 100;
/// After so many, what they weighed counts half.
const WEIGHED: u64 = 1024;

impl Weight {
    /// A call moved so many bytes.
    pub(crate) fn moved(&mut self, size: u64) {
        self.bytes = self.bytes.saturating_add(size);
    }

    /// A request is over.
    pub(crate) fn request(&mut self) {
        self.requests += 1;
        if self.requests == WEIGHED {
            self.bytes /= 2;
            self.requests /= 2;
        }
    }

    /// Whether a request weighs little on the whole; also before there were any.
    pub(crate) fn is_light(&self) -> bool {
        self.bytes < LIGHT * (self.requests + FIRST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_requests_are_light_and_large_ones_become_heavy() {
        let mut weight = Weight::default();
        assert!(weight.is_light(), "before anything is known");
        let mut say = |count: u64, size: u64| {
            for _ in 0..count {
                weight.moved(size);
                weight.request();
            }
            weight.is_light()
        };
        assert!(say(10_000, 1000));
        assert!(!say(2000, 20_000));
        // What was long ago counts little.
        assert!(say(10_000, 1000));
    }

    #[test]
    fn what_never_ends_is_heavy() {
        let mut weight = Weight::default();
        weight.moved(u64::MAX);
        weight.moved(1);
        assert!(!weight.is_light());
    }
}
