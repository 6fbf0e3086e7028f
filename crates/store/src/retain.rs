//! Retention: the oldest segments go, whole, as soon as a bound is passed.
//!
//! Oldest is by the order of writing, not by the rows' times: a clock that was wrong for a while
//! must not decide what is kept.

use std::io;
use std::sync::Arc;

use crate::Segment;
use crate::chain::Event;
use crate::recover::relative;
use crate::store::{Bounds, Moment, Store, Word};

/// Drops what is over the bounds.
pub(crate) fn retain(store: &mut Store, now: Moment) -> io::Result<()> {
    let free = free_bytes(store)?;
    let doomed = doomed(store, free, now);
    for (table, segment, why) in doomed {
        let path = relative(&store.options.folder, &segment.path);
        store.commit(Event::Dropped { path: path.clone(), why: why.to_string() }, now)?;
        if why == "free" {
            store.words.push(Word::Warn(format!(
                "the disk is nearly full: {path} with {} rows was dropped to keep room free",
                segment.rows
            )));
        }
        store.remove_segment(&table, &segment);
    }
    Ok(())
}

impl Store {
    /// Readers that have it keep it; the file goes with the last of them.
    pub(crate) fn remove_segment(&mut self, table: &str, segment: &Arc<Segment>) {
        if let Some(rows) = self.contents.tables.get_mut(table) {
            Arc::make_mut(rows).segments.retain(|it| !Arc::ptr_eq(it, segment));
        }
        segment.remove_when_unread();
        self.catalogue.set(self.contents.clone());
    }
}

/// What has to go, oldest first, and by which bound.
fn doomed(store: &Store, free: u64, now: Moment) -> Vec<(String, Arc<Segment>, &'static str)> {
    let Bounds { total, share, age, free: floor } = store.options.bounds;
    let each = store.contents.tables.iter();
    let all = each.flat_map(|(name, rows)| rows.segments.iter().map(move |it| (name, it)));
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(_, segment)| (segment.sequence, segment.from));

    let of_table = (total as f64 * share) as u64;
    let too_old = now.time.saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
    let mut sum: u64 = all.iter().map(|(_, segment)| segment.bytes).sum();
    let mut free = free;
    let mut sums: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    for (table, segment) in &all {
        *sums.entry(table.as_str()).or_default() += segment.bytes;
    }
    let mut doomed = Vec::new();
    for (table, segment) in all {
        let of_its = sums.entry(table.as_str()).or_default();
        let why = if segment.to < too_old {
            "age"
        } else if *of_its > of_table {
            "share"
        } else if sum > total {
            "total"
        } else if free < floor {
            "free"
        } else {
            continue;
        };
        *of_its -= segment.bytes;
        sum -= segment.bytes;
        free += segment.bytes;
        doomed.push((table.clone(), segment.clone(), why));
    }
    doomed
}

fn free_bytes(store: &Store) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(&store.options.folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
