//! Dialogues, written by hand.

use super::HTTP1;
use crate::dialogue::Dialogue;
use crate::{Ends, Policy, Side, Transport};

#[test]
fn requests_and_responses() {
    let mut dialogue = Dialogue::new(&HTTP1);
    dialogue.client(b"GET /u/17?q=x HTTP/1.1\r\nHost: a\r\n\r\n");
    dialogue.server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    dialogue.client(b"POST /u HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
    dialogue.server(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(dialogue.lines, ["> GET /u/{id} 35", "< 200 40", "> POST /u 42", "< 500 38"]);
}

#[test]
fn pipelining_and_empty_lines() {
    let mut dialogue = Dialogue::new(&HTTP1);
    dialogue.client(b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n\r\nGET /c HTTP/1.0\n\n");
    dialogue.server(b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\n");
    assert_eq!(
        dialogue.lines,
        ["> GET /a 19", "> GET /b 19", "> GET /c 17", "< 204 19", "< 304 39"]
    );
}

#[test]
fn a_head_request_has_an_answer_without_a_body() {
    let mut dialogue = Dialogue::new(&HTTP1);
    dialogue.client(b"HEAD /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
    dialogue.server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    dialogue.server(b"HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx");
    assert_eq!(dialogue.lines[2..], ["< 200 38", "< 404 39"]);
}

#[test]
fn chunks_with_extensions_and_trailers() {
    let mut dialogue = Dialogue::new(&HTTP1);
    dialogue.client(
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
    );
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n";
    for byte in answer {
        dialogue.server(&[*byte]);
    }
    let expected = ["> POST /a 71".to_owned(), format!("< 200 {}", answer.len())];
    assert_eq!(dialogue.lines, expected);
}

#[test]
fn an_announcement_is_no_response() {
    let mut dialogue = Dialogue::new(&HTTP1);
    dialogue.client(b"PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    dialogue.server(b"HTTP/1.1 100 Continue\r\n\r\n");
    dialogue.client(b"hi");
    dialogue.server(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(dialogue.lines, ["> PUT /a 62", "< 201 43"]);
}

#[test]
fn a_body_to_the_end_of_the_connection() {
    let mut dialogue = Dialogue::new(&HTTP1);
    dialogue.client(b"GET /a HTTP/1.0\r\n\r\n");
    dialogue.server(b"HTTP/1.0 200 OK\r\n\r\nsome").server(b"thing");
    assert_eq!(dialogue.lines.len(), 1);
    dialogue.says(Side::Server, b"", Ends::Closed);
    assert_eq!(dialogue.lines[1], "< 200 28");
}

#[test]
fn what_is_not_seen_of_a_body_is_passed_over() {
    let mut dialogue = Dialogue::new(&HTTP1);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n";
    dialogue.client(b"GET /big HTTP/1.1\r\n\r\n");
    dialogue.says(Side::Server, head, Ends::Hole(10_485_760));
    assert_eq!(dialogue.lines[1], format!("< 200 {}", head.len() + 10_485_760));
}

#[test]
fn a_cut_head_gives_what_was_seen() {
    let mut dialogue = Dialogue::new(&HTTP1);
    dialogue.says(
        Side::Client,
        b"GET /a/b HTTP/1.1\r\nHost: shop\r\nCookie: aaaaaaa",
        Ends::Hole(900),
    );
    assert_eq!(dialogue.lines, ["> GET /a/b cut 46"]);
}

#[test]
fn websockets_and_tunnels() {
    let mut dialogue = Dialogue::new(&HTTP1);
    dialogue.client(b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
    dialogue.server(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(dialogue.lines[1..], ["switch Unread(\"websocket\")", "< 101 46"]);
    let mut dialogue = Dialogue::new(&HTTP1);
    dialogue.client(b"CONNECT db:5432 HTTP/1.1\r\n\r\n");
    dialogue.server(b"HTTP/1.1 200 Established\r\n\r\n");
    assert_eq!(dialogue.lines[1..], ["switch Anything", "< 200 28"]);
}

#[test]
fn it_goes_on_at_the_next_head() {
    let mut dialogue = Dialogue::new(&HTTP1);
    dialogue.client(b"\"a\": 1}FORGET /no HTTP/1.1 {\"x\": \"GET /no HTTP/1.1\"}GET /yes HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(dialogue.lines, ["lost no_first_line", "> GET /yes 30"]);
    dialogue.server(b"...tail of a body HTTP/1.1 HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(dialogue.lines[3], "< 200 38");
}

fn keeping(bodies: usize) -> Dialogue {
    Dialogue::over(&HTTP1, Transport::Stream, Policy { bodies, ..Policy::default() })
}

const POSTED: &[u8] = b"POST /a HTTP/1.1\r\nContent-Type: application/json; charset=utf-8\r\n\
    Content-Length: 33\r\n\r\n{\"user\":\"jo\",\"password\":\"secret\"}";

/// In chunks, which are no part of it.
const ANSWERED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\
    Transfer-Encoding: chunked\r\n\r\n6\r\nmail j\r\n4;x=y\r\no@ex\r\n11\r\nample.org, really\r\n\
    0\r\n\r\n";

#[test]
fn bodies_are_kept_however_they_come() {
    let lines = [
        format!("> POST /a [{}] {}", r#"{"user":"jo","password":"***"}"#, POSTED.len()),
        format!("< 200 [mail ***, really] {}", ANSWERED.len()),
    ];
    for length in [1, 2, 7, 40, 1000] {
        let mut dialogue = keeping(1024);
        for piece in POSTED.chunks(length) {
            dialogue.client(piece);
        }
        for piece in ANSWERED.chunks(length) {
            dialogue.server(piece);
        }
        assert_eq!(dialogue.lines, lines, "{length}");
    }
    // None are kept unless that is asked for.
    let mut dialogue = Dialogue::new(&HTTP1);
    dialogue.client(POSTED).server(ANSWERED);
    assert!(dialogue.lines.iter().all(|line| !line.contains('[')), "{:?}", dialogue.lines);
}

#[test]
fn of_long_bodies_the_beginning_is_kept() {
    for length in [1, 5, 1000] {
        let mut dialogue = keeping(16);
        for piece in POSTED.chunks(length) {
            dialogue.client(piece);
        }
        for piece in ANSWERED.chunks(length) {
            dialogue.server(piece);
        }
        let lines = [
            format!("> POST /a [{}] {}", r#"{"user":"jo","…"#, POSTED.len()),
            format!("< 200 [mail …] {}", ANSWERED.len()),
        ];
        assert_eq!(dialogue.lines, lines, "{length}");
        // And what comes behind is read.
        dialogue.client(b"GET /b HTTP/1.1\r\n\r\n");
        assert_eq!(dialogue.lines[2], "> GET /b 19");
    }
}

#[test]
fn a_body_that_was_not_seen_whole() {
    let mut dialogue = keeping(1024);
    let unseen = 20;
    dialogue.says(Side::Client, &POSTED[..POSTED.len() - unseen], Ends::Hole(unseen as u64));
    dialogue.client(b"GET /b HTTP/1.1\r\n\r\n");
    let posted = format!("> POST /a [{}] {}", r#"{"user":"jo",…"#, POSTED.len());
    assert_eq!(dialogue.lines, [posted.as_str(), "> GET /b 19"]);
    // In a chunk, of which 12 bytes and the line break behind it are missing.
    let gap = ANSWERED.len() - 5 - 14;
    dialogue.says(Side::Server, &ANSWERED[..gap], Ends::Hole(14));
    dialogue.server(&ANSWERED[gap + 14..]);
    assert_eq!(dialogue.lines[2], format!("< 200 [mail …] {}", ANSWERED.len()));
    let until_close = b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<pin>1</pin> ok";
    let mut dialogue = keeping(1024);
    dialogue.client(b"GET /c HTTP/1.0\r\n\r\n").server(&until_close[..50]);
    dialogue.says(Side::Server, &until_close[50..], Ends::Closed);
    assert_eq!(dialogue.lines[1], format!("< 200 [<pin>***</pin> ok] {}", until_close.len()));
}

#[test]
fn what_is_compressed_or_no_text_is_not_kept() {
    for headers in [
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n",
        "Content-Type: image/png\r\nContent-Length: 2\r\n\r\n",
        "Content-Length: 2\r\n\r\n",
        "Content-Type: text/plain\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n",
    ] {
        let mut dialogue = keeping(1024);
        dialogue.client(format!("POST /a HTTP/1.1\r\n{headers}ab\r\n0\r\n\r\n").as_bytes());
        assert!(!dialogue.lines[0].contains('['), "{:?}", dialogue.lines);
    }
}
