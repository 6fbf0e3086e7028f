//! Dialogues, written by hand.

use super::CASSANDRA;
use super::frame::segmented;
use crate::dialogue::Dialogue;
use crate::{Ends, Side, Transport, Verdict};

fn say(version: u8, flags: u8, stream: i16, opcode: u8, body: &[u8]) -> Vec<u8> {
    let stream = stream.to_be_bytes();
    let length = (body.len() as u32).to_be_bytes();
    [&[version, flags, stream[0], stream[1], opcode], &length[..], body].concat()
}

fn asks(stream: i16, opcode: u8, body: &[u8]) -> Vec<u8> {
    say(4, 0, stream, opcode, body)
}

fn answers(stream: i16, opcode: u8, body: &[u8]) -> Vec<u8> {
    say(0x84, 0, stream, opcode, body)
}

fn query(statement: &str) -> Vec<u8> {
    [&(statement.len() as u32).to_be_bytes()[..], statement.as_bytes(), b"\0\x01\0"].concat()
}

/// Two columns of one table, and three rows of nothing.
const ROWS: &[u8] = b"\0\0\0\x02\0\0\0\x01\0\0\0\x02\0\x04shop\0\x05users\0\x02id\0\x09\
    \0\x04tags\0\x21\0\x0d\0\x20\0\x09\0\0\0\x03\xff\xff\xff\xff";

fn lines(dialogue: &Dialogue) -> Vec<&str> {
    dialogue.lines.iter().map(|l| l.rsplit_once(' ').map_or(&**l, |(line, _)| line)).collect()
}

#[test]
fn from_the_first_byte() {
    let mut dialogue = Dialogue::new(&CASSANDRA);
    dialogue.client(&asks(0, 5, b"")).server(&answers(0, 6, b"\0\0"));
    dialogue.client(&asks(1, 1, b"\0\x01\0\x0bCQL_VERSION\0\x053.4.4"));
    dialogue.server(&answers(1, 3, b"\0\x03a.B"));
    dialogue.client(&asks(2, 15, b"\0\0\0\x0b\0jo\0hunter2"));
    dialogue.server(&answers(2, 16, b"\xff\xff\xff\xff"));
    dialogue.client(&asks(3, 11, b"\0\x01\0\x0dSCHEMA_CHANGE")).server(&answers(3, 2, b""));
    // Answered in another order, with an event between.
    dialogue.client(&asks(4, 7, &query("select * from users where name = 'hunter'")));
    dialogue.client(&asks(5, 7, &query("INSERT INTO users (id) VALUES (17)")));
    dialogue.server(&answers(5, 8, b"\0\0\0\x01"));
    dialogue.server(&answers(-1, 12, b"\0\x0dSTATUS_CHANGE\0\x02UP\x04\x7f\0\0\x01\0\0\x23\x52"));
    dialogue.server(&answers(4, 8, ROWS));
    assert_eq!(
        lines(&dialogue),
        [
            "> OPTIONS ",
            "< OK",
            "> STARTUP ",
            "< OK",
            "> AUTH ",
            "< OK",
            "> REGISTER ",
            "< OK",
            "> SELECT select * from users where name = ?",
            "> INSERT INSERT INTO users (id) VALUES (?)",
            "< OK",
            "< OK STATUS_CHANGE UP",
            "< OK",
        ]
    );
}

#[test]
fn prepared_and_run() {
    let mut dialogue = Dialogue::new(&CASSANDRA);
    let prepare = query("select name from users where id = ?");
    dialogue.client(&asks(1, 9, &prepare[..prepare.len() - 3]));
    dialogue.server(&answers(1, 8, b"\0\0\0\x04\0\x02\xab\xcd\0\0\0\0\0\0\0\0\0\0\0\0"));
    dialogue.client(&asks(2, 10, b"\0\x02\xab\xcd\0\x01\0")).server(&answers(2, 8, ROWS));
    dialogue.client(&asks(3, 10, b"\0\x02\x01\x02\0\x01\0"));
    dialogue.server(&answers(3, 0, b"\0\0\x25\0\0\x09not there\0\x02\x01\x02"));
    let batch = [b"\0\0\x02\x01\0\x02\xab\xcd\0\0\0", &query("delete from x")[..]].concat();
    dialogue.client(&asks(4, 13, &batch)).server(&answers(4, 8, b"\0\0\0\x01"));
    assert_eq!(
        lines(&dialogue),
        [
            "> PREPARE select name from users where id = ?",
            "< OK",
            "> SELECT select name from users where id = ?",
            "< OK",
            "> EXECUTE 0102",
            "< UNPREPARED (not there)",
            "> BATCH select name from users where id = ?",
            "< OK",
        ]
    );
}

#[test]
fn errors_show_no_values() {
    let mut dialogue = Dialogue::new(&CASSANDRA);
    for (code, said) in [
        (0x20_u16, "line 1:7 no viable alternative at input 'hunter' (select ['hunter']"),
        (0x22, "Unable to coerce 'hunter' to a formatted date"),
    ] {
        let length = (said.len() as u16).to_be_bytes();
        let body = [&[0, 0, code as u8, 0], &length[..], said.as_bytes()].concat();
        dialogue.client(&asks(1, 7, &query("select 1"))).server(&answers(1, 0, &body));
    }
    let lines = lines(&dialogue);
    assert_eq!(lines[1], "< SYNTAX_ERROR (line 1:7 no viable alternative at input)");
    assert_eq!(lines[3], "< INVALID (Unable to coerce '***' to a formatted date)");
}

#[test]
fn what_is_compressed_is_not_read() {
    let mut dialogue = Dialogue::new(&CASSANDRA);
    dialogue.client(&say(4, 1, 9, 7, b"somehow")).server(&say(0x84, 1, 9, 8, b"somehow"));
    dialogue.client(&say(4, 1, 9, 7, b"somehow")).server(&say(0x84, 1, 9, 0, b"somehow"));
    assert_eq!(lines(&dialogue), ["> QUERY ", "< OK", "> QUERY ", "< ERROR"]);
}

#[test]
fn segments() {
    let mut dialogue = Dialogue::new(&CASSANDRA);
    dialogue.client(&say(5, 0, 1, 1, b"\0\x01\0\x0bCQL_VERSION\0\x053.4.4"));
    dialogue.server(&say(0x85, 0, 1, 2, b""));
    let ask = |stream, statement: &str| say(5, 0, stream, 7, &query(statement));
    let two = [ask(2, "select a from t"), ask(3, "select b from t")].concat();
    dialogue.client(&segmented(&two, true));
    let said = say(0x85, 0, 2, 8, ROWS);
    let both =
        [segmented(&said, true), segmented(&say(0x85, 0, 3, 8, b"\0\0\0\x01"), true)].concat();
    dialogue.server(&both[..8]).server(&both[8..70]).server(&both[70..]);
    // One that is longer than a segment, of which the second was not copied.
    let long = ask(4, &format!("insert into t (a) values ('{}')", "x".repeat(200_000)));
    let (first, rest) = long.split_at(131_071);
    dialogue.client(&segmented(first, false));
    let rest = segmented(rest, false);
    let (_, end) = rest.split_at(rest.len() - 4);
    dialogue.says(Side::Client, &rest[..7], Ends::Hole(rest.len() as u64 - 11));
    dialogue.client(end).client(&segmented(&ask(5, "select c from t"), true));
    assert_eq!(
        dialogue.lines[2..],
        [
            "> SELECT select a from t 31",
            "> SELECT select b from t 31",
            "< OK 62",
            "< OK 13",
            "> INSERT insert into t (a) values (? 200045",
            "> SELECT select c from t 31",
        ]
    );
}

#[test]
fn compressed_segments_are_not_read() {
    let mut dialogue = Dialogue::new(&CASSANDRA);
    dialogue.client(&say(5, 0, 1, 1, b"\0\x01\0\x0bCOMPRESSION\0\x03lz4"));
    dialogue.server(&say(0x85, 0, 1, 2, b""));
    assert_eq!(dialogue.lines[1], "switch Unread(\"cassandra-compressed\")");
}

#[test]
fn what_is_cut_gives_what_was_seen() {
    let mut dialogue = Dialogue::new(&CASSANDRA);
    let long = asks(1, 7, &query(&format!("select a from t where b = '{}'", "x".repeat(9000))));
    dialogue.says(Side::Client, &long[..40], Ends::Hole(long.len() as u64 - 40));
    dialogue.says(Side::Server, &answers(1, 8, ROWS)[..13], Ends::Hole(ROWS.len() as u64 - 4));
    dialogue.client(&asks(2, 7, &query("select b from t")));
    let expected =
        ["> SELECT select a from t where b = ? cut 9044", "< OK 62", "> SELECT select b from t 31"];
    assert_eq!(dialogue.lines, expected.map(str::to_owned));
}

#[test]
fn it_goes_on_with_the_next_message() {
    let mut dialogue = Dialogue::new(&CASSANDRA);
    dialogue.client(&[&b"\xfftail"[..], &asks(1, 7, &query("select b from t"))].concat());
    dialogue.server(&[&b"\x10tail of rows"[..], &answers(1, 8, ROWS)].concat());
    assert_eq!(lines(&dialogue)[1], "> SELECT select b from t");
    assert_eq!(lines(&dialogue)[3], "< OK");
    // In segments.
    let mut dialogue = Dialogue::new(&CASSANDRA);
    let next = segmented(&say(5, 0, 1, 7, &query("select b from t")), true);
    dialogue.client(&[&b"\xfftail"[..], &next].concat());
    dialogue.client(&next);
    assert_eq!(lines(&dialogue)[1..], ["> SELECT select b from t"; 2]);
}

/// A statement is read as far as it is waited for.
#[test]
fn how_it_is_cut_does_not_matter() {
    let long = asks(1, 7, &query(&format!("select {} from t", "a, ".repeat(3000))));
    let lines = |piece: usize| {
        let mut dialogue = Dialogue::new(&CASSANDRA);
        for piece in long.chunks(piece) {
            dialogue.client(piece);
        }
        dialogue.lines
    };
    let whole = lines(100_000);
    assert!(whole.len() == 1 && !whole[0].contains("cut"), "{whole:?}");
    assert_eq!((lines(1), lines(4097)), (whole.clone(), whole));
}

#[test]
fn what_it_looks_like() {
    let client = |bytes: &[u8]| (CASSANDRA.probe)(Side::Client, bytes, Transport::Stream);
    let server = |bytes: &[u8]| (CASSANDRA.probe)(Side::Server, bytes, Transport::Stream);
    let ask = asks(1, 7, &query("select b from t"));
    assert_eq!(client(&ask), Verdict::Likely);
    assert_eq!(client(&ask[..9]), Verdict::More);
    assert_eq!(client(&segmented(&ask, true)), Verdict::Likely);
    assert_eq!(server(&segmented(&ask, true)), Verdict::Unlikely);
    assert_eq!(server(&answers(1, 8, ROWS)), Verdict::Likely);
    assert_eq!(server(&answers(1, 2, b"")), Verdict::Likely);
    assert_eq!(client(&answers(1, 8, ROWS)), Verdict::Unlikely);
    assert_eq!(client(b"GET / HTTP/1.1\r\n"), Verdict::Unlikely);
    assert_eq!(client(b"\x16\x03\x01\x02\0\x01\0\x01\xfc"), Verdict::Unlikely);
    assert_eq!(client(b"\0\0\0\x08\x04\xd2\x16\x2f"), Verdict::Unlikely);
    assert_eq!(client(&[0; 64]), Verdict::Unlikely);
    assert_eq!(client(b"PRI * HTTP/2.0\r\n"), Verdict::Unlikely);
    // MySQL's COM_PING.
    assert_eq!(client(b"\x01\0\0\0\x0e"), Verdict::More);
    assert_eq!(client(b"\x01\0\0\0\x0e\x01\0\0\0\x0e"), Verdict::Unlikely);
    let fits = |bytes: &[u8]| CASSANDRA.signatures.iter().any(|signature| signature.fits(bytes));
    assert!(
        fits(&ask) && fits(&segmented(&say(5, 0, 1, 5, b""), true)) && fits(&answers(1, 2, b""))
    );
}
