//! The writer: one owner, one thread. Rows go in, time goes by, and it does what is due.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schema::Batch;
use telemetry::Ledger;

use crate::chain::{Chain, Event, Head};
use crate::hot::Hot;
use crate::journal::Journal;
use crate::merge::Merging;
use crate::record::Record;
use crate::recover::Lock;
use crate::retain;
use crate::write;
use crate::{Catalogue, Contents, Key, Rows};

/// How a store is kept.
#[derive(Debug)]
pub struct Options {
    /// Its folder; it is made where it is not there.
    pub folder: PathBuf,
    /// The node whose rows these are.
    pub node: String,
    /// How many bytes of rows are held in memory.
    pub hot: u64,
    /// What is kept.
    pub bounds: Bounds,
    /// A crash loses no more than this.
    pub sync_every: Duration,
    /// Rows become a segment after so long.
    pub seal_after: Duration,
    /// What signs the chain.
    pub key: Option<Key>,
}

/// What is kept: the oldest segments go as soon as one of these is passed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Bytes of all segments.
    pub total: u64,
    /// The part of `total` that one table may take, so that a noisy one does not drive out others.
    pub share: f64,
    /// How old the newest row of a segment may be.
    pub age: Duration,
    /// Bytes that stay free on the disk.
    pub free: u64,
}

/// A moment: by the calendar, and by a clock that never jumps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// Nanoseconds since 1970 UTC.
    pub time: i64,
    /// Nanoseconds since whenever; it only grows.
    pub steady: u64,
}

/// Something that the operator should know; never one for an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// As it should be.
    Info(String),
    /// Somebody should look at it.
    Warn(String),
}

/// What the store holds, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of rows in memory.
    pub hot_bytes: u64,
    /// Segments on disk.
    pub segments: u64,
    /// Their bytes.
    pub segment_bytes: u64,
    /// Their rows.
    pub segment_rows: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Bytes of the chain.
    pub chain_bytes: u64,
}

/// A store that is written. Dropping it without [`Store::close`] is as good as a crash.
#[derive(Debug)]
pub struct Store {
    pub(crate) options: Options,
    /// Held as long as the store is open.
    pub(crate) _lock: Lock,
    pub(crate) chain: Chain,
    pub(crate) record: Record,
    pub(crate) journal: Journal,
    pub(crate) catalogue: Catalogue,
    pub(crate) contents: Contents,
    pub(crate) hot: BTreeMap<&'static str, Hot>,
    pub(crate) ledger: Ledger,
    pub(crate) merging: Merging,
    pub(crate) words: Vec<Word>,
    pub(crate) clock: Clock,
    /// The trouble that lasts, and when writing is tried again.
    pub(crate) trouble: Option<(&'static str, u64)>,
}

/// When what was last done, on the steady clock.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ripened: u64,
    synced: u64,
    turned: u64,
    /// The moment before, to see jumps of the calendar.
    before: Moment,
}

/// Rows can be read this soon.
const RIPE_AFTER: Duration = Duration::from_millis(200);
/// So many rows are made into arrays at once.
const RIPE_ROWS: usize = 32 << 10;
/// A table with more unsynced bytes is sealed instead of written to the journal.
const TOO_MUCH_TO_JOURNAL: u64 = 8 << 20;
/// Retention and merging look this often.
const ROUND: Duration = Duration::from_secs(10);
/// After trouble, writing is tried again so soon.
const PATIENCE: Duration = Duration::from_secs(5);
/// While nothing can be written, memory holds this many times as much as it should.
const OVER: u64 = 2;
/// The ledger's name for us.
pub(crate) const STAGE: &str = "store";

impl Store {
    /// What there is to read, now and from now on.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The end of the chain.
    pub fn head(&self) -> Head {
        self.chain.head()
    }

    /// What it holds.
    pub fn size(&self) -> Size {
        let mut size = Size {
            hot_bytes: self.hot.values().map(|hot| hot.bytes).sum(),
            journal_bytes: self.journal.bytes(),
            chain_bytes: self.chain.length(),
            ..Size::default()
        };
        for segment in self.contents.tables.values().flat_map(|rows| &rows.segments) {
            size.segments += 1;
            size.segment_bytes += segment.bytes;
            size.segment_rows += segment.rows;
        }
        size
    }

    /// What happened that the operator should know, since it was last asked for.
    pub fn words(&mut self) -> Vec<Word> {
        std::mem::take(&mut self.words)
    }

    /// Takes rows; they can be read within [`RIPE_AFTER`].
    pub fn append(&mut self, batch: Arc<Batch>, now: Moment) {
        let table = batch.table;
        let rows = batch.len();
        if rows == 0 {
            return;
        }
        self.ledger.account(STAGE, table.name).taken.add(rows as u64);
        let hot = self.hot.entry(table.name).or_insert_with(|| Hot::new(table));
        hot.append(batch, now.steady);
        if hot.pending_rows() >= RIPE_ROWS {
            hot.ripen();
            self.show(table.name);
            self.keep_within(now);
        }
    }

    /// Does what is due. Call it a few times a second.
    pub fn turn(&mut self, now: Moment) {
        self.watch_calendar(now);
        if since(self.clock.ripened, now) >= RIPE_AFTER {
            self.clock.ripened = now.steady;
            self.ripen();
            self.keep_within(now);
        }
        // A turn may come late; what is promised is kept all the same.
        if since(self.clock.synced, now) + RIPE_AFTER >= self.options.sync_every {
            self.clock.synced = now.steady;
            self.ripen();
            self.sync(now);
        }
        let due = |hot: &&Hot, after: Duration| !hot.is_empty() && since(hot.since, now) >= after;
        let old: Vec<_> =
            self.hot.values().filter(|hot| due(hot, self.options.seal_after)).collect();
        let old: Vec<&'static str> = old.into_iter().map(|hot| hot.table.name).collect();
        for table in old {
            self.seal(table, now);
        }
        if since(self.clock.turned, now) >= ROUND {
            self.clock.turned = now.steady;
            self.round(now);
        }
        self.take_merged(now);
    }

    /// Seals everything and ends; hands back what is to be said, and the chain's end.
    pub fn close(mut self, now: Moment) -> (Vec<Word>, Head) {
        self.trouble = None;
        self.ripen();
        for table in self.hot.keys().copied().collect::<Vec<_>>() {
            self.seal(table, now);
        }
        for (table, hot) in &self.hot {
            let left: usize = hot.batches[hot.journaled..].iter().map(|it| it.num_rows()).sum();
            let reason = self.trouble.map_or("io", |(reason, _)| reason);
            self.ledger.account(STAGE, table).drop(reason, left as u64);
        }
        let trimmed = self.journal.trim(&self.record.through);
        self.note(trimmed);
        (self.words, self.chain.head())
    }

    fn ripen(&mut self) {
        let ripe: Vec<_> =
            self.hot.values_mut().filter_map(|it| it.ripen().then_some(it.table.name)).collect();
        for table in ripe {
            self.show(table);
        }
    }

    /// Lets readers see what a table has in memory now.
    pub(crate) fn show(&mut self, table: &str) {
        let hot = self.hot.get(table).map_or_else(Vec::new, |hot| hot.batches.clone());
        let rows = self.contents.tables.entry(table.to_string()).or_default();
        *rows = Arc::new(Rows { hot, segments: rows.segments.clone() });
        self.catalogue.set(self.contents.clone());
    }

    /// Seals the largest tables while there is more in memory than there should be.
    fn keep_within(&mut self, now: Moment) {
        let total = |store: &Store| store.hot.values().map(|hot| hot.bytes).sum::<u64>();
        let largest = |store: &Store| {
            store.hot.values().max_by_key(|hot| hot.bytes).map(|hot| hot.table.name)
        };
        while total(self) > self.options.hot
            && let Some(table) = largest(self)
            && self.seal(table, now)
        {}
        // Nothing can be written: the oldest rows go, counted.
        while total(self) > OVER * self.options.hot
            && let Some(table) = largest(self)
        {
            let reason = self.trouble.map_or("io", |(reason, _)| reason);
            let dropped = self.hot.get_mut(table).map_or(0, Hot::drop_oldest);
            self.ledger.account(STAGE, table).drop(reason, dropped);
            self.show(table);
        }
    }

    /// Has all rows on disk: those of large tables in segments, the others in the journal.
    fn sync(&mut self, now: Moment) {
        let heavy = |hot: &&Hot| hot.unsynced() > TOO_MUCH_TO_JOURNAL;
        let heavy: Vec<_> = self.hot.values().filter(heavy).map(|hot| hot.table.name).collect();
        for table in heavy {
            self.seal(table, now);
        }
        if self.waits(now) {
            return;
        }
        let mut done = Ok(());
        for hot in self.hot.values_mut() {
            while done.is_ok() && hot.journaled < hot.batches.len() {
                done = self.journal.append(hot.table.name, &hot.batches[hot.journaled]);
                hot.journaled += usize::from(done.is_ok());
            }
        }
        let done = done.and_then(|()| self.journal.sync());
        self.settle(done, now);
    }

    /// Makes segments of all that a table has in memory; whether that worked.
    fn seal(&mut self, table: &'static str, now: Moment) -> bool {
        if self.waits(now) {
            return false;
        }
        let sealed = self.try_seal(table, now);
        self.settle(sealed, now)
    }

    fn try_seal(&mut self, table: &'static str, now: Moment) -> io::Result<()> {
        let Some(hot) = self.hot.get_mut(table) else { return Ok(()) };
        hot.ripen();
        if hot.batches.is_empty() {
            return Ok(());
        }
        let rows: u64 = hot.batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let folder = &self.options.folder;
        let parts = write::write_parts(folder, hot.table, &hot.batches, self.chain.next())?;
        let files: Vec<_> = parts.into_iter().map(|part| part.written).collect();
        let through = self.journal.last();
        let event = Event::Sealed { table: table.to_string(), files: files.clone(), through };
        if let Err(error) = self.commit(event, now) {
            files.iter().for_each(|it| write::discard(&self.options.folder, it));
            return Err(error);
        }
        // From here on the rows are in segments, come what may: the chain says so.
        if let Some(hot) = self.hot.get_mut(table) {
            hot.clear();
        }
        self.ledger.account(STAGE, table).passed.add(rows);
        let mut renamed = Ok(());
        for written in &files {
            match write::rename(&self.options.folder, written) {
                Ok(segment) => self.add_segment(table, segment),
                Err(error) => {
                    // Its rows are on disk all the same, and are read from where they are.
                    if let Some(segment) = write::still_a_part(&self.options.folder, written) {
                        self.add_segment(table, segment);
                    }
                    renamed = Err(error);
                }
            }
        }
        self.show(table);
        renamed
    }

    pub(crate) fn add_segment(&mut self, table: &str, segment: Arc<crate::Segment>) {
        let rows = self.contents.tables.entry(table.to_string()).or_default();
        let rows = Arc::make_mut(rows);
        let at = rows.segments.partition_point(|it| it.sequence <= segment.sequence);
        rows.segments.insert(at, segment);
    }

    /// Writes a line into the chain and waits until it is on disk.
    pub(crate) fn commit(&mut self, event: Event, now: Moment) -> io::Result<()> {
        self.chain.commit(now.time, event.clone())?;
        self.record.add(&event);
        Ok(())
    }

    /// What is done now and then: the journal, retention, merging.
    fn round(&mut self, now: Moment) {
        self.journal.turn_over();
        let trimmed = self.journal.trim(&self.record.through);
        self.note(trimmed);
        let retained = retain::retain(self, now);
        self.settle(retained, now);
        for segment in self.contents.tables.values().flat_map(|rows| &rows.segments) {
            segment.rest();
        }
        if self.trouble.is_none() {
            self.begin_merging();
        }
    }

    /// The calendar may jump. Age is measured by it, so a jump could take everything away.
    fn watch_calendar(&mut self, now: Moment) {
        let before = std::mem::replace(&mut self.clock.before, now);
        if before.steady == 0 {
            return;
        }
        let steady = now.steady.saturating_sub(before.steady) as i64;
        let jump = now.time.saturating_sub(before.time).saturating_sub(steady);
        if jump.unsigned_abs() > JUMP {
            self.words.push(Word::Warn(format!(
                "the clock jumped by {} s: age is not looked at until the store is opened anew",
                jump / 1_000_000_000
            )));
            self.options.bounds.age = Duration::MAX;
        }
    }

    /// Whether writing is not tried, for trouble was met just now.
    fn waits(&self, now: Moment) -> bool {
        self.trouble.is_some_and(|(_, until)| now.steady < until)
    }

    /// Notes how writing went, and says when trouble begins and when it is over.
    pub(crate) fn settle(&mut self, done: io::Result<()>, now: Moment) -> bool {
        match (done, self.trouble.take()) {
            (Ok(()), None) => true,
            (Ok(()), Some((reason, _))) => {
                self.words
                    .push(Word::Info(format!("the store is written again ({reason} is over)")));
                true
            }
            (Err(error), before) => {
                let reason = reason(&error);
                if before.is_none_or(|(it, _)| it != reason) {
                    self.words.push(Word::Warn(format!(
                        "the store cannot be written: {}: {error}; rows stay in memory as long as \
                         there is room, then they are left out and counted as {reason}",
                        self.options.folder.display()
                    )));
                }
                self.trouble = Some((reason, now.steady + PATIENCE.as_nanos() as u64));
                false
            }
        }
    }

    /// What is no trouble for rows, but should not be silent.
    fn note(&mut self, done: io::Result<()>) {
        if let Err(error) = done {
            self.words.push(Word::Warn(format!("{}: {error}", self.options.folder.display())));
        }
    }
}

/// A calendar that is off by more has jumped.
const JUMP: u64 = 60_000_000_000;

fn since(then: u64, now: Moment) -> Duration {
    Duration::from_nanos(now.steady.saturating_sub(then))
}

/// As the ledger counts it.
fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "disk_full",
        io::ErrorKind::ReadOnlyFilesystem => "read_only",
        io::ErrorKind::PermissionDenied => "not_permitted",
        _ => "io",
    }
}
