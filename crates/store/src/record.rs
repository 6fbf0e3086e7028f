//! What a chain says there should be: the segments that live, those that were taken away, and how
//! far each table's rows are out of the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use crate::chain::{CHAIN, Event, Reading, Written};
use crate::key::PublicKey;

/// The sum of a chain's lines.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Segments that should be there, by path.
    pub(crate) live: BTreeMap<String, Written>,
    /// Segments that retention or merging took away.
    pub(crate) taken: BTreeSet<String>,
    /// For each table the last frame of the journal whose rows are in segments.
    pub(crate) through: BTreeMap<String, u64>,
}

impl Record {
    /// What `entries` add up to.
    pub(crate) fn of<'a>(events: impl Iterator<Item = &'a Event>) -> Record {
        let mut record = Record::default();
        for event in events {
            record.add(event);
        }
        record
    }

    /// Takes in one line more.
    pub(crate) fn add(&mut self, event: &Event) {
        for path in event.takes() {
            self.live.remove(path);
            self.taken.insert(path.clone());
        }
        for written in event.brings() {
            self.live.insert(written.path.clone(), written.clone());
        }
        match event {
            Event::Sealed { table, through, .. } => {
                let known = self.through.entry(table.clone()).or_default();
                *known = (*known).max(*through);
            }
            Event::Begun { through, .. } => self.through.extend(through.clone()),
            Event::Opened { .. } | Event::Merged { .. } | Event::Dropped { .. } => {}
        }
    }
}

/// Reads the chain of `folder`; an empty one where there is none.
pub(crate) fn read_chain(folder: &Path, key: Option<&PublicKey>) -> io::Result<Reading> {
    match fs::read(folder.join(CHAIN)) {
        Ok(text) => Ok(Reading::of(&text, key)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Reading::default()),
        Err(error) => Err(error),
    }
}
