//! Opening: the lock, the chain, what it says to finish, and the rows that the journal holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use schema::Table;
use telemetry::Ledger;

use crate::chain::{CHAIN, Chain, Event, Reading, Rest, Written, hex, sha256};
use crate::columns::arrow_schema;
use crate::hot::Hot;
use crate::journal::{Frame, Journal};
use crate::listing::{self, Listing, table_of};
use crate::merge::Merging;
use crate::record::{Record, read_chain};
use crate::store::{Clock, Moment, Options, STAGE, Store, Word};
use crate::write::{conform, part_of, rename, still_a_part};
use crate::{Catalogue, Contents, Rows, Segment};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another agent has it.
    #[error(
        "{folder} belongs to another agent{who}: give this one a folder of its own \
         (`store.directory`), or end the other"
    )]
    Locked {
        /// The folder.
        folder: String,
        /// Who, as far as it is known.
        who: String,
    },
    /// The system does not let us.
    #[error(
        "the store in {folder} cannot be opened: {source} (`store.directory` names another folder, \
         or `off`)"
    )]
    Io {
        /// The folder.
        folder: String,
        /// What the system said.
        source: io::Error,
    },
}

/// The lock's file.
const LOCK: &str = "lock";

impl Store {
    /// Opens the store for writing; `tables` are those whose rows may be in the journal.
    pub fn open(
        options: Options,
        tables: &[&'static Table],
        ledger: &Ledger,
        now: Moment,
    ) -> Result<Store, OpenError> {
        let folder = options.folder.clone();
        let failed = |source| OpenError::Io { folder: folder.display().to_string(), source };
        // What was seen on a node is nobody's business but the node's owner's.
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let lock = lock(&folder)?;
        recover(options, lock, tables, ledger, now).map_err(failed)
    }
}

impl Catalogue {
    /// What there is to read in `folder`, whoever writes it. Nothing there is changed. Returns
    /// also what was left out, and why.
    pub fn read_only(
        folder: &Path,
        tables: &[&'static Table],
    ) -> io::Result<(Catalogue, Vec<Word>)> {
        let mut words = Vec::new();
        // The journal first: rows that become a segment meanwhile are in it for sure.
        let recovered = Journal::read(folder)?;
        let reading = read_chain(folder, None)?;
        let record = Record::of(reading.entries.iter().map(|(entry, _)| &entry.event));
        let listing = listing::list(folder)?;
        if let Rest::Broken { line, what } = &reading.rest {
            words.push(Word::Warn(format!(
                "line {line} of {CHAIN} does not fit: {what}; every segment that is there is read \
                 (`fathom verify` says more)"
            )));
        }
        let told = reading.rest == Rest::Nothing || reading.rest == Rest::Torn;
        let told = told && !reading.entries.is_empty();
        let mut contents = Contents::default();
        let mut there = BTreeSet::new();
        for (table, segment) in listing.segments {
            let path = relative(folder, &segment.path);
            if told && !record.live.contains_key(&path) {
                if !record.taken.contains(&path) {
                    words.push(Word::Warn(format!(
                        "{path} is not read: the chain does not know it"
                    )));
                }
                continue;
            }
            let rows = contents.tables.entry(table).or_default();
            Arc::make_mut(rows).segments.push(Arc::new(segment));
            there.insert(path);
        }
        for (path, written) in record.live.iter().filter(|(path, _)| !there.contains(*path)) {
            // A crash came before its name did.
            let segment = still_a_part(folder, written);
            match segment {
                Some(segment) => {
                    let rows = contents.tables.entry(table_of(path).to_string()).or_default();
                    Arc::make_mut(rows).segments.push(segment);
                }
                None => words.push(Word::Warn(format!(
                    "{path} is gone: {} rows are missing (`fathom verify` says more)",
                    written.rows
                ))),
            }
        }
        for frame in recovered.frames {
            let covered = record.through.get(&frame.table).is_some_and(|it| *it >= frame.number);
            let table = tables.iter().find(|it| it.name == frame.table);
            let Some(table) = table.filter(|_| !covered) else { continue };
            if let Some(rows) = conform(&frame.rows, &arrow_schema(table)) {
                let table = contents.tables.entry(frame.table).or_default();
                Arc::make_mut(table).hot.push(rows);
            }
        }
        let catalogue = Catalogue::default();
        catalogue.set(contents);
        Ok((catalogue, words))
    }
}

/// The lock of a folder, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // To close the file is not enough: a process that is just being made has it open, too.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Takes the lock; the file says who has it.
fn lock(folder: &Path) -> Result<Lock, OpenError> {
    let place = folder.display().to_string();
    let failed = |source| OpenError::Io { folder: place.clone(), source };
    let path = folder.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
    let mut file = file.map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            let who = match pid.trim() {
                "" => String::new(),
                pid => format!(" (process {pid})"),
            };
            return Err(OpenError::Locked { folder: place, who });
        }
        Err(error) => return Err(failed(error.into())),
    }
    let _ = file.set_len(0);
    let _ = file.write_all(format!("{}\n", std::process::id()).as_bytes());
    Ok(Lock(file))
}

fn recover(
    mut options: Options,
    lock: Lock,
    tables: &[&'static Table],
    ledger: &Ledger,
    now: Moment,
) -> io::Result<Store> {
    let folder = options.folder.clone();
    let mut words = Vec::new();
    let listing = listing::list(&folder)?;
    let reading = read_chain(&folder, None)?;
    let begun = match &reading.rest {
        Rest::Nothing if reading.entries.is_empty() && !listing.segments.is_empty() => {
            Some((None, "it is gone".to_string()))
        }
        Rest::Nothing => None,
        Rest::Torn => {
            words.push(Word::Info(format!(
                "{CHAIN} ends in half a line, as after a crash: it is cut off"
            )));
            None
        }
        Rest::Broken { line, what } => {
            let name = format!("{CHAIN}.broken-{}", now.time / 1_000_000_000);
            fs::rename(folder.join(CHAIN), folder.join(&name))?;
            Some((Some(name), format!("line {line}: {what}")))
        }
    };
    let mut record = Record::of(reading.entries.iter().map(|(entry, _)| &entry.event));
    let reading = if begun.is_some() { Reading::default() } else { reading };
    let key = options.key.take();
    let mut chain = Chain::resume(&folder, &reading, &options.node, key)?;
    if let Some((broken, why)) = begun {
        words.push(Word::Warn(format!(
            "{CHAIN} was not as it was written ({why}): a new one begins, the old one is kept{}",
            broken.as_ref().map_or_else(String::new, |name| format!(" as {name}"))
        )));
        let files = listing.segments.iter().map(|(_, segment)| found(&folder, segment));
        let files = files.collect::<io::Result<Vec<_>>>()?;
        let through = std::mem::take(&mut record.through);
        let event = Event::Begun { broken, why, files, through };
        record = Record::of([&event].into_iter());
        chain.commit(now.time, event)?;
    }
    chain.commit(now.time, Event::Opened { version: env!("CARGO_PKG_VERSION").to_string() })?;

    let contents = finish(&folder, &record, listing, &mut words)?;
    let (mut journal, recovered) = Journal::open(&folder)?;
    journal.skip_to(record.through.values().copied().max().unwrap_or_default());
    for (path, bytes) in recovered.torn {
        words.push(Word::Info(format!(
            "{} ends in {bytes} bytes that are no whole frame, as after a crash: they are left out",
            path.display()
        )));
    }
    let hot = take_in(recovered.frames, &record, tables, ledger, now);
    let catalogue = Catalogue::default();
    let mut store = Store {
        options,
        _lock: lock,
        chain,
        record,
        journal,
        catalogue,
        contents,
        hot,
        ledger: ledger.clone(),
        merging: Merging::default(),
        words,
        clock: Clock::default(),
        trouble: None,
    };
    store.catalogue.set(store.contents.clone());
    for table in store.hot.keys().copied().collect::<Vec<_>>() {
        store.show(table);
    }
    Ok(store)
}

/// Finishes what the chain says was begun, and takes in the segments that it knows.
fn finish(
    folder: &Path,
    record: &Record,
    listing: Listing,
    words: &mut Vec<Word>,
) -> io::Result<Contents> {
    let mut contents = Contents::default();
    let mut add = |table: &str, segment: Arc<Segment>| {
        let rows: &mut Arc<Rows> = contents.tables.entry(table.to_string()).or_default();
        Arc::make_mut(rows).segments.push(segment);
    };
    let parts: BTreeMap<PathBuf, ()> = listing.parts.into_iter().map(|it| (it, ())).collect();
    let mut there = Vec::new();
    for (table, segment) in listing.segments {
        let path = relative(folder, &segment.path);
        if record.taken.contains(&path) {
            // It was being removed, or somebody was reading it.
            fs::remove_file(&segment.path)?;
        } else if record.live.contains_key(&path) {
            there.push(path);
            add(&table, Arc::new(segment));
        } else {
            words.push(Word::Warn(format!("{path} is not read: the chain does not know it")));
        }
    }
    for (path, written) in &record.live {
        if there.contains(path) {
            continue;
        }
        let part = part_of(&folder.join(path));
        if parts.contains_key(&part)
            && fs::read(&part).is_ok_and(|it| hex(&sha256(&it)) == written.sha256)
        {
            add(table_of(path), rename(folder, written)?);
        } else {
            words.push(Word::Warn(format!(
                "{path} is gone, and nothing in {CHAIN} says why: {} rows are missing",
                written.rows
            )));
        }
    }
    for part in parts.keys().filter(|part| part.exists()) {
        // Its rows are in the journal, or were lost with the memory.
        fs::remove_file(part)?;
    }
    for path in listing.foreign {
        words.push(Word::Warn(format!("{} is left alone: it is no segment", path.display())));
    }
    for rows in contents.tables.values_mut() {
        Arc::make_mut(rows).segments.sort_by_key(|it| (it.sequence, it.from));
    }
    Ok(contents)
}

/// The journal's rows that are in no segment.
fn take_in(
    frames: Vec<Frame>,
    record: &Record,
    tables: &[&'static Table],
    ledger: &Ledger,
    now: Moment,
) -> BTreeMap<&'static str, Hot> {
    let mut hot = BTreeMap::new();
    for Frame { number, table, rows } in frames {
        if record.through.get(&table).is_some_and(|it| *it >= number) {
            continue;
        }
        let known = tables.iter().find(|it| it.name == table);
        let rows_conform = known.and_then(|it| conform(&rows, &arrow_schema(it)));
        let (Some(known), Some(rows)) = (known, rows_conform) else {
            // A newer agent wrote them.
            let account = ledger.account(STAGE, "record");
            account.taken.add(rows.num_rows() as u64);
            account.drop("unknown_table", rows.num_rows() as u64);
            continue;
        };
        let count = rows.num_rows() as u64;
        ledger.account(STAGE, known.name).taken.add(count);
        let hot: &mut Hot = hot.entry(known.name).or_insert_with(|| Hot::new(known));
        hot.since = now.steady;
        hot.push(rows);
        hot.journaled = hot.batches.len();
    }
    hot
}

/// What a segment that no chain tells of is, as it is now.
fn found(folder: &Path, segment: &Segment) -> io::Result<Written> {
    let bytes = fs::read(&segment.path)?;
    let path = relative(folder, &segment.path);
    let (rows, length) = (segment.rows, bytes.len() as u64);
    Ok(Written { path, sha256: hex(&sha256(&bytes)), rows, bytes: length })
}

/// `path` as the chain writes it.
pub(crate) fn relative(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).display().to_string()
}
