//! What every protocol promises the engine, whatever it is shown.

use std::sync::Arc;

use proptest::prelude::*;
use protocols::{
    ALL, Conversation, Ends, Found, Nobody, Policy, Protocol, Setting, Side, Step, Transport,
    Verdict,
};

/// Bytes that are noise, or the words of protocols stirred.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(WORDS).prop_map(|word: &[u8]| word.to_vec());
    let noise = prop::collection::vec(any::<u8>(), 0..12);
    let piece = prop_oneof![3 => words, 1 => noise];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

const WORDS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 101 X\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n",
    b"Content-Length: 7\r\n",
    b"Content-Length: 18446744073709551615\r\n",
    b"Upgrade: x\r\n",
    b"Content-Type: application/json\r\n",
    b"Content-Type: text/html\r\n",
    b"{\"password\":\"x",
    b"<pin>4111 1111 1111 1111",
    b"Transfer-Encoding: chunked\r\n",
    b"\r\n",
    b"\n",
    b"0\r\n",
    b"ffffffffffff\r\n",
    b"5\r\nhello\r\n",
    b"*2\r\n",
    b"$3\r\nGET\r\n",
    b"$-1\r\n",
    b"*-1\r\n",
    b"%1\r\n",
    b">2\r\n",
    b"+OK\r\n",
    b"-ERR x\r\n",
    b":1\r\n",
    b"PING\r\n",
    b"$9223372036854775807\r\n",
    b"*1000000\r\n",
    b"$9\r\nSUBSCRIBE\r\n",
    b"Q\0\0\0\x0dselect 1\0",
    b"P\0\0\0\x10s\0select 1\0\0\0",
    b"B\0\0\0\x0c\0s\0\0\0\0\0\0\0",
    b"E\0\0\0\x09\0\0\0\0\0",
    b"S\0\0\0\x04",
    b"Z\0\0\0\x05I",
    b"C\0\0\0\x0dSELECT 1\0",
    b"1\0\0\0\x04",
    b"\0\0\0\x08\x04\xd2\x16\x2f",
    b"\0\0\0\x09\0\x03\0\0\0",
    b"D\xff\xff\xff\xff",
    b"E\0\0\0\x04",
    b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01",
    b"\x81\x80\0\x01\xff\xff\xc0\x0c",
    b"\0\0\0\0",
    b"\x09\0\0\0\x03select 1",
    b"\x09\0\0\0\x16select ?",
    b"\x0a\0\0\0\x17\x01\0\0\0\0\x01\0\0\0",
    b"\x05\0\0\0\x19\x01\0\0\0",
    b"\xff\xff\xff\0\x03select",
    b"\x07\0\0\x01\0\0\0\x02\0\0\0",
    b"\x0c\0\0\x01\0\x01\0\0\0\x01\0\x01\0\0\0\0",
    b"\x01\0\0\x01\x01",
    b"\x0a\0\0\x02\x03def\0\0\0\0\0\0",
    b"\x05\0\0\x03\xfe\0\0\x0a\0",
    b"\x0a\0\0\x01\xff\x7a\x04#42S02x",
    b"\x02\0\0\x01\xfbf",
    b"get a b\r\n",
    b"set k 0 0 5\r\n",
    b"set k 0 0 1000000000 noreply\r\n",
    b"mg k v q\r\n",
    b"mg k v\r\n",
    b"mn\r\n",
    b"stats\r\n",
    b"VALUE k 0 5\r\n",
    b"END\r\n",
    b"VA 5 k\r\n",
    b"HD\r\n",
    b"STAT a 1\r\n",
    b"STORED\r\n",
    b"\x80\x0d\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x07\0\0\0\0\0\0\0\0k",
    b"\x80\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0",
    b"\x81\x0d\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x07\0\0\0\0\0\0\0\0k",
    b"\x81\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0",
    b"INFO {\"version\":\"2\"}\r\n",
    b"CONNECT {\"pass\":\"x\"}\r\n",
    b"PUB a r 5\r\n",
    b"HPUB a 12 17\r\n",
    b"SUB a q 1\r\n",
    b"MSG r 1 5\r\n",
    b"HMSG a 1 12 17\r\n",
    b"NATS/1.0\r\n\r\n",
    b"NATS/1.0 503\r\n\r\n",
    b"hello\r\n",
    b"PONG\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\0\0\x04\x01\x05\0\0\0\x01\x82\x84\x86\xbf",
    b"\0\0\x04\x01\x04\0\0\0\x03\x83\x84\xbe\xbf",
    b"\0\0\x01\x01\x04\0\0\0\x03\x88",
    b"\0\0\x05\x01\x05\0\0\0\x03\x40\x01x\x01y",
    b"\0\0\x0e\x01\x04\0\0\0\x03\x83\x84\x0f\x10\x09text/html",
    b"\0\0\x01\x01\0\0\0\0\x05\x82",
    b"\0\0\x01\x09\x04\0\0\0\x05\x84",
    b"\0\0\x07\0\x01\0\0\0\x03\0\0\0\0\x02hi",
    b"\0\x3f\xff\0\x08\0\0\0\x03\x01",
    b"\0\0\x04\x03\0\0\0\0\x03\0\0\0\x08",
    b"\0\0\x06\x04\0\0\0\0\0\0\x01\xff\xff\xff\xff",
    b"\0\0\x08\x06\0\0\0\0\0pingpong",
    b"\0\0\x06\x05\x04\0\0\0\x01\0\0\0\x02\x82\x84",
    b"\x16\x03\x01",
    b"\0\0\0\x14\0\x12\0\x03\0\0\0\x01\0\x04shop\0\x02a\x02b\0",
    b"\0\0\0\x12\0\0\0\x03\0\0\0\x02\0\x02me\xff\xff\0\0",
    b"\0\0\0\x12\0\x11\0\0\0\0\0\x03\0\x01a\0\x05PLAIN",
    b"\0\0\0\x06\0\0\0\x03\0\0",
    b"\xff\xff\xff\x7f",
    b"AMQP\0\0\x09\x01",
    b"\x01\0\x01\0\0\0\x0a\0\x3c\0\x28\0\0\x01a\x01b\0\xce",
    b"\x02\0\x01\0\0\0\x0e\0\x3c\0\0\0\0\0\0\0\0\0\x02\0\0\xce",
    b"\x03\0\x01\0\0\0\x02ab\xce",
    b"\x01\0\x01\0\0\0\x05\0\x55\0\x0a\0\xce",
    b"\x01\0\x01\0\0\0\x0d\0\x3c\0\x50\0\0\0\0\0\0\0\x02\x01\xce",
    b"\x08\0\0\0\0\0\0\xce",
    b"\x04\0\0\x01\x07\0\0\0\x0f\0\0\0\x08select 1\0\x01\0",
    b"\x05\0\0\x01\x01\0\0\0\x02\0\0",
    b"\x85\0\0\x01\x02\0\0\0\0",
    b"\x84\x0e\0\x01\x08\0\0\0\x08\0\0\0\x02\0\0\0\0",
    b"\x84\0\xff\xff\x0c\0\0\0\x08\0\x02ab\0\x02cd",
    b"\x04\0\0\x02\x0a\0\0\0\x07\0\x02ab\0\x01\0",
    b"\x2c\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0",
    b"\x2c\0\0\0\x02\0\0\0\x01\0\0\0\xdd\x07\0\0\x02\0\0\0\0",
    b"\x17\0\0\0\x02find\0\x02\0\0\0a\0\x03$db\0\0",
    b"\x0d\0\0\0\x10ok\0\x01\0\0\0\0",
    b"\x40\0\0\0\x03\0\0\0\0\0\0\0\xd4\x07\0\0\0\0\0\0a.$cmd\0\0\0\0\0\0\0\0\0",
];

fn converse(protocol: &Protocol, transport: Transport, bodies: usize) -> Box<dyn Conversation> {
    let policy = Arc::new(Policy { bodies, ..Policy::default() });
    (protocol.converse)(&Setting { transport, from_middle: false, policy })
}

/// Reads as the engine does; fails where a promise is broken.
fn read(conversation: &mut dyn Conversation, side: Side, mut bytes: &[u8], ends: Ends) {
    // Ends that take no bytes are few: as many as there may be requests, and nobody asked here.
    let mut turns = bytes.len() + 16;
    loop {
        assert!(turns > 0, "no progress");
        turns -= 1;
        match conversation.read(side, bytes, ends, &Nobody) {
            Step::More => return,
            Step::Take { length, part } | Step::Switch { length, part, .. } => {
                let ends = part.is_some_and(|part| part.last);
                assert!(length > 0 || ends, "neither bytes nor an end");
                if length > bytes.len() as u64 {
                    return;
                }
                bytes = &bytes[length as usize..];
            }
            Step::Lost(_) => match bytes.split_first() {
                None => return,
                Some((_, rest)) => match conversation.find(side, rest) {
                    Found::At(at) => bytes = &rest[at..],
                    Found::Nowhere { keep } => {
                        assert!(keep <= rest.len());
                        return;
                    }
                },
            },
        }
        if bytes.is_empty() && ends == Ends::Open {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn anything_is_read_to_its_end(
        said in prop::collection::vec((any::<bool>(), bytes(), 0u8..4), 1..6),
        bodies in prop::sample::select(&[0, 1, 6, 4096][..]),
    ) {
        for protocol in ALL {
            for transport in protocol.transports {
                let mut conversation = converse(protocol, *transport, bodies);
                for (client, bytes, ends) in &said {
                    let side = if *client { Side::Client } else { Side::Server };
                    let ends = match ends {
                        0 => Ends::Hole(1),
                        1 => Ends::Hole(1000),
                        2 => Ends::Closed,
                        _ => Ends::Open,
                    };
                    read(&mut *conversation, side, bytes, ends);
                }
                prop_assert!(conversation.held() < 1 << 20);
            }
        }
    }

    /// Once a probe has made up its mind, more bytes do not change it.
    #[test]
    fn verdicts_stay(bytes in bytes()) {
        for protocol in ALL {
            for side in [Side::Client, Side::Server] {
                let transport = protocol.transports[0];
                if transport == Transport::Datagram {
                    continue;
                }
                let mut said = Verdict::More;
                for end in 0..=bytes.len() {
                    let now = (protocol.probe)(side, &bytes[..end], transport);
                    let stays = said == Verdict::More || now == said;
                    prop_assert!(stays, "{}: {said:?}, then {now:?} of {end} bytes", protocol.name);
                    said = now;
                }
            }
        }
    }
}

/// Noise is named by both sides less than once in 10,000 times.
#[test]
fn noise_is_not_named() {
    // xorshift: the same noise in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = [[0; 256]; 2];
    let mut named = 0;
    for _ in 0..20_000 {
        for chunk in noise.as_flattened_mut().chunks_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            chunk.copy_from_slice(&state.to_le_bytes());
        }
        let speaks = |protocol: &&&Protocol| {
            let says = |side, bytes: &[u8]| {
                (protocol.probe)(side, bytes, protocol.transports[0]) == Verdict::Likely
            };
            says(Side::Client, &noise[0]) && says(Side::Server, &noise[1])
        };
        named += ALL.iter().filter(speaks).count();
    }
    assert!(named < 2, "{named} of 20,000");
}
