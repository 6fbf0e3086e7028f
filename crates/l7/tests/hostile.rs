//! What is no protocol that we know is not given the name of one.

mod script;

use l7::Limits;
use protocols::{Policy, Side, Transport};
use script::Script;

/// xorshift: the same noise in every run.
struct Noise(u64);

impl Noise {
    fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.word() as u8).collect()
    }

    fn below(&mut self, most: usize) -> usize {
        self.word() as usize % most
    }
}

/// How many of `count` dialogues were named, by noise that begins like `begin`.
fn named(count: usize, transport: Transport, begin: impl Fn(&mut Noise, Side) -> Vec<u8>) -> usize {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut named = 0;
    for at in 0..count {
        let mut script = Script::new();
        script.transport = transport;
        script.side = [None, Some(Side::Client)][at % 2];
        for turn in 0..6 {
            let side = if turn % 2 == 0 { Side::Client } else { Side::Server };
            let mut bytes = begin(&mut noise, side);
            let more = noise.below(200) + 1;
            bytes.extend(noise.bytes(more));
            script = match side {
                Side::Client => script.client(bytes),
                Side::Server => script.server(bytes),
            };
        }
        let told = script.run_with(Limits::default(), Policy::default());
        named += usize::from(told.protocol.is_some_and(|name| name != "tls"));
        assert!(told.requests.is_empty(), "{:?}", told.lines());
    }
    named
}

#[test]
fn noise() {
    assert_eq!(named(10_000, Transport::Stream, |_, _| Vec::new()), 0);
    assert_eq!(named(10_000, Transport::Datagram, |_, _| Vec::new()), 0);
}

#[test]
fn tls_and_ssh() {
    let tls = |_: &mut Noise, side| match side {
        Side::Client => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        Side::Server => b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03".to_vec(),
    };
    assert_eq!(named(2_000, Transport::Stream, tls), 0);
    let ssh = |_: &mut Noise, _| b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n".to_vec();
    assert_eq!(named(2_000, Transport::Stream, ssh), 0);
}

#[test]
fn compressed_framed_and_textual() {
    let begins: [&[u8]; 8] = [
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
        b"\x28\xb5\x2f\xfd\x04\x00",
        b"\x00\x01\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00",
        b"\x00\x00\x00\x10\x01\x00\x00\x00",
        b"220 mail.example.org ESMTP\r\n",
        b"EHLO there\r\n",
        b"* OK IMAP4rev1 ready\r\n",
        b"-- \r\n$ +\r\n:",
    ];
    let begin = |noise: &mut Noise, _| begins[noise.below(begins.len())].to_vec();
    assert_eq!(named(10_000, Transport::Stream, begin), 0);
}

/// Protocols that we do know, each side saying what another one says.
#[test]
fn sides_that_do_not_fit() {
    let says: [(&str, &str); 8] = [
        ("GET / HTTP/1.1\r\n\r\n", "+OK\r\n"),
        ("*1\r\n$4\r\nPING\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
        ("Q\0\0\0\x0dselect 1\0", "+OK\r\n"),
        ("*1\r\n$4\r\nPING\r\n", "Z\0\0\0\x05I"),
        ("get a\r\n", "+OK\r\n"),
        ("PUB a 1\r\nx\r\n", "END\r\n"),
        ("\x09\0\0\0\x03select 1", "Z\0\0\0\x05I"),
        ("Q\0\0\0\x0dselect 1\0", "\x07\0\0\x01\0\0\0\x02\0\0\0"),
    ];
    for (client, server) in says {
        let told = Script::new().client(client).server(server).run();
        assert_eq!((told.protocol, told.requests.len()), (None, 0), "{client:?}");
        assert_eq!(told.coverage.unknown, told.coverage.moved);
    }
}
