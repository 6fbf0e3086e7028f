//! What was prepared on a connection, by its id: bounded, the oldest goes first.

use std::collections::HashMap;
use std::sync::Arc;

use crate::normal::Sql;

/// A statement whose text was seen.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub sql: Arc<Sql>,
    pub text: Option<Arc<str>>,
    /// Whether its text was not seen to its end.
    pub cut: bool,
}

#[derive(Debug, Default)]
pub(super) struct Statements {
    by_id: HashMap<Box<[u8]>, (Statement, u64)>,
    bytes: usize,
    used: u64,
}

/// How many are kept, and how many bytes of them.
const MOST: usize = 256;
const MOST_BYTES: usize = 128 << 10;

impl Statements {
    pub(super) fn get(&mut self, id: &[u8]) -> Option<Statement> {
        self.used += 1;
        let (statement, since) = self.by_id.get_mut(id)?;
        *since = self.used;
        Some(statement.clone())
    }

    pub(super) fn keep(&mut self, id: &[u8], statement: Statement) {
        self.remove(id);
        self.used += 1;
        self.bytes += statement.size();
        self.by_id.insert(id.into(), (statement, self.used));
        while self.by_id.len() > MOST || (self.bytes > MOST_BYTES && self.by_id.len() > 1) {
            let oldest = self.by_id.iter().min_by_key(|(_, (_, since))| *since);
            match oldest.map(|(id, _)| id.clone()) {
                Some(oldest) => self.remove(&oldest),
                None => return,
            }
        }
    }

    /// Roughly how many bytes of memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn remove(&mut self, id: &[u8]) {
        if let Some((gone, _)) = self.by_id.remove(id) {
            self.bytes -= gone.size();
        }
    }
}

impl Statement {
    fn size(&self) -> usize {
        256 + self.sql.text.len() + self.text.as_ref().map_or(0, |text| text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let mut kept = Statements::default();
        for at in 0..2000u32 {
            let text = Some(Arc::from("x".repeat(at as usize % 4000)));
            let statement = Statement { sql: Arc::default(), text, cut: false };
            kept.keep(&at.to_be_bytes(), statement);
            kept.get(&0u32.to_be_bytes());
            assert!(kept.by_id.len() <= MOST && kept.bytes() <= MOST_BYTES);
        }
        let sum: usize = kept.by_id.values().map(|(statement, _)| statement.size()).sum();
        assert_eq!(sum, kept.bytes());
        assert!(kept.get(&0u32.to_be_bytes()).is_some() && kept.get(&1u32.to_be_bytes()).is_none());
    }
}
