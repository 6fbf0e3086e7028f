//! What falls out of the kernel side's tables is told anew, and counted; what it says then is read.

mod script;

use l7::{Chunk, Direction, Ends, Engine, Limits, Opened, Request};
use protocols::{Policy, Side, Transport};
use schema::ProcessKey;
use script::{KEY, line};

const ASKED: &str = "GET /a HTTP/1.1\r\n\r\n";
const ANSWERED: &str = "HTTP/1.1 204 No\r\n\r\n";

/// Asks and is answered twice, and after that from position 0 on again.
fn told_anew(ends: Ends) -> (Vec<Request>, u64, u64) {
    let mut engine = Engine::new(Limits::default(), Policy::default());
    let mut requests = Vec::new();
    engine.opened(&Opened {
        key: KEY,
        process: ProcessKey::default(),
        transport: Transport::Stream,
        side: Some(Side::Client),
        ends,
        from_middle: false,
        time: 0,
    });
    let mut time = 0;
    for _ in 0..2 {
        for turn in 0..2 {
            for (direction, text) in [(Direction::Out, ASKED), (Direction::In, ANSWERED)] {
                time += 1_000_000;
                let chunk = Chunk {
                    key: KEY,
                    process: ProcessKey::default(),
                    transport: Transport::Stream,
                    direction,
                    position: turn * text.len() as u64,
                    size: text.len() as u64,
                    data: text.as_bytes(),
                    time,
                    peer: None,
                };
                engine.data(&chunk, &mut requests);
            }
        }
    }
    let covered = engine.coverage();
    let told_again = covered.iter().map(|it| it.coverage.told_again).sum();
    let repeated = covered.iter().map(|it| it.coverage.repeated).sum();
    (requests, told_again, repeated)
}

#[test]
fn what_is_counted_from_the_first_call_on_begins_anew() {
    let (requests, told_again, repeated) = told_anew(Ends::default());
    let lines: Vec<String> = requests.iter().map(line).collect();
    assert_eq!(lines, ["GET /a | 204 answered 19/19"; 4]);
    assert_eq!((told_again, repeated), (1, 0));
}

/// TCP's own count goes on, so the same positions are the same bytes.
#[test]
fn what_tcp_counts_is_told_twice() {
    let ends = Ends { local: "127.0.0.1:4000".parse().ok(), peer: "127.0.0.1:80".parse().ok() };
    let (requests, told_again, repeated) = told_anew(ends);
    assert_eq!((requests.len(), told_again), (2, 0));
    assert_eq!(repeated, 2 * (ASKED.len() + ANSWERED.len()) as u64);
}
