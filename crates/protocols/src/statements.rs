//! Statements by name, and portals: bounded, the oldest goes first.

use std::collections::HashMap;
use std::sync::Arc;

use crate::normal::Sql;

/// A statement whose text was seen, or at least its name.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub sql: Option<Arc<Sql>>,
    pub name: String,
    pub text: Option<Arc<str>>,
    /// Whether its text was not seen to its end.
    pub cut: bool,
    /// When it was used last, counted in statements.
    pub since: u64,
}

/// What is known by name on one connection.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    by_name: HashMap<Box<[u8]>, Statement>,
    bytes: usize,
}

/// How many are kept, and how many bytes of them.
const MOST: usize = 256;
const MOST_BYTES: usize = 128 << 10;

/// The longest name, in bytes; of longer ones the rest does not count.
const LONGEST_NAME: usize = 64;

impl Statements {
    pub(crate) fn get(&self, name: &[u8]) -> Option<&Statement> {
        self.by_name.get(short(name))
    }

    pub(crate) fn keep(&mut self, name: &[u8], statement: Statement) {
        self.remove(name);
        self.bytes += statement.size();
        self.by_name.insert(short(name).into(), statement);
        while self.by_name.len() > MOST || (self.bytes > MOST_BYTES && self.by_name.len() > 1) {
            let oldest = self.by_name.iter().min_by_key(|(_, statement)| statement.since);
            match oldest.map(|(name, _)| name.clone()) {
                Some(oldest) => self.remove(&oldest),
                None => return,
            }
        }
    }

    pub(crate) fn remove(&mut self, name: &[u8]) {
        if let Some(gone) = self.by_name.remove(short(name)) {
            self.bytes -= gone.size();
        }
    }

    /// Roughly how many bytes of memory they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Statement {
    /// Roughly how many bytes of memory it takes.
    pub(crate) fn size(&self) -> usize {
        let sql = self.sql.as_ref().map_or(0, |sql| sql.text.len() + sql.verb.len());
        192 + self.name.len() + sql + self.text.as_ref().map_or(0, |text| text.len())
    }
}

fn short(name: &[u8]) -> &[u8] {
    &name[..name.len().min(LONGEST_NAME)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let mut kept = Statements::default();
        for since in 0..10_000u64 {
            let text = Some(Arc::from("x".repeat(1 + since as usize % 4000)));
            let statement = Statement { sql: None, name: String::new(), text, cut: false, since };
            kept.keep(format!("s{}", since % 5000).as_bytes(), statement);
            assert!(kept.by_name.len() <= MOST && kept.bytes() <= MOST_BYTES);
            let sum: usize = kept.by_name.values().map(Statement::size).sum();
            assert_eq!(sum, kept.bytes());
        }
        assert!(kept.get(b"s4999").is_some() && kept.get(b"s1").is_none());
        kept.remove(b"s4999");
        assert!(kept.get(b"s4999").is_none());
    }
}
