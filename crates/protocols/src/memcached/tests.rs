//! Dialogues, written by hand.

use super::MEMCACHED;
use crate::dialogue::Dialogue;
use crate::{Ends, Side, Transport, Verdict};

/// A frame of the binary protocol.
fn frame(mark: u8, opcode: u8, status: u16, opaque: u32, key: &str, value: &str) -> Vec<u8> {
    let extras: &[u8] = match (mark, opcode) {
        (0x80, 1 | 0x11) => &[0; 8],
        (0x81, 0 | 9 | 0x0c | 0x0d) if status == 0 => &[0; 4],
        _ => &[],
    };
    let size = (extras.len() + key.len() + value.len()) as u32;
    let mut bytes = vec![mark, opcode];
    bytes.extend((key.len() as u16).to_be_bytes());
    bytes.extend([extras.len() as u8, 0]);
    bytes.extend(status.to_be_bytes());
    bytes.extend(size.to_be_bytes());
    bytes.extend(opaque.to_be_bytes());
    bytes.extend([0; 8]);
    [&bytes[..], extras, key.as_bytes(), value.as_bytes()].concat()
}

fn ask(opcode: u8, opaque: u32, key: &str, value: &str) -> Vec<u8> {
    frame(0x80, opcode, 0, opaque, key, value)
}

fn reply(opcode: u8, status: u16, opaque: u32, value: &str) -> Vec<u8> {
    frame(0x81, opcode, status, opaque, "", value)
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
fn commands_and_replies() {
    let mut dialogue = Dialogue::new(&MEMCACHED);
    dialogue.client(b"set user:17 0 60 5\r\nhello\r\n").server(b"STORED\r\n");
    dialogue.client(b"get user:17 cart\r\n");
    dialogue.server(b"VALUE user:17 0 5\r\nEND\r\n\r\nVALUE cart 0 1\r\nx\r\nEND\r\n");
    dialogue.client(b"get no\r\n").server(b"END\r\n");
    dialogue.client(b"incr n 1\r\n").server(b"NOT_FOUND\r\n");
    dialogue.client(b"cas k 0 0 1 7\r\nx\r\n").server(b"EXISTS\r\n");
    dialogue.client(b"stats\r\n").server(b"STAT pid 1\r\nSTAT uptime 2\r\nEND\r\n");
    dialogue.client(b"verbosity 1\r\n").server(b"OK\r\n");
    dialogue.client(b"delete k\r\n").server(b"SERVER_ERROR out of memory\r\n");
    let expected = [
        "> set user:{id} 27",
        "< STORED 8",
        "> get user:{id} 18",
        "< HIT 50",
        "> get no 8",
        "< MISS 5",
        "> incr n 10",
        "< NOT_FOUND 11",
        "> cas k 18",
        "< EXISTS 8",
        "> stats  7",
        "< OK 32",
        "> verbosity  13",
        "< OK 4",
        "> delete k 10",
        "< SERVER_ERROR (out of memory) 28",
    ];
    assert_eq!(dialogue.lines, expected);
}

#[test]
fn pipelines_and_what_is_not_answered() {
    let mut dialogue = Dialogue::new(&MEMCACHED);
    dialogue.client(b"set a 0 0 1 noreply\r\nx\r\nget a\r\ntouch a 9\r\nversion\r\nquit\r\n");
    dialogue.server(b"VALUE a 0 1\r\nx\r\nEND\r\nTOUCHED\r\nVERSION 1.6.18\r\n");
    let expected =
        ["> set a", "> get a", "> touch a", "> version ", "> quit ", "< HIT", "< TOUCHED", "< OK"];
    assert_eq!(lines(&dialogue), expected);
}

#[test]
fn meta_commands() {
    let mut dialogue = Dialogue::new(&MEMCACHED);
    dialogue
        .client(b"ms k:1 2 T9\r\nhi\r\nmg k:1 v\r\nmg k:2 v\r\nmd k:1\r\nma n\r\nme k\r\nmn\r\n");
    dialogue.server(b"HD\r\nVA 2\r\nhi\r\nEN\r\nNF\r\nVA 1\r\n7\r\nME k exp=-1\r\nMN\r\n");
    let expected = ["< STORED", "< HIT", "< MISS", "< NOT_FOUND", "< OK", "< HIT", "< OK"];
    assert_eq!(lines(&dialogue)[7..], expected);
    assert_eq!(lines(&dialogue)[0], "> ms k:{id}");
}

/// Quiet gets are one request, up to what ends them.
#[test]
fn a_run_of_quiet_meta_gets() {
    let mut dialogue = Dialogue::new(&MEMCACHED);
    dialogue
        .client(b"mg a v q\r\nmg b v q\r\n")
        .client(b"mg c v q\r\nmn\r\nmg d v q k\r\nmg e v k\r\n");
    dialogue.server(b"VA 1\r\nx\r\n").server(b"VA 1\r\nx\r\nMN\r\n");
    dialogue.server(b"VA 1 kd\r\nx\r\nVA 1 ke\r\nx\r\n");
    assert_eq!(dialogue.lines, ["> mg a 34", "> mg d 22", "< HIT 22", "< HIT 24"]);
    // Ended by what is none of them: its replies end where another's begin.
    dialogue.client(b"mg a v q\r\nget z\r\n").server(b"VA 1\r\nx\r\nEND\r\n");
    assert_eq!(dialogue.lines[4..], ["> mg a 10", "> get z 7", "< HIT 9", "< MISS 5"]);
}

/// A quiet command that fails says so, and takes nobody's reply.
#[test]
fn what_fails_quietly() {
    let mut dialogue = Dialogue::new(&MEMCACHED);
    dialogue.client(b"ms k 1 q ME\r\nx\r\nget a\r\n").server(b"NS\r\nEND\r\n");
    assert_eq!(lines(&dialogue)[2..], ["< MISS"]);
    dialogue.client(&ask(0x11, 5, "k", "x")).server(&reply(0x11, 2, 5, "Data exists"));
    assert_eq!(lines(&dialogue)[3..], ["> set k", "< EXISTS set "]);
}

#[test]
fn frames() {
    let mut dialogue = Dialogue::new(&MEMCACHED);
    dialogue.client(&ask(1, 0, "user:17", "hello")).server(&reply(1, 0, 0, ""));
    dialogue.client(&ask(0, 7, "a", "")).client(&ask(0, 8, "b", ""));
    // By number, in any order.
    dialogue.server(&reply(0, 1, 8, "Not found")).server(&reply(0, 0, 7, "x"));
    dialogue.client(&ask(0x10, 9, "", ""));
    dialogue.server(&frame(0x81, 0x10, 0, 9, "pid", "1")).server(&reply(0x10, 0, 9, ""));
    dialogue.client(&ask(0x21, 0, "PLAIN", "\0jo\0hunter")).server(&reply(
        0x21,
        0x20,
        0,
        "Auth failure.",
    ));
    let expected = [
        "> set user:{id}",
        "< STORED",
        "> get a",
        "> get b",
        "< MISS",
        "< HIT",
        "> stats ",
        "< OK",
        "> auth ",
        "< AUTH_ERROR (Auth failure.)",
    ];
    assert_eq!(lines(&dialogue), expected);
}

#[test]
fn a_run_of_quiet_frames() {
    let mut dialogue = Dialogue::new(&MEMCACHED);
    let run = [ask(0x0d, 0, "a", ""), ask(0x0d, 0, "b", ""), ask(0x0a, 3, "", "")].concat();
    dialogue.client(&run).client(&ask(0, 0, "c", ""));
    dialogue.server(&[reply(0x0d, 0, 0, "x"), reply(0x0a, 0, 3, ""), reply(0, 1, 0, "")].concat());
    dialogue.client(&run).server(&reply(0x0a, 0, 3, ""));
    assert_eq!(lines(&dialogue), ["> get a", "> get c", "< HIT", "< MISS", "> get a", "< MISS"]);
}

#[test]
fn what_is_long_is_passed_over() {
    let mut dialogue = Dialogue::new(&MEMCACHED);
    dialogue.says(Side::Client, b"set k 0 0 1000000\r\nabc", Ends::Hole(999_999));
    dialogue.says(Side::Server, b"STORED\r\n", Ends::Open);
    dialogue.client(b"get k\r\n");
    dialogue.says(Side::Server, b"VALUE k 0 1000000\r\nabc", Ends::Hole(999_999));
    dialogue.server(b"END\r\n");
    let mut set = ask(1, 0, "k", &"x".repeat(1000));
    set.truncate(40);
    dialogue.says(Side::Client, &set, Ends::Hole(993));
    let expected = ["> set k 1000021", "< STORED 8", "> get k 7", "< HIT 1000026", "> set k 1033"];
    assert_eq!(dialogue.lines, expected);
}

#[test]
fn a_cut_line_gives_what_was_seen() {
    let mut dialogue = Dialogue::new(&MEMCACHED);
    dialogue.says(Side::Client, b"get user:17 user:18 us", Ends::Hole(100));
    assert_eq!(dialogue.lines[0], "> get user:{id} cut 22");
}

#[test]
fn it_goes_on_at_the_next_message() {
    let mut dialogue = Dialogue::new(&MEMCACHED);
    dialogue.client(b"\x01tail of a value\r\nget a\r\n");
    dialogue.server(b"\x01tail of a value\r\nEND\r\n");
    assert_eq!(dialogue.lines[1..], ["> get a 7", "lost no_reply", "< MISS 5"]);
}

#[test]
fn what_it_looks_like() {
    let client = |bytes: &[u8]| (MEMCACHED.probe)(Side::Client, bytes, Transport::Stream);
    let server = |bytes: &[u8]| (MEMCACHED.probe)(Side::Server, bytes, Transport::Stream);
    assert_eq!(client(b"get a\r\n"), Verdict::Likely);
    assert_eq!(client(b"get a"), Verdict::More);
    assert_eq!(client(b"GET / HTTP/1.1\r\n"), Verdict::Unlikely);
    assert_eq!(client(b"*1\r\n$4\r\nPING\r\n"), Verdict::Unlikely);
    assert_eq!(client(&ask(0, 7, "a", "")), Verdict::Likely);
    assert_eq!(client(&ask(0, 7, "a", "")[..20]), Verdict::More);
    assert_eq!(client(b"\x80\0\0\x01\x02\x03\x01\0\0\0\0\x10"), Verdict::Unlikely);
    assert_eq!(server(b"VALUE a 0 1\r\n"), Verdict::Likely);
    assert_eq!(server(b"EN"), Verdict::More);
    assert_eq!(server(&reply(0, 1, 0, "Not found")), Verdict::Likely);
    assert_eq!(server(b"220 mail.example.org ESMTP\r\n"), Verdict::Unlikely);
    assert_eq!(server(b"SSH-2.0-x\r\n"), Verdict::Unlikely);
    assert_eq!(server(b"+OK\r\n"), Verdict::Unlikely);
}
