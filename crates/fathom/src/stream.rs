//! The stream: records in, batches out. One worker's whole work, live or replayed.
//!
//! Records are collected until [`Stream::flush`]; then all that changed about processes is applied
//! before any row looks its process up. A worker reads its `bulk` ring first and its `facts` ring
//! after it, so whatever a bulk row needs to know of its process is applied by then; which of a
//! process's images the row belongs to is told by the row's time.

use std::sync::Arc;

use bus::Bus;
use identity::Identity;
use kernel::Signal;
use schema::{Decoded, Sink, Table};
use telemetry::{Account, Counter, Ledger};
use wire::{Malformed, Reader};

use crate::node::Node;

/// The middle of the stream, for one worker.
pub struct Stream {
    node: Node,
    signals: Vec<&'static Signal>,
    /// The tables that somebody wants; rows of others end here.
    wanted: Vec<&'static Table>,
    identity: Arc<Identity>,
    bus: Arc<Bus>,
    sink: Sink,
    books: Books,
}

/// What the stream counts.
struct Books {
    decode: Account,
    malformed: [Counter; Malformed::ALL.len()],
    enrich: Vec<(&'static Table, Account)>,
    ledger: Ledger,
}

impl Stream {
    /// A stream for the records of `signals`, which publishes rows of the `wanted` tables.
    pub fn new(
        node: Node,
        signals: Vec<&'static Signal>,
        wanted: Vec<&'static Table>,
        identity: Arc<Identity>,
        bus: Arc<Bus>,
        ledger: &Ledger,
    ) -> Stream {
        let decode = ledger.account("decode", "record");
        let malformed = Malformed::ALL.map(|why| decode.dropped(why.reason()));
        let books = Books { decode, malformed, enrich: Vec::new(), ledger: ledger.clone() };
        Stream { node, signals, wanted, identity, bus, sink: Sink::default(), books }
    }

    /// Decodes one record. What cannot be read is counted by reason.
    #[inline]
    pub fn take(&mut self, record: &[u8]) {
        self.books.decode.taken.add(1);
        match self.decode(record) {
            Ok(()) => self.books.decode.passed.add(1),
            Err(why) => self.books.malformed[why as usize].add(1),
        }
    }

    /// Decodes records that stand one behind the other, as iterators write them.
    pub fn take_all(&mut self, mut records: &[u8]) {
        const SIZE_AT: usize = std::mem::offset_of!(wire::RecordHeader, size);
        while let Some(size) = records.get(SIZE_AT..SIZE_AT + 4) {
            let size = u32::from_ne_bytes([size[0], size[1], size[2], size[3]]) as usize;
            let Some((record, rest)) = records.split_at_checked(size.max(1)) else { break };
            self.take(record);
            records = rest;
        }
        if !records.is_empty() {
            self.take(records);
        }
    }

    /// Whether anybody wants rows of any of `tables`.
    pub fn wants_any(&self, tables: &[&'static Table]) -> bool {
        tables.iter().any(|table| self.wanted.iter().any(|wanted| std::ptr::eq(*wanted, *table)))
    }

    /// From now on rows of `tables` are wanted.
    pub fn want(&mut self, tables: Vec<&'static Table>) {
        self.wanted = tables;
    }

    /// What decoding has found since the last flush, for whoever has to add to it.
    pub fn sink(&mut self) -> &mut Sink {
        &mut self.sink
    }

    /// Applies the changes, gives each row its process, and publishes. Returns how many rows.
    pub fn flush(&mut self) -> usize {
        for change in self.sink.changes.drain(..) {
            self.identity.apply(change);
        }
        let tables = std::mem::take(&mut self.sink.tables);
        let mut rows = 0;
        for decoded in tables {
            if decoded.is_empty() {
                continue;
            }
            let account = self.books.enrich(decoded.table);
            account.taken.add(decoded.len() as u64);
            if self.wanted.iter().any(|table| std::ptr::eq(*table, decoded.table)) {
                rows += decoded.len();
                account.passed.add(decoded.len() as u64);
                self.publish(decoded);
            } else {
                account.drop("not_asked_for", decoded.len() as u64);
            }
        }
        rows
    }

    fn decode(&mut self, record: &[u8]) -> Result<(), Malformed> {
        let (header, reader) = Reader::new(record)?;
        let signal = self.signals.get(usize::from(header.signal)).ok_or(Malformed::Signal)?;
        (signal.decode)(&header, self.node.origin(&header), reader, &mut self.sink)
    }

    fn publish(&self, decoded: Decoded) {
        let mut resolver = self.identity.resolver();
        let processes = decoded.origin.iter().map(|origin| {
            let time = self.node.boot_time(origin.time);
            resolver.resolve(origin.process, time, &origin.comm, origin.cgroup)
        });
        let processes = processes.collect();
        self.bus.publish(Arc::new(decoded.with_processes(self.node.name.clone(), processes)));
    }
}

impl Books {
    fn enrich(&mut self, table: &'static Table) -> &Account {
        let place = self.enrich.iter().position(|(known, _)| std::ptr::eq(*known, table));
        let place = place.unwrap_or_else(|| {
            self.enrich.push((table, self.ledger.account("enrich", table.name)));
            self.enrich.len() - 1
        });
        &self.enrich[place].1
    }
}
