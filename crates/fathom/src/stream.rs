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
use schema::{Batch, Decoded, Process, Sink, Table};
use telemetry::{Account, Counter, Ledger};
use wire::{Malformed, Reader};

use crate::detection::Watcher;
use crate::node::Node;
use crate::requests::{self, Policies};
use crate::waiting::{Held, Waiting};
use crate::{peers, profiling};

/// The middle of the stream, for one worker.
pub struct Stream {
    node: Node,
    signals: Vec<&'static Signal>,
    /// The tables that somebody wants; rows of others end here.
    wanted: Vec<&'static Table>,
    identity: Arc<Identity>,
    bus: Arc<Bus>,
    sink: Sink,
    waiting: Waiting,
    /// Whose requests are not told.
    policies: Option<Policies>,
    watcher: Option<Watcher>,
    /// The rows of this turn, until all of them are there.
    turn: Vec<Arc<Batch>>,
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
        Stream {
            node,
            signals,
            wanted,
            identity,
            bus,
            sink: Sink::default(),
            waiting: Waiting::default(),
            policies: None,
            watcher: None,
            turn: Vec::new(),
            books,
        }
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
        tables.iter().any(|table| self.is_wanted(table))
    }

    /// From now on rows of `tables` are wanted.
    pub fn want(&mut self, tables: Vec<&'static Table>) {
        self.wanted = tables;
    }

    /// What decoding has found since the last flush, for whoever has to add to it.
    pub fn sink(&mut self) -> &mut Sink {
        &mut self.sink
    }

    /// The same stream, whose rows may have to wait.
    pub fn waiting(mut self, waiting: Waiting) -> Stream {
        self.waiting = waiting;
        self
    }

    /// The same stream, which tells no request that `policies` refuse.
    pub fn governed(mut self, policies: &Policies) -> Stream {
        self.policies = policies.refuses().then(|| policies.clone());
        self
    }

    /// The same stream, about whose rows rules are asked.
    pub(crate) fn watched(mut self, watcher: Option<Watcher>) -> Stream {
        self.watcher = watcher;
        self
    }

    /// Whether rules are asked.
    pub(crate) fn is_watched(&self) -> bool {
        self.watcher.is_some()
    }

    /// What has to be done once a second where rules are asked.
    pub(crate) fn keep_house(&mut self, last: bool) {
        let now = self.node.wall(self.node.now());
        if let Some(alerts) = self.watcher.as_mut().and_then(|it| it.keep_house(now, last)) {
            self.bus.publish(alerts);
        }
    }

    /// Applies what changed, so that rows find it.
    pub fn apply(&mut self) {
        for change in self.sink.changes.drain(..) {
            self.identity.apply(change);
        }
        self.identity.name_containers();
        if !self.sink.sockets.is_empty() {
            let sockets = std::mem::take(&mut self.sink.sockets);
            self.sink.bytes.clear();
            self.books.ledger.account("requests", "record").drop("not_live", sockets.len() as u64);
        }
        // Who knows what they are called has taken them by now; of a recording nobody does.
        if !self.sink.stacks.is_empty() {
            let stacks = std::mem::take(&mut self.sink.stacks);
            self.books.ledger.account("symbols", "stack").drop("not_live", stacks.len() as u64);
        }
    }

    /// Applies the changes, gives each row its process, and publishes. Returns how many rows came.
    pub fn flush(&mut self) -> usize {
        self.apply();
        self.pass_on(false)
    }

    /// Publishes all that waits, as it is: nothing comes after.
    pub fn finish(&mut self) {
        self.apply();
        self.pass_on(true);
    }

    fn pass_on(&mut self, last: bool) -> usize {
        let now = if self.waiting.concerns() { self.node.now() } else { 0 };
        for Held { rows, until } in self.waiting.take() {
            self.publish(rows, (now, if last { 0 } else { until }));
        }
        let until = if last { 0 } else { self.waiting.deadline(now) };
        let mut rows = 0;
        for decoded in std::mem::take(&mut self.sink.tables) {
            if decoded.is_empty() {
                continue;
            }
            let used = self.uses(decoded.table);
            let account = self.books.enrich(decoded.table);
            account.taken.add(decoded.len() as u64);
            if used {
                rows += decoded.len();
                self.publish(decoded, (now, until));
            } else {
                account.drop("not_asked_for", decoded.len() as u64);
            }
        }
        self.send();
        rows
    }

    /// Hands out the rows of the turn, and the alerts that they gave behind them.
    fn send(&mut self) {
        let turn = std::mem::take(&mut self.turn);
        let alerts = self.watcher.as_mut().and_then(|watcher| watcher.look(&turn));
        for batch in turn {
            // What only rules wanted has been seen by them.
            if self.is_wanted(batch.table) {
                self.bus.publish(batch);
            }
        }
        if let Some(alerts) = alerts {
            self.bus.publish(alerts);
        }
    }

    /// Whether rows of `table` are of any use, to somebody or to a rule.
    pub fn uses(&self, table: &Table) -> bool {
        self.is_wanted(table) || self.is_asked_about(table)
    }

    fn is_wanted(&self, table: &Table) -> bool {
        self.wanted.iter().any(|wanted| std::ptr::eq(*wanted, table))
    }

    fn is_asked_about(&self, table: &Table) -> bool {
        self.watcher.as_ref().is_some_and(|watcher| watcher.asks_about(table))
    }

    fn decode(&mut self, record: &[u8]) -> Result<(), Malformed> {
        let (header, reader) = Reader::new(record)?;
        let signal = self.signals.get(usize::from(header.signal)).ok_or(Malformed::Signal)?;
        (signal.decode)(&header, self.node.origin(&header), reader, &mut self.sink)
    }

    /// Puts the rows that can be told now to the turn's; `times` are now and until when they may wait.
    fn publish(&mut self, decoded: Decoded, times: (u64, u64)) {
        let mut resolver = self.identity.resolver();
        let processes = decoded.origin.iter().map(|origin| {
            let time = self.node.boot_time(origin.time);
            resolver.resolve(origin.process, time, &origin.comm, origin.cgroup)
        });
        let mut processes: Vec<Arc<Process>> = processes.collect();
        let mut ready = decoded;
        let account = self.books.enrich(ready.table);
        if self.waiting.concerns() && !profiling::is_shared(ready.table) {
            let sorted = self.waiting.sort(&ready, &processes, &self.node, times);
            account.drop("not_of_these_pods", sorted.foreign);
            account.drop("pod_unknown", sorted.undecided);
            account.lacking("identity_pending", sorted.nameless);
            if !sorted.wait.is_empty() {
                self.waiting.hold(ready.select(&sorted.wait), times.1);
            }
            if sorted.ready.len() < ready.len() {
                ready = ready.select(&sorted.ready);
                processes = sorted.ready.iter().map(|&row| processes[row].clone()).collect();
            }
        }
        if let Some(policies) = self.policies.as_ref().filter(|_| requests::is_said(ready.table)) {
            let permitted = policies.permit(&ready, &processes, self.identity.cgroups());
            account.drop("refused_by_policy", permitted.refused);
            account.drop("pod_unknown", permitted.unknown);
            if permitted.ready.len() < ready.len() {
                ready = ready.select(&permitted.ready);
                processes = permitted.ready.iter().map(|&row| processes[row].clone()).collect();
            }
        }
        if ready.is_empty() {
            return;
        }
        account.passed.add(ready.len() as u64);
        peers::name(&mut ready, self.identity.pods(), &self.node);
        let node = self.node.name.clone();
        self.turn.push(Arc::new(ready.with_processes(node, processes)));
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
