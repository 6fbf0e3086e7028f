//! Dialogues, written by hand.

use super::DNS;
use super::message::Message;
use crate::dialogue::Dialogue;
use crate::{Ends, Policy, Side, Transport, Verdict};

const QUESTION: &[u8] =
    b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x03WwW\x07example\x03org\0\0\x01\0\x01";
const ANSWER: &[u8] = b"\x12\x34\x81\x80\0\x01\0\x02\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01\
    \xc0\x0c\0\x05\0\x01\0\0\x00\x3c\0\x04\x01a\xc0\x10\xc0\x2d\0\x01\0\x01\0\0\x00\x3c\0\x04\x7f\0\0\x01";

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

#[test]
fn datagrams() {
    let mut dialogue = Dialogue::new(&DNS);
    dialogue.says(Side::Client, QUESTION, Ends::Closed);
    dialogue.says(Side::Server, ANSWER, Ends::Closed);
    assert_eq!(dialogue.lines, ["> A www.example.org 33", "< NOERROR 65"]);
}

#[test]
fn answers_are_read() {
    let message = Message::read(ANSWER, false).unwrap();
    let values: Vec<&str> = message.answers.iter().map(|answer| &*answer.value).collect();
    assert_eq!(values, ["a.example.org", "127.0.0.1"]);
    assert_eq!((message.answers[0].ttl, message.is_whole), (60, true));
}

#[test]
fn a_stream_of_both() {
    let mut dialogue = Dialogue::over(&DNS, Transport::Stream, Policy::default());
    let mut nothing = ANSWER[..33].to_vec();
    (nothing[0], nothing[3], nothing[7]) = (0x13, 0x83, 0);
    let mut other = QUESTION.to_vec();
    other[0] = 0x13;
    dialogue.client(&framed(QUESTION)).client(&framed(&other)[..5]).client(&framed(&other)[5..]);
    // The second is answered first.
    dialogue.server(&framed(&nothing)).server(&framed(ANSWER));
    assert_eq!(dialogue.lines[2..], ["< NXDOMAIN 35", "< NOERROR 67"]);
}

#[test]
fn a_cut_datagram_gives_what_is_there() {
    let mut dialogue = Dialogue::new(&DNS);
    dialogue.says(Side::Client, QUESTION, Ends::Closed);
    dialogue.says(Side::Server, &ANSWER[..50], Ends::Hole(15));
    assert_eq!(dialogue.lines[1], "< NOERROR cut 65");
}

#[test]
fn names_that_lead_nowhere() {
    for name in [&b"\xc0\x0c"[..], b"\xc0\xff", b"\x40a\0", b"\x05ab", b"\x01a\xc0\x0c"] {
        let mut message = QUESTION[..12].to_vec();
        message.extend(name);
        message.extend(b"\0\x01\0\x01");
        assert!(Message::read(&message, false).is_none(), "{name:?}");
        let verdict = (DNS.probe)(Side::Client, &message, Transport::Datagram);
        assert_ne!(verdict, Verdict::Likely);
    }
}

#[test]
fn what_is_a_question() {
    let says = |bytes: &[u8]| (DNS.probe)(Side::Client, bytes, Transport::Datagram);
    assert_eq!(says(QUESTION), Verdict::Likely);
    assert_eq!(says(&QUESTION[..20]), Verdict::More);
    assert_eq!(says(ANSWER), Verdict::Unlikely);
    assert_eq!(says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Verdict::Unlikely);
    assert!(DNS.signatures.iter().any(|signature| signature.fits(QUESTION)));
    assert!(DNS.signatures.iter().any(|signature| signature.fits(&framed(QUESTION))));
}
