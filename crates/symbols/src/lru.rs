//! Things that are kept while they are used, within a budget of bytes.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Values by key, each said to take some bytes; the least recently used go when all together
/// would take more than the budget.
#[derive(Debug)]
pub struct Lru<K, V> {
    budget: usize,
    bytes: usize,
    evicted: u64,
    /// Grows with each use, so that the order of uses is the order of these numbers.
    clock: u64,
    entries: HashMap<K, Entry<V>>,
    order: BTreeMap<u64, K>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<K: Eq + Hash + Clone, V> Lru<K, V> {
    /// An empty one that holds at most `budget` bytes.
    pub fn new(budget: usize) -> Lru<K, V> {
        let (entries, order) = (HashMap::new(), BTreeMap::new());
        Lru { budget, bytes: 0, evicted: 0, clock: 0, entries, order }
    }

    /// The value of `key`, which counts as a use of it.
    pub fn get(&mut self, key: &K) -> Option<&mut V> {
        let entry = self.entries.get_mut(key)?;
        let key = self.order.remove(&entry.used)?;
        self.clock += 1;
        entry.used = self.clock;
        self.order.insert(self.clock, key);
        Some(&mut entry.value)
    }

    /// The value of `key`, without a use of it.
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Keeps `value`, which takes `bytes`, in place of what `key` had. Gives what had to go for
    /// it, the longest unused first: `value` itself where it alone is over the budget.
    pub fn insert(&mut self, key: K, value: V, bytes: usize) -> Vec<(K, V)> {
        self.remove(&key);
        if bytes > self.budget {
            self.evicted += 1;
            return vec![(key, value)];
        }
        let mut gone = Vec::new();
        while self.bytes + bytes > self.budget {
            let Some(oldest) = self.evict() else { break };
            gone.push(oldest);
        }
        self.clock += 1;
        self.bytes += bytes;
        self.order.insert(self.clock, key.clone());
        self.entries.insert(key, Entry { value, bytes, used: self.clock });
        gone
    }

    /// Takes `key` out; not counted as evicted.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.used);
        self.bytes -= entry.bytes;
        Some(entry.value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What all of them take, by what was said of each.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many had to go for others, or were too large themselves.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Weighs all values anew, which may have grown. Gives what had to go.
    pub fn weigh(&mut self, weigh: impl Fn(&V) -> usize) -> Vec<(K, V)> {
        for entry in self.entries.values_mut() {
            let bytes = weigh(&entry.value);
            self.bytes = self.bytes - entry.bytes + bytes;
            entry.bytes = bytes;
        }
        let mut gone = Vec::new();
        while self.bytes > self.budget {
            let Some(oldest) = self.evict() else { break };
            gone.push(oldest);
        }
        gone
    }

    /// Lets the longest unused go.
    pub fn evict(&mut self) -> Option<(K, V)> {
        let (_, key) = self.order.pop_first()?;
        let entry = self.entries.remove(&key)?;
        self.bytes -= entry.bytes;
        self.evicted += 1;
        Some((key, entry.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_goes_first() {
        let mut kept = Lru::new(10);
        assert!(kept.insert("a", 1, 4).is_empty());
        assert!(kept.insert("b", 2, 4).is_empty());
        assert_eq!(kept.get(&"a"), Some(&mut 1));
        assert_eq!(kept.insert("c", 3, 4), [("b", 2)]);
        assert_eq!((kept.len(), kept.bytes(), kept.evicted()), (2, 8, 1));
        assert_eq!(kept.peek(&"b"), None);
    }

    #[test]
    fn a_look_without_use_changes_no_order() {
        let mut kept = Lru::new(8);
        kept.insert("a", 1, 4);
        kept.insert("b", 2, 4);
        assert_eq!(kept.peek(&"a"), Some(&1));
        assert_eq!(kept.insert("c", 3, 4), [("a", 1)]);
    }

    #[test]
    fn what_is_larger_than_the_budget_comes_back_and_costs_nobody_else() {
        let mut kept = Lru::new(8);
        kept.insert("a", 1, 4);
        assert_eq!(kept.insert("b", 2, 9), [("b", 2)]);
        assert_eq!((kept.len(), kept.bytes(), kept.evicted()), (1, 4, 1));
    }

    #[test]
    fn a_key_put_in_again_is_counted_once() {
        let mut kept = Lru::new(8);
        kept.insert("a", 1, 4);
        assert!(kept.insert("a", 2, 6).is_empty());
        assert_eq!((kept.len(), kept.bytes(), kept.evicted()), (1, 6, 0));
        assert_eq!(kept.remove(&"a"), Some(2));
        assert_eq!((kept.bytes(), kept.is_empty()), (0, true));
    }

    #[test]
    fn the_books_balance_after_many_turns() {
        let mut rng = testkit::rng::Rng::new(7);
        let mut kept = Lru::new(1000);
        let (mut put, mut gone) = (0, 0);
        for _ in 0..10_000 {
            let key = rng.below(50);
            match rng.below(3) {
                0 => drop(kept.get(&key)),
                1 => gone += usize::from(kept.remove(&key).is_some()),
                _ => {
                    gone += usize::from(kept.peek(&key).is_some());
                    put += 1;
                    gone += kept.insert(key, (), rng.below(200)).len();
                }
            }
            assert!(kept.bytes() <= 1000);
        }
        assert_eq!(kept.len(), put - gone);
        assert_eq!(kept.order.len(), kept.entries.len());
        assert_eq!(kept.bytes(), kept.entries.values().map(|entry| entry.bytes).sum::<usize>());
    }
}
