//! What there is to read: for each table the rows in memory and the segments on disk.
//!
//! The store's thread is the only one that changes it; readers take a snapshot and keep it as long
//! as they like. A segment that was dropped or merged meanwhile stays on disk until the last
//! snapshot that names it is gone.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use arrow::record_batch::RecordBatch;

use crate::Segment;

/// What there is to read, from any thread. Cloning gives another handle on the same.
#[derive(Debug, Clone, Default)]
pub struct Catalogue(Arc<RwLock<Arc<Contents>>>);

/// A snapshot: each table's rows, by its name.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// By the table's name; a table without rows may be missing.
    pub tables: BTreeMap<String, Arc<Rows>>,
}

/// The rows of one table.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// In memory, in the order they came; the schema is [`crate::arrow_schema`]'s.
    pub hot: Vec<RecordBatch>,
    /// On disk, in the order they were written.
    pub segments: Vec<Arc<Segment>>,
}

impl Catalogue {
    /// One that holds `contents` and does not change.
    pub fn of(contents: Contents) -> Catalogue {
        Catalogue(Arc::new(RwLock::new(Arc::new(contents))))
    }

    /// The snapshot of this moment.
    pub fn contents(&self) -> Arc<Contents> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, contents: Contents) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(contents);
    }
}
