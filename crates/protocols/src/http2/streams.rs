//! The streams of a connection that are not over.

use std::collections::{BTreeMap, VecDeque};

use crate::grpc::{Counter, Messages};
use crate::http::{Body, Request, Response};
use crate::{Message, Side};

/// The streams, at most so many of them; the oldest go first.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<u32, Stream>,
    /// The highest number that was seen.
    newest: u32,
    /// The highest number when bytes of a side were not seen: of all up to there some may be missing.
    gaps: [u32; 2],
    /// Those that the client gave up lately. The server may not have heard of it yet.
    given_up: VecDeque<u32>,
}

/// A request and its response, as far as they were seen.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub request: Leg,
    pub response: Leg,
    /// What was asked, if more is to be said of it.
    pub asked: Option<Box<Request>>,
    pub answered: Option<Box<Response>>,
    /// Whether it is gRPC that is asked, and answered.
    pub sent: Counts,
    pub received: Counts,
    /// What is kept of what either side says.
    pub bodies: [Option<Box<Body>>; 2],
}

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Leg {
    /// Its headers were not seen, or not said.
    #[default]
    Unseen,
    Open,
    Done,
}

/// What is made of a body.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Counts {
    /// Nothing.
    #[default]
    None,
    /// It is gRPC's if it is whole messages: what says so was not seen.
    Perhaps,
    /// Its messages are counted.
    Messages(Counter),
}

const MOST: usize = 512;
const MOST_GIVEN_UP: usize = 32;

impl Streams {
    pub(super) fn get(&mut self, id: u32) -> Option<&mut Stream> {
        self.open.get_mut(&id)
    }

    /// The stream with this number; a new one if it is not known.
    pub(super) fn open(&mut self, id: u32) -> &mut Stream {
        self.note(id);
        if self.open.len() >= MOST && !self.open.contains_key(&id) {
            self.open.pop_first();
        }
        self.open.entry(id).or_default()
    }

    pub(super) fn end(&mut self, id: u32) {
        self.open.remove(&id);
    }

    /// Ends it, if it was answered and nothing more is known to come of its request.
    pub(super) fn end_if_done(&mut self, id: u32) {
        let done = |stream: &Stream| stream.request != Leg::Open && stream.response == Leg::Done;
        if self.open.get(&id).is_some_and(done) {
            self.open.remove(&id);
        }
    }

    /// The client does not want to hear more of it.
    pub(super) fn give_up(&mut self, id: u32) {
        self.open.remove(&id);
        self.given_up.push_back(id);
        if self.given_up.len() > MOST_GIVEN_UP {
            self.given_up.pop_front();
        }
    }

    pub(super) fn is_given_up(&self, id: u32) -> bool {
        self.given_up.contains(&id)
    }

    /// There is a stream with this number.
    pub(super) fn note(&mut self, id: u32) {
        self.newest = self.newest.max(id);
    }

    /// Whether some of what `side` said in a stream may not have been seen.
    pub(super) fn lacks(&self, side: Side, id: u32) -> bool {
        id <= self.gaps[side as usize]
    }

    /// Bytes of `side` were not seen.
    pub(super) fn gap(&mut self, side: Side) {
        self.gaps[side as usize] = self.newest;
        for stream in self.open.values_mut() {
            let counts = stream.counts(side);
            match counts {
                Counts::Messages(counter) => counter.lose(),
                Counts::Perhaps => *counts = Counts::None,
                Counts::None => {}
            }
            stream.misses(side);
        }
    }

    /// Roughly how many bytes of memory are held.
    pub(super) fn held(&self) -> usize {
        let bodies = self.open.values().flat_map(|stream| stream.bodies.iter().flatten());
        let bodies = bodies.map(|body| body.held()).sum::<usize>();
        bodies + self.open.len() * (size_of::<Stream>() + size_of::<Response>())
    }
}

impl Stream {
    /// What is made of the body of what `side` says.
    pub(super) fn counts(&mut self, side: Side) -> &mut Counts {
        match side {
            Side::Client => &mut self.sent,
            Side::Server => &mut self.received,
        }
    }

    /// What comes next of what `side` says is not seen.
    pub(super) fn misses(&mut self, side: Side) {
        if let Some(body) = &mut self.bodies[side as usize] {
            body.miss();
        }
    }

    /// Its body turned out to be gRPC's; says what is known then.
    pub(super) fn is_called(&mut self, side: Side) -> Option<Message> {
        let known = Some(Messages::default());
        match side {
            Side::Client => {
                let asked = self.asked.as_deref_mut()?;
                asked.grpc = known;
                Some(asked.clone().into())
            }
            Side::Server => {
                let answered = self.answered.as_deref_mut()?;
                answered.grpc = known;
                Some(answered.clone().into())
            }
        }
    }

    pub(super) fn leg(&mut self, side: Side) -> &mut Leg {
        match side {
            Side::Client => &mut self.request,
            Side::Server => &mut self.response,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_bounded() {
        let mut streams = Streams::default();
        for id in 0..10_000 {
            streams.open(id).request = Leg::Open;
            streams.give_up(id / 2);
        }
        assert!(streams.open.len() <= MOST && streams.given_up.len() <= MOST_GIVEN_UP);
        assert!(streams.held() < 512 << 10);
        assert!(streams.get(9_999).is_some() && streams.is_given_up(4_999));
    }
}
