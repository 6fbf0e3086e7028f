//! Dialogues, written by hand.

use super::POSTGRES;
use crate::dialogue::Dialogue;
use crate::{Ends, Side, Transport, Verdict};

/// A message of this tag; tag 0 has none.
fn say(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 4).to_be_bytes();
    let tag = if tag == 0 { &[][..] } else { &[tag][..] };
    [tag, &length, body].concat()
}

fn all(messages: &[(u8, &[u8])]) -> Vec<u8> {
    messages.iter().flat_map(|(tag, body)| say(*tag, body)).collect()
}

const READY: (u8, &[u8]) = (b'Z', b"I");
const SYNC: (u8, &[u8]) = (b'S', b"");
const ERROR: (u8, &[u8]) = (b'E', b"SERROR\0VERROR\0C42P01\0Mrelation \"no\" does not exist\0\0");
const BIND: (u8, &[u8]) = (b'B', b"\0s1\0\0\0\0\0\0\0");
const EXECUTE: (u8, &[u8]) = (b'E', b"\0\0\0\0\0");
const PARSE: (u8, &[u8]) = (b'P', b"s1\0select * from t where id = $1 and b = 'x'\0\0\0");

/// Without the counts of bytes.
fn lines(dialogue: &Dialogue) -> Vec<&str> {
    dialogue
        .lines
        .iter()
        .map(|line| line.rsplit_once(' ').map_or(&**line, |(line, _)| line))
        .collect()
}

#[test]
fn from_the_first_byte() {
    let mut dialogue = Dialogue::new(&POSTGRES);
    dialogue.client(&say(0, b"\x04\xd2\x16\x2f")).server(b"N");
    dialogue.client(&say(0, b"\0\x03\0\0user\0jo\0database\0shop\0\0"));
    dialogue.server(&all(&[(b'R', b"\0\0\0\x03")]));
    dialogue.client(&say(b'p', b"hunter\0"));
    dialogue.server(&all(&[(b'R', b"\0\0\0\0"), (b'S', b"a\0b\0"), (b'K', b"12345678"), READY]));
    dialogue.client(&say(b'Q', b"select 17\0"));
    dialogue.server(&all(&[(b'T', b"\0\x01a"), (b'D', b"\0\x01"), (b'C', b"SELECT 1\0"), READY]));
    let expected =
        ["> SSL", "< OK", "> CONNECT shop", "< OK", "> SELECT select ?", "< OK"].map(str::trim);
    assert_eq!(lines(&dialogue).iter().map(|line| line.trim()).collect::<Vec<_>>(), expected);
}

#[test]
fn tls_from_there_on() {
    let mut dialogue = Dialogue::new(&POSTGRES);
    dialogue.client(&say(0, b"\x04\xd2\x16\x2f")).server(b"S");
    assert_eq!(dialogue.lines[1..], ["switch Tls", "< OK 1"]);
}

#[test]
fn prepared_once_and_run_twice() {
    let mut dialogue = Dialogue::new(&POSTGRES);
    dialogue.client(&all(&[PARSE, (b'D', b"Ss1\0"), SYNC]));
    dialogue.server(&all(&[(b'1', b""), (b't', b"\0\0"), (b'T', b"\0\x01a"), READY]));
    for _ in 0..2 {
        dialogue.client(&all(&[BIND, EXECUTE, SYNC]));
        dialogue.server(&all(&[(b'2', b""), (b'D', b"\0\0"), (b'C', b"SELECT 1\0"), READY]));
    }
    let run = "> SELECT select * from t where id = $1 and b = ?";
    let prepared = "> PREPARE select * from t where id = $1 and b = ?";
    assert_eq!(lines(&dialogue), [prepared, "< OK", run, "< OK", run, "< OK"]);
}

#[test]
fn a_pipeline_of_which_one_fails() {
    let mut dialogue = Dialogue::new(&POSTGRES);
    dialogue.client(&all(&[PARSE, BIND, EXECUTE, BIND, EXECUTE, BIND, EXECUTE, SYNC]));
    dialogue.client(&all(&[BIND, EXECUTE, SYNC]));
    dialogue.server(&all(&[
        (b'1', b""),
        (b'2', b""),
        (b'C', b"SELECT 0\0"),
        (b'2', b""),
        ERROR,
        READY,
    ]));
    dialogue.server(&all(&[(b'2', b""), (b'C', b"SELECT 3\0"), READY]));
    let answers = ["< OK", "< 42P01 (relation \"no\" does not exist)", "< SKIPPED", "< OK"];
    assert_eq!(lines(&dialogue)[4..], answers);
}

#[test]
fn prepared_before_anybody_looked() {
    let mut dialogue = Dialogue::new(&POSTGRES);
    dialogue.client(&all(&[BIND, EXECUTE, SYNC]));
    dialogue.server(&all(&[(b'2', b""), (b'C', b"UPDATE 3\0"), READY]));
    assert_eq!(lines(&dialogue), ["> EXECUTE s1", "< OK"]);
}

#[test]
fn flushed_without_a_sync() {
    let mut dialogue = Dialogue::new(&POSTGRES);
    dialogue.client(&all(&[PARSE, (b'D', b"Ss1\0"), (b'H', b"")]));
    dialogue.server(&all(&[(b'1', b""), (b't', b"\0\0"), (b'n', b"")]));
    dialogue.client(&all(&[BIND, EXECUTE, SYNC]));
    dialogue.server(&all(&[(b'2', b""), (b'C', b"INSERT 0 1\0"), READY]));
    assert_eq!(lines(&dialogue)[1], "< OK");
    assert_eq!(lines(&dialogue)[3..], ["< OK"]);
}

#[test]
fn copies_both_ways() {
    let mut dialogue = Dialogue::new(&POSTGRES);
    dialogue.client(&say(b'Q', b"copy t from stdin\0"));
    dialogue.server(&say(b'G', b"\0\0\0"));
    dialogue.client(&all(&[(b'd', b"1\t2\n"), (b'd', b"3\t4\n"), (b'c', b"")]));
    dialogue.server(&all(&[(b'C', b"COPY 2\0"), READY]));
    dialogue.client(&say(b'Q', b"copy t to stdout\0"));
    dialogue.server(&all(&[
        (b'H', b"\0\0\0"),
        (b'd', b"1\n"),
        (b'c', b""),
        (b'C', b"COPY 1\0"),
        READY,
    ]));
    let all = lines(&dialogue);
    assert_eq!((all[0], all[all.len() - 3]), ("> COPY copy t from stdin", "< OK"));
    assert_eq!(all[all.len() - 2..], ["> COPY copy t to stdout", "< OK"]);
}

#[test]
fn cancelling_is_never_answered() {
    let mut dialogue = Dialogue::new(&POSTGRES);
    dialogue.client(&say(0, b"\x04\xd2\x16\x2e12345678"));
    assert_eq!(lines(&dialogue), ["> CANCEL "]);
}

#[test]
fn a_cut_query_gives_what_was_seen() {
    let mut dialogue = Dialogue::new(&POSTGRES);
    let query = say(b'Q', &[b"select * from t where a = 'hunter", &[b'x'; 500][..]].concat());
    dialogue.says(Side::Client, &query[..36], Ends::Hole(query.len() as u64 - 36));
    assert_eq!(dialogue.lines, ["> SELECT select * from t where a = ? cut 538"]);
}

#[test]
fn it_goes_on_where_an_answer_ends() {
    let mut dialogue = Dialogue::new(&POSTGRES);
    dialogue.client(b"\xfftail of a query").client(&all(&[(b'Q', b"select 1\0")]));
    dialogue.server(&[&b"\xfftail of rows"[..], &all(&[READY])].concat());
    assert_eq!(lines(&dialogue)[2..], ["> SELECT select ?", "lost"]);
}

#[test]
fn what_it_looks_like() {
    let client = |bytes: &[u8]| (POSTGRES.probe)(Side::Client, bytes, Transport::Stream);
    let server = |bytes: &[u8]| (POSTGRES.probe)(Side::Server, bytes, Transport::Stream);
    assert_eq!(client(&say(b'Q', b"select 1\0")), Verdict::Likely);
    assert_eq!(client(&say(0, b"\0\x03\0\0user\0a\0\0")), Verdict::Likely);
    assert_eq!(client(&all(&[PARSE])), Verdict::Likely);
    assert_eq!(client(b"Q"), Verdict::More);
    assert_eq!(client(b"QUIT\r\n"), Verdict::Unlikely);
    assert_eq!(client(b"\0\x01\0\0\0\x01"), Verdict::Unlikely);
    assert_eq!(server(&all(&[READY])), Verdict::Likely);
    assert_eq!(server(b"N"), Verdict::More);
    assert_eq!(server(b"NR\0\0\0\x08"), Verdict::Likely);
    assert_eq!(server(b"SSH-2.0-x\r\n"), Verdict::Unlikely);
    assert_eq!(server(b"HTTP/1.1 200 OK\r\n"), Verdict::Unlikely);
}
