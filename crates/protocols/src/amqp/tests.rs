//! Dialogues, written by hand.

use super::AMQP;
use crate::dialogue::Dialogue;
use crate::{Ends, Side, Transport, Verdict};

fn say(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let channel = channel.to_be_bytes();
    let size = (payload.len() as u32).to_be_bytes();
    [&[kind], &channel[..], &size, payload, b"\xce"].concat()
}

fn method(channel: u16, class: u16, id: u16, arguments: &[u8]) -> Vec<u8> {
    say(1, channel, &[&class.to_be_bytes()[..], &id.to_be_bytes(), arguments].concat())
}

/// A message's header and its body, in pieces of so many bytes.
fn content(channel: u16, body: &[u8], piece: usize) -> Vec<u8> {
    let size = (body.len() as u64).to_be_bytes();
    let header = say(2, channel, &[&b"\0\x3c\0\0"[..], &size, b"\x80\0\x0atext/plain"].concat());
    let pieces = body.chunks(piece).flat_map(|piece| say(3, channel, piece));
    header.into_iter().chain(pieces).collect()
}

fn publish(channel: u16, body: &[u8]) -> Vec<u8> {
    [method(channel, 60, 40, b"\0\0\x06orders\x07made.17\0"), content(channel, body, 100)].concat()
}

fn lines(dialogue: &Dialogue) -> Vec<&str> {
    dialogue.lines.iter().map(|l| l.rsplit_once(' ').map_or(&**l, |(line, _)| line)).collect()
}

#[test]
fn from_the_greeting_on() {
    let mut dialogue = Dialogue::new(&AMQP);
    dialogue.client(b"AMQP\0\0\x09\x01");
    dialogue.server(&method(0, 10, 10, b"\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US"));
    dialogue.client(&method(0, 10, 11, b"\0\0\0\0\x05PLAIN\0\0\0\x0b\0jo\0hunter2\x05en_US"));
    dialogue.server(&method(0, 10, 30, b"\x07\xff\0\x02\0\0\0\x3c"));
    dialogue.client(&method(0, 10, 31, b"\x07\xff\0\x02\0\0\0\x3c"));
    dialogue.client(&method(0, 10, 40, b"\x01/\0\0")).server(&method(0, 10, 41, b"\0"));
    dialogue.client(&method(1, 20, 10, b"\0")).server(&method(1, 20, 11, b"\0\0\0\0"));
    dialogue.client(&say(8, 0, b"")).server(&say(8, 0, b""));
    dialogue.client(&method(1, 50, 10, b"\0\0\x04jobs\x02\0\0\0\0"));
    dialogue.server(&method(1, 50, 11, b"\x04jobs\0\0\0\0\0\0\0\0"));
    dialogue.client(&method(1, 50, 20, b"\0\0\x04jobs\x06orders\x01#\x01\0\0\0\0"));
    dialogue.client(&method(1, 20, 40, b"\0\xc8\x04done\0\0\0\0")).server(&method(1, 20, 41, b""));
    assert_eq!(
        lines(&dialogue),
        [
            "> connection.open ",
            "> connection.open /",
            "< OK",
            "> channel.open ",
            "< OK",
            "> queue.declare jobs",
            "< OK",
            "> queue.bind jobs",
            "> channel.close ",
            "< OK",
        ]
    );
}

#[test]
fn published_and_delivered() {
    let mut dialogue = Dialogue::new(&AMQP);
    dialogue.client(&publish(1, &[7; 250]));
    dialogue.client(&publish(1, b"")).client(&publish(2, b"x"));
    let deliver = method(1, 60, 60, b"\x02c1\0\0\0\0\0\0\0\x01\x01\x06orders\x07made.17");
    let whole = [deliver, content(1, &[7; 150], 100)].concat();
    dialogue.server(&whole[..20]).server(&whole[20..70]).server(&whole[70..]);
    dialogue.client(&method(1, 60, 80, b"\0\0\0\0\0\0\0\x01\0"));
    dialogue.client(&method(1, 60, 120, b"\0\0\0\0\0\0\0\x02\0"));
    assert_eq!(
        dialogue.lines,
        [
            "> basic.publish orders/made.{id} 337",
            "> basic.publish orders/made.{id} 63",
            "> basic.publish orders/made.{id} 72",
            "< OK basic.deliver orders/made.{id} 238",
            "> basic.nack  21",
        ]
    );
}

#[test]
fn messages_of_two_channels_at_once() {
    let mut dialogue = Dialogue::new(&AMQP);
    let begins =
        |channel, key: &[u8]| method(channel, 60, 40, &[b"\0\0\0\x01", key, b"\0"].concat());
    let rest = |channel| content(channel, b"x", 9);
    let (one, two) = (rest(1), rest(2));
    let headers = [&two[..two.len() - 9], &one[..one.len() - 9]].concat();
    let bodies = [&one[one.len() - 9..], &two[two.len() - 9..]].concat();
    dialogue.client(&[begins(1, b"a"), begins(2, b"b"), headers, bodies].concat());
    let mut lines = lines(&dialogue);
    lines.sort();
    assert_eq!(lines, ["> basic.publish a", "> basic.publish b"]);
}

#[test]
fn fetched() {
    let mut dialogue = Dialogue::new(&AMQP);
    let get = method(1, 60, 70, b"\0\0\x1eamq.gen-JzTY20BRgKO-HjmUJj0wLg\x01");
    dialogue.client(&get).server(&method(1, 60, 72, b"\0"));
    let got = method(1, 60, 71, b"\0\0\0\0\0\0\0\x01\0\0\x04jobs\0\0\0\0");
    dialogue.client(&get).server(&[got, content(1, b"work", 9)].concat());
    assert_eq!(
        lines(&dialogue),
        ["> basic.get amq.gen-{id}", "< EMPTY", "> basic.get amq.gen-{id}", "< OK"]
    );
}

#[test]
fn confirmed_one_by_one_and_many_at_once() {
    let mut dialogue = Dialogue::new(&AMQP);
    dialogue.client(&method(1, 85, 10, b"\0")).server(&method(1, 85, 11, b""));
    let all: Vec<u8> = (0..5).flat_map(|_| publish(1, b"x")).collect();
    dialogue.client(&all);
    let ack = |id, number, many| method(1, 60, id, &[0, 0, 0, 0, 0, 0, 0, number, many]);
    dialogue.server(&ack(80, 2, 0)).server(&ack(80, 4, 1)).server(&ack(120, 5, 0));
    dialogue.client(&publish(1, b"x")).server(&ack(80, 0, 1));
    let expected = [
        "< OK 21",
        "< OK 0",
        "< OK 0",
        "< OK 21",
        "< NACK 21",
        "> basic.publish orders/made.{id} 72",
        "< OK 21",
    ];
    assert_eq!(dialogue.lines[7..], expected);
}

#[test]
fn a_closed_channel_answers_what_it_could_not_do() {
    let mut dialogue = Dialogue::new(&AMQP);
    dialogue.client(&method(3, 50, 10, b"\0\0\x04none\x01\0\0\0\0"));
    dialogue.server(&method(3, 20, 40, b"\x01\x94\x1bNOT_FOUND - no queue 'none'\0\x32\0\x0a"));
    dialogue.client(&method(3, 20, 41, b"")).client(&publish(4, b"x"));
    dialogue.server(&method(4, 20, 40, b"\x01\x94\x09NOT_FOUND\0\x3c\0\x28"));
    let returned = method(5, 60, 50, b"\x01\x38\x08NO_ROUTE\0\x04none");
    dialogue.server(&[returned, content(5, b"x", 9)].concat());
    assert_eq!(
        lines(&dialogue),
        [
            "> queue.declare none",
            "< 404 (NOT_FOUND - no queue 'none')",
            "> basic.publish orders/made.{id}",
            "< 404 (NOT_FOUND) channel.close ",
            "< 312 (NO_ROUTE) basic.return none",
        ]
    );
}

#[test]
fn a_refused_login_answers_the_connection() {
    let mut dialogue = Dialogue::new(&AMQP);
    dialogue.client(b"AMQP\0\0\x09\x01");
    dialogue.server(&method(0, 10, 10, b"\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US"));
    dialogue.client(&method(0, 10, 11, b"\0\0\0\0\x05PLAIN\0\0\0\x0b\0jo\0hunter2\x05en_US"));
    dialogue.server(&method(0, 10, 50, b"\x01\x93\x0eACCESS_REFUSED\0\0\0\0"));
    assert_eq!(lines(&dialogue), ["> connection.open ", "< 403 (ACCESS_REFUSED)"]);
}

#[test]
fn a_body_need_not_be_seen() {
    let mut dialogue = Dialogue::new(&AMQP);
    let long =
        [method(1, 60, 40, b"\0\0\x06orders\x07made.17\0"), content(1, &[7; 9000], 9000)].concat();
    for shown in [65, 75, 90] {
        dialogue.says(Side::Client, &long[..shown], Ends::Hole((long.len() - shown) as u64));
    }
    dialogue.client(&publish(1, b"x"));
    let line = "> basic.publish orders/made.{id} 9071".to_owned();
    assert_eq!(dialogue.lines[..2], [line.clone(), line.clone()]);
    assert_eq!(dialogue.lines[2..], [line, "> basic.publish orders/made.{id} 72".to_owned()]);
}

#[test]
fn it_goes_on_with_the_next_frame() {
    let mut dialogue = Dialogue::new(&AMQP);
    dialogue.client(&[&b"\xfftail of a body\xce"[..], &publish(1, b"x")].concat());
    let declared = method(1, 50, 11, b"\x04jobs\0\0\0\0\0\0\0\0");
    dialogue.client(&method(1, 50, 10, b"\0\0\x04jobs\x02\0\0\0\0"));
    dialogue.server(&[&b"\xfftail of a body\xce"[..], &declared].concat());
    // What was asked before the gap may have been answered in it.
    assert_eq!(dialogue.lines[1], "> basic.publish orders/made.{id} 72");
    assert_eq!(dialogue.lines[3], "lost no_frame");
    dialogue.client(&method(1, 50, 10, b"\0\0\x04more\x02\0\0\0\0")).server(&declared);
    assert_eq!(lines(&dialogue)[5..], ["> queue.declare more", "< OK"]);
}

#[test]
fn what_it_looks_like() {
    let client = |bytes: &[u8]| (AMQP.probe)(Side::Client, bytes, Transport::Stream);
    let server = |bytes: &[u8]| (AMQP.probe)(Side::Server, bytes, Transport::Stream);
    assert_eq!(client(b"AMQP\0\0\x09\x01"), Verdict::Likely);
    assert_eq!(client(b"AMQP"), Verdict::More);
    assert_eq!(client(b"AMQP\x03\x01\0\0"), Verdict::Unlikely);
    assert_eq!(client(&publish(1, b"x")), Verdict::Likely);
    assert_eq!(server(&publish(1, b"x")), Verdict::Unlikely);
    assert_eq!(server(&method(1, 50, 11, b"\x04jobs\0\0\0\0\0\0\0\0")), Verdict::Likely);
    assert_eq!(client(&[1; 64]), Verdict::Unlikely);
    assert_eq!(client(&[0; 64]), Verdict::Unlikely);
    assert_eq!(client(b"GET / HTTP/1.1\r\n"), Verdict::Unlikely);
    assert_eq!(client(b"\x16\x03\x01\x02\0\x01\0\x01\xfc"), Verdict::Unlikely);
    // What both sides say is not enough.
    let alive = say(8, 0, b"");
    let closes = [alive.clone(), method(1, 20, 41, b"")].concat();
    assert_eq!((client(&alive), server(&closes)), (Verdict::More, Verdict::More));
    let more = [closes.clone(), method(1, 20, 10, b"\0")].concat();
    assert_eq!((client(&more), server(&more)), (Verdict::Likely, Verdict::Unlikely));
    // MySQL's COM_QUIT and COM_PING.
    assert_eq!(client(b"\x01\0\0\0\x01\x01\0\0\0\x0e"), Verdict::Unlikely);
    let fits = |bytes: &[u8]| AMQP.signatures.iter().any(|signature| signature.fits(bytes));
    assert!(fits(b"AMQP\0\0\x09\x01") && fits(&publish(1, b"x")) && fits(&content(1, b"x", 9)));
}
