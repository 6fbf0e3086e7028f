//! What datagrams a UDP socket and each of its peers exchanged.

use std::net::SocketAddr;

use super::endpoint::{Endpoint, local_of};
use crate::columns as c;
use crate::hooks::{RECEIVED, RECEIVED_FROM, SENT_TO, UDP_CLOSE, When};
use crate::log::{Expect, LogEntry, Recorder};

/// The exchanges of one socket, as the rungs tell them.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    /// Where every datagram's peer is known.
    full: Vec<Exchange>,
    /// Where nothing says the sender of a datagram that was read without asking for it.
    lesser: Vec<Exchange>,
    /// Whether these differ.
    unasked: bool,
}

/// The datagrams between the socket and one peer.
#[derive(Debug, Clone)]
struct Exchange {
    peer: Option<SocketAddr>,
    /// Which way the first one went, how long it was, and who says whom with.
    first: (Way, usize, Expect),
    sent: Sum,
    received: Sum,
}

/// Which way a datagram went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Out,
    In,
}

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    datagrams: i64,
    bytes: i64,
}

impl Exchanges {
    /// Notes a datagram of `bytes` whose peer was named in the call, or is the one that the socket
    /// is connected to.
    pub(super) fn add(&mut self, way: Way, peer: SocketAddr, bytes: usize, named: bool) {
        let hook = if way == Way::Out { SENT_TO } else { RECEIVED_FROM };
        let otherwise = if named { "caller" } else { "kernel" };
        let source = Expect::depending(When::full(hook), "kernel", otherwise);
        for exchanges in [&mut self.full, &mut self.lesser] {
            add(exchanges, Some(peer), (way, bytes, source.clone()));
        }
    }

    /// Notes a datagram from `peer`, for whom nobody asked, at a socket that is not connected.
    pub(super) fn add_unasked(&mut self, peer: SocketAddr, bytes: usize) {
        self.unasked = true;
        let first = (Way::In, bytes, Expect::from("kernel"));
        add(&mut self.full, Some(peer), first.clone());
        add(&mut self.lesser, None, first);
    }

    /// The rows of all of them: how each began, and its end.
    pub(super) fn close(&self, of: &Endpoint, rec: &mut Recorder) {
        let told = |exchanges: &[Exchange], when: Option<When>, rec: &mut Recorder| {
            for exchange in exchanges {
                rec.add(exchange.began(of).only(when.clone()));
                rec.add(exchange.ended(of).only(when.clone()));
            }
        };
        if self.unasked {
            told(&self.full, Some(When::full(RECEIVED)), rec);
            told(&self.lesser, Some(When::lesser(RECEIVED)), rec);
        } else {
            told(&self.full, None, rec);
        }
    }
}

fn add(exchanges: &mut Vec<Exchange>, peer: Option<SocketAddr>, one: (Way, usize, Expect)) {
    let (way, bytes, _) = one;
    let at = exchanges.iter().position(|exchange| exchange.peer == peer).unwrap_or_else(|| {
        let (sent, received) = (Sum::default(), Sum::default());
        exchanges.push(Exchange { peer, first: one, sent, received });
        exchanges.len() - 1
    });
    let exchange = &mut exchanges[at];
    let sum = if way == Way::Out { &mut exchange.sent } else { &mut exchange.received };
    sum.datagrams += 1;
    sum.bytes += bytes as i64;
}

impl Exchange {
    fn began(&self, of: &Endpoint) -> LogEntry {
        let (way, bytes, source) = &self.first;
        self.ends(of, c::DATAGRAM)
            .with(c::PEER_SOURCE, source.clone())
            .with(c::DIRECTION, if *way == Way::Out { "out" } else { "in" })
            .with(c::BYTES, *bytes as i64)
    }

    fn ended(&self, of: &Endpoint) -> LogEntry {
        let (way, ..) = self.first;
        // Where nobody sees the socket's close, silence or the observation's end is the end.
        let quiet = Expect::one_of(["idle", "open"].map(Expect::from));
        let hook = When::standing(UDP_CLOSE[usize::from(!of.is_ipv4())]);
        self.ends(of, c::CLOSE)
            .with(c::ROLE, if way == Way::Out { "client" } else { "server" })
            .with(c::CLOSED_BY, Expect::depending(hook, "local", quiet))
            .with(c::FD, Expect::Null)
            .with(c::PATH, Expect::Null)
            .with(c::ERROR, Expect::Null)
            .with(c::DURATION, Expect::AtLeast { at_least: 0 })
            .with(c::BYTES_SENT, self.sent.bytes)
            .with(c::BYTES_RECEIVED, self.received.bytes)
            .with(c::DATAGRAMS_SENT, self.sent.datagrams)
            .with(c::DATAGRAMS_RECEIVED, self.received.datagrams)
            .with(c::SEGMENTS_SENT, Expect::Null)
            .with(c::SEGMENTS_RECEIVED, Expect::Null)
            .with(c::RETRANSMITS, Expect::Null)
            .with(c::RTT, Expect::Null)
    }

    fn ends(&self, of: &Endpoint, table: &'static str) -> LogEntry {
        // As it is by now: a socket that was never bound has its port since the first datagram.
        let local = local_of(of.fd());
        of.entry(table, "sendto, recvfrom")
            .with(c::LOCAL_IP, local.map(|it| it.ip().to_string()))
            .with(c::LOCAL_PORT, local.map(|it| i64::from(it.port())))
            .with(c::PEER_IP, self.peer.map(|it| it.ip().to_string()))
            .with(c::PEER_PORT, self.peer.map(|it| i64::from(it.port())))
    }
}
