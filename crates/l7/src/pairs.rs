//! Which response belongs to which request: in order, by number, or to none.
//!
//! After a gap it is not known how many requests or responses were in it, so answers that come in
//! order cannot be told apart: the pairs are adrift. If the client never asked before it was
//! answered, time tells: a response is that of the last request before it. If it did, they are in
//! step again where it gets as many answers as it asks questions, twice in a row.

use std::collections::VecDeque;
use std::net::SocketAddr;

use protocols::{Message, Outstanding, Pairing, Part, Role, Side};

use crate::{Outcome, Times};

/// The requests of one connection that are not done.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    waiting: VecDeque<Exchange>,
    /// Messages that the server says on its own and has not ended.
    pushes: Vec<Exchange>,
    /// Whether the server is in the middle of answering a request that was not seen.
    orphan: bool,
    /// When the last such answer began. What was asked before it may have been what it answered.
    last_orphan: u64,
    /// Whether answers in order cannot be told apart.
    adrift: bool,
    /// Whether somebody who waits may have been answered since the pairs were in step: bytes of the
    /// server were lost, or it answered a request that was not seen.
    server_gap: bool,
    /// Whether anything was ever lost: then a response that came before a request is not believed to
    /// answer it. Otherwise two threads were told of in the wrong order.
    gapped: bool,
    /// Whether the client ever asked before it was answered.
    pipelined: bool,
    /// Whether the server said something before what the client says now that was not read yet.
    pub behind: bool,
    /// Whether the client may have said more before what the server says now: bytes are missing,
    /// or make no message yet.
    pub client_missing: bool,
    /// Who spoke last.
    spoke: Option<Side>,
    /// Requests and responses since the client last began to speak, while adrift.
    turn: (u32, u32),
    /// How many turns in a row had as many of the one as of the other.
    in_step: u32,
}

/// A request and its response, so far.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub pairing: Pairing,
    pub peer: Option<SocketAddr>,
    pub asked: Option<Message>,
    pub answered: Option<Message>,
    pub times: Times,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub truncated: bool,
    request_done: bool,
    /// Whether what follows of the client, and is not read, is the rest of the request.
    request_tail: bool,
    response: Progress,
    /// Whether what follows of the server, and is not read, is the rest of the response.
    response_tail: bool,
    /// Whether its answer can be told from others.
    certain: bool,
    /// Whether another request may have come right behind it, unseen.
    followed: bool,
    /// Whether it was given out as unanswered; it still waits, so that a late answer finds it.
    reported: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    None,
    Begun,
    Done,
}

/// A part of a message as it was found on a lane.
#[derive(Debug)]
pub(crate) struct Placed {
    pub part: Part,
    /// Bytes that it covers.
    pub length: u64,
    /// When its first byte came.
    pub first: u64,
    /// When its last byte came; `None` if that is still to come.
    pub last: Option<u64>,
    pub peer: Option<SocketAddr>,
}

/// What a part led to.
#[derive(Debug)]
pub(crate) enum Led {
    Nothing,
    /// An exchange is over.
    Out(Outcome, Exchange),
    /// A response that nobody was seen to ask for begins.
    Orphan,
}

impl Pairs {
    /// Of a connection whose earlier requests were not seen.
    pub(crate) fn adrift() -> Pairs {
        Pairs { adrift: true, gapped: true, ..Pairs::default() }
    }

    /// Of a connection of which something was not seen, or not known, before this.
    pub(crate) fn after_gap() -> Pairs {
        Pairs { adrift: true, server_gap: true, gapped: true, ..Pairs::default() }
    }

    /// Whether a response may begin now: somebody asked and was not answered.
    pub(crate) fn expects_response(&self) -> bool {
        self.waiting.iter().any(|exchange| exchange.response != Progress::Done)
    }

    /// How many are held.
    pub(crate) fn count(&self) -> usize {
        self.waiting.len() + self.pushes.len()
    }

    /// Takes in a part. `out` gets requests that turned out to be without an answer.
    pub(crate) fn place(&mut self, placed: Placed, out: &mut Vec<(Outcome, Exchange)>) -> Led {
        match placed.part.role {
            Role::Request => self.request(placed, out),
            Role::Response if placed.part.pairing == Pairing::Alone => self.push(placed),
            Role::Response => self.response(placed, out),
        }
    }

    /// The last byte came of a message whose last part was placed before.
    pub(crate) fn ended(
        &mut self,
        role: Role,
        pairing: Pairing,
        peer: Option<SocketAddr>,
        time: u64,
    ) -> Led {
        let part = Part { last: true, ..Part::goes_on(role, pairing) };
        let placed = Placed { part, length: 0, first: time, last: Some(time), peer };
        self.place(placed, &mut Vec::new())
    }

    /// Bytes of `side` were not seen, or not understood, and may have been messages.
    pub(crate) fn gap(&mut self, side: Side, out: &mut Vec<(Outcome, Exchange)>) {
        if side == Side::Server && self.lacks_only_a_tail() {
            return;
        }
        self.adrift = true;
        self.gapped = true;
        self.in_step = 0;
        self.turn = (0, 0);
        match side {
            // The newest request may have had more; what it had is known.
            Side::Client => {
                self.waiting.iter_mut().for_each(|exchange| exchange.followed = true);
                if let Some(newest) = self.waiting.back_mut().filter(|newest| !newest.request_done)
                {
                    newest.request_done = true;
                    newest.request_tail = true;
                    newest.truncated = true;
                }
            }
            Side::Server => {
                self.orphan = false;
                self.server_gap = true;
                self.pushes.clear();
                let kept =
                    |exchange: &Exchange| exchange.pairing != Pairing::InOrder || !self.pipelined;
                let waiting = std::mem::take(&mut self.waiting);
                for mut exchange in waiting {
                    match exchange.response {
                        Progress::None if kept(&exchange) => {
                            exchange.certain = false;
                            self.waiting.push_back(exchange);
                        }
                        Progress::None => out.push((Outcome::Unseen, exchange)),
                        Progress::Begun | Progress::Done => {
                            exchange.truncated |= exchange.response == Progress::Begun;
                            out.push((Outcome::Answered, exchange));
                        }
                    }
                }
                out.retain(|(_, exchange)| !exchange.reported);
            }
        }
    }

    /// Bytes of `side` were passed over, unread, the last of them at `time`.
    pub(crate) fn skipped(
        &mut self,
        side: Side,
        length: u64,
        time: u64,
        out: &mut Vec<(Outcome, Exchange)>,
    ) {
        match side {
            Side::Client => {
                let newest = self.waiting.back_mut();
                let tail = |it: &&mut Exchange| it.request_tail && it.response == Progress::None;
                if let Some(newest) = newest.filter(tail) {
                    newest.request_bytes += length;
                    newest.times.request_last = Some(time);
                }
            }
            Side::Server => {
                if let Some(tail) = self.waiting.iter_mut().find(|it| it.response_tail) {
                    tail.response_bytes += length;
                    tail.times.response_last = Some(time);
                } else if !self.adrift && self.expects_response() {
                    // It may have been the answer of who asked since.
                    self.gap(Side::Server, out);
                }
            }
        }
    }

    /// Ends a response of which only the beginning could be read, if nothing came of it after `since`.
    pub(crate) fn quiet(&mut self, since: u64) -> Option<Exchange> {
        let quiet = |it: &Exchange| it.response_tail && it.times.response_last < Some(since);
        let at = self.waiting.iter().position(quiet)?;
        self.orphan = true;
        self.waiting.remove(at)
    }

    /// Gives out requests that waited too long: those that began before `since`. Those that began
    /// before `forget` are not waited for any more.
    pub(crate) fn overdue(&mut self, since: u64, forget: u64, mut each: impl FnMut(&Exchange)) {
        for exchange in &mut self.waiting {
            let began = exchange.times.request_first.unwrap_or(0);
            if began < since && !exchange.reported && exchange.response == Progress::None {
                exchange.reported = true;
                each(exchange);
            }
        }
        let before = self.waiting.len();
        self.waiting.retain(|exchange| {
            !exchange.reported || exchange.times.request_first.unwrap_or(0) >= forget
        });
        // An answer that comes later still would be taken for the next one's.
        self.adrift |= self.waiting.len() < before;
    }

    /// Takes out the oldest, to make room.
    pub(crate) fn crowd_out(&mut self) -> Option<(Outcome, Exchange)> {
        self.adrift = true;
        let oldest = self.waiting.pop_front()?;
        (!oldest.reported).then_some((Outcome::Crowded, oldest))
    }

    /// Ends all: the connection is closed, or spoken differently from here on.
    pub(crate) fn end(&mut self, why: Outcome, out: &mut Vec<(Outcome, Exchange)>) {
        for mut exchange in self.waiting.drain(..).filter(|exchange| !exchange.reported) {
            exchange.truncated |= exchange.response == Progress::Begun || !exchange.request_done;
            let unsure = self.adrift && !exchange.certain;
            let outcome = match exchange.response {
                Progress::None if unsure && why == Outcome::Closed => Outcome::Unseen,
                Progress::None => why,
                Progress::Begun | Progress::Done => Outcome::Answered,
            };
            out.push((outcome, exchange));
        }
        for mut exchange in self.pushes.drain(..) {
            exchange.truncated = true;
            out.push((Outcome::Push, exchange));
        }
    }

    /// Whether what is missing of the server can only be the rest of the answer that it is giving:
    /// nobody else asked.
    fn lacks_only_a_tail(&mut self) -> bool {
        if self.adrift || self.client_missing || !self.pushes.is_empty() {
            return false;
        }
        let mut open = self.waiting.iter_mut().filter(|it| it.response != Progress::Done);
        let (Some(only), None) = (open.next(), open.next()) else {
            return false;
        };
        let answers = only.pairing == Pairing::InOrder && only.response == Progress::Begun;
        if answers && !only.followed {
            only.response_tail = true;
            only.truncated = true;
        }
        only.response_tail
    }

    /// Whoever speaks begins anew: a response of which only the beginning could be read is over.
    fn end_tail(&mut self, out: &mut Vec<(Outcome, Exchange)>) {
        if let Some(tail) = self.quiet(u64::MAX) {
            out.push((Outcome::Answered, tail));
        }
    }

    fn request(&mut self, placed: Placed, out: &mut Vec<(Outcome, Exchange)>) -> Led {
        let Placed { part, length, first, last, peer } = placed;
        if part.first {
            self.end_tail(out);
            self.begins(part.pairing, out);
            let alone = part.pairing == Pairing::Alone;
            self.waiting.push_back(Exchange {
                pairing: part.pairing,
                peer,
                asked: None,
                answered: None,
                times: Times { request_first: Some(first), ..Times::default() },
                request_bytes: 0,
                response_bytes: 0,
                truncated: false,
                request_done: false,
                request_tail: false,
                response_tail: false,
                response: if alone { Progress::Done } else { Progress::None },
                certain: !self.adrift,
                followed: false,
                reported: false,
            });
        }
        let same = |exchange: &Exchange| exchange.pairing == part.pairing && exchange.peer == peer;
        let Some(at) = self.waiting.iter().rposition(same) else {
            return Led::Nothing;
        };
        let exchange = &mut self.waiting[at];
        exchange.asked = part.message.or(exchange.asked.take());
        exchange.request_bytes += length;
        exchange.truncated |= part.truncated;
        if part.last
            && let Some(last) = last
        {
            exchange.request_done = true;
            exchange.times.request_last = Some(last);
        }
        self.take_done(at)
    }

    fn response(&mut self, placed: Placed, out: &mut Vec<(Outcome, Exchange)>) -> Led {
        let Placed { part, length, first, last, peer } = placed;
        self.spoke = Some(Side::Server);
        let in_order = part.pairing == Pairing::InOrder;
        if in_order && self.orphan && !part.first {
            self.orphan &= !(part.last && last.is_some());
            return Led::Nothing;
        }
        if in_order && part.first {
            self.end_tail(out);
            self.orphan = false;
        }
        if in_order && part.first && self.adrift && !self.pipelined {
            self.align_by_time(first, out);
        }
        let (adrift, gapped) = (self.adrift, self.gapped);
        let fits = |exchange: &Exchange| {
            exchange.pairing == part.pairing
                && exchange.peer == peer
                && exchange.response != Progress::Done
                && (!in_order || exchange.certain || !adrift)
                && (!gapped || !part.first || exchange.times.request_first <= Some(first))
        };
        let Some(at) = self.waiting.iter().position(fits) else {
            if !part.first {
                return Led::Nothing;
            }
            if in_order {
                self.turn.1 += 1;
                self.last_orphan = first;
                self.adrift = true;
                self.server_gap = true;
                self.waiting.iter_mut().for_each(|exchange| exchange.certain = false);
            }
            self.orphan = in_order && !(part.last && last.is_some());
            return Led::Orphan;
        };
        if in_order && part.first && !self.adrift {
            let next = self.waiting.iter().skip(at + 1).find(|next| next.pairing == part.pairing);
            let asked = next.and_then(|next| next.times.request_first);
            self.pipelined |= asked.is_some_and(|asked| asked < first);
        }
        let exchange = &mut self.waiting[at];
        if exchange.response == Progress::None {
            exchange.response = Progress::Begun;
            exchange.times.response_first = Some(first);
        }
        exchange.answered = part.message.or(exchange.answered.take());
        exchange.response_bytes += length;
        exchange.truncated |= part.truncated;
        if part.last
            && let Some(last) = last
        {
            exchange.response = Progress::Done;
            exchange.times.response_last = Some(last);
        }
        self.take_done(at)
    }

    fn push(&mut self, placed: Placed) -> Led {
        let Placed { part, length, first, last, peer } = placed;
        self.spoke = Some(Side::Server);
        if part.first {
            self.pushes.push(Exchange {
                pairing: Pairing::Alone,
                peer,
                asked: None,
                answered: None,
                times: Times { response_first: Some(first), ..Times::default() },
                request_bytes: 0,
                response_bytes: 0,
                truncated: false,
                request_done: true,
                request_tail: false,
                response_tail: false,
                response: Progress::Begun,
                certain: true,
                followed: false,
                reported: false,
            });
        }
        let Some(exchange) = self.pushes.last_mut() else {
            return Led::Nothing;
        };
        exchange.answered = part.message.or(exchange.answered.take());
        exchange.response_bytes += length;
        exchange.truncated |= part.truncated;
        let (true, Some(last)) = (part.last, last) else {
            return Led::Nothing;
        };
        exchange.times.response_last = Some(last);
        self.pushes.pop().map_or(Led::Nothing, |exchange| Led::Out(Outcome::Push, exchange))
    }

    /// A request begins: counts turns, and sees whether the pairs are in step again.
    fn begins(&mut self, pairing: Pairing, out: &mut Vec<(Outcome, Exchange)>) {
        let turn = self.spoke != Some(Side::Client);
        self.spoke = Some(Side::Client);
        if pairing != Pairing::InOrder {
            return;
        }
        if turn && self.adrift && self.pipelined {
            let even = self.turn.0 == self.turn.1 && self.turn.0 > 0 && !self.behind;
            self.in_step = if even { self.in_step + 1 } else { 0 };
            self.turn = (0, 0);
            let certain = |exchange: &Exchange| exchange.pairing == pairing && exchange.certain;
            if self.in_step >= 2 && !self.waiting.iter().any(certain) {
                self.align(self.waiting.len(), out);
                return;
            }
        }
        self.turn.0 += 1;
    }

    /// A response begins at `time`, of a client that waits for each: it belongs to the last request
    /// before, or to the first of those that came at once.
    fn align_by_time(&mut self, time: u64, out: &mut Vec<(Outcome, Exchange)>) {
        let open = |exchange: &Exchange| {
            exchange.pairing == Pairing::InOrder && exchange.response == Progress::None
        };
        let asked = |exchange: &Exchange| exchange.times.request_first.unwrap_or(0);
        let before = |exchange: &&Exchange| open(exchange) && asked(exchange) <= time;
        // No byte of the server is missing, so nobody who waits was answered.
        let since = match self.server_gap {
            true if self.client_missing => None,
            true => {
                let last = self.waiting.iter().rev().find(before);
                let unsure = |last: &&Exchange| last.followed || asked(last) < self.last_orphan;
                last.filter(|last| !unsure(last)).map(asked)
            }
            false => self.waiting.iter().find(before).map(asked),
        };
        let Some(since) = since else {
            return;
        };
        let at =
            self.waiting.iter().position(|exchange| open(exchange) && asked(exchange) >= since);
        self.align(at.unwrap_or(0), out);
    }

    /// From here on each answer is the next request's. The first `lost` were answered unseen.
    fn align(&mut self, lost: usize, out: &mut Vec<(Outcome, Exchange)>) {
        self.adrift = false;
        self.server_gap = false;
        self.in_step = 0;
        self.orphan = false;
        for (at, exchange) in std::mem::take(&mut self.waiting).into_iter().enumerate() {
            match exchange.pairing == Pairing::InOrder && at < lost {
                true if !exchange.reported => out.push((Outcome::Unseen, exchange)),
                true => {}
                false => self.waiting.push_back(exchange),
            }
        }
    }

    /// Takes the exchange at `at` out, if it is over.
    fn take_done(&mut self, at: usize) -> Led {
        let exchange = &self.waiting[at];
        if !(exchange.request_done && exchange.response == Progress::Done) {
            return Led::Nothing;
        }
        let outcome = match exchange.pairing {
            Pairing::Alone => Outcome::OneWay,
            _ => Outcome::Answered,
        };
        match self.waiting.remove(at) {
            Some(exchange) if !exchange.reported => Led::Out(outcome, exchange),
            _ => Led::Nothing,
        }
    }
}

impl Outstanding for Pairs {
    fn oldest(&self) -> Option<&Message> {
        let open = |exchange: &&Exchange| {
            exchange.pairing == Pairing::InOrder && exchange.response != Progress::Done
        };
        let next = match self.adrift && !self.pipelined && self.server_gap {
            true => self.waiting.iter().rev().find(open)?,
            false => self.waiting.iter().find(open)?,
        };
        let sure = next.certain || !self.adrift || !self.pipelined;
        next.asked.as_ref().filter(|_| sure)
    }

    fn tagged(&self, tag: u64) -> Option<&Message> {
        let open = |exchange: &&Exchange| {
            exchange.pairing == Pairing::Tag(tag) && exchange.response != Progress::Done
        };
        self.waiting.iter().find(open)?.asked.as_ref()
    }
}
