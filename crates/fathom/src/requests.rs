//! From what sockets carry to rows of requests: one worker's share of the connections.

mod policies;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use identity::Identity;
use kernel::Kernel;
use l7::{
    Chunk, Closed, Coverage, CoverageRow, Direction, Ends, Engine, Key, Limits, Opened, Request,
    Ruling,
};
pub use policies::Policies;
use protocols::{Side, Transport};
use schema::{
    ClosedSocket, Event, Moved, OpenedSocket, Origin, ProcessKey, Sink, SocketNews, Table,
};
use signal_stream::{Frames, Signature, Verdict};
use telemetry::{Account, Ledger};

/// What is copied and kept of requests.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bytes that are copied of a message, at most 8192.
    pub message_bytes: u32,
    /// Bytes that are copied of a connection in a second.
    pub second_bytes: u32,
    /// What may be kept of what is said, by whom.
    pub policies: Policies,
}

/// Reads connections.
pub(crate) struct Requests {
    judge: Judge,
    identity: Arc<Identity>,
    engine: Engine,
    policies: Policies,
    sockets: HashMap<u64, Socket>,
    done: Vec<Request>,
    over: Vec<(Origin, Request)>,
    ticked: Instant,
    reported: Instant,
    coverage: HashMap<(ProcessKey, Option<&'static str>), (Origin, Coverage)>,
    /// Whose rows are told where nobody is known to have moved the bytes.
    nobody: Origin,
    books: Books,
}

/// Tells the kernel what is thought of a connection, or of what is said inside its TLS.
pub(crate) type Judge = Box<dyn Fn(u64, bool, Verdict) + Send>;

/// What is kept of a socket beside what the engine has.
struct Socket {
    /// Who moved its last bytes.
    origin: Origin,
    /// What the kernel was told of it, and of what is said inside its TLS.
    verdict: [Verdict; 2],
    /// What holds for whoever is in this cgroup, once that is known.
    ruling: Option<(u64, Ruling)>,
}

/// What is counted for the ledger.
struct Books {
    requests: Account,
    bytes: Account,
    sockets: Account,
}

/// The stage under which bytes and requests are counted.
pub(crate) const STAGE: &str = "requests";
/// What is counted there that is no request.
pub(crate) const BYTES: &str = "bytes";
const SOCKETS: &str = "sockets";

/// Which tables are wanted, so that no others are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Those of the protocols.
    pub(crate) own: bool,
    /// The one over all protocols.
    pub(crate) over_all: bool,
    /// What became of the bytes.
    pub(crate) coverage: bool,
}

/// How often time is told to the engine.
const TICK: Duration = Duration::from_millis(20);
/// How often coverage is told.
const REPORT: Duration = Duration::from_secs(10);
/// A socket that was silent for so long is forgotten, as the engine does.
const IDLE: i64 = 600_000_000_000;

impl Default for Settings {
    fn default() -> Settings {
        Settings { message_bytes: 4096, second_bytes: 4 << 20, policies: Policies::default() }
    }
}

/// The tables that are made of what sockets carry.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    std::iter::once(protocols::REQUEST).chain(l7::tables())
}

/// Whether a table has what was said, and not only how much.
pub(crate) fn is_said(table: &'static Table) -> bool {
    !std::ptr::eq(table, CoverageRow::TABLE) && tables().any(|it| std::ptr::eq(it, table))
}

/// Whether any of `tables` needs all this.
pub fn is_wanted(wanted: &[&'static Table]) -> bool {
    tables().any(|it| wanted.iter().any(|table| std::ptr::eq(*table, it)))
}

impl Wanted {
    /// What of it anybody wants, by whether a table is wanted.
    pub(crate) fn of(is_wanted: impl Fn(&'static Table) -> bool) -> Wanted {
        let coverage = CoverageRow::TABLE;
        let own = l7::tables().any(|it| !std::ptr::eq(it, coverage) && is_wanted(it));
        Wanted { own, over_all: is_wanted(protocols::REQUEST), coverage: is_wanted(coverage) }
    }
}

/// What is copied of frames that carry bodies: how a message of gRPC begins.
const FIRST: u32 = 64;

/// What the kernel side is told to copy.
pub fn told(settings: &Settings) -> signal_stream::Settings {
    let framed = protocols::ALL.iter().find_map(|it| Some((it.signatures, it.frames?)));
    let preface = |it: &protocols::Signature| {
        // What a few bits say is not sure enough.
        let of = framed.filter(|(those, _)| it.mask == u64::MAX && those.contains(it));
        of.map_or(0, |(_, frames)| frames.preface)
    };
    let signatures = protocols::signatures().into_iter().map(|it| {
        let framed = preface(&it);
        let protocols::Signature { offset, mask, value, .. } = it;
        Signature { offset, mask, value, framed }
    });
    let mut signatures: Vec<Signature> = signatures.collect();
    signatures.sort_by_key(|it| (it.offset, it.mask, it.value));
    // Both sides may say the same.
    signatures.dedup();
    let Settings { message_bytes, second_bytes, .. } = *settings;
    let frames = framed.map_or(Frames::default(), |(_, it)| Frames {
        never: it.never,
        kinds: it.kinds,
        copied: it.copied,
        first: FIRST.max(settings.policies.bodies()),
    });
    signal_stream::Settings { signatures, frames, message_bytes, second_bytes, reads_tls: false }
}

/// Tells this kernel. Where it fails, the kernel goes on as before: it copies less, or more than it has to.
pub(crate) fn judge_by(kernel: Arc<Kernel>) -> Judge {
    Box::new(move |socket, tls, verdict| {
        let _ = signal_stream::judge(&kernel, socket, tls, verdict);
    })
}

impl Requests {
    /// Nothing is read yet. `nobody` is where rows come from that are nobody's.
    pub(crate) fn new(
        judge: Judge,
        identity: Arc<Identity>,
        ledger: &Ledger,
        settings: &Settings,
        nobody: Origin,
    ) -> Requests {
        let now = Instant::now();
        Requests {
            judge,
            identity,
            engine: Engine::new(Limits::default(), settings.policies.strictest()),
            policies: settings.policies.clone(),
            sockets: HashMap::new(),
            done: Vec::new(),
            over: Vec::new(),
            ticked: now,
            reported: now,
            coverage: HashMap::new(),
            nobody,
            books: Books {
                requests: ledger.account(STAGE, protocols::REQUEST.name),
                bytes: ledger.account(STAGE, BYTES),
                sockets: ledger.account(STAGE, SOCKETS),
            },
        }
    }

    /// Reads what a turn brought, and writes the rows of what is over. `now` is in nanoseconds since
    /// 1970; nothing comes after the `last` turn.
    pub(crate) fn turn(&mut self, sink: &mut Sink, wanted: Wanted, now: i64, last: bool) {
        let news = std::mem::take(&mut sink.sockets);
        let bytes = std::mem::take(&mut sink.bytes);
        for news in news {
            match news {
                SocketNews::Opened(origin, opened) => self.opened(origin, &opened),
                SocketNews::Moved(origin, moved) => self.moved(origin, &moved, &bytes),
                SocketNews::Closed(origin, closed) => self.closed(origin, closed),
                SocketNews::Mapped(..) => {}
            }
        }
        if last || self.ticked.elapsed() >= TICK {
            self.ticked = Instant::now();
            self.engine.tick(time(now), &mut self.done);
        }
        if last {
            self.engine.end_all(&mut self.done);
        }
        self.settle();
        self.write(sink, wanted);
        if last || self.reported.elapsed() >= REPORT {
            self.reported = Instant::now();
            self.report(sink, wanted, now);
        }
    }

    fn opened(&mut self, origin: Origin, opened: &OpenedSocket) {
        self.engine.opened(&Opened {
            key: key(opened.socket),
            process: origin.process,
            transport: transport(opened.datagrams),
            side: opened.asked.map(|asked| if asked { Side::Client } else { Side::Server }),
            ends: Ends { local: opened.local, peer: opened.peer },
            from_middle: opened.from_middle,
            time: time(origin.time),
        });
        self.books.sockets.taken.add(1);
        self.books.sockets.passed.add(1);
        if self.sockets.insert(opened.socket, Socket::of(origin)).is_some() {
            self.books.sockets.lacking("told_again", 1);
        }
    }

    fn moved(&mut self, origin: Origin, moved: &Moved, bytes: &[u8]) {
        let key = Key { tls: moved.tls, ..key(moved.socket) };
        let chunk = Chunk {
            key,
            process: origin.process,
            transport: transport(moved.datagram),
            direction: if moved.sent { Direction::Out } else { Direction::In },
            position: moved.position,
            size: moved.size,
            data: bytes.get(moved.bytes.clone()).unwrap_or_default(),
            time: time(origin.time),
            peer: moved.peer,
        };
        if moved.tls && moved.from_middle {
            self.engine.opened_inside(key, origin.process, true, chunk.time);
        }
        self.rule(&chunk, origin);
        let socket = self.sockets.entry(moved.socket).or_insert_with(|| Socket::of(origin));
        socket.origin = origin;
        self.engine.data(&chunk, &mut self.done);
        let verdict = match self.engine.protocol(&key) {
            _ if self.policies.refuses() && self.engine.is_refused(&key) => Verdict::Pass,
            Some("tls") => Verdict::Pass,
            Some(_) if self.engine.is_framed(&key) => Verdict::Framed,
            Some(_) => Verdict::Read,
            None => Verdict::None,
        };
        let told = &mut socket.verdict[usize::from(moved.tls)];
        if *told != verdict {
            *told = verdict;
            (self.judge)(moved.socket, moved.tls, verdict);
        }
        self.settle();
    }

    /// Sees to it that no more is kept of a connection than may be of who moves its bytes now.
    fn rule(&mut self, chunk: &Chunk, origin: Origin) {
        if self.policies.is_one() || !self.engine.take_up(chunk) {
            return;
        }
        let socket = chunk.key.socket;
        let socket = self.sockets.entry(socket).or_insert_with(|| Socket::of(origin));
        let decided = socket.ruling.as_ref().filter(|(cgroup, _)| *cgroup == origin.cgroup);
        let ruling = match decided {
            Some((_, ruling)) => ruling.clone(),
            None => {
                let (ruling, known) = self.policies.of(origin.cgroup, self.identity.cgroups());
                socket.ruling = known.then(|| (origin.cgroup, ruling.clone()));
                ruling.clone()
            }
        };
        self.engine.rule(chunk.key, &ruling, &mut self.done);
        // What is over with it was said by who moved the bytes before.
        self.settle();
    }

    fn closed(&mut self, origin: Origin, closed: ClosedSocket) {
        let key = key(closed.socket);
        let reached = Some([closed.sent, closed.received]);
        self.engine.closed(&Closed { key, time: time(origin.time), reached }, &mut self.done);
        self.settle();
        self.sockets.remove(&closed.socket);
    }

    /// Gives what is over to whoever moved the last bytes of its socket.
    fn settle(&mut self) {
        for request in self.done.drain(..) {
            let known = self.sockets.get(&request.key.socket).map(|it| it.origin);
            let origin = known.unwrap_or(Origin { process: request.process, ..self.nobody });
            self.over.push((origin, request));
        }
    }

    /// Writes what is over.
    fn write(&mut self, sink: &mut Sink, wanted: Wanted) {
        for (origin, request) in self.over.drain(..) {
            let begun = request.times.request_first.or(request.times.end());
            let origin = Origin { time: begun.map_or(origin.time, |it| it as i64), ..origin };
            self.books.requests.taken.add(1);
            self.books.requests.passed.add(1);
            request.write(origin, wanted.own, wanted.over_all, sink);
        }
    }

    /// Tells what became of the bytes.
    fn report(&mut self, sink: &mut Sink, wanted: Wanted, now: i64) {
        for covered in self.engine.coverage() {
            let known = self.sockets.get(&covered.key.socket).map(|it| it.origin);
            let origin = known.unwrap_or(Origin { process: covered.process, ..self.nobody });
            self.books.count(&covered.coverage);
            if covered.key.tls {
                self.books.sockets.lacking("tls_told_again", covered.coverage.told_again);
            }
            let place = self.coverage.entry((covered.process, covered.protocol));
            let (_, sum) = place.or_insert((origin, Coverage::default()));
            *sum += covered.coverage;
        }
        for ((_, protocol), (origin, coverage)) in self.coverage.drain() {
            if wanted.coverage {
                coverage.write(protocol, Origin { time: now, ..origin }, sink);
            }
        }
        self.sockets.retain(|_, socket| socket.origin.time + IDLE > now);
    }
}

impl Socket {
    /// A socket of which nothing was thought yet.
    fn of(origin: Origin) -> Socket {
        Socket { origin, verdict: [Verdict::None; 2], ruling: None }
    }
}

impl Books {
    /// Takes over what became of bytes and of requests.
    fn count(&self, coverage: &Coverage) {
        self.bytes.taken.add(coverage.moved);
        self.bytes.passed.add(coverage.read + coverage.spanned);
        for (reason, count) in [
            ("not_told", coverage.lost),
            ("not_copied", coverage.cut),
            ("no_room", coverage.refused),
            ("not_understood", coverage.skipped),
            ("unknown_protocol", coverage.unknown),
            ("in_tls", coverage.tls),
            ("tls_opened", coverage.tls_opened),
            ("unread_protocol", coverage.unread),
            ("refused_by_policy", coverage.by_policy),
        ] {
            if count > 0 {
                self.bytes.drop(reason, count);
            }
        }
        let lacking = [
            ("response_unseen", coverage.response_unseen),
            ("request_unseen", coverage.responses_without_request),
        ];
        for (what, count) in lacking.into_iter().filter(|(_, count)| *count > 0) {
            self.requests.lacking(what, count);
        }
    }
}

fn key(socket: u64) -> Key {
    Key { socket, generation: 0, tls: false }
}

fn transport(datagrams: bool) -> Transport {
    if datagrams { Transport::Datagram } else { Transport::Stream }
}

/// The engine's clock: nanoseconds since 1970, never before.
fn time(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0)
}
