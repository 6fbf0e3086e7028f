//! The engine, with HTTP in it: order, gaps, pairing, time, bounds, and books that balance.

mod script;

use l7::{Chunk, Direction, Ends, Engine, Key, Limits, Opened, Outcome, Times};
use protocols::{Policy, Transport};
use schema::ProcessKey;
use script::{KEY, MILLISECOND, Script};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n")
}

fn answer(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn four_stamps() {
    let script = Script::new()
        .client("GET /a HTTP/1.1\r\n")
        .client("Host: shop\r\n\r\n")
        .server("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        .server("cd");
    let told = script.run();
    assert_eq!(told.lines(), ["GET /a | 200 answered 31/42"]);
    let times = Times {
        request_first: Some(MILLISECOND),
        request_last: Some(2 * MILLISECOND),
        response_first: Some(3 * MILLISECOND),
        response_last: Some(4 * MILLISECOND),
    };
    assert_eq!(told.requests[0].times, times);
    assert_eq!((told.coverage.moved, told.coverage.read), (73, 73));
}

#[test]
fn a_body_of_ten_megabytes_needs_only_its_head() {
    let body = vec![b'x'; 10 << 20];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut script = Script::new().client(get("/big"));
    let all = [head.as_bytes(), &body].concat();
    for piece in all.chunks(100_000) {
        script = script.server(piece).copied(4096);
    }
    let last = script.said.last().unwrap().time;
    let told = script.client(get("/next")).server(answer(204, "")).run();
    let expected = [
        format!("GET /big | 200 answered 33/{}", all.len()),
        "GET /next | 204 answered 34/40".to_owned(),
    ];
    assert_eq!(told.lines(), expected);
    assert_eq!(told.requests[0].times.response_last, Some(last));
    assert!(told.coverage.spanned > 9 << 20);
    assert_eq!(told.coverage.cut + told.coverage.lost + told.coverage.skipped, 0);
}

#[test]
fn chunks_out_of_order() {
    let mut script = Script::new()
        .client(get("/a"))
        .server(answer(200, "a"))
        .client(get("/b"))
        .server(answer(404, "b"));
    script.said.swap(0, 2);
    script.said.swap(1, 3);
    let lines = script.run().lines();
    assert_eq!(lines, ["GET /a | 200 answered 31/41", "GET /b | 404 answered 31/41 error()"]);
}

#[test]
fn a_response_that_is_told_of_before_its_request() {
    let mut script = Script::new().client(get("/a")).server(answer(200, "a"));
    script = script.client(get("/b")).server(answer(404, "b"));
    script.said.swap(2, 3);
    let lines = script.run().lines();
    assert_eq!(lines, ["GET /a | 200 answered 31/41", "GET /b | 404 answered 31/41 error()"]);
}

#[test]
fn a_lost_body_is_passed_over() {
    let response = answer(200, &"x".repeat(500));
    let script = Script::new()
        .client(get("/a"))
        .server(&response[..100])
        .server(&response[100..400])
        .lost()
        .server(&response[400..])
        .client(get("/b"))
        .server(answer(200, ""));
    let told = script.run();
    assert_eq!(told.lines(), ["GET /a | 200 answered 31/542", "GET /b | 200 answered 31/40"]);
    assert_eq!((told.coverage.spanned, told.coverage.lost), (300, 0));
}

/// What is not copied of a body in chunks can only be the rest of that body, where nobody else asked.
#[test]
fn the_rest_of_the_only_answer_is_no_gap() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\n";
    let body = "x".repeat(500) + "\r\n1f4\r\n" + &"y".repeat(500);
    let upload = "PUT /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n"
        .to_string()
        + &"z".repeat(1000)
        + "\r\n0\r\n\r\n";
    let mut script = Script::new()
        .client(get("/a"))
        .server(chunks.to_string() + &body)
        .server("\r\n1f4\r\n".to_string() + &"z".repeat(500) + "\r\n0\r\n\r\n")
        .client(&upload)
        .server(answer(201, "hello"))
        .client(get("/b"))
        .server(chunks.to_string() + &body);
    for at in [1, 2, 3, 6] {
        script.said[at].copied = 64;
    }
    let told = script.run();
    let lines = told.lines();
    let is = |at: usize, begins: &str| {
        assert!(lines[at].starts_with(begins) && lines[at].ends_with("truncated"), "{lines:#?}");
    };
    assert_eq!(lines.len(), 3, "{lines:#?}");
    is(0, "GET /a | 200 answered");
    is(1, "PUT /up | 201 answered");
    is(2, "GET /b | 200 answered");
    let length = |at: usize| script.said[at].bytes.len() as u64;
    let [first, second, third] = &told.requests[..] else { panic!("three") };
    assert_eq!(first.response_bytes, length(1) + length(2));
    assert_eq!(first.times.latency(), Some(2 * MILLISECOND));
    assert_eq!(second.request_bytes, length(3));
    assert_eq!(second.times.request_last, Some(4 * MILLISECOND));
    assert_eq!(third.times.latency(), Some(MILLISECOND));
    assert_eq!(told.coverage.responses_without_request, 0);
}

/// A socket that is connected names its peer in some calls, and in others it need not.
#[test]
fn a_peer_that_is_named_only_once_is_the_same() {
    let question =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x01\x00\x01";
    let mut answer = *question;
    answer[2..4].copy_from_slice(&[0x81, 0x83]);
    let ends = Ends { local: "127.0.0.1:4000".parse().ok(), peer: "127.0.0.1:53".parse().ok() };
    let mut engine = Engine::new(Limits::default(), Policy::default());
    let mut requests = Vec::new();
    engine.opened(&Opened {
        key: KEY,
        process: ProcessKey::default(),
        transport: Transport::Datagram,
        side: None,
        ends,
        from_middle: false,
        time: 0,
    });
    for (direction, data, peer) in
        [(Direction::Out, question, None), (Direction::In, &answer, ends.peer)]
    {
        let chunk = Chunk {
            key: KEY,
            process: ProcessKey::default(),
            transport: Transport::Datagram,
            direction,
            position: 0,
            size: data.len() as u64,
            data,
            time: MILLISECOND,
            peer,
        };
        engine.data(&chunk, &mut requests);
    }
    let lines: Vec<String> = requests.iter().map(script::line).collect();
    assert!(lines.len() == 1 && lines[0].starts_with("A a.test | NXDOMAIN answered"), "{lines:?}");
}

#[test]
fn a_lost_response_costs_one_request_and_no_more() {
    let script = Script::new()
        .client(get("/a"))
        .server(answer(200, "a"))
        .client(get("/b"))
        .server(answer(500, "b"))
        .lost()
        .client(get("/c"))
        .server(answer(201, "c"))
        .client(get("/d"))
        .server(answer(202, "d"));
    let told = script.run();
    let lines = [
        "GET /a | 200 answered 31/41",
        "GET /b | - response_unseen 31/0",
        "GET /c | 201 answered 31/41",
        "GET /d | 202 answered 31/41",
    ];
    assert_eq!(told.lines(), lines);
    assert_eq!((told.coverage.lost, told.coverage.response_unseen), (41, 1));
}

#[test]
fn a_lost_request_leaves_a_response_alone() {
    let script = Script::new()
        .client(get("/a"))
        .server(answer(200, "a"))
        .client(get("/b"))
        .lost()
        .server(answer(500, "b"))
        .client(get("/c"))
        .server(answer(201, "c"));
    let told = script.run();
    assert_eq!(told.lines(), ["GET /a | 200 answered 31/41", "GET /c | 201 answered 31/41"]);
    assert_eq!((told.coverage.lost, told.coverage.responses_without_request), (31, 1));
}

#[test]
fn taken_up_in_the_middle_of_a_response() {
    let script = Script::new()
        .in_the_middle()
        .server("rest of a body that nobody asked for")
        .client(get("/a"))
        .server(answer(200, "a"))
        .client(get("/b"))
        .server(answer(200, "b"));
    let told = script.run();
    assert_eq!(told.lines(), ["GET /a | 200 answered 31/41", "GET /b | 200 answered 31/41"]);
    assert_eq!(told.coverage.unknown, 36);
    assert!(told.requests[0].from_middle);
}

#[test]
fn what_is_never_answered() {
    let script = Script::new().client(get("/a")).server(answer(200, "")).client(get("/b"));
    assert_eq!(script.run().lines()[1], "GET /b | - closed 31/0");
    let limits = Limits { answer: 5_000 * MILLISECOND, ..Limits::default() };
    let told = script.run_with(limits, Policy::default());
    assert_eq!(told.lines()[1], "GET /b | - no_answer 31/0");
}

#[test]
fn one_side_alone_is_believed_at_its_port() {
    let mut script = Script::new().client(get("/a"));
    assert_eq!(script.run().lines(), [""; 0]);
    assert_eq!(script.run().coverage.unknown, 31);
    let (local, peer) = ("127.0.0.1:4000".parse().unwrap(), "127.0.0.1:80".parse().unwrap());
    script.ends = Ends { local: Some(local), peer: Some(peer) };
    assert_eq!(script.run().lines(), ["GET /a | - closed 31/0"]);
}

#[test]
fn a_question_that_nobody_answers() {
    let mut engine = Engine::new(Limits::default(), Policy::default());
    let mut requests = Vec::new();
    let data = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04shop\x04test\0\0\x01\0\x01";
    for (turn, server) in ["10.0.0.1:53", "10.0.0.2:53"].into_iter().enumerate() {
        engine.data(
            &Chunk {
                key: KEY,
                process: ProcessKey::default(),
                transport: Transport::Datagram,
                direction: Direction::Out,
                position: (turn * data.len()) as u64,
                size: data.len() as u64,
                data,
                time: turn as u64 * MILLISECOND,
                peer: Some(server.parse().unwrap()),
            },
            &mut requests,
        );
    }
    engine.tick(3_000 * MILLISECOND, &mut requests);
    assert_eq!((engine.protocol(&KEY), requests.len()), (Some("dns"), 0));
    engine.tick(61_000 * MILLISECOND, &mut requests);
    let told: Vec<_> = requests.iter().map(|r| (script::line(r), r.peer.unwrap().ip())).collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].0, "A shop.test | - no_answer 27/0");
    assert_ne!(told[0].1, told[1].1);
}

#[test]
fn an_upgrade_is_unread_from_there_on() {
    let script = Script::new()
        .client("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
        .server("HTTP/1.1 101 Switching Protocols\r\n\r\n")
        .client(b"\x81\x85abcdefghi")
        .server(b"\x81\x05hello");
    let told = script.run();
    assert_eq!(told.lines(), ["GET /ws | 101 answered 40/36"]);
    assert_eq!(told.coverage.unread, 18);
}

#[test]
fn a_tunnel_is_looked_into() {
    let script = Script::new()
        .client("CONNECT shop:80 HTTP/1.1\r\n\r\n")
        .server("HTTP/1.1 200 OK\r\n\r\n")
        .client(get("/in"))
        .server(answer(200, ""));
    let lines = script.run().lines();
    assert_eq!(lines, ["CONNECT shop:80 | 200 answered 28/19", "GET /in | 200 answered 32/40"]);
}

#[test]
fn tls_is_counted_and_what_is_inside_has_its_own_books() {
    let script = Script::new()
        .client(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")
        .server(b"\x16\x03\x03\x00\x05\x02\x00\x00\x01\x00")
        .client(b"\x17\x03\x03\x00\x03abc");
    let told = script.run();
    assert_eq!((told.coverage.tls, told.protocol), (28, Some("tls")));

    let mut engine = Engine::new(Limits::default(), Policy::default());
    let mut requests = Vec::new();
    let inside = Key { tls: true, ..KEY };
    let mut say = |key, direction, position, data: &[u8], time| {
        let (process, transport) = (ProcessKey::default(), Transport::Stream);
        let size = data.len() as u64;
        let chunk =
            Chunk { key, process, transport, direction, position, size, data, time, peer: None };
        engine.data(&chunk, &mut requests);
    };
    say(KEY, Direction::Out, 0, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 1);
    say(inside, Direction::Out, 0, get("/s").as_bytes(), 2);
    say(KEY, Direction::In, 0, b"\x16\x03\x03\x00\x05\x02\x00\x00\x01\x00", 3);
    say(inside, Direction::In, 0, answer(200, "").as_bytes(), 4);
    assert!(requests[0].key.tls);
    let covered = engine.coverage();
    assert_eq!(covered.iter().map(|covered| covered.coverage.tls_opened).sum::<u64>(), 20);
}

#[test]
fn held_memory_is_bounded() {
    let limits = Limits { held: 1 << 20, held_one_way: 8 << 10, ..Limits::default() };
    let mut engine = Engine::new(limits, Policy::default());
    let mut requests = Vec::new();
    // A head that does not end, on a thousand connections.
    let begin = b"GET /".to_vec();
    let endless = vec![b'a'; 4096];
    for turn in 0..20u64 {
        for socket in 0..1000 {
            let data = if turn == 0 { &begin } else { &endless };
            let position = if turn == 0 { 0 } else { 5 + (turn - 1) * 4096 };
            let chunk = Chunk {
                key: Key { socket, ..KEY },
                process: ProcessKey::default(),
                transport: Transport::Stream,
                direction: Direction::Out,
                position,
                size: data.len() as u64,
                data,
                time: turn * MILLISECOND,
                peer: None,
            };
            engine.data(&chunk, &mut requests);
            assert!(engine.held() < (1 << 20) + 32 * 1024, "{}", engine.held());
        }
    }
    let all: u64 = engine.coverage().iter().map(|covered| covered.coverage.moved).sum();
    assert_eq!((all, requests.len()), (1000 * (5 + 19 * 4096), 0));
}

#[test]
fn connections_are_bounded_and_forgotten() {
    let limits = Limits { connections: 10, ..Limits::default() };
    let mut engine = Engine::new(limits, Policy::default());
    let mut requests = Vec::new();
    for socket in 0..20 {
        let chunk = Chunk {
            key: Key { socket, ..KEY },
            process: ProcessKey::default(),
            transport: Transport::Stream,
            direction: Direction::Out,
            position: 0,
            size: 3,
            data: b"GET",
            time: 0,
            peer: None,
        };
        engine.data(&chunk, &mut requests);
    }
    let covered = engine.coverage();
    assert_eq!(covered.iter().map(|covered| covered.coverage.refused).sum::<u64>(), 30);
    engine.tick(limits.idle / 60 + 1, &mut requests);
    assert_eq!((engine.connections(), engine.pending(), engine.held()), (0, 0, 0));
}

#[test]
fn requests_that_wait_are_bounded() {
    let limits = Limits { waiting: 8, ..Limits::default() };
    let many: String = (0..20).map(|at| get(&format!("/{at}x"))).collect();
    let script = Script::new().client(get("/a")).server(answer(200, "")).client(many);
    let told = script.run_with(limits, Policy::default());
    let of = |outcome| told.requests.iter().filter(|request| request.outcome == outcome).count();
    assert_eq!((of(Outcome::Answered), of(Outcome::Crowded)), (1, 12));
    assert_eq!(of(Outcome::Closed) + of(Outcome::Unseen), 8);
}
