//! Requests and coverage as rows.

use protocols::Trace;
use schema::{Event, Origin, Sink, Table};

use crate::{Coverage, Request};

/// What became of the bytes that a process's sockets moved, in one protocol, since the row before.
///
/// `moved` is the sum of `read`, `spanned`, `lost`, `cut`, `refused`, `skipped`, `unknown`, `in_tls`,
/// `tls_opened`, `unread` and `by_policy`, and of what is still being put in order.
#[derive(Event)]
#[event(table = "coverage", since = "0.1")]
pub struct CoverageRow<'a> {
    /// What was spoken; null where it is not known.
    #[event(kind = Text)]
    pub protocol: Option<&'a str>,
    /// Bytes that were moved.
    #[event(kind = Uint, unit = Bytes)]
    pub moved: u64,
    /// Bytes that were copied and understood.
    #[event(kind = Uint, unit = Bytes)]
    pub read: u64,
    /// Bytes that did not have to be copied: bodies whose length is known.
    #[event(kind = Uint, unit = Bytes)]
    pub spanned: u64,
    /// Bytes that no record told of: lost in a full ring, or moved by io_uring.
    #[event(kind = Uint, unit = Bytes)]
    pub lost: u64,
    /// Bytes that were not copied and may have said something.
    #[event(kind = Uint, unit = Bytes)]
    pub cut: u64,
    /// Bytes for which there was no room.
    #[event(kind = Uint, unit = Bytes)]
    pub refused: u64,
    /// Bytes that were copied and not understood, in a protocol that is known.
    #[event(kind = Uint, unit = Bytes)]
    pub skipped: u64,
    /// Bytes of no protocol that is known.
    #[event(kind = Uint, unit = Bytes)]
    pub unknown: u64,
    /// Bytes of TLS that is not read inside.
    #[event(kind = Uint, unit = Bytes)]
    pub in_tls: u64,
    /// Bytes of TLS whose inside was read where it is plain, and is counted by itself.
    #[event(kind = Uint, unit = Bytes)]
    pub tls_opened: u64,
    /// Bytes behind a switch to something that is not read, as a web socket.
    #[event(kind = Uint, unit = Bytes)]
    pub unread: u64,
    /// Bytes that are not read because the policy of their namespace says so.
    #[event(kind = Uint, unit = Bytes)]
    pub by_policy: u64,
    /// Requests that were told.
    #[event(kind = Uint, unit = Count)]
    pub requests: u64,
    /// Those of them that had their response, or need none.
    #[event(kind = Uint, unit = Count)]
    pub answered: u64,
    /// Those whose response was lost, or cannot be told from others behind a gap.
    #[event(kind = Uint, unit = Count)]
    pub response_unseen: u64,
    /// Messages that nobody asked for, as the protocol has it.
    #[event(kind = Uint, unit = Count)]
    pub pushes: u64,
    /// Responses whose request was not seen.
    #[event(kind = Uint, unit = Count)]
    pub responses_without_request: u64,
}

/// Every table that requests fill, besides the one over all protocols.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    let mut tables: Vec<&'static Table> = Vec::new();
    for table in protocols::ALL.iter().flat_map(|protocol| protocol.tables) {
        if !tables.iter().any(|known| std::ptr::eq(*known, *table)) {
            tables.push(table);
        }
    }
    tables.into_iter().chain([CoverageRow::TABLE])
}

impl Request {
    /// Writes its row, into its protocol's own table, the one over all, or both. `origin` is whose it
    /// is, and its time the request's.
    pub fn write(&self, origin: Origin, own: bool, over_all: bool, sink: &mut Sink) {
        let trace = self.summary.trace.as_ref();
        let trace_id = trace.map(Trace::trace);
        let span_id = trace.and_then(Trace::span);
        let told = protocols::Told {
            socket: self.key.socket,
            role: self.side.name(),
            summary: &self.summary,
            outcome: self.outcome.as_str(),
            latency: self.times.latency(),
            sending: between(self.times.request_first, self.times.request_last),
            waiting: between(self.times.request_last, self.times.response_first),
            receiving: between(self.times.response_first, self.times.response_last),
            request_bytes: self.asked.as_ref().map(|_| self.request_bytes),
            response_bytes: self.times.response_first.map(|_| self.response_bytes),
            local: self.ends.local,
            peer: self.peer.or(self.ends.peer),
            tls: self.key.tls,
            trace_id: trace_id.as_deref(),
            span_id: span_id.as_deref(),
            truncated: self.truncated,
            from_middle: self.from_middle,
        };
        if own {
            let (asked, answered) = (self.asked.as_ref(), self.answered.as_ref());
            (self.spoken.write)(&told, asked, answered, origin, sink);
        }
        if over_all {
            protocols::write(self.protocol, &told, origin, sink);
        }
    }
}

impl Coverage {
    /// Writes it as a row of `coverage`.
    pub fn write(&self, protocol: Option<&str>, origin: Origin, sink: &mut Sink) {
        let row = CoverageRow {
            protocol,
            moved: self.moved,
            read: self.read,
            spanned: self.spanned,
            lost: self.lost,
            cut: self.cut,
            refused: self.refused,
            skipped: self.skipped,
            unknown: self.unknown,
            in_tls: self.tls,
            tls_opened: self.tls_opened,
            unread: self.unread,
            by_policy: self.by_policy,
            requests: self.requests,
            answered: self.answered,
            response_unseen: self.response_unseen,
            pushes: self.pushes,
            responses_without_request: self.responses_without_request,
        };
        sink.row(origin, row);
    }
}

/// How long after `first` it was; `None` where one of them was not seen.
fn between(first: Option<u64>, last: Option<u64>) -> Option<u64> {
    // What two threads did is told in the order in which their calls ended.
    Some(last?.saturating_sub(first?))
}
