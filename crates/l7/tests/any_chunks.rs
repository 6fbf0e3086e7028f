//! Whatever the kernel side tells, in whatever order: nothing panics, nothing is held for ever, and
//! every byte is in one count.

mod script;

use l7::{Chunk, Closed, Coverage, Direction, Ends, Engine, Key, Limits, Opened, Ruling};
use proptest::prelude::*;
use protocols::{Policy, Side, Transport};
use schema::ProcessKey;
use script::{MILLISECOND, Script, recorded};

#[derive(Debug, Clone)]
enum Event {
    Open(u64, Option<Side>, bool, bool),
    Say {
        socket: u64,
        out: bool,
        skip: i64,
        what: usize,
        from: usize,
        length: usize,
        copied: usize,
    },
    Close(u64),
    Tick(u64),
    Rule(u64, usize),
}

fn event() -> impl Strategy<Value = Event> {
    let side = prop_oneof![Just(None), Just(Some(Side::Client)), Just(Some(Side::Server))];
    let say =
        (0..4u64, any::<bool>(), -40..60i64, any::<usize>(), 0..300usize, 0..400usize, 0..500usize);
    prop_oneof![
        2 => (0..4u64, side, any::<bool>(), any::<bool>())
            .prop_map(|(socket, side, middle, udp)| Event::Open(socket, side, middle, udp)),
        20 => say.prop_map(|(socket, out, skip, what, from, length, copied)| {
            // Most of the time the next position is the right one.
            let skip = if skip % 3 == 0 { skip } else { 0 };
            Event::Say { socket, out, skip, what, from, length, copied }
        }),
        1 => (0..4u64).prop_map(Event::Close),
        2 => (0..30u64).prop_map(Event::Tick),
        1 => (0..4u64, 0..3usize).prop_map(|(socket, which)| Event::Rule(socket, which)),
    ]
}

/// What is said: pieces of real dialogues.
fn words() -> Vec<Vec<u8>> {
    let said = recorded().into_iter().flat_map(|(_, script, _)| script.said);
    let bodies = [
        "POST /a HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{\"password\":\"ab\"}",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<pin>\r\n0\r\n\r\n",
    ];
    said.map(|said| said.bytes).chain(bodies.map(|said| said.as_bytes().to_vec())).collect()
}

/// What may be done with a connection.
fn rulings() -> [Ruling; 3] {
    let bodies = Policy { bodies: 64, headers: true, ..Policy::default() };
    let literals = Policy { literals: true, ..Policy::default() };
    [Ruling::Read(bodies.into()), Ruling::Read(literals.into()), Ruling::Refuse]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_is_counted_once(events in prop::collection::vec(event(), 1..80)) {
        let (words, rulings) = (words(), rulings());
        let limits = Limits { held: 32 << 10, held_one_way: 4 << 10, waiting: 16, connections: 3, ..Limits::default() };
        let mut engine = Engine::new(limits, Policy::default());
        let (mut requests, mut coverage) = (Vec::new(), Coverage::default());
        let mut positions = [[1000i64; 2]; 4];
        let mut now = 0;
        for event in events {
            now += MILLISECOND / 3;
            let key = |socket| Key { socket, generation: 0, tls: socket == 3 };
            match event {
                Event::Open(socket, side, from_middle, udp) => engine.opened(&Opened {
                    key: key(socket),
                    process: ProcessKey::default(),
                    transport: if udp { Transport::Datagram } else { Transport::Stream },
                    side,
                    ends: Ends::default(),
                    from_middle,
                    time: now,
                }),
                Event::Say { socket, out, skip, what, from, length, copied } => {
                    let word = &words[what % words.len()];
                    let from = from.min(word.len());
                    let data = &word[from..word.len().min(from + length)];
                    let position = &mut positions[socket as usize][usize::from(out)];
                    *position = (*position + skip).max(0);
                    engine.data(&Chunk {
                        key: key(socket),
                        process: ProcessKey::default(),
                        transport: Transport::Stream,
                        direction: if out { Direction::Out } else { Direction::In },
                        position: *position as u64,
                        size: data.len() as u64,
                        data: &data[..data.len().min(copied)],
                        time: now,
                        peer: None,
                    }, &mut requests);
                    *position += data.len() as i64;
                }
                Event::Close(socket) => engine.closed(&Closed { key: key(socket), time: now, reached: None }, &mut requests),
                Event::Rule(socket, which) => engine.rule(key(socket), &rulings[which], &mut requests),
                Event::Tick(wait) => {
                    now += wait * wait * wait * MILLISECOND;
                    engine.tick(now, &mut requests);
                }
            }
            for covered in engine.coverage() {
                coverage += covered.coverage;
            }
            prop_assert_eq!(coverage.moved, coverage.settled() + engine.pending(), "{:?}", coverage);
            prop_assert!(engine.held() < 64 << 10, "{}", engine.held());
        }
        for socket in 0..4 {
            for tls in [true, false] {
                let key = Key { socket, generation: 0, tls };
                engine.closed(&Closed { key, time: now, reached: None }, &mut requests);
            }
        }
        for covered in engine.coverage() {
            coverage += covered.coverage;
        }
        prop_assert_eq!(coverage.moved, coverage.settled());
        prop_assert_eq!((engine.held(), engine.connections(), engine.pending()), (0, 0, 0));
        prop_assert_eq!(coverage.requests + coverage.pushes, requests.len() as u64);
    }
}

/// Ten thousand connections come and go, some of them in the middle of something.
#[test]
fn churn_leaves_nothing_behind() {
    let mut engine = Engine::new(Limits::default(), Policy::default());
    let mut requests = Vec::new();
    let dialogues: Vec<Script> = recorded().into_iter().map(|(_, script, _)| script).collect();
    let mut peak = 0;
    for socket in 0..10_000u64 {
        let script = &dialogues[socket as usize % dialogues.len()];
        let key = Key { socket, generation: 0, tls: false };
        let time = socket * MILLISECOND;
        let said = script.said.len() * (socket as usize % 5 + 1) / 5;
        engine.opened(&Opened {
            key,
            process: ProcessKey::default(),
            transport: script.transport,
            side: Some(Side::Client),
            ends: Ends::default(),
            from_middle: false,
            time,
        });
        for said in &script.said[..said] {
            engine.data(
                &Chunk {
                    key,
                    process: ProcessKey::default(),
                    transport: script.transport,
                    direction: if said.side == Side::Client {
                        Direction::Out
                    } else {
                        Direction::In
                    },
                    position: said.position,
                    size: said.bytes.len() as u64,
                    data: &said.bytes,
                    time,
                    peer: None,
                },
                &mut requests,
            );
        }
        peak = peak.max(engine.connections());
        // One of eight is never closed, and goes when it was silent for long.
        if socket % 8 != 0 {
            engine.closed(&Closed { key, time, reached: None }, &mut requests);
        }
    }
    assert!(requests.len() > 50_000 && peak < 1_300, "{} {peak}", requests.len());
    engine.tick(10_000 * MILLISECOND + Limits::default().idle + 1, &mut requests);
    assert_eq!((engine.held(), engine.connections(), engine.pending()), (0, 0, 0));
}
