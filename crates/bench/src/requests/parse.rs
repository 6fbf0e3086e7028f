//! How many HTTP requests one core reads in a second, from chunks to requests.
//!
//! 64 connections that ask and are answered, heads as browsers and proxies send them, bodies of 1 KB of
//! which 256 bytes are copied. The same for calls of gRPC whose headers are said in full each time, and
//! for Redis in pipelines of 16.

use std::hint::black_box;
use std::time::{Duration, Instant};

use l7::{Chunk, Direction, Ends, Engine, Key, Limits, Opened};
use protocols::{Policy, Side, Transport};
use schema::ProcessKey;

const REQUEST: &str = "GET /api/v1/users/184467/orders?page=3&sort=date HTTP/1.1\r\n\
    Host: shop.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101\r\n\
    Accept: application/json, text/plain, */*\r\nAccept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br\r\nX-Request-Id: 4f9c1b2e-8d3a-4c5b-9e6f-7a8b9c0d1e2f\r\n\
    traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef\r\nConnection: keep-alive\r\n\r\n";

const RESPONSE: &str = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 13:00:00 GMT\r\n\
    Content-Type: application/json; charset=utf-8\r\nContent-Length: 1024\r\n\
    Connection: keep-alive\r\nVary: Accept-Encoding\r\n\r\n";

/// What is read, and how many requests of it a core reads in a second, when it does so for `wanted`.
pub(super) fn rates(wanted: Duration) -> [(&'static str, f64); 3] {
    let response = [RESPONSE.as_bytes(), &[b'x'; 1024]].concat();
    let copied = RESPONSE.len() + 256;
    let http = rate(wanted, 1, REQUEST.as_bytes(), &response, copied);
    let fields = [
        (":path", "/shop.v1.Orders/GetOrder"),
        (":authority", "orders.shop.svc.cluster.local:50051"),
        ("content-type", "application/grpc"),
        ("user-agent", "grpc-go/1.71.0"),
        ("te", "trailers"),
        ("grpc-timeout", "4999m"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ];
    let ask = [
        headers(4, b"\x83\x86", &fields),
        frame(0, 1, &[&[0, 0, 0, 0, 100], &[b'x'; 100][..]].concat()),
    ];
    let answer = [
        headers(4, b"\x88", &fields[2..3]),
        frame(0, 0, &[&[0, 0, 0, 2, 0], &[b'x'; 512][..]].concat()),
        headers(5, b"", &[("grpc-status", "0"), ("grpc-message", "")]),
    ];
    let answer = answer.concat();
    let grpc = rate(wanted, 1, &ask.concat(), &answer, answer.len());
    let get = b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000012345\r\n".repeat(16);
    let value = b"$3\r\nxxx\r\n".repeat(16);
    let redis = rate(wanted, 16, &get, &value, value.len());
    [("http", http), ("grpc", grpc), ("redis-p16", redis)]
}

/// A frame of HTTP/2, in the first stream.
fn frame(kind: u8, flags: u8, carried: &[u8]) -> Vec<u8> {
    let length = (carried.len() as u16).to_be_bytes();
    [&[0, length[0], length[1], kind, flags, 0, 0, 0, 1], carried].concat()
}

/// A frame of headers, each said in letters and kept to be said by number.
fn headers(flags: u8, known: &[u8], fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = known.to_vec();
    for (name, value) in fields {
        for (at, word) in [name, value].into_iter().enumerate() {
            block.extend([0x40, word.len() as u8].iter().skip(at));
            block.extend(word.as_bytes());
        }
    }
    frame(1, flags, &block)
}

/// Requests in a second; each of `ask` has `each`, and of `answer` so much was copied.
fn rate(wanted: Duration, each: u64, ask: &[u8], answer: &[u8], copied: usize) -> f64 {
    let mut engine = Engine::new(Limits::default(), Policy::default());
    let mut requests = Vec::new();
    for socket in 0..64 {
        engine.opened(&Opened {
            key: Key { socket, generation: 0, tls: false },
            process: ProcessKey::default(),
            transport: Transport::Stream,
            side: Some(Side::Server),
            ends: Ends::default(),
            from_middle: false,
            time: 0,
        });
    }
    let (mut turns, mut time, mut count) = (0u64, 0, 0u64);
    let start = Instant::now();
    while start.elapsed() < wanted {
        for _ in 0..100 {
            for socket in 0..64 {
                time += 1000;
                let key = Key { socket, generation: 0, tls: false };
                let chunk = |direction, position, size: usize, data, time| Chunk {
                    key,
                    process: ProcessKey::default(),
                    transport: Transport::Stream,
                    direction,
                    position,
                    size: size as u64,
                    data,
                    time,
                    peer: None,
                };
                let (asked, answered) = (turns * ask.len() as u64, turns * answer.len() as u64);
                engine.data(&chunk(Direction::In, asked, ask.len(), ask, time), &mut requests);
                let said =
                    chunk(Direction::Out, answered, answer.len(), &answer[..copied], time + 500);
                engine.data(&said, &mut requests);
            }
            turns += 1;
            count += requests.len() as u64;
            black_box(&requests);
            requests.clear();
        }
    }
    let lasted = start.elapsed();
    assert_eq!(count, turns * 64 * each, "some were not read");
    count as f64 / lasted.as_secs_f64()
}
