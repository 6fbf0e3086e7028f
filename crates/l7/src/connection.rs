//! One connection: what is spoken on it, and what became of it.

mod anew;

use std::net::SocketAddr;
use std::sync::Arc;

use protocols::{Next, Policy, Protocol, Setting, Side, Transport};

use crate::coverage::{Class, Coverage, Covered, Why};
use crate::datagrams::Datagrams;
use crate::lane::Lane;
use crate::look::{Look, View, look, look_one_sided};
use crate::pairs::{Exchange, Pairs};
use crate::stream::{Bench, Spoken, Stop};
use crate::{Chunk, Direction, Key, Limits, Opened, Outcome, Request, Ruling};

/// A connection and all that is held of it.
#[derive(Debug)]
pub(crate) struct Connection {
    about: Opened,
    ruling: Ruling,
    lanes: [Lane; 2],
    datagrams: Datagrams,
    reading: Reading,
    pairs: Pairs,
    books: Coverage,
    looks: Looks,
    /// Whether what is said inside its TLS is read.
    read_inside: bool,
    /// When it was heard of last.
    pub touched: u64,
}

#[derive(Debug)]
enum Reading {
    /// It is not known what is spoken.
    Looking,
    Spoken(Box<Spoken>),
    /// It is known, and not read.
    Passing(Class),
}

/// How often it was looked at in vain, and when it is looked at again.
#[derive(Debug, Default)]
struct Looks {
    failed: u32,
    /// Chunks that are passed over before the next look.
    pause: u32,
    /// Which way the last chunk went.
    last: Option<Direction>,
    /// Since when a look has been going on.
    since: u64,
}

/// What a connection is given to work with, and where it puts what comes out.
pub(crate) struct Context<'a> {
    pub limits: &'a Limits,
    pub now: u64,
    pub requests: &'a mut Vec<Request>,
    pub covered: &'a mut Vec<Covered>,
}

/// Looks in vain after which only each so many-th chunk is looked at: 2 to the power of it.
const LONGEST_PAUSE: u32 = 12;

impl Connection {
    pub(crate) fn new(about: Opened, ruling: Ruling) -> Connection {
        let lane = || if about.from_middle { Lane::default() } else { Lane::from_start() };
        let datagrams = match about.from_middle {
            true => Datagrams::default(),
            false => Datagrams::from_start(),
        };
        Connection {
            about,
            lanes: [lane(), lane()],
            datagrams,
            reading: match ruling {
                Ruling::Read(_) => Reading::Looking,
                Ruling::Refuse => Reading::Passing(Class::ByPolicy),
            },
            ruling,
            pairs: if about.from_middle { Pairs::adrift() } else { Pairs::default() },
            books: Coverage::default(),
            looks: Looks { since: about.time, ..Looks::default() },
            read_inside: false,
            touched: about.time,
        }
    }

    /// Takes up what was learned of a connection that was there before it was announced.
    pub(crate) fn learn(&mut self, about: &Opened) {
        self.about.side = self.about.side.or(about.side);
        self.about.ends = self.about.ends.or(about.ends);
    }

    /// What is said inside its TLS is known by another name; says what that connection is.
    pub(crate) fn is_read_inside(&mut self, key: Key) -> Opened {
        self.read_inside = true;
        Opened { key, ..self.about }
    }

    pub(crate) fn add(&mut self, chunk: &Chunk, context: &mut Context) {
        self.touched = chunk.time;
        match self.about.transport {
            Transport::Datagram => self.add_datagram(chunk, context),
            Transport::Stream => self.add_bytes(chunk, context),
        }
    }

    /// Does what only time brings: gives up waiting.
    pub(crate) fn tick(&mut self, context: &mut Context) {
        let patience = context.now.saturating_sub(context.limits.patience);
        for lane in &mut self.lanes {
            lane.give_up(patience, &mut self.books);
        }
        let since = context.now.saturating_sub(context.limits.answer);
        let forget = since.saturating_sub(context.limits.answer);
        let mut overdue = Vec::new();
        self.pairs.overdue(since, forget, |exchange| overdue.push(exchange.clone()));
        for exchange in overdue {
            self.give(Outcome::NoAnswer, exchange, context);
        }
        let quiet = context.now.saturating_sub(context.limits.tail);
        if let Some(exchange) = self.pairs.quiet(quiet) {
            self.give(Outcome::Answered, exchange, context);
        }
        let given_time = self.looks.since.saturating_add(context.limits.one_sided) <= context.now;
        if given_time && matches!(self.reading, Reading::Looking) {
            self.settle_for_one_side(context);
        }
        self.work(false, context);
        if self.touched.saturating_add(1_000_000_000) < context.now {
            self.lanes.iter_mut().for_each(Lane::shrink);
        }
    }

    /// Nothing more will come.
    pub(crate) fn close(&mut self, reached: Option<[u64; 2]>, context: &mut Context) {
        // What is passed over is told in large pieces; the last of them is not.
        let passes = matches!(self.reading, Reading::Passing(_));
        let why = if passes { Why::Cut } else { Why::Lost };
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            let reached = reached.map(|reached| reached[number]);
            lane.ends_at(reached, why, context.now, &mut self.books);
        }
        self.work(true, context);
        if matches!(self.reading, Reading::Looking) {
            self.settle_for_one_side(context);
            self.work(true, context);
        }
        self.drop_all(self.class());
        self.end_pairs(Outcome::Closed, context);
        self.report(context);
    }

    /// Roughly how many bytes of memory are held besides the connection itself.
    pub(crate) fn held(&self) -> usize {
        let conversation = match &self.reading {
            Reading::Spoken(spoken) => spoken.conversation.held(),
            Reading::Looking | Reading::Passing(_) => 0,
        };
        let lanes: usize = self.lanes.iter().map(Lane::held).sum();
        let pairs = self.pairs.count() * (512 + self.ruling.bodies());
        lanes + self.datagrams.bytes() + conversation + pairs
    }

    /// Bytes that were moved and not counted as anything yet.
    pub(crate) fn pending(&self) -> u64 {
        self.datagrams.pending() + self.lanes.iter().map(Lane::available).sum::<u64>()
    }

    /// Whether time may bring something.
    pub(crate) fn is_waiting(&self) -> bool {
        self.pairs.count() > 0 || self.pending() > 0 || self.lanes.iter().any(Lane::waits)
    }

    /// The name of what is spoken.
    pub(crate) fn protocol(&self) -> Option<&'static str> {
        match &self.reading {
            Reading::Spoken(spoken) => Some(spoken.protocol.name),
            Reading::Passing(Class::Tls) => Some("tls"),
            Reading::Passing(_) | Reading::Looking => None,
        }
    }

    /// Whether it goes in frames.
    pub(crate) fn is_framed(&self) -> bool {
        matches!(&self.reading, Reading::Spoken(spoken) if spoken.protocol.frames.is_some())
    }

    /// Gives out what was counted before it was known what is spoken; what is still held belongs to
    /// that.
    fn report_settled(&mut self, context: &mut Context) {
        let held = self.pending().min(self.books.moved);
        self.books.moved -= held;
        self.report(context);
        self.books.moved = held;
    }

    /// Gives out what was counted since the last time.
    pub(crate) fn report(&mut self, context: &mut Context) {
        if !self.books.is_empty() {
            context.covered.push(Covered {
                key: self.about.key,
                process: self.about.process,
                protocol: self.protocol(),
                coverage: std::mem::take(&mut self.books),
            });
        }
    }

    fn add_bytes(&mut self, chunk: &Chunk, context: &mut Context) {
        if self.counts_anew(chunk) {
            self.begin_anew(context);
        }
        let room = context.limits.held_one_way;
        let turned = self.looks.last != Some(chunk.direction);
        self.looks.last = Some(chunk.direction);
        let lane = &mut self.lanes[chunk.direction as usize];
        lane.add(chunk.position, chunk.size, chunk.data, chunk.time, room, &mut self.books);
        let patience = context.now.saturating_sub(context.limits.patience);
        for lane in self.lanes.iter_mut().filter(|lane| lane.waits()) {
            lane.give_up(patience, &mut self.books);
        }
        if matches!(self.reading, Reading::Looking) {
            self.looks.pause = self.looks.pause.saturating_sub(1);
            // A message begins where the other side begins to speak, or at any call if it is the
            // first look.
            let may_look = self.looks.pause == 0 && (turned || self.looks.failed == 0);
            let going_on = self.pending() > chunk.size;
            if !may_look && !going_on {
                self.drop_all(Class::Unknown);
                return;
            }
        }
        self.work(false, context);
    }

    fn add_datagram(&mut self, chunk: &Chunk, context: &mut Context) {
        // A socket that is connected names its peer in some calls, and in others it need not.
        let peer = chunk.peer.or(self.about.ends.peer);
        let chunk = &Chunk { peer, ..*chunk };
        if let Some(dropped) = self.datagrams.add(chunk, &mut self.books) {
            dropped.count(Class::Unknown, &mut self.books);
        }
        self.work(false, context);
    }

    /// Goes on as far as what is held allows.
    fn work(&mut self, closed: bool, context: &mut Context) {
        // What is spoken may change many times in a stream that is made to be a nuisance.
        for _ in 0..64 {
            let goes_on = match self.reading {
                Reading::Looking => self.look(closed, context),
                Reading::Spoken(_) => self.read(closed, context),
                Reading::Passing(class) => {
                    let opened = class == Class::Tls && self.read_inside;
                    self.drop_all(if opened { Class::TlsOpened } else { class });
                    false
                }
            };
            if !goes_on {
                return;
            }
        }
        self.drop_all(Class::Skipped);
    }

    /// Looks at what was said; true if it is known now.
    fn look(&mut self, closed: bool, context: &mut Context) -> bool {
        // Nothing begins in what was not seen.
        for lane in self.lanes.iter_mut().filter(|lane| lane.front().is_empty()) {
            while lane.front().is_empty()
                && let Some(length) = lane.hole_behind()
            {
                lane.consume(length, Class::Unknown, &mut self.books);
                self.pairs = Pairs::after_gap();
            }
        }
        if self.pending() == 0 {
            return false;
        }
        let [out, into] = self.views(closed);
        match look(out, into, self.about.side, self.out_first(), self.about.transport) {
            Look::Open => false,
            Look::Named(protocol, side) => {
                self.name(protocol, side, context);
                true
            }
            Look::Tls => {
                self.report_settled(context);
                self.reading = Reading::Passing(Class::Tls);
                true
            }
            Look::Nothing => {
                self.pairs = Pairs::after_gap();
                self.looks.failed += 1;
                self.looks.pause = match self.looks.failed {
                    0..4 => 0,
                    failed => 1 << (failed - 3).min(LONGEST_PAUSE),
                };
                self.looks.since = context.now;
                match self.about.transport {
                    // The next one may be more telling.
                    Transport::Datagram => {
                        if let Some(datagram) = self.datagrams.pop() {
                            datagram.count(Class::Unknown, &mut self.books);
                        }
                        self.pending() > 0
                    }
                    Transport::Stream => {
                        self.drop_all(Class::Unknown);
                        false
                    }
                }
            }
        }
    }

    /// Whether of what is held the process said the first, or nobody knows.
    fn out_first(&self) -> bool {
        let [out, into] = &self.lanes;
        if self.about.from_middle {
            return true;
        }
        match self.about.transport {
            Transport::Stream => match (out.first_time(), into.first_time()) {
                (Some(out), Some(into)) => out <= into,
                (out, _) => out.is_some(),
            },
            Transport::Datagram => {
                self.datagrams.held.front().is_none_or(|first| first.direction == Direction::Out)
            }
        }
    }

    fn views(&self, closed: bool) -> [View<'_>; 2] {
        [Direction::Out, Direction::In].map(|direction| match self.about.transport {
            Transport::Stream => {
                let lane = &self.lanes[direction as usize];
                View { bytes: lane.front(), ended: closed || lane.hole_behind().is_some() }
            }
            Transport::Datagram => {
                let mut held = self.datagrams.held.iter();
                let first = held.find(|datagram| datagram.direction == direction);
                View { bytes: first.map_or(&[], |first| &first.data), ended: true }
            }
        })
    }

    /// Believes one side alone, if the port speaks for it.
    fn settle_for_one_side(&mut self, context: &mut Context) {
        if self.pending() == 0 {
            return;
        }
        // A socket of datagrams need not be connected: each says where it went, or came from.
        let peer_of = |direction: Direction| {
            let mut held = self.datagrams.held.iter();
            held.find(|datagram| datagram.direction == direction)?.peer
        };
        let peer = self.about.ends.peer.or(peer_of(Direction::Out));
        let local = self.about.ends.local;
        let port = |address: Option<SocketAddr>| address.map_or(0, |address| address.port());
        let sides = [(Side::Client, port(peer)), (Side::Server, port(local))];
        let [out, into] = self.views(true);
        let fits = |side: Side| self.about.side.is_none_or(|known| known == side);
        let named = sides.into_iter().filter(|(side, _)| fits(*side)).find_map(|(side, port)| {
            let protocol = look_one_sided(out, into, side, port, self.about.transport)?;
            Some((protocol, side))
        });
        if let Some((protocol, side)) = named {
            self.name(protocol, side, context);
        }
    }

    fn name(&mut self, protocol: &'static Protocol, side: Side, context: &mut Context) {
        let Ruling::Read(policy) = &self.ruling else {
            return;
        };
        let policy: Arc<Policy> = policy.clone();
        self.report_settled(context);
        let conversation = (protocol.converse)(&Setting {
            transport: self.about.transport,
            from_middle: self.about.from_middle || self.looks.failed > 0,
            policy,
        });
        self.reading = Reading::Spoken(Box::new(Spoken::new(protocol, conversation, side)));
    }

    /// Reads what is held; true if something else is spoken from here on.
    fn read(&mut self, closed: bool, context: &mut Context) -> bool {
        let Reading::Spoken(spoken) = &mut self.reading else {
            return false;
        };
        let mut done = Vec::new();
        let mut bench = Bench {
            pairs: &mut self.pairs,
            books: &mut self.books,
            done: &mut done,
            closed,
            early: context.now.saturating_sub(context.limits.early),
            losses: context.limits.losses,
        };
        let mut stop;
        if self.about.transport == Transport::Datagram {
            stop = Stop::Waits(false);
            while let Some(datagram) = self.datagrams.pop() {
                datagram.read(&mut *spoken.conversation, spoken.side, &mut bench);
            }
        } else {
            let [out, into] = &mut self.lanes;
            let (client, server) = match spoken.side {
                Side::Client => (out, into),
                Side::Server => (into, out),
            };
            // In the order in which it was said, as far as nobody waits.
            loop {
                let (asked, said) = (client.first_time(), server.first_time());
                let client_first = match (asked, said) {
                    (Some(asked), Some(said)) => asked <= said,
                    (asked, _) => asked.is_some(),
                };
                bench.pairs.client_missing = client.lacks() || client_first;
                bench.pairs.behind = server.waits() || said.is_some_and(|said| Some(said) < asked);
                stop = match client_first {
                    true => spoken.read(Side::Client, client, said, &mut bench),
                    false => spoken.read(Side::Server, server, asked, &mut bench),
                };
                if stop == Stop::Waits(false) {
                    bench.pairs.behind = server.waits() || server.first_time().is_some();
                    stop = match client_first {
                        true => spoken.read(Side::Server, server, None, &mut bench),
                        false => spoken.read(Side::Client, client, None, &mut bench),
                    };
                }
                if stop != Stop::Waits(true) {
                    break;
                }
            }
        }
        for (outcome, exchange) in done {
            self.give(outcome, exchange, context);
        }
        while self.pairs.count() > context.limits.waiting {
            match self.pairs.crowd_out() {
                Some((outcome, exchange)) => self.give(outcome, exchange, context),
                None => break,
            }
        }
        self.stopped(stop, context)
    }

    /// What comes after reading stopped; true if there may be more to do.
    fn stopped(&mut self, stop: Stop, context: &mut Context) -> bool {
        let reading = match stop {
            Stop::Waits(_) => return false,
            Stop::GaveUp => {
                self.looks.failed += 1;
                Reading::Looking
            }
            Stop::Switched(Next::Anything) => Reading::Looking,
            Stop::Switched(Next::Tls) => Reading::Passing(Class::Tls),
            Stop::Switched(Next::Unread(_)) => Reading::Passing(Class::Unread),
        };
        if stop == Stop::GaveUp {
            self.leave(Outcome::Unseen, reading, context);
        } else {
            self.leave(Outcome::Closed, reading, context);
            self.pairs = Pairs::default();
        }
        true
    }

    fn end_pairs(&mut self, outcome: Outcome, context: &mut Context) {
        let mut done = Vec::new();
        self.pairs.end(outcome, &mut done);
        for (outcome, exchange) in done {
            self.give(outcome, exchange, context);
        }
    }

    fn give(&mut self, outcome: Outcome, exchange: Exchange, context: &mut Context) {
        let Reading::Spoken(spoken) = &self.reading else {
            return;
        };
        self.books.request(outcome);
        let (asked, answered) = (exchange.asked, exchange.answered);
        let summary = (spoken.protocol.summary)(asked.as_ref(), answered.as_ref());
        context.requests.push(Request {
            key: self.about.key,
            process: self.about.process,
            side: spoken.side,
            ends: self.about.ends,
            peer: exchange.peer,
            from_middle: self.about.from_middle,
            spoken: spoken.protocol,
            protocol: summary.protocol.unwrap_or(spoken.protocol.name),
            summary,
            outcome,
            times: exchange.times,
            request_bytes: exchange.request_bytes,
            response_bytes: exchange.response_bytes,
            truncated: exchange.truncated,
            asked,
            answered,
        });
    }

    /// Counts all that is held as `class`.
    fn drop_all(&mut self, class: Class) {
        for lane in &mut self.lanes {
            lane.consume(u64::MAX, class, &mut self.books);
        }
        while let Some(datagram) = self.datagrams.pop() {
            datagram.count(class, &mut self.books);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Connection;

    /// As many as there may be at once cost less than 100 MB before they say anything.
    #[test]
    fn a_connection_is_small() {
        let size = size_of::<Connection>();
        assert!(size < 1500, "{size}");
    }
}
