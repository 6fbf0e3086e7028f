//! Reading a stream in a protocol that is known: lanes in, parts of messages out.

use protocols::{Conversation, Ends, Found, Next, Pairing, Part, Protocol, Role, Side, Step};

use crate::Outcome;
use crate::coverage::{Class, Coverage};
use crate::lane::Lane;
use crate::pairs::{Exchange, Led, Pairs, Placed};

/// A stream whose protocol is known.
#[derive(Debug)]
pub(crate) struct Spoken {
    pub protocol: &'static Protocol,
    pub conversation: Box<dyn Conversation>,
    /// What the process is.
    pub side: Side,
    client: Way,
    server: Way,
    /// How often it was lost since the last whole message, through no gap.
    losses: u32,
    /// Bytes that were not understood since the last whole message.
    stray: u64,
}

/// Where one side is.
#[derive(Debug, Default)]
struct Way {
    /// Bytes still to come that a message is known to cover.
    covers: u64,
    /// The message that ends with them.
    closing: Option<(Role, Pairing)>,
    /// Whether a place to go on is looked for.
    searching: bool,
    /// Whether it is in the middle of a message.
    open: bool,
}

/// What reading works on and gives out.
pub(crate) struct Bench<'a> {
    pub pairs: &'a mut Pairs,
    pub books: &'a mut Coverage,
    pub done: &'a mut Vec<(Outcome, Exchange)>,
    /// Whether nothing more will come.
    pub closed: bool,
    /// Responses to nobody whose first byte came after this wait for their request.
    pub early: u64,
    /// How often it may be lost in a row.
    pub losses: u32,
}

/// How reading came to a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// More has to come. Whether anything was consumed.
    Waits(bool),
    /// Something else is spoken from here on.
    Switched(Next),
    /// It does not seem to be this protocol after all.
    GaveUp,
}

/// Bytes that may be skipped in a row before the protocol is doubted.
const MOST_STRAY: u64 = 256 << 10;

/// Ends of messages without bytes that may come in a row.
const MOST_EMPTY: usize = 4096;

impl Spoken {
    pub(crate) fn new(
        protocol: &'static Protocol,
        conversation: Box<dyn Conversation>,
        side: Side,
    ) -> Spoken {
        let (client, server) = (Way::default(), Way::default());
        Spoken { protocol, conversation, side, client, server, losses: 0, stray: 0 }
    }

    /// Reads what `side` said as far as it goes, or up to what came after `until`.
    pub(crate) fn read(
        &mut self,
        side: Side,
        lane: &mut Lane,
        until: Option<u64>,
        bench: &mut Bench,
    ) -> Stop {
        let mut moved = false;
        let mut empty = 0;
        loop {
            let later = until.is_some_and(|until| lane.first_time().is_some_and(|t| t > until));
            if moved && later {
                return Stop::Waits(true);
            }
            if self.way(side).covers > 0 {
                if !self.pass_over(side, lane, bench) {
                    return Stop::Waits(moved);
                }
                moved = true;
                continue;
            }
            let ends = ends(lane, bench.closed);
            if self.way(side).searching {
                if !self.search(side, lane, ends, bench) {
                    return Stop::Waits(moved);
                }
                moved = true;
                if self.stray > MOST_STRAY {
                    return Stop::GaveUp;
                }
                continue;
            }
            if lane.front().is_empty() && ends == Ends::Open {
                return Stop::Waits(moved);
            }
            let is_early = side == Side::Server
                && !self.server.open
                && ends != Ends::Closed
                && !bench.pairs.expects_response()
                && lane.first_time().is_some_and(|time| time > bench.early);
            if is_early {
                return Stop::Waits(moved);
            }
            match self.conversation.read(side, lane.front(), ends, bench.pairs) {
                Step::More if ends == Ends::Open => return Stop::Waits(moved),
                Step::Take { length, part } if progresses(length, part.as_ref(), &mut empty) => {
                    self.take(side, lane, length, part, bench);
                    moved = true;
                }
                Step::Switch { length, part, to } => {
                    self.take(side, lane, length, part, bench);
                    return Stop::Switched(to);
                }
                Step::More | Step::Take { .. } | Step::Lost(_) => {
                    if !self.lose(side, lane, ends, bench) {
                        return Stop::Waits(moved);
                    }
                    moved = true;
                    if self.losses > bench.losses {
                        return Stop::GaveUp;
                    }
                }
            }
        }
    }

    fn way(&mut self, side: Side) -> &mut Way {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Passes over bytes that a message covers; false if they are still to come.
    fn pass_over(&mut self, side: Side, lane: &mut Lane, bench: &mut Bench) -> bool {
        let way = self.way(side);
        let passed = lane.consume(way.covers, Class::Read, bench.books);
        way.covers -= passed;
        if way.covers == 0
            && let Some((role, pairing)) = way.closing.take()
        {
            way.open = false;
            let led = bench.pairs.ended(role, pairing, None, lane.last_time());
            self.led(led, bench);
        }
        passed > 0
    }

    fn take(
        &mut self,
        side: Side,
        lane: &mut Lane,
        length: u64,
        part: Option<Part>,
        bench: &mut Bench,
    ) {
        let first = match length {
            0 => lane.last_time(),
            _ => lane.first_time().unwrap_or_else(|| lane.last_time()),
        };
        let passed = lane.consume(length, Class::Read, bench.books);
        let way = self.way(side);
        way.covers = length - passed;
        let Some(part) = part else {
            return;
        };
        way.open = (way.open || part.first) && (!part.last || way.covers > 0);
        way.closing = (part.last && way.covers > 0).then_some((part.role, part.pairing));
        if part.last {
            self.losses = 0;
            self.stray = 0;
        }
        let last = (passed == length).then(|| lane.last_time());
        let led = bench.pairs.place(Placed { part, length, first, last, peer: None }, bench.done);
        self.led(led, bench);
    }

    fn led(&mut self, led: Led, bench: &mut Bench) {
        match led {
            Led::Nothing => {}
            Led::Out(outcome, exchange) => bench.done.push((outcome, exchange)),
            Led::Orphan => bench.books.responses_without_request += 1,
        }
    }

    /// What is in front is not understood, or nothing is. False if there is nothing to lose.
    fn lose(&mut self, side: Side, lane: &mut Lane, ends: Ends, bench: &mut Bench) -> bool {
        // The same place is not read twice.
        let lost = match (lane.front().is_empty(), ends) {
            (false, _) => 1,
            (true, Ends::Hole(length)) => length,
            (true, _) => return false,
        };
        lane.consume(lost, Class::Skipped, bench.books);
        bench.pairs.gap(side, bench.done);
        bench.pairs.skipped(side, lost, lane.last_time(), bench.done);
        if ends == Ends::Open {
            self.losses += 1;
            self.stray += lost;
        }
        let way = self.way(side);
        way.searching = true;
        way.open = false;
        true
    }

    /// Looks for a place to go on; false if there is nothing to look at.
    fn search(&mut self, side: Side, lane: &mut Lane, ends: Ends, bench: &mut Bench) -> bool {
        let length = lane.front().len();
        if length == 0 {
            return match ends {
                Ends::Hole(length) => {
                    let passed = lane.consume(length, Class::Skipped, bench.books);
                    bench.pairs.skipped(side, passed, lane.last_time(), bench.done);
                    passed > 0
                }
                Ends::Open | Ends::Closed => false,
            };
        }
        let skipped = match self.conversation.find(side, lane.front()) {
            Found::At(at) => {
                self.way(side).searching = false;
                at
            }
            Found::Nowhere { keep } if ends == Ends::Open => length.saturating_sub(keep),
            Found::Nowhere { .. } => length,
        };
        self.stray += skipped as u64;
        if skipped > 0 {
            lane.consume(skipped as u64, Class::Skipped, bench.books);
            bench.pairs.skipped(side, skipped as u64, lane.last_time(), bench.done);
        }
        skipped > 0 || !self.way(side).searching
    }
}

fn ends(lane: &Lane, closed: bool) -> Ends {
    match lane.hole_behind() {
        Some(length) => Ends::Hole(length),
        None if closed => Ends::Closed,
        None => Ends::Open,
    }
}

/// Whether a step takes bytes, or ends a message without any, not too often.
fn progresses(length: u64, part: Option<&Part>, empty: &mut usize) -> bool {
    *empty = if length > 0 { 0 } else { *empty + 1 };
    length > 0 || (part.is_some_and(|part| part.last) && *empty < MOST_EMPTY)
}
