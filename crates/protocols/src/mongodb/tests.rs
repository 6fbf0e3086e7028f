//! Dialogues, written by hand.

use super::MONGODB;
use crate::dialogue::Dialogue;
use crate::{Ends, Side, Transport, Verdict};

/// A message: its number, what it answers, its kind, its body.
fn say(id: u32, answers: u32, code: u32, body: &[u8]) -> Vec<u8> {
    let head = [16 + body.len() as u32, id, answers, code].map(u32::to_le_bytes);
    [head.as_flattened(), body].concat()
}

/// An OP_MSG with these flags and one document.
fn msg(id: u32, answers: u32, flags: u8, document: &[u8]) -> Vec<u8> {
    say(id, answers, 2013, &[&[flags, 0, 0, 0, 0], document].concat())
}

fn document(fields: &[&[u8]]) -> Vec<u8> {
    let fields = fields.concat();
    [&(fields.len() as u32 + 5).to_le_bytes()[..], &fields, b"\0"].concat()
}

fn text(name: &str, value: &str) -> Vec<u8> {
    let length = (value.len() as u32 + 1).to_le_bytes();
    [&[2], name.as_bytes(), b"\0", &length, value.as_bytes(), b"\0"].concat()
}

fn number(name: &str, value: i32) -> Vec<u8> {
    [&[0x10], name.as_bytes(), b"\0", &value.to_le_bytes()].concat()
}

fn inner(kind: u8, name: &str, document: &[u8]) -> Vec<u8> {
    [&[kind], name.as_bytes(), b"\0", document].concat()
}

fn find() -> Vec<u8> {
    let filter = inner(3, "filter", &document(&[&text("name", "hunter")]));
    document(&[&text("find", "users"), &filter, &text("$db", "shop")])
}

fn ok() -> Vec<u8> {
    document(&[&number("n", 1), &number("ok", 1)])
}

#[test]
fn asked_and_answered() {
    let mut dialogue = Dialogue::new(&MONGODB);
    dialogue.client(&msg(1, 0, 0, &document(&[&number("ping", 1), &text("$db", "admin")])));
    dialogue.client(&msg(2, 0, 0, &find()));
    // A getMore, answered before what was asked before it.
    let more = document(&[
        b"\x12getMore\0\x07\0\0\0\0\0\0\0",
        &text("collection", "users"),
        &text("$db", "shop"),
    ]);
    dialogue.client(&msg(3, 0, 0, &more));
    let found = inner(3, "cursor", &document(&[&inner(4, "firstBatch", &document(&[]))]));
    dialogue.server(&msg(91, 3, 0, &document(&[&found, &number("ok", 1)])));
    dialogue.server(&msg(92, 1, 0, &ok()));
    let failed = document(&[
        b"\x01ok\0\0\0\0\0\0\0\0\0",
        &text("errmsg", "unknown operator: $hunter in { a: 'hunter' }"),
        &number("code", 2),
        &text("codeName", "BadValue"),
    ]);
    dialogue.server(&msg(93, 2, 0, &failed));
    let lines: Vec<_> = dialogue.lines.iter().map(|l| l.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(
        lines,
        [
            "> ping admin",
            "> find shop.users",
            "> getMore shop.users",
            "< OK",
            "< OK",
            "< BadValue (unknown operator: $hunter in {***})",
        ]
    );
}

#[test]
fn sections_of_documents_and_errors_of_writes() {
    let mut dialogue = Dialogue::new(&MONGODB);
    let rows = [b"documents\0", &document(&[&text("a", "hunter")])[..]].concat();
    let length = (rows.len() as u32 + 4).to_le_bytes();
    let insert = document(&[&text("insert", "users"), &text("$db", "shop")]);
    for body in [
        [&b"\0\0\0\0\0"[..], &insert, b"\x01", &length, &rows].concat(),
        [&b"\x01\0\0\0\x01"[..], &length, &rows, b"\0", &insert, b"\x12\x34\x56\x78"].concat(),
    ] {
        dialogue.client(&say(7, 0, 2013, &body));
        let error = document(&[
            &number("index", 0),
            &number("code", 11000),
            &text("errmsg", "E11000 \"hunter\""),
        ]);
        let errors = inner(4, "writeErrors", &document(&[&inner(3, "0", &error)]));
        dialogue.server(&msg(8, 7, 0, &document(&[&number("n", 0), &errors, &number("ok", 1)])));
    }
    for pair in dialogue.lines.chunks(2) {
        assert!(pair[0].starts_with("> insert shop.users "), "{pair:?}");
        assert!(pair[1].starts_with("< 11000 (E11000 \"***\") "), "{pair:?}");
    }
}

/// Old servers and those that are not MongoDB give some errors no number.
#[test]
fn an_error_without_a_number_is_one() {
    let mut dialogue = Dialogue::new(&MONGODB);
    dialogue.client(&msg(1, 0, 0, &find()));
    let failed = document(&[&number("ok", 0), &text("errmsg", "Operator '$hunter' is not there")]);
    dialogue.server(&msg(2, 1, 0, &failed));
    let (said, _) = dialogue.lines[1].rsplit_once(' ').unwrap();
    assert_eq!(said, "< ERROR (Operator '***' is not there)");
}

#[test]
fn no_answer_is_wanted() {
    let mut dialogue = Dialogue::new(&MONGODB);
    let insert = document(&[&text("insert", "log"), &text("$db", "shop")]);
    dialogue.client(&msg(1, 0, 2, &insert)).client(&msg(2, 0, 0, &find()));
    dialogue.server(&msg(9, 2, 0, &ok()));
    assert_eq!(dialogue.lines.len(), 3);
    assert!(dialogue.lines[2].starts_with("< OK"));
}

#[test]
fn answers_that_go_on_are_pushed() {
    let mut dialogue = Dialogue::new(&MONGODB);
    let hello = document(&[&number("hello", 1), &text("$db", "admin")]);
    let mut asks = msg(1, 0, 0, &hello);
    asks[18] = 1;
    dialogue.client(&asks);
    dialogue.server(&msg(50, 1, 2, &ok())).server(&msg(51, 50, 2, &ok()));
    dialogue.server(&msg(52, 51, 0, &ok()));
    dialogue.client(&msg(2, 0, 0, &hello)).server(&msg(53, 2, 0, &ok()));
    let lines: Vec<_> = dialogue.lines.iter().map(|l| l.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(
        lines,
        ["> hello admin", "< OK", "< OK hello ", "< OK hello ", "> hello admin", "< OK"]
    );
}

#[test]
fn what_old_clients_say() {
    let mut dialogue = Dialogue::new(&MONGODB);
    let hello = document(&[&number("ismaster", 1), &number("helloOk", 1)]);
    dialogue.client(&say(
        1,
        0,
        2004,
        &[&b"\0\0\0\0admin.$cmd\0\0\0\0\0\xff\xff\xff\xff"[..], &hello].concat(),
    ));
    let head = b"\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0";
    dialogue.server(&say(2, 1, 1, &[&head[..], &ok()].concat()));
    dialogue.client(&say(3, 0, 2002, &[&b"\0\0\0\0shop.users\0"[..], &find()].concat()));
    dialogue.client(&say(
        4,
        0,
        2004,
        &[&b"\0\0\0\0shop.users\0\0\0\0\0\0\0\0\0"[..], &find()].concat(),
    ));
    dialogue.server(&say(5, 4, 1, &[&head[..], &document(&[&number("ok", 0)])].concat()));
    let lines: Vec<_> = dialogue.lines.iter().map(|l| l.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(
        lines,
        ["> ismaster admin", "< OK", "> insert shop.users", "> find shop.users", "< OK"]
    );
}

#[test]
fn what_is_compressed_is_not_read() {
    let mut dialogue = Dialogue::new(&MONGODB);
    dialogue.client(&say(1, 0, 2012, b"\xdd\x07\0\0\x20\0\0\0\x01somehow"));
    dialogue.server(&say(2, 1, 2012, b"\xdd\x07\0\0\x20\0\0\0\x01somehow"));
    assert_eq!(dialogue.lines, ["> compressed  32", "< - 32"]);
}

#[test]
fn what_is_cut_gives_what_was_seen() {
    let mut dialogue = Dialogue::new(&MONGODB);
    let long =
        document(&[&text("insert", "users"), &text("x", &"y".repeat(9000)), &text("$db", "shop")]);
    let long = msg(1, 0, 0, &long);
    dialogue.says(Side::Client, &long[..60], Ends::Hole(long.len() as u64 - 60));
    let rows = inner(4, "firstBatch", &document(&[&text("0", &"y".repeat(9000))]));
    let long = msg(2, 1, 0, &document(&[&inner(3, "cursor", &document(&[&rows]))]));
    dialogue.says(Side::Server, &long[..60], Ends::Hole(long.len() as u64 - 60));
    dialogue.client(&msg(3, 0, 0, &find())).server(&msg(4, 3, 0, &ok()));
    assert_eq!(dialogue.lines[..2], ["> insert users cut 9066", "< OK 9064"]);
    assert!(dialogue.lines[3].starts_with("< OK"));
}

#[test]
fn it_goes_on_with_the_next_message() {
    let mut dialogue = Dialogue::new(&MONGODB);
    dialogue.client(&[&b"\xdd\x07\0\0tail"[..], &msg(3, 0, 0, &find())].concat());
    dialogue.server(&[&b"\x10tail of rows"[..], &msg(4, 3, 0, &ok())].concat());
    assert_eq!(dialogue.lines[1], "> find shop.users 86");
    assert_eq!(dialogue.lines[3], "< OK 41");
}

/// A database's name so far behind that it is not waited for is not read either.
#[test]
fn how_it_is_cut_does_not_matter() {
    let long =
        document(&[&text("insert", "users"), &text("x", &"y".repeat(5000)), &text("$db", "shop")]);
    let long = msg(1, 0, 0, &long);
    let lines = |piece: usize| {
        let mut dialogue = Dialogue::new(&MONGODB);
        for piece in long.chunks(piece) {
            dialogue.client(piece);
        }
        dialogue.lines
    };
    let whole = lines(100_000);
    assert_eq!(whole, [format!("> insert users {}", long.len())]);
    assert_eq!((lines(1), lines(4097)), (whole.clone(), whole));
}

#[test]
fn what_it_looks_like() {
    let client = |bytes: &[u8]| (MONGODB.probe)(Side::Client, bytes, Transport::Stream);
    let server = |bytes: &[u8]| (MONGODB.probe)(Side::Server, bytes, Transport::Stream);
    let asks = msg(3, 0, 0, &find());
    assert_eq!(client(&asks), Verdict::Likely);
    assert_eq!(client(&asks[..16]), Verdict::More);
    assert_eq!(server(&asks), Verdict::Unlikely);
    assert_eq!(server(&msg(4, 3, 0, &ok())), Verdict::Likely);
    assert_eq!(client(&msg(4, 3, 0, &ok())), Verdict::Unlikely);
    assert_eq!(client(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Verdict::Unlikely);
    assert_eq!(client(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03abcdefgh"), Verdict::Unlikely);
    assert_eq!(client(b"\0\0\0\x08\x04\xd2\x16\x2f"), Verdict::Unlikely);
    assert_eq!(client(&[0; 64]), Verdict::Unlikely);
    let fits = |bytes: &[u8]| MONGODB.signatures.iter().any(|signature| signature.fits(bytes));
    assert!(fits(&asks) && fits(&asks[..16]) && fits(&asks[16..]));
    assert!(!fits(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
}
