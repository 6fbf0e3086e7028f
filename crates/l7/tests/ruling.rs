//! What may be done with a connection is said from outside, and may change: what is refused is not read,
//! and what was heard under one policy is not told under a stricter one.

use std::sync::Arc;

use l7::{Chunk, Coverage, Direction, Engine, Key, Limits, Opened, Outcome, Request, Ruling};
use protocols::http::Message as Http;
use protocols::{Message, Policy, Side, Transport};
use schema::ProcessKey;

const KEY: Key = Key { socket: 7, generation: 0, tls: false };
const ASKED: &str =
    "POST /a?q=jo HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
const ANSWERED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An engine with one connection, of which it is told what both sides say.
struct Talk {
    engine: Engine,
    out: Vec<Request>,
    coverage: Coverage,
    positions: [u64; 2],
    time: u64,
}

impl Talk {
    fn new(policy: Policy) -> Talk {
        let mut engine = Engine::new(Limits::default(), policy);
        engine.opened(&Opened {
            key: KEY,
            process: ProcessKey::default(),
            transport: Transport::Stream,
            side: Some(Side::Client),
            ends: l7::Ends::default(),
            from_middle: false,
            time: 0,
        });
        let (out, coverage) = (Vec::new(), Coverage::default());
        Talk { engine, out, coverage, positions: [0; 2], time: 0 }
    }

    fn says(&mut self, direction: Direction, text: &str) -> &mut Talk {
        self.time += 1_000_000;
        let position = &mut self.positions[direction as usize];
        let chunk = Chunk {
            key: KEY,
            process: ProcessKey::default(),
            transport: Transport::Stream,
            direction,
            position: *position,
            size: text.len() as u64,
            data: text.as_bytes(),
            time: self.time,
            peer: None,
        };
        *position += text.len() as u64;
        self.engine.data(&chunk, &mut self.out);
        self.count();
        self
    }

    fn rule(&mut self, ruling: &Ruling) -> &mut Talk {
        self.engine.rule(KEY, ruling, &mut self.out);
        self.count();
        self
    }

    fn count(&mut self) {
        for covered in self.engine.coverage() {
            self.coverage += covered.coverage;
        }
        let Coverage { moved, .. } = self.coverage;
        assert_eq!(moved, self.coverage.settled() + self.engine.pending(), "{:?}", self.coverage);
    }

    /// The query and the body of each request, and what became of it.
    fn kept(&self) -> Vec<(String, Option<String>, Outcome)> {
        let kept = self.out.iter().map(|request| {
            let Some(Message::Http(said)) = &request.asked else { panic!("{request:?}") };
            let Http::Request(asked) = &**said else { panic!("{said:?}") };
            (asked.target.clone(), asked.body.clone(), request.outcome)
        });
        kept.collect()
    }
}

fn lenient() -> Ruling {
    Ruling::Read(Arc::new(Policy { query_values: true, bodies: 100, ..Policy::default() }))
}

fn strict() -> Ruling {
    Ruling::Read(Arc::new(Policy::default()))
}

const OPEN: (&str, Option<&str>) = ("/a?q=jo", Some("hello"));
const CLOSED: (&str, Option<&str>) = ("/a?q=***", None);

fn expect(talk: &Talk, expected: &[((&str, Option<&str>), Outcome)]) {
    let expected = expected
        .iter()
        .map(|&((target, body), outcome)| (target.to_owned(), body.map(str::to_owned), outcome));
    assert_eq!(talk.kept(), expected.collect::<Vec<_>>());
}

#[test]
fn what_is_refused_is_counted_and_not_read() {
    let mut talk = Talk::new(Policy::default());
    talk.rule(&Ruling::Refuse);
    talk.says(Direction::Out, ASKED).says(Direction::In, ANSWERED);
    assert!(talk.out.is_empty() && talk.engine.is_refused(&KEY));
    assert_eq!((talk.engine.protocol(&KEY), talk.engine.held()), (None, 0));
    let moved = (ASKED.len() + ANSWERED.len()) as u64;
    assert_eq!((talk.coverage.moved, talk.coverage.by_policy), (moved, moved));
    // It may be allowed later, as where a socket was handed on.
    talk.rule(&lenient());
    talk.says(Direction::Out, ASKED).says(Direction::In, ANSWERED);
    talk.says(Direction::Out, ASKED).says(Direction::In, ANSWERED);
    assert!(!talk.engine.is_refused(&KEY));
    expect(&talk, &[(OPEN, Outcome::Answered), (OPEN, Outcome::Answered)]);
    assert_eq!(talk.coverage.by_policy, moved);
}

#[test]
fn what_is_refused_in_the_middle_is_told_as_it_stands() {
    let mut talk = Talk::new(Policy::default());
    talk.says(Direction::Out, ASKED).says(Direction::In, ANSWERED);
    talk.says(Direction::Out, ASKED).rule(&Ruling::Refuse).says(Direction::In, ANSWERED);
    expect(&talk, &[(CLOSED, Outcome::Answered), (CLOSED, Outcome::Unseen)]);
    assert_eq!(talk.coverage.by_policy, ANSWERED.len() as u64);
}

#[test]
fn more_is_kept_from_the_next_message_on() {
    let mut talk = Talk::new(Policy::default());
    talk.says(Direction::Out, ASKED).says(Direction::In, ANSWERED);
    talk.says(Direction::Out, ASKED).rule(&lenient()).says(Direction::In, ANSWERED);
    talk.says(Direction::Out, ASKED).says(Direction::In, ANSWERED);
    let closed = (CLOSED, Outcome::Answered);
    expect(&talk, &[closed, closed, (OPEN, Outcome::Answered)]);
}

#[test]
fn what_was_heard_is_not_told_under_a_stricter_one() {
    let mut talk = Talk::new(Policy::default());
    talk.rule(&lenient()).says(Direction::Out, ASKED).says(Direction::In, ANSWERED);
    talk.says(Direction::Out, ASKED);
    // The request that waits was said by who was here before, and is told at once.
    talk.rule(&strict());
    expect(&talk, &[(OPEN, Outcome::Answered), (OPEN, Outcome::Unseen)]);
    talk.says(Direction::In, ANSWERED);
    for _ in 0..2 {
        talk.says(Direction::Out, ASKED).says(Direction::In, ANSWERED);
    }
    let later = &talk.kept()[2..];
    assert!(!later.is_empty());
    assert!(
        later.iter().all(|(target, body, _)| target == CLOSED.0 && body.is_none()),
        "{later:?}"
    );
}
