//! Words that many objects have in common, kept once.

use std::collections::HashSet;
use std::sync::Arc;

/// Words in use. Those that nobody uses any more are let go as it grows.
#[derive(Default)]
pub(crate) struct Words {
    words: HashSet<Arc<str>>,
    /// The size at which to look again for those that nobody uses.
    full: usize,
}

const SMALLEST: usize = 1024;

impl Words {
    /// The word, shared with all others who asked for it.
    pub(crate) fn share(&mut self, word: &str) -> Arc<str> {
        if let Some(known) = self.words.get(word) {
            return known.clone();
        }
        if self.words.len() >= self.full.max(SMALLEST) {
            self.words.retain(|word| Arc::strong_count(word) > 1);
            self.full = self.words.len() * 2;
        }
        let word: Arc<str> = word.into();
        self.words.insert(word.clone());
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_words_are_one_and_unused_ones_go() {
        let mut words = Words::default();
        let app = words.share("app");
        assert!(Arc::ptr_eq(&app, &words.share("app")));
        for number in 0..10 * SMALLEST {
            words.share(&number.to_string());
        }
        assert!(words.words.len() <= SMALLEST);
        assert!(Arc::ptr_eq(&app, &words.share("app")));
    }
}
