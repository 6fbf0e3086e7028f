//! Dialogues, written by hand.

use std::sync::Arc;

use super::{MYSQL, Message, Response};
use crate::dialogue::Dialogue;
use crate::{Ends, Nobody, Policy, Setting, Side, Step, Transport, Verdict};

/// A packet of this number.
fn say(number: u8, body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u32).to_le_bytes();
    [&size[..3], &[number], body].concat()
}

/// Packets one behind the other, from this number on.
fn all(from: u8, bodies: &[&[u8]]) -> Vec<u8> {
    (from..).zip(bodies).flat_map(|(number, body)| say(number, body)).collect()
}

const OK: &[u8] = b"\0\x03\0\x02\0\0\0";
const EOF: &[u8] = b"\xfe\0\0\x02\0";
const EOF_MORE: &[u8] = b"\xfe\0\0\x0a\0";
const LAST: &[u8] = b"\xfe\0\0\x02\0\0\0";
const COLUMN: &[u8] = b"\x03def\0\x01t\x01t\x01a\x01a\x0c\x3f\0\x0b\0\0\0\x03\x01\x10\0\0\0";
const ERROR: &[u8] = b"\xff\x7a\x04#42S02Table 'a.no' doesn't exist";
const PREPARED: &[u8] = b"\0\x07\0\0\0\x01\0\x01\0\0\0\0";
const EXECUTE: &[u8] = b"\x17\x07\0\0\0\0\x01\0\0\0\0\x01\x08\0\x05\0\0\0\0\0\0\0";

const NO_EOF: u32 = 1 << 24;
const COMPRESSED: u32 = 1 << 5;
const USUAL: u32 = 1 << 3 | 1 << 9 | 1 << 15 | 1 << 19;

fn greeting(flags: u32) -> Vec<u8> {
    let [a, b, c, d] = flags.to_le_bytes();
    let version = b"\x0a8.0.36-x\0\x01\0\0\0saltsalt\0";
    let rest =
        [&[a, b, 0x2d, 2, 0, c, d, 21][..], &[0; 10], b"salt and salt\0mysql_native_password\0"];
    say(0, &[&version[..], &rest.concat()].concat())
}

fn login(number: u8, flags: u32) -> Vec<u8> {
    let head = [&flags.to_le_bytes()[..], b"\0\0\0\x01\x2d", &[0; 23]].concat();
    say(number, &[&head[..], b"jo\0\x06hunter", b"shop\0mysql_native_password\0"].concat())
}

fn open(flags: u32) -> Dialogue {
    let mut dialogue = Dialogue::new(&MYSQL);
    dialogue.server(&greeting(flags | USUAL)).client(&login(1, flags | USUAL));
    dialogue.server(&say(2, OK));
    dialogue.lines.clear();
    dialogue
}

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
    let mut dialogue = Dialogue::new(&MYSQL);
    dialogue.server(&greeting(USUAL)).client(&login(1, USUAL));
    // Another way to log in is asked for, in several turns.
    dialogue.server(&say(2, b"\xfecaching_sha2_password\0salt")).client(&say(3, b"hunter"));
    dialogue.server(&say(4, b"\x01\x04")).client(&say(5, b"hunter")).server(&say(6, OK));
    dialogue.client(&say(0, b"\x02shop2")).server(&say(1, OK));
    dialogue.client(&say(0, b"\x0e")).server(&say(1, OK)).client(&say(0, b"\x01"));
    let expected = ["> CONNECT shop", "< OK", "> USE shop2", "< OK", "> PING ", "< OK", "> QUIT "];
    let mut got = lines(&dialogue);
    got.retain(|line| !line.is_empty());
    assert_eq!(got, expected);
}

#[test]
fn what_leads_to_tls() {
    let mut dialogue = Dialogue::new(&MYSQL);
    dialogue.server(&greeting(USUAL | super::TLS));
    dialogue.client(&say(1, &login(1, USUAL | super::TLS)[4..36]));
    assert_eq!(dialogue.lines, ["switch Tls", "> SSL  36"]);
    // Inside, the login is the second packet.
    let mut inside = Dialogue::new(&MYSQL);
    inside.client(&login(2, USUAL)).server(&say(3, OK));
    assert_eq!(lines(&inside), ["> CONNECT shop", "< OK"]);
}

#[test]
fn what_is_compressed_is_not_read() {
    let mut dialogue = Dialogue::new(&MYSQL);
    dialogue.server(&greeting(USUAL | COMPRESSED)).client(&login(1, USUAL | COMPRESSED));
    dialogue.server(&say(2, OK));
    assert_eq!(dialogue.lines[1], "switch Unread(\"mysql-compressed\")");
}

/// With an EOF behind the columns and without, whether the login was seen or not.
#[test]
fn rows() {
    let old = all(1, &[b"\x01", COLUMN, EOF, b"\x011", b"\x012", EOF]);
    let new = all(1, &[b"\x01", COLUMN, b"\x011", b"\x012", LAST]);
    let none = all(1, &[b"\x01", COLUMN, LAST]);
    let dialogues = || [open(0), open(NO_EOF), Dialogue::new(&MYSQL)];
    for (answer, length) in [(&old, old.len()), (&new, new.len()), (&none, none.len())] {
        for mut dialogue in dialogues() {
            dialogue.client(&say(0, b"\x03select a from t where b = 'hunter'")).server(answer);
            dialogue.client(&say(0, b"\x03select 1")).server(&say(1, ERROR));
            let expected = [
                "> SELECT select a from t where b = ? 39".to_owned(),
                format!("< OK {length}"),
                "> SELECT select ? 13".to_owned(),
                "< 1146 (Table 'a.no' doesn't exist) 39".to_owned(),
            ];
            assert_eq!(dialogue.lines, expected);
        }
    }
}

/// What the answers to commands that nobody saw say.
fn answers(mut bytes: &[u8]) -> Vec<Response> {
    let setting =
        Setting { transport: Transport::Stream, from_middle: true, policy: Arc::default() };
    let mut conversation = (MYSQL.converse)(&setting);
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let Step::Take { length, part: Some(part) } =
            conversation.read(Side::Server, bytes, Ends::Open, &Nobody)
        else {
            panic!("{bytes:?}");
        };
        bytes = &bytes[length as usize..];
        if let (true, Some(crate::Message::MySql(message))) = (part.last, part.message)
            && let Message::Response(response) = *message
        {
            found.push(response);
        }
    }
    found
}

#[test]
fn rows_are_counted() {
    let more = b"\0\x02\0\x0a\0\0\0";
    let bytes = [
        all(1, &[b"\x01", COLUMN, EOF, b"\x011", b"\x012", EOF_MORE, more, OK]),
        all(1, &[b"\x01\x00", b"\0\0\x01", LAST]),
        all(1, &[b"\x01", COLUMN, b"\x011", ERROR]),
        say(1, b"\0\xfc\x01\x02\0\x02\0\0\0"),
        all(1, &[b"\xff\xff\xff\x01\x01\x01\0\0\0\x04Copy", OK]),
    ]
    .concat();
    let told: Vec<_> = answers(&bytes).into_iter().map(|r| (r.rows, r.affected, r.code)).collect();
    let expected = [
        (Some(2), Some(5), None),
        (Some(1), None, None),
        (Some(1), None, Some(1146)),
        (None, Some(513), None),
        (None, Some(3), None),
    ];
    assert_eq!(told, expected);
}

#[test]
fn several_statements_and_results() {
    let mut dialogue = open(0);
    dialogue.client(&say(0, b"\x03update t set a = 1; select a from t; call p()"));
    let more = b"\0\x02\0\x0a\0\0\0";
    dialogue.server(&all(1, &[more, b"\x01", COLUMN, EOF, b"\x011", EOF_MORE, OK]));
    dialogue.client(&say(0, b"\x0e")).server(&say(1, OK));
    assert_eq!(lines(&dialogue)[1..], ["< OK", "> PING ", "< OK"]);
}

#[test]
fn prepared_once_and_run_twice() {
    let ends = all(1, &[PREPARED, COLUMN, EOF, COLUMN, EOF]);
    let no_ends = all(1, &[PREPARED, COLUMN, COLUMN]);
    let dialogues = [
        (open(0), &ends),
        (open(NO_EOF), &no_ends),
        (Dialogue::new(&MYSQL), &ends),
        (Dialogue::new(&MYSQL), &no_ends),
    ];
    for (mut dialogue, prepared) in dialogues {
        dialogue.client(&say(0, b"\x16select a from t where b = ?")).server(prepared);
        for _ in 0..2 {
            dialogue.client(&say(0, EXECUTE));
            dialogue.server(&all(1, &[b"\x01", COLUMN, EOF, b"\0\0\x01\0\0\0", EOF]));
        }
        dialogue.client(&say(0, b"\x1a\x07\0\0\0")).server(&say(1, OK));
        dialogue.client(&say(0, b"\x19\x07\0\0\0"));
        dialogue.client(&say(0, EXECUTE)).server(&say(1, ERROR));
        let text = "select a from t where b = ?";
        let run = format!("> SELECT {text}");
        let expected = [
            &format!("> PREPARE {text}"),
            "< OK",
            &run,
            "< OK",
            &run,
            "< OK",
            &format!("> RESET {text}"),
            "< OK",
            &format!("> CLOSE {text}"),
            "> EXECUTE ",
            "< 1146 (Table 'a.no' doesn't exist)",
        ];
        assert_eq!(lines(&dialogue), expected);
    }
}

/// Only parameters, and nothing known of the login: an EOF comes behind what seemed to be the end.
#[test]
fn an_end_that_was_not_expected() {
    let mut dialogue = Dialogue::new(&MYSQL);
    dialogue.client(&say(0, b"\x16insert into t values (?)"));
    dialogue.server(&all(1, &[b"\0\x07\0\0\0\0\0\x01\0\0\0\0", COLUMN, EOF]));
    dialogue.client(&say(0, EXECUTE)).server(&say(1, OK));
    assert_eq!(lines(&dialogue)[1..], ["< OK", "> INSERT insert into t values (?)", "< OK"]);
}

#[test]
fn run_before_its_number_is_known() {
    let mut dialogue = open(NO_EOF);
    let execute = b"\x17\xff\xff\xff\xff\0\x01\0\0\0";
    dialogue.client(&[say(0, b"\x16delete from t"), say(0, execute)].concat());
    dialogue.server(&say(1, b"\0\x09\0\0\0\0\0\0\0\0\0\0")).server(&say(1, OK));
    assert_eq!(lines(&dialogue)[1..], ["> DELETE delete from t", "< OK", "< OK"]);
}

#[test]
fn a_cursor_and_its_rows() {
    let mut dialogue = open(0);
    dialogue.client(&say(0, b"\x16select 1")).server(&say(1, b"\0\x07\0\0\0\0\0\0\0\0\0\0"));
    dialogue.client(&say(0, b"\x17\x07\0\0\0\x01\x01\0\0\0"));
    dialogue.server(&all(1, &[b"\x01", COLUMN, b"\xfe\0\0\x42\0"]));
    dialogue.client(&say(0, b"\x1c\x07\0\0\0\x02\0\0\0"));
    dialogue.server(&all(1, &[b"\0\0\x01", b"\0\0\x02", b"\xfe\0\0\x82\0"]));
    assert_eq!(lines(&dialogue)[2..], ["> SELECT select ?", "< OK", "> FETCH select ?", "< OK"]);
}

#[test]
fn a_file_is_sent() {
    let mut dialogue = open(0);
    dialogue.client(&say(0, b"\x03load data local infile '/hunter' into table t"));
    dialogue.server(&say(1, b"\xfb/hunter"));
    dialogue.client(&all(2, &[b"1\tone\n", b"2\ttwo\n", b""])).server(&say(5, OK));
    dialogue.client(&say(0, b"\x03select 1")).server(&say(1, OK));
    let got = lines(&dialogue);
    assert_eq!(got[0], "> LOAD load data local infile ? into table t");
    assert_eq!(got[got.len() - 3..], ["< OK", "> SELECT select ?", "< OK"]);
}

/// Numbers of packets begin anew behind 255.
#[test]
fn long_files_and_many_rows() {
    let numbered = |from: u8, count: usize, body: &[u8]| -> Vec<u8> {
        (0..count).flat_map(|at| say(from.wrapping_add(at as u8), body)).collect()
    };
    let mut dialogue = open(0);
    dialogue.client(&say(0, b"\x03load data local infile 'x' into table t"));
    dialogue.server(&say(1, b"\xfbx"));
    dialogue.client(&numbered(2, 600, b"\x01\tone\n")).client(&say(90, b""));
    dialogue.server(&say(91, OK));
    dialogue.client(&say(0, b"\x03select a from t"));
    let rows = numbered(4, 600, b"\x011");
    dialogue.server(&all(1, &[b"\x01", COLUMN, EOF])).server(&rows).server(&say(92, EOF));
    let got = lines(&dialogue);
    assert_eq!(got[got.len() - 3..], ["< OK", "> SELECT select a from t", "< OK"]);
    assert!(got.iter().all(|line| !line.starts_with("lost")), "{got:?}");
}

#[test]
fn columns_and_statistics() {
    let mut dialogue = open(0);
    dialogue.client(&say(0, b"\x04orders\0")).server(&all(1, &[COLUMN, COLUMN, EOF]));
    dialogue.client(&say(0, b"\x09")).server(&say(1, b"Uptime: 17  Threads: 1"));
    dialogue.client(&say(0, b"\x11hunter\0\0shop3\0")).server(&say(1, OK));
    let expected =
        ["> FIELD LIST orders", "< OK", "> STATISTICS ", "< OK", "> CHANGE USER shop3", "< OK"];
    assert_eq!(lines(&dialogue), expected);
}

/// A statement of more than one packet, and a row.
#[test]
fn more_than_sixteen_megabytes() {
    const FULL: u64 = 0xff_ffff;
    let mut dialogue = open(0);
    let head = b"\xff\xff\xff\0\x03insert into t values ('hunter";
    let hole = FULL + 4 - head.len() as u64;
    dialogue.says(Side::Client, head, Ends::Hole(hole));
    dialogue.client(&say(1, b"hunter')")).server(&say(2, OK));
    dialogue.client(&say(0, b"\x03select a from t"));
    dialogue.server(&all(1, &[b"\x01", COLUMN, EOF]));
    dialogue.says(
        Side::Server,
        b"\xff\xff\xff\x04\xfe\xff\xff\xff\0\0\0\0\0",
        Ends::Hole(FULL - 9),
    );
    dialogue.server(&all(5, &[b"\xfetail", EOF]));
    let bytes = FULL + 4 + 12;
    assert_eq!(
        dialogue.lines[..2],
        [format!("> INSERT insert into t values (? cut {bytes}"), "< OK 11".into()]
    );
    assert_eq!(lines(&dialogue)[2..], ["> SELECT select a from t", "< OK"]);
}

#[test]
fn a_cut_query_gives_what_was_seen() {
    let mut dialogue = open(0);
    let query = say(0, &[b"\x03select * from t where a = 'hunter", &[b'x'; 500][..]].concat());
    dialogue.says(Side::Client, &query[..36], Ends::Hole(query.len() as u64 - 36));
    assert_eq!(dialogue.lines, ["> SELECT select * from t where a = ? cut 538"]);
}

#[test]
fn it_goes_on_at_the_next_message() {
    let mut dialogue = open(0);
    dialogue.client(&[&b"\xfftail of a statement"[..], &say(0, b"\x03select 1")].concat());
    dialogue.server(&[&b"\xfftail of rows\x05"[..], &say(1, OK)].concat());
    assert_eq!(lines(&dialogue)[1..], ["> SELECT select ?", "lost", "< OK"]);
}

#[test]
fn secrets_are_kept_only_if_asked_for() {
    let mut dialogue = open(0);
    dialogue.client(&say(0, b"\x03set password = 'hunter'"));
    dialogue.server(&say(1, b"\xff\x28\x04#42000You have an error near ''hunter'' at line 1"));
    let error = "< 1064 (You have an error near '***' at line 1)";
    assert_eq!(lines(&dialogue), ["> SET set password = ?", error]);
    let policy = Policy { literals: true, ..Policy::default() };
    let mut dialogue = Dialogue::over(&MYSQL, Transport::Stream, policy);
    dialogue.client(&say(0, b"\x03select 'jo@example.org', 'x'"));
    assert_eq!(lines(&dialogue), ["> SELECT select ?"]);
}

#[test]
fn backslashes_that_do_not_escape() {
    let mut dialogue = open(0);
    dialogue.client(&say(0, b"\x03set sql_mode = 'NO_BACKSLASH_ESCAPES'"));
    dialogue.server(&say(1, b"\0\0\0\x02\x02\0\0"));
    dialogue.client(&say(0, b"\x03select 'c:\\', 'hunter'"));
    dialogue.server(&all(1, &[b"\x01", COLUMN, EOF, b"\x011", b"\xfe\0\0\x02\0"]));
    dialogue.client(&say(0, b"\x03select 'it\\'s', 'hunter'"));
    assert_eq!(lines(&dialogue)[2], "> SELECT select ?");
    assert_eq!(lines(&dialogue)[4], "> SELECT select ?");
}

#[test]
fn what_it_looks_like() {
    let client = |bytes: &[u8]| (MYSQL.probe)(Side::Client, bytes, Transport::Stream);
    let server = |bytes: &[u8]| (MYSQL.probe)(Side::Server, bytes, Transport::Stream);
    assert_eq!(client(&login(1, USUAL)), Verdict::Likely);
    assert_eq!(client(&say(0, b"\x03 /* x */ select 1")), Verdict::Likely);
    assert_eq!(client(&say(0, b"\x03\0\x01select 1")), Verdict::Likely);
    assert_eq!(client(&say(0, b"\x03sel")), Verdict::Unlikely);
    assert_eq!(client(&say(0, b"\x03select 1")[..7]), Verdict::More);
    assert_eq!(client(&say(0, EXECUTE)), Verdict::Likely);
    assert_eq!(client(b"Q\0\0\0\x16select 17, 18, 19\0x"), Verdict::Unlikely);
    assert_eq!(client(b"\0\x01\0\x01\0\0\0\x01\0\0\0\0"), Verdict::Unlikely);
    assert_eq!(client(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"), Verdict::Unlikely);
    assert_eq!(client(b"GET / HTTP/1.1\r\n"), Verdict::Unlikely);
    assert_eq!(server(&greeting(0)), Verdict::Likely);
    assert_eq!(server(&say(1, OK)), Verdict::Likely);
    assert_eq!(server(&say(1, ERROR)), Verdict::Likely);
    assert_eq!(server(&all(1, &[b"\x01", COLUMN])), Verdict::Likely);
    assert_eq!(server(&say(1, b"\x01")), Verdict::More);
    assert_eq!(server(&all(1, &[b"\x01\0", b"\0\0\x01"])), Verdict::Likely);
    assert_eq!(server(b"\0\x01\0\x01\0\0\0\x01\0\0\0\0\0\x01\0\x01"), Verdict::Unlikely);
    assert_eq!(server(b"SSH-2.0-x\r\n"), Verdict::Unlikely);
    assert_eq!(server(b"\x16\x03\x03\0\x7a\x02\0\0\x76\x03\x03"), Verdict::Unlikely);
}
