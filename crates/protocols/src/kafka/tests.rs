//! Dialogues, written by hand.

use super::KAFKA;
use crate::dialogue::Dialogue;
use crate::{Ends, Side, Transport, Verdict};

/// A message with its length before it.
fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

/// A request of the client `shop`.
fn request(key: u8, version: u8, number: u8, body: &[u8]) -> Vec<u8> {
    framed(&[&[0, key, 0, version, 0, 0, 0, number, 0, 4], b"shop", body])
}

fn response(number: u8, body: &[u8]) -> Vec<u8> {
    framed(&[&[0, 0, 0, number], body])
}

/// Produce, version 3, to one partition of `orders`.
fn produce(number: u8, acks: &[u8; 2], records: &[u8]) -> Vec<u8> {
    let length = (records.len() as u32).to_be_bytes();
    let body = [
        &b"\xff\xff"[..],
        acks,
        b"\0\0\x75\x30\0\0\0\x01\0\x06orders\0\0\0\x01\0\0\0\0",
        &length,
        records,
    ];
    request(0, 3, number, &body.concat())
}

const PRODUCED: &[u8] = b"\0\0\0\x01\0\x06orders\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\
    \xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0";

#[test]
fn produced_and_fetched() {
    let mut dialogue = Dialogue::new(&KAFKA);
    dialogue.client(&request(18, 0, 1, b"")).server(&response(1, b"\0\0\0\0\0\0"));
    dialogue.client(&produce(2, b"\xff\xff", &[7; 90])).server(&response(2, PRODUCED));
    let mut failed = PRODUCED.to_vec();
    failed[21] = 10;
    dialogue.client(&produce(3, b"\0\x01", &[7; 9])).server(&response(3, &failed));
    // Fetch, version 4: answered while the next request waits.
    let fetch = b"\xff\xff\xff\xff\0\0\x01\xf4\0\0\0\x01\0\0\x10\0\0\0\0\0\x02\
        \0\x06orders\0\0\0\0\0\x04jobs\0\0\0\0";
    dialogue.client(&request(1, 4, 4, fetch)).client(&request(12, 0, 5, b"\0\x04team\0\0\0\0\0\0"));
    dialogue.server(&response(5, b"\0\x19")).server(&response(4, b"\0\0\0\0\0\0\0\0"));
    assert_eq!(
        dialogue.lines,
        [
            "> ApiVersions  18",
            "< OK 14",
            "> Produce orders 140",
            "< OK 50",
            "> Produce orders 59",
            "< MESSAGE_TOO_LARGE 50",
            "> Fetch orders,jobs 61",
            "> Heartbeat team 30",
            "< UNKNOWN_MEMBER_ID 10",
            "< OK 16",
        ]
        .map(|line| line.to_owned())
    );
}

#[test]
fn what_nobody_waits_for_is_not_answered() {
    let mut dialogue = Dialogue::new(&KAFKA);
    dialogue.client(&produce(1, b"\0\0", b"x")).client(&produce(2, b"\0\x01", b"x"));
    dialogue.server(&response(2, PRODUCED));
    assert_eq!(dialogue.lines[1..], ["> Produce orders 51", "< OK 50"]);
}

#[test]
fn flexible_versions() {
    let mut dialogue = Dialogue::new(&KAFKA);
    // ApiVersions 3, whose response keeps the old header; refused with version 0.
    dialogue.client(&request(18, 3, 1, b"\0\x05java\x043.7\0"));
    dialogue.server(&response(1, b"\0\x23\0\0\0\0"));
    // Metadata 12 of one topic, by name; the answer says its id.
    let id = &[0xab; 16];
    let asks = [&b"\0\x02"[..], &[0; 16], b"\x07orders\0\x01\0\0"].concat();
    dialogue.client(&request(3, 12, 2, &asks));
    let said = [
        &b"\0\0\0\0\0\x02\0\0\0\x01\x02a\0\0\x23\x84\0\0\x02c\0\0\0\x01\x02\0\0\x07orders"[..],
        id,
        b"\0\x01\0\0\0\0\0\0\0",
    ];
    dialogue.server(&response(2, &said.concat()));
    // Fetch 13, by id: known, and not.
    for id in [id, &[0xcd; 16]] {
        let asks = [
            &b"\0\0\0\x01\xf4\0\0\0\x01\0\0\x10\0\0\0\0\0\x07\0\0\0\x01\x02"[..],
            id,
            b"\x01\0\x01\x01\0",
        ];
        let mut fetch = request(1, 13, 3, &asks.concat());
        fetch.splice(18..19, [0, 0xff, 0xff, 0xff, 0xff]);
        fetch[3] += 4;
        dialogue.client(&fetch);
        dialogue.server(&response(3, b"\0\0\0\0\0\0\x64\0\0\0\x07\x01\0"));
    }
    let lines: Vec<_> = dialogue.lines.iter().map(|l| l.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(
        lines,
        [
            "> ApiVersions ",
            "< UNSUPPORTED_VERSION",
            "> Metadata orders",
            "< OK",
            "> Fetch orders",
            "< UNKNOWN_TOPIC_ID",
            "> Fetch cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
            "< UNKNOWN_TOPIC_ID",
        ]
    );
}

#[test]
fn sasl_is_passed_over() {
    let mut dialogue = Dialogue::new(&KAFKA);
    dialogue.client(&request(17, 0, 1, b"\0\x05PLAIN"));
    dialogue.server(&response(1, b"\0\0\0\0\0\x01\0\x05PLAIN"));
    dialogue.client(&framed(&[b"\0jo\0hunter2"])).server(&framed(&[b""]));
    dialogue.client(&request(3, 0, 2, b"\0\0\0\x01\0\x01t"));
    dialogue.server(&response(2, b"\0\0\0\0\0\0\0\0"));
    let lines = ["> SaslHandshake PLAIN 25", "< OK 21", "> Metadata t 25", "< OK 16"];
    assert_eq!(dialogue.lines, lines);
}

#[test]
fn what_is_cut_gives_what_was_seen() {
    let mut dialogue = Dialogue::new(&KAFKA);
    let long = produce(1, b"\0\x01", &[7; 50_000]);
    dialogue.says(Side::Client, &long[..96], Ends::Hole(long.len() as u64 - 96));
    dialogue.says(Side::Server, &response(1, PRODUCED)[..30], Ends::Hole(20));
    let early = produce(2, b"\0\x01", &[7; 50]);
    dialogue.says(Side::Client, &early[..20], Ends::Hole(early.len() as u64 - 20));
    let lines = ["> Produce orders 50050", "< OK 50", "> Produce  cut 100"];
    assert_eq!(dialogue.lines, lines);
}

#[test]
fn it_goes_on_with_the_next_message() {
    let mut dialogue = Dialogue::new(&KAFKA);
    dialogue.client(&produce(1, b"\0\x01", b"x"));
    let next = [&b"\x99tail of records"[..], &produce(2, b"\0\x01", b"y")].concat();
    dialogue.client(&next);
    dialogue.server(&[&b"\xfetail of records"[..], &response(2, PRODUCED)].concat());
    let lines = ["lost no_message", "> Produce orders 51", "lost no_message", "< OK 50"];
    assert_eq!(dialogue.lines[1..], lines);
}

/// An error so far behind that it is not waited for is not read either.
#[test]
fn how_it_is_cut_does_not_matter() {
    let partitions = [&[0; 6][..], &[0xff; 8]].concat().repeat(600);
    let said = [
        &b"\0\0\0\x02\0\x06orders\0\0\x02\x58"[..],
        &partitions,
        b"\0\x04jobs\0\0\0\x01\0\0\0\0\0\x07\0\0\0\0\0\0\0\0",
    ];
    let said = response(1, &said.concat());
    let asks = produce(1, b"\0\x01", b"x");
    let mut asks_0 = asks.clone();
    asks_0[7] = 0;
    asks_0.drain(18..20);
    asks_0[3] -= 2;
    let lines = |piece: usize| {
        let mut dialogue = Dialogue::new(&KAFKA);
        dialogue.client(&asks_0);
        for piece in said.chunks(piece) {
            dialogue.server(piece);
        }
        dialogue.lines
    };
    let whole = lines(100_000);
    assert_eq!(whole, ["> Produce orders 49".to_owned(), format!("< OK {}", said.len())]);
    assert_eq!((lines(1), lines(4097)), (whole.clone(), whole));
}

#[test]
fn what_it_looks_like() {
    let client = |bytes: &[u8]| (KAFKA.probe)(Side::Client, bytes, Transport::Stream);
    let server = |bytes: &[u8]| (KAFKA.probe)(Side::Server, bytes, Transport::Stream);
    let asks = request(18, 3, 1, b"\0\x05java\x043.7\0");
    assert_eq!(client(&asks), Verdict::Likely);
    assert_eq!(client(&asks[..4]), Verdict::More);
    assert_eq!(client(b"\0\0\0\x08\x04\xd2\x16\x2f"), Verdict::Unlikely);
    assert_eq!(client(b"\0\0\0\x20\0\x03\0\0user\0jo\0database\0shop\0\0"), Verdict::Unlikely);
    assert_eq!(client(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Verdict::Unlikely);
    assert_eq!(client(b"\x16\x03\x01\x02\0\x01\0\x01\xfc"), Verdict::Unlikely);
    assert_eq!(client(b"SSH-2.0-OpenSSH_9"), Verdict::Unlikely);
    // yamux: version, type, flags, stream, length.
    assert_eq!(client(b"\0\x01\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0"), Verdict::Unlikely);
    assert_eq!(client(&[0; 64]), Verdict::Unlikely);
    assert_eq!(server(&response(1, b"\0\0")), Verdict::Likely);
    assert_eq!(server(b"R\0\0\0\x08\0\0\0\0"), Verdict::Unlikely);
    assert_eq!(server(b"HTTP/1.1 200 OK\r\n"), Verdict::Unlikely);
    assert!(
        KAFKA
            .signatures
            .iter()
            .all(|signature| { signature.side == Side::Server || signature.offset == 0 })
    );
    assert!(KAFKA.signatures[0].fits(&asks) && KAFKA.signatures[1].fits(&asks[4..]));
}
