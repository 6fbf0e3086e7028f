//! What a workload's image has done before: `workload.novel[FIELD]`.
//!
//! For each image (outside of containers: for the node) and each field that a rule names, the values
//! that were seen are remembered, as hashes. For a while after the image was first seen everything
//! is learned in silence; after that a value that was never seen is new, once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What was seen of every image. Shared by all workers.
#[derive(Debug)]
pub struct Novelty {
    limits: Limits,
    state: Mutex<State>,
}

/// How much is remembered, and for how long is learned.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// So long after an image was first seen nothing of it is new.
    pub learning: Duration,
    /// Images; of one more nothing is new.
    pub images: usize,
    /// Values of one field of one image; beyond them nothing is new.
    pub values: usize,
}

/// What was learned of one image, for those who ask why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// The image, or `host`.
    pub image: String,
    /// When it was first seen, nanoseconds since 1970.
    pub since: i64,
    /// How many values of each field are known.
    pub values: BTreeMap<String, usize>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    images: HashMap<String, Image>,
    /// Questions that could not be answered for want of room.
    #[serde(default)]
    full: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Image {
    since: i64,
    fields: HashMap<String, HashSet<u64>>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { learning: Duration::from_secs(600), images: 1024, values: 4096 }
    }
}

impl Novelty {
    /// Nothing was seen yet.
    pub fn new(limits: Limits) -> Novelty {
        Novelty { limits, state: Mutex::default() }
    }

    /// What [`Novelty::save`] gave.
    pub fn restore(limits: Limits, saved: &str) -> Result<Novelty, serde_json::Error> {
        Ok(Novelty { limits, state: Mutex::new(serde_json::from_str(saved)?) })
    }

    /// All that was learned, as JSON.
    pub fn save(&self) -> String {
        serde_json::to_string(&*self.lock()).unwrap_or_default()
    }

    /// Whether the image never had this value of the field; it has from now on. `time`, and `since`
    /// when the image was first seen doing anything, are in nanoseconds since 1970.
    pub(crate) fn is_new(
        &self,
        image: &str,
        field: &str,
        value: &[u8],
        (since, time): (i64, i64),
    ) -> bool {
        let mut state = self.lock();
        let State { images, full } = &mut *state;
        if !images.contains_key(image) {
            if images.len() >= self.limits.images {
                *full += 1;
                return false;
            }
            images.insert(image.to_string(), Image { since, fields: HashMap::new() });
        }
        let Some(known) = images.get_mut(image) else { return false };
        if !known.fields.contains_key(field) {
            known.fields.insert(field.to_string(), HashSet::new());
        }
        let Some(values) = known.fields.get_mut(field) else { return false };
        let hash = fingerprint(value);
        if values.contains(&hash) {
            return false;
        }
        if values.len() >= self.limits.values {
            *full += 1;
            return false;
        }
        values.insert(hash);
        let learning = i64::try_from(self.limits.learning.as_nanos()).unwrap_or(i64::MAX);
        time.saturating_sub(known.since) > learning
    }

    /// What is known of each image.
    pub fn learned(&self) -> Vec<Learned> {
        let state = self.lock();
        let of = |(image, known): (&String, &Image)| Learned {
            image: image.clone(),
            since: known.since,
            values: known.fields.iter().map(|(field, set)| (field.clone(), set.len())).collect(),
        };
        let mut learned: Vec<Learned> = state.images.iter().map(of).collect();
        learned.sort_by(|one, other| one.image.cmp(&other.image));
        learned
    }

    /// Questions that could not be answered for want of room, and were answered with no.
    pub fn full(&self) -> u64 {
        self.lock().full
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same in every run: what is saved is compared with it.
fn fingerprint(value: &[u8]) -> u64 {
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;

    #[test]
    fn a_value_is_new_once_and_not_while_learning() {
        let novelty = Novelty::new(Limits::default());
        let is_new =
            |value: &str, time| novelty.is_new("nginx", "proc.name", value.as_bytes(), (0, time));
        assert!(!is_new("nginx", 0) && !is_new("sh", 9 * MINUTE));
        assert!(is_new("nc", 11 * MINUTE) && !is_new("nc", 12 * MINUTE) && !is_new("sh", MINUTE));
        assert!(!novelty.is_new("redis", "proc.name", b"nc", (12 * MINUTE, 12 * MINUTE)));
    }

    #[test]
    fn it_counts_from_what_was_first_seen_of_the_image_and_not_from_the_first_question() {
        let novelty = Novelty::new(Limits::default());
        assert!(novelty.is_new("nginx", "proc.name", b"sh", (0, 20 * MINUTE)));
    }

    #[test]
    fn what_was_learned_survives() {
        let novelty = Novelty::new(Limits::default());
        novelty.is_new("nginx", "proc.name", b"nginx", (0, 0));
        let again = Novelty::restore(Limits::default(), &novelty.save()).unwrap();
        assert!(!again.is_new("nginx", "proc.name", b"nginx", (0, 11 * MINUTE)));
        assert!(again.is_new("nginx", "proc.name", b"sh", (0, 11 * MINUTE)));
        assert_eq!(
            again.learned(),
            [Learned {
                image: "nginx".into(),
                since: 0,
                values: [("proc.name".to_string(), 2)].into(),
            }]
        );
    }

    #[test]
    fn it_is_bounded_and_says_so() {
        let novelty = Novelty::new(Limits { values: 2, images: 1, learning: Duration::ZERO });
        let is_new =
            |image: &str, value: &str| novelty.is_new(image, "f", value.as_bytes(), (1, 1));
        assert!(!is_new("a", "1") && !is_new("a", "2") && !is_new("a", "3") && !is_new("b", "1"));
        assert_eq!(novelty.full(), 2);
    }
}
