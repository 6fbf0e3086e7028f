//! Dialogues, written by hand.

use super::NATS;
use crate::dialogue::Dialogue;
use crate::{Ends, Policy, Side, Transport, Verdict};

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
    let mut dialogue = Dialogue::new(&NATS);
    dialogue.server(b"INFO {\"server_id\":\"x\",\"version\":\"2.9.10\"}\r\n");
    dialogue.client(b"CONNECT {\"user\":\"jo\",\"pass\":\"hunter\",\"verbose\":false}\r\nPING\r\n");
    dialogue.server(b"PONG\r\n");
    dialogue.client(b"SUB orders.* workers 1\r\nPUB orders.17 5\r\nhello\r\nUNSUB 1\r\n");
    dialogue.server(b"MSG orders.17 1 5\r\nhello\r\n").server(b"PING\r\n").client(b"PONG\r\n");
    let expected = [
        "> CONNECT  55",
        "> PING  6",
        "< OK 6",
        "> SUB orders.* 24",
        "> PUB orders.{id} 24",
        "> UNSUB  9",
        "< OK MSG orders.{id} 26",
    ];
    assert_eq!(dialogue.lines, expected);
}

#[test]
fn requests_and_replies() {
    let mut dialogue = Dialogue::new(&NATS);
    dialogue.client(
        b"PUB a _INBOX.x.1 1\r\nq\r\nPUB b _INBOX.x.2 1\r\nq\r\nPUB c _INBOX.x.3 0\r\n\r\n",
    );
    dialogue.server(b"MSG _INBOX.x.2 1 2\r\nhi\r\nMSG other 2 _INBOX.y 2\r\nhi\r\n");
    dialogue.server(b"MSG _INBOX.x.1 1 2\r\nhi\r\n");
    dialogue.server(b"HMSG _INBOX.x.3 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
    // A second reply is nobody's.
    dialogue.server(b"MSG _INBOX.x.1 1 2\r\nhi\r\n");
    let expected =
        ["> PUB a", "> PUB b", "> PUB c", "< OK", "< OK MSG other", "< OK", "< 503", "< OK"];
    assert_eq!(lines(&dialogue), expected);
}

#[test]
fn what_a_stream_says() {
    let mut dialogue = Dialogue::new(&NATS);
    dialogue.client(b"PUB $JS.API.STREAM.INFO.no _INBOX.1 0\r\n\r\n");
    let body = b"{\"type\":\"x\",\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}";
    dialogue
        .server(&[format!("MSG _INBOX.1 1 {}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat());
    // What is fetched comes with subjects of its own.
    dialogue.client(b"PUB $JS.API.CONSUMER.MSG.NEXT.s.c _INBOX.2 1\r\n1\r\n");
    dialogue.server(b"MSG orders.new 2 $JS.ACK.s.c.1.1.1.17.0 2\r\nhi\r\n");
    dialogue.client(b"PUB $JS.ACK.s.c.1.1.1.17.0 4\r\n+ACK\r\n");
    dialogue.server(b"HMSG _INBOX.2 2 28 28\r\nNATS/1.0 408 Request Timeout\r\n\r\n");
    let expected = [
        "> PUB $JS.API.STREAM.INFO.no",
        "< 404 (stream not found)",
        "> PUB $JS.API.CONSUMER.MSG.NEXT.s.c",
        "< OK MSG orders.new",
        "> PUB $JS.ACK.s.c.{id}.{id}.{id}.{id}.{id}",
    ];
    assert_eq!(lines(&dialogue)[..5], expected);
}

#[test]
fn headers_carry_a_trace() {
    let mut dialogue = Dialogue::new(&NATS);
    let headers =
        "NATS/1.0\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n";
    dialogue.client(
        format!("HPUB a {} {}\r\n{headers}hi\r\n", headers.len(), headers.len() + 2).as_bytes(),
    );
    assert_eq!(lines(&dialogue), ["> PUB a"]);
    let trace = super::message::trace(headers.as_bytes()).unwrap();
    assert_eq!(trace.trace(), "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[test]
fn errors_and_confirmations() {
    let mut dialogue = Dialogue::new(&NATS);
    dialogue.client(b"PUB secret.hunter 1\r\nx\r\n");
    dialogue.server(b"+OK\r\n-ERR 'Permissions Violation for Publish to \"secret.hunter\"'\r\n");
    dialogue.server(b"-ERR 'Authorization Violation'\r\n");
    let expected = [
        "< ERR (Permissions Violation for Publish to) ERR ",
        "< ERR (Authorization Violation) ERR ",
    ];
    assert_eq!(lines(&dialogue)[1..], expected);
}

#[test]
fn what_is_long_is_passed_over() {
    let mut dialogue = Dialogue::new(&NATS);
    dialogue.says(Side::Client, b"PUB a r 1000000\r\nabc", Ends::Hole(999_999));
    dialogue.client(b"PING\r\n");
    dialogue.says(Side::Server, b"MSG r 1 1000000\r\nabc", Ends::Hole(999_999));
    dialogue.server(b"PONG\r\n");
    assert_eq!(dialogue.lines, ["> PUB a 1000019", "> PING  6", "< OK 1000019", "< OK 6"]);
}

#[test]
fn a_cut_line_gives_what_was_seen() {
    let mut dialogue = Dialogue::new(&NATS);
    dialogue.says(Side::Client, b"PUB orders.17 _INBOX.x 1", Ends::Hole(100));
    assert_eq!(dialogue.lines[0], "> PUB orders.{id} cut 24");
    let mut dialogue = Dialogue::new(&NATS);
    dialogue.says(Side::Client, b"CONNECT {\"pass\":\"hun", Ends::Hole(100));
    assert_eq!(dialogue.lines[0], "> CONNECT  cut 20");
}

#[test]
fn it_goes_on_at_the_next_message() {
    let mut dialogue = Dialogue::new(&NATS);
    dialogue.client(b"tail of a payload\r\nPUB a r 1\r\nx\r\n");
    dialogue.server(b"tail of a payload\r\nMSG r 1 1\r\nx\r\n");
    assert_eq!(dialogue.lines[1..], ["> PUB a 14", "lost no_line", "< OK 14"]);
}

#[test]
fn subjects_are_kept_only_if_asked_for() {
    let kept = |literals| {
        let policy = Policy { literals, ..Policy::default() };
        super::message::subject(b"users.17 jo@example.org", &policy)
    };
    assert_eq!((kept(false), kept(true).as_deref()), (None, Some("users.17 ***")));
    assert_eq!(super::message::pattern(b"_INBOX.abc.def"), "_INBOX.{id}");
    assert!(!super::message::pattern(b"users.jo@example.org").contains("jo"));
}

#[test]
fn what_it_looks_like() {
    let client = |bytes: &[u8]| (NATS.probe)(Side::Client, bytes, Transport::Stream);
    let server = |bytes: &[u8]| (NATS.probe)(Side::Server, bytes, Transport::Stream);
    assert_eq!(client(b"CONNECT {"), Verdict::Likely);
    assert_eq!(client(b"CONN"), Verdict::More);
    assert_eq!(client(b"CONNECT shop:443 HTTP/1.1\r\n"), Verdict::Unlikely);
    assert_eq!(client(b"PUB a 5\r\n"), Verdict::Likely);
    assert_eq!(client(b"PUB a"), Verdict::More);
    assert_eq!(client(b"PUT /a HTTP/1.1\r\n"), Verdict::Unlikely);
    assert_eq!(client(b"*1\r\n$4\r\nPING\r\n"), Verdict::Unlikely);
    assert_eq!(client(b"get a\r\n"), Verdict::Unlikely);
    assert_eq!(server(b"INFO {"), Verdict::Likely);
    assert_eq!(server(b"INFO x\r\n"), Verdict::Unlikely);
    assert_eq!(server(b"MSG a 1 5\r\n"), Verdict::Likely);
    assert_eq!(server(b"-ERR 'Stale Connection'\r\n"), Verdict::Likely);
    assert_eq!(server(b"-ERR unknown command 'x'\r\n"), Verdict::Unlikely);
    assert_eq!(server(b"+PONG\r\n"), Verdict::Unlikely);
    assert_eq!(server(b"SSH-2.0-x\r\n"), Verdict::Unlikely);
}
