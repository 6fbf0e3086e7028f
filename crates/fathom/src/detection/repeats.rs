//! The same alert again and again: told once in a while, and counted.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use detect::Alert;

use super::Quiet;

/// What was told lately.
pub(super) struct Repeats {
    pub(super) quiet: Quiet,
    told: HashMap<u64, Told>,
    /// How often each rule was told in the minute that began then.
    minutes: HashMap<usize, (i64, u32)>,
}

/// What becomes of an alert.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Tell,
    /// It is the same as one that was told; it will be told how often it came.
    Repeated,
    /// The rule fires too often.
    TooMany,
}

struct Told {
    since: i64,
    /// The last that was held back.
    last: Option<Box<Alert>>,
    held: u64,
}

/// Different alerts within a window; beyond them each is told.
const MOST: usize = 16_384;
const MINUTE: i64 = 60_000_000_000;

impl Repeats {
    pub(super) fn new(quiet: Quiet) -> Repeats {
        Repeats { quiet, told: HashMap::new(), minutes: HashMap::new() }
    }

    pub(super) fn take(&mut self, alert: &Alert) -> Verdict {
        let (key, now, window) = (key(alert), alert.time(), self.window());
        if let Some(told) = self.told.get_mut(&key)
            && now.saturating_sub(told.since) < window
        {
            told.held += 1;
            told.last = Some(Box::new(alert.clone()));
            return Verdict::Repeated;
        }
        let rule = std::sync::Arc::as_ptr(&alert.rule) as usize;
        let (since, count) = self.minutes.entry(rule).or_insert((now, 0));
        if now.saturating_sub(*since) >= MINUTE {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        if *count > self.quiet.most {
            return Verdict::TooMany;
        }
        if window > 0 && self.told.len() < MOST {
            let told = Told { since: now, last: None, held: 0 };
            self.told.entry(key).or_insert(told);
        }
        Verdict::Tell
    }

    /// The last of those that were held back, with how many there were, once their window is over.
    pub(super) fn overdue(&mut self, now: i64, last: bool) -> Vec<Alert> {
        let window = self.window();
        let mut overdue = Vec::new();
        self.told.retain(|_, told| {
            let over = last || now.saturating_sub(told.since) >= window;
            if over && let Some(alert) = told.last.take() {
                overdue.push(Alert { repeated: told.held, ..*alert });
            }
            !over
        });
        self.minutes.retain(|_, (since, _)| now.saturating_sub(*since) < MINUTE);
        overdue.sort_by_key(Alert::time);
        overdue
    }

    fn window(&self) -> i64 {
        i64::try_from(self.quiet.window.as_nanos()).unwrap_or(i64::MAX)
    }
}

/// The same for alerts of the same rule, process and message.
fn key(alert: &Alert) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&alert.rule.name, alert.process().key, &alert.message).hash(&mut hasher);
    hasher.finish()
}
