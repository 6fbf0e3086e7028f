//! Dialogues, written by hand.

use super::frame::{PREFACE, kind};
use super::{HTTP2, Http2, probe};
use crate::dialogue::Dialogue;
use crate::http::Request;
use crate::http1::HTTP1;
use crate::{Conversation, Ends, Nobody, Policy, Side, Step, Transport, Verdict};

const STREAM: u8 = 0x1;
const HEADERS: u8 = 0x4;
const BOTH: u8 = STREAM | HEADERS;

fn frame(kind: u8, flags: u8, stream: u32, carried: &[u8]) -> Vec<u8> {
    let length = (carried.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(carried);
    frame
}

/// A field that is said in letters, and not to be said again by number.
fn field(name: &str, value: &str) -> Vec<u8> {
    assert!(name.len() < 127 && value.len() < 127);
    [&[0x00, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
}

/// The same, to be said again by number.
fn indexed(name: &str, value: &str) -> Vec<u8> {
    let mut field = field(name, value);
    field[0] = 0x40;
    field
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(kind::HEADERS, BOTH, stream, &[&b"\x82\x86"[..], &field(":path", path)].concat())
}

fn begun() -> Dialogue {
    let mut dialogue = Dialogue::new(&HTTP2);
    dialogue.client(PREFACE).client(&frame(kind::SETTINGS, 0, 0, b"\0\x03\0\0\0\x64"));
    dialogue.server(&frame(kind::SETTINGS, 0, 0, b"")).server(&frame(kind::SETTINGS, 1, 0, b""));
    dialogue.client(&frame(kind::SETTINGS, 1, 0, b""));
    dialogue
}

#[test]
fn streams_that_overlap() {
    let mut dialogue = begun();
    dialogue.client(&[get(1, "/a"), get(3, "/b/17"), get(5, "/c")].concat());
    dialogue.server(&frame(kind::HEADERS, HEADERS, 3, b"\x88"));
    dialogue.server(&frame(kind::HEADERS, BOTH, 5, b"\x8d"));
    dialogue.server(&frame(kind::HEADERS, HEADERS, 1, b"\x48\x03500"));
    dialogue.server(&frame(kind::DATA, 0, 3, b"abc"));
    dialogue.server(&frame(kind::DATA, STREAM, 1, b"no"));
    dialogue.server(&frame(kind::DATA, STREAM, 3, b""));
    assert_eq!(
        dialogue.lines,
        ["> GET /a 21", "> GET /b/{id} 24", "> GET /c 21", "< 404 10", "< 500 25", "< 200 31"]
    );
}

#[test]
fn however_it_is_cut() {
    let says = [get(1, "/a"), get(3, "/b")].concat();
    let mut dialogue = begun();
    for byte in says {
        dialogue.client(&[byte]);
    }
    assert_eq!(dialogue.lines, ["> GET /a 21", "> GET /b 21"]);
}

#[test]
fn headers_in_pieces() {
    let block = [&b"\x83\x86"[..], &indexed(":path", "/long"), &field("x-note", "some")].concat();
    for at in 1..block.len() {
        let mut dialogue = begun();
        dialogue.client(&frame(kind::HEADERS, STREAM, 1, &block[..at]));
        dialogue.client(&frame(kind::CONTINUATION, 0, 1, b""));
        dialogue.client(&frame(kind::CONTINUATION, HEADERS, 1, &block[at..]));
        dialogue.client(&frame(kind::HEADERS, BOTH, 3, b"\x82\xbe"));
        let expected = [format!("> POST /long {}", block.len() + 27), "> GET /long 11".to_owned()];
        assert_eq!(dialogue.lines, expected);
    }
    // Nothing else may come between.
    let mut dialogue = begun();
    dialogue.client(&frame(kind::HEADERS, STREAM, 1, b"\x82")).client(&get(3, "/b"));
    assert_eq!(dialogue.lines, ["lost headers_interrupted"]);
}

#[test]
fn padding_priority_and_what_is_of_no_stream() {
    let mut dialogue = begun();
    dialogue.client(&frame(kind::PRIORITY, 0, 3, b"\0\0\0\0\x10"));
    dialogue.client(&frame(kind::HEADERS, BOTH | 0x28, 5, b"\x03\0\0\0\x03\x10\x82\x84\0\0\0"));
    dialogue.client(&frame(kind::PING, 0, 0, b"12345678"));
    dialogue.client(&frame(0x10, 0, 0, b"later kinds"));
    dialogue.server(&frame(kind::WINDOW_UPDATE, 0, 5, b"\0\0\xff\0"));
    dialogue.server(&frame(kind::HEADERS, HEADERS, 5, b"\x88"));
    dialogue.server(&frame(kind::DATA, STREAM | 8, 5, b"\x02ab\0\0"));
    dialogue.server(&frame(kind::GOAWAY, 0, 0, b"\0\0\0\x05\0\0\0\0bye"));
    assert_eq!(dialogue.lines, ["> GET / 20", "< 200 24"]);
}

#[test]
fn an_announcement_is_no_response() {
    let mut dialogue = begun();
    dialogue.client(&frame(kind::HEADERS, HEADERS, 1, b"\x83\x84"));
    dialogue.server(&frame(kind::HEADERS, HEADERS, 1, b"\x48\x03100"));
    dialogue.client(&frame(kind::DATA, STREAM, 1, b"hi"));
    dialogue.server(&frame(kind::HEADERS, BOTH, 1, b"\x89"));
    assert_eq!(dialogue.lines, ["> POST / 22", "< 204 10"]);
}

#[test]
fn what_is_not_seen_of_a_body_is_passed_over() {
    let mut dialogue = begun();
    dialogue.client(&get(1, "/big"));
    dialogue.server(&frame(kind::HEADERS, HEADERS, 1, b"\x88"));
    dialogue.says(Side::Server, b"\0\x40\0\0\0\0\0\0\x01some", Ends::Hole(0x4000 - 4));
    dialogue.server(&frame(kind::DATA, STREAM, 1, b""));
    assert_eq!(dialogue.lines[1], format!("< 200 {}", 10 + 9 + 0x4000 + 9));
}

#[test]
fn cut_headers_give_what_was_seen() {
    let block = [&b"\x82"[..], &indexed(":path", "/a/b/c"), &indexed("x", "y")].concat();
    let whole = frame(kind::HEADERS, BOTH, 1, &block);
    for (cut, expected) in [(5, "> GET /a/b/c"), (7, "> GET /a/b…"), (13, "> GET ")] {
        let mut dialogue = begun();
        dialogue.says(Side::Client, &whole[..whole.len() - cut], Ends::Hole(cut as u64));
        assert_eq!(dialogue.lines, [format!("{expected} cut {}", whole.len())]);
        // What was in the rest is not known, so numbers begin anew.
        dialogue.client(&frame(
            kind::HEADERS,
            BOTH,
            3,
            &[&b"\x82\xbe"[..], &indexed("x", "y")].concat(),
        ));
        dialogue.client(&frame(kind::HEADERS, BOTH, 5, b"\x82\x84\xbe"));
        assert_eq!(dialogue.lines[1..], ["> GET  cut 16", "> GET / 12"]);
    }
}

#[test]
fn it_goes_on_at_the_next_frame() {
    let mut dialogue = begun();
    let stray = b"\0\0\x05\x01 some body \0\0\0\0\0\0\0\0\0\0\x01 and more";
    dialogue.client(&[&stray[..], &get(1, "/a")].concat());
    dialogue.server(&[&stray[..], &frame(kind::HEADERS, BOTH, 1, b"\x88")].concat());
    assert_eq!(dialogue.lines, ["lost no_frame", "> GET /a 21", "lost no_frame", "< 200 10"]);
    // A body that is known to go on, after a gap.
    dialogue.client(&get(3, "/b"));
    dialogue.server(&frame(kind::HEADERS, HEADERS, 3, b"\x88"));
    dialogue.says(Side::Server, b"", Ends::Hole(100));
    dialogue.server(&frame(kind::DATA, STREAM, 3, b"rest"));
    assert_eq!(dialogue.lines[5..], ["< 200 23"]);
}

#[test]
fn streams_that_are_given_up() {
    let cancel = frame(kind::RST_STREAM, 0, 1, b"\0\0\0\x08");
    let post = frame(kind::HEADERS, HEADERS, 1, b"\x83\x84");
    let mut dialogue = begun();
    dialogue.client(&post).client(&frame(kind::DATA, 0, 1, b"part")).client(&cancel);
    assert_eq!(dialogue.lines, ["> POST / 24", "< - (CANCEL) 13"]);
    // What the server said before it heard of it answers nobody.
    dialogue.server(&frame(kind::HEADERS, HEADERS, 1, b"\x88"));
    dialogue.server(&frame(kind::DATA, STREAM, 1, b"late"));
    dialogue.client(&cancel).server(&cancel);
    assert_eq!(dialogue.lines.len(), 2);

    let mut dialogue = begun();
    dialogue.client(&get(1, "/a"));
    dialogue.server(&frame(kind::HEADERS, HEADERS, 1, b"\x88")).server(&cancel);
    assert_eq!(dialogue.lines, ["> GET /a 21", "< 200 (CANCEL) 23"]);

    // An answer that does not wait for the end of what it answers.
    let mut dialogue = begun();
    dialogue.client(&post).server(&frame(kind::HEADERS, BOTH, 1, b"\x8c"));
    dialogue.server(&frame(kind::RST_STREAM, 0, 1, b"\0\0\0\0"));
    assert_eq!(dialogue.lines, ["< 400 10", "> POST / 11"]);
}

#[test]
fn what_is_pushed() {
    let mut dialogue = begun();
    dialogue.client(&get(1, "/"));
    let promise = [&b"\0\0\0\x02\x82\x86"[..], &field(":path", "/style.css")].concat();
    dialogue.server(&frame(kind::PUSH_PROMISE, HEADERS, 1, &promise));
    dialogue.server(&frame(kind::HEADERS, BOTH, 1, b"\x88"));
    dialogue.server(&frame(kind::HEADERS, HEADERS, 2, b"\x88"));
    dialogue.server(&frame(kind::DATA, STREAM, 2, b"body"));
    assert_eq!(dialogue.lines[1..], ["> GET /style.css 33", "< 200 10", "< 200 23"]);
}

#[test]
fn an_upgrade_from_the_version_before() {
    let mut dialogue = Dialogue::new(&HTTP1);
    dialogue.client(b"GET /a HTTP/1.1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n");
    dialogue.server(b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n");
    dialogue.server(&frame(kind::SETTINGS, 0, 0, b""));
    dialogue.client(PREFACE).client(&frame(kind::SETTINGS, 0, 0, b""));
    dialogue.server(&frame(kind::HEADERS, HEADERS, 1, b"\x88"));
    dialogue.client(&get(3, "/b"));
    dialogue.server(&frame(kind::DATA, STREAM, 1, b"body"));
    dialogue.server(&frame(kind::HEADERS, BOTH, 3, b"\x8d"));
    assert_eq!(dialogue.lines, ["> GET /a 59", "> GET /b 21", "< 200 23", "< 404 10"]);
}

fn call(stream: u32) -> Vec<u8> {
    let fields =
        [field(":path", "/shop.Orders/Get"), indexed("content-type", "application/grpc+proto")];
    frame(kind::HEADERS, HEADERS, stream, &[&b"\x83\x86"[..], &fields.concat()].concat())
}

#[test]
fn calls_of_grpc() {
    let mut dialogue = begun();
    dialogue.client(&call(1)).client(&frame(kind::DATA, STREAM, 1, b"\0\0\0\0\x02hi"));
    let head = [&b"\x88"[..], &indexed("content-type", "application/grpc")].concat();
    dialogue.server(&frame(kind::HEADERS, HEADERS, 1, &head));
    dialogue.server(&frame(kind::DATA, 0, 1, b"\0\0\0\0\x03abc\0\0\0"));
    dialogue.server(&frame(kind::DATA, 0, 1, b"\0\0"));
    let trailers = [indexed("grpc-status", "5"), field("grpc-message", "no%20order")].concat();
    dialogue.server(&frame(kind::HEADERS, BOTH, 1, &trailers));
    // Trailers only.
    dialogue.client(&call(3)).client(&frame(kind::DATA, STREAM, 3, b"\0\0\0\0\0"));
    dialogue.server(&frame(kind::HEADERS, BOTH, 3, b"\x88\xbf\xbe"));
    let lines: Vec<_> =
        dialogue.lines.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(
        lines,
        ["> Get shop.Orders", "< NOT_FOUND (no order)", "> Get shop.Orders", "< NOT_FOUND"]
    );
}

/// Headers that were said before: what is in the bodies tells, or the status.
#[test]
fn a_call_on_a_connection_that_is_older() {
    let mut dialogue = Dialogue::new(&HTTP2);
    dialogue.client(&frame(kind::HEADERS, HEADERS, 7, b"\x83\x86\xbe\xbf\xc0"));
    dialogue.client(&frame(kind::DATA, STREAM, 7, b"\0\0\0\0\x02hi"));
    dialogue.server(&frame(kind::HEADERS, HEADERS, 7, b"\x88\xbe"));
    dialogue.server(&frame(kind::DATA, 0, 7, b"\0\0\0\0\x03abc"));
    dialogue.server(&frame(kind::HEADERS, BOTH, 7, b"\xbf"));
    assert_eq!(dialogue.lines, [">   cut 30", "< - cut 38"]);
    // It is none if the body is no message.
    dialogue.client(&frame(kind::HEADERS, HEADERS, 9, b"\x83\x84\xbe"));
    dialogue.client(&frame(kind::DATA, STREAM, 9, b"a=b"));
    assert_eq!(dialogue.lines[2..], ["> POST / cut 24"]);
}

#[test]
fn who_says_such_things() {
    let says = |side, bytes: &[u8]| probe(side, bytes, Transport::Stream);
    let (client, server) = (Side::Client, Side::Server);
    let settings = frame(kind::SETTINGS, 0, 0, b"\0\x03\0\0\0\x64");
    for (side, bytes, verdict) in [
        (client, PREFACE.to_vec(), Verdict::Likely),
        (client, PREFACE[..9].to_vec(), Verdict::More),
        (server, PREFACE.to_vec(), Verdict::Unlikely),
        (client, get(1, "/"), Verdict::Likely),
        (server, get(1, "/"), Verdict::Unlikely),
        (client, get(2, "/"), Verdict::Unlikely),
        (server, settings.clone(), Verdict::Likely),
        // Both say it.
        (client, settings.clone(), Verdict::More),
        (client, [settings.clone(), get(1, "/")].concat(), Verdict::Likely),
        (server, frame(kind::HEADERS, HEADERS, 1, b"\x88"), Verdict::Likely),
        (client, frame(kind::HEADERS, HEADERS, 1, b"\x88"), Verdict::Unlikely),
        (server, frame(kind::DATA, 0, 1, b"abc"), Verdict::More),
        (server, frame(kind::SETTINGS, 0, 0, b""), Verdict::More),
        (server, [frame(kind::DATA, 0, 1, b"abc"), b"x".to_vec()].concat(), Verdict::Unlikely),
    ] {
        assert_eq!(says(side, &bytes), verdict, "{side:?} {bytes:?}");
    }
    // What others say: yamux (window update, data, ping), Kafka, DNS, MongoDB, TLS, a greeting.
    for bytes in [
        &b"\0\x01\0\x01\0\0\0\x01\0\0\0\0"[..],
        b"\0\0\0\0\0\0\0\x01\0\0\0\x05hello",
        b"\0\0\0\0\0\0\0\x02\0\0\0\x05hello",
        b"\0\x01\0\0\0\0\0\x01\0\x04\0\0",
        b"\0\x02\0\x01\0\0\0\0\0\0\0\x01",
        b"\0\x03\0\0\0\0\0\0\0\0\0\0",
        b"\0\0\0\x14\0\x12\0\x03\0\0\0\x01\0\x04test",
        b"\0\x1d\x12\x00\x01\0\0\x01\0\0\0\0\0\0",
        b"\x3a\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0",
        b"\x16\x03\x01\0\x05\x01",
        b"+OK\r\n",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
    ] {
        assert_eq!(says(client, bytes), Verdict::Unlikely, "{bytes:?}");
        assert_eq!(says(server, bytes), Verdict::Unlikely, "{bytes:?}");
    }
}

#[test]
fn every_frame_fits_a_signature() {
    for kind in 0..=9 {
        let bytes = frame(kind, if kind == 1 { 0x2d } else { 0 }, 1, b"12345");
        assert!(HTTP2.signatures.iter().any(|signature| signature.fits(&bytes)), "{kind}");
    }
    assert!(HTTP2.signatures[0].fits(PREFACE));
    for other in [&b"GET / HTTP/1.1\r\n"[..], b"\0\0\0\x14\0\x12\0\x03", b"*1\r\n$4\r\n"] {
        assert!(!HTTP2.signatures.iter().any(|signature| signature.fits(other)));
    }
}

#[test]
fn all_headers_if_they_are_wanted() {
    let policy = Policy { headers: true, ..Policy::default() };
    let mut conversation = Http2::new(policy.into());
    let fields = [indexed("cookie", "hunter2"), indexed("x-note", "by hand")].concat();
    for (stream, fields) in [(1, &fields[..]), (3, b"\xbf\xbe")] {
        let says = frame(kind::HEADERS, BOTH, stream, &[&b"\x82\x84"[..], fields].concat());
        let step = conversation.read(Side::Client, &says, Ends::Open, &Nobody);
        let Step::Take { part: Some(part), .. } = step else {
            panic!("{step:?}");
        };
        let request = Request::of(part.message.as_ref()).unwrap();
        let kept = request.fields.others.iter().map(|(name, value)| (&**name, &**value));
        let expected = [("cookie", "***"), ("x-note", "by hand")];
        assert_eq!(kept.collect::<Vec<_>>(), expected);
    }
}

/// Literals of the static table: 31 is `content-type`, 26 `content-encoding`.
fn typed(flags: u8, stream: u32, begins: &[u8], content_type: &str, more: &[u8]) -> Vec<u8> {
    let kind = [&[0x0f, 0x10, content_type.len() as u8], content_type.as_bytes()].concat();
    frame(kind::HEADERS, flags, stream, &[begins, &kind, more].concat())
}

fn keeping(bodies: usize) -> Dialogue {
    let policy = Policy { bodies, ..Policy::default() };
    let mut dialogue = Dialogue::over(&HTTP2, Transport::Stream, policy);
    dialogue.client(PREFACE).client(&frame(kind::SETTINGS, 0, 0, b"\0\x03\0\0\0\x64"));
    dialogue.server(&frame(kind::SETTINGS, 0, 0, b""));
    dialogue
}

#[test]
fn bodies_are_kept_of_streams_that_overlap() {
    let said = [
        typed(HEADERS, 1, b"\x83\x84", "application/json", b""),
        typed(HEADERS, 3, b"\x83\x84", "text/plain", b""),
        frame(kind::DATA, 0, 1, b"{\"password\":"),
        frame(kind::DATA, 8, 3, b"\x02mail j\0\0"),
        frame(kind::DATA, STREAM, 1, b"\"x\"}"),
        frame(kind::DATA, STREAM, 3, b"o@example.org, then"),
    ]
    .concat();
    let answered = [
        typed(HEADERS, 3, b"\x88", "application/json", &field("content-encoding", "gzip")),
        frame(kind::DATA, STREAM, 3, b"[17]"),
        typed(HEADERS, 1, b"\x88", "text/html", b""),
        frame(kind::DATA, 0, 1, b"<pin>1</pin> and what comes behind"),
        frame(kind::HEADERS, BOTH, 1, &field("x", "y")),
    ]
    .concat();
    for length in [1, 3, 20, 1000] {
        let mut dialogue = keeping(20);
        for piece in said.chunks(length) {
            dialogue.client(piece);
        }
        for piece in answered.chunks(length) {
            dialogue.server(piece);
        }
        let bodies = dialogue.lines.iter().map(|line| {
            let end = line.rfind(' ').unwrap();
            line[..end].to_owned()
        });
        let expected = [
            r#"> POST / [{"password":"***"}]"#,
            "> POST / [mail ***,…]",
            "< 200",
            "< 200 [<pin>***</pin> and …]",
        ];
        assert_eq!(bodies.collect::<Vec<_>>(), expected, "{length}");
    }
}

#[test]
fn a_body_with_a_hole_ends_there() {
    let mut dialogue = keeping(1000);
    dialogue.client(&typed(HEADERS, 1, b"\x83\x84", "application/json", b""));
    dialogue.says(Side::Client, b"\0\x10\0\0\0\0\0\0\x01{\"token\":\"abc", Ends::Hole(0x1000 - 13));
    dialogue.client(&frame(kind::DATA, STREAM, 1, b"\"tail\""));
    assert!(dialogue.lines[0].starts_with(r#"> POST / [{"token":"***"…]"#), "{:?}", dialogue.lines);
    // What is given up by the server is told with what came of it.
    dialogue.server(&typed(HEADERS, 1, b"\x88", "text/plain", b""));
    dialogue.server(&frame(kind::DATA, 0, 1, b"half of it"));
    dialogue.server(&frame(kind::RST_STREAM, 0, 1, b"\0\0\0\x08"));
    assert!(dialogue.lines[1].contains("(CANCEL) [half of …]"), "{:?}", dialogue.lines);
}
