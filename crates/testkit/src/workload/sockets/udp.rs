//! UDP: datagrams with and without a connection.

use std::net::SocketAddr;

use rustix::net::SocketType;

use super::Sockets;
use super::endpoint::{ClosedBy, Endpoint};
use crate::columns as c;
use crate::log::Recorder;
use crate::rng::Rng;

impl Sockets<'_> {
    /// A server and a client that is neither bound nor connected.
    pub(super) fn udp(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let (mut server, address) = self.udp_server(rng, rec);
        let mut client = Endpoint::for_address(&address, SocketType::DGRAM);
        for at in 0..1 + rng.below(6) {
            let count = rng.below(1400);
            client.send_to(count, &address);
            let back = client_address(&server);
            if at == 0 {
                first_datagram(rec, &client, address, "out", count);
                first_datagram(rec, &server, back, "in", count);
            }
            server.receive_some(2048).expect("a datagram is there");
            if rng.chance(50) {
                server.send_to(rng.below(1400), &back);
                client.receive_some(2048).expect("a datagram is there");
            }
        }
        client.close(rec, ClosedBy::Nobody);
        server.close(rec, ClosedBy::Nobody);
    }

    /// A client that connects, and a server that answers by address.
    pub(super) fn udp_connected(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let (mut server, address) = self.udp_server(rng, rec);
        let mut client = Endpoint::for_address(&address, SocketType::DGRAM);
        client.connect(rec, address).expect("UDP connects to anything");
        let back = client.local.expect("a connected socket has an address");
        for at in 0..1 + rng.below(6) {
            let count = rng.below(1400);
            client.send(count);
            if at == 0 {
                first_datagram(rec, &client, address, "out", count);
                first_datagram(rec, &server, back, "in", count);
            }
            server.receive_some(2048).expect("a datagram is there");
            server.send_to(1 + rng.below(1400), &back);
            client.receive_some(2048).expect("a datagram is there");
        }
        client.close(rec, ClosedBy::Nobody);
        server.close(rec, ClosedBy::Nobody);
    }

    fn udp_server(&self, rng: &mut Rng, rec: &mut Recorder) -> (Endpoint, SocketAddr) {
        let at = SocketAddr::new(self.loopback(rng), 0);
        let mut server = Endpoint::for_address(&at, SocketType::DGRAM);
        server.bind(rec, at).expect("a loopback address takes a port");
        let address = server.local.expect("a bound socket has an address");
        (server, address)
    }
}

/// Who sent the datagram that waits at `server`.
fn client_address(server: &Endpoint) -> SocketAddr {
    server.wait_for(rustix::event::PollFlags::IN);
    let mut byte = [0];
    let peek = rustix::net::RecvFlags::PEEK;
    let (_, _, from) =
        rustix::net::recvfrom(server.fd(), &mut byte[..], peek).expect("a datagram is there");
    let from = from.expect("a datagram has a sender");
    SocketAddr::try_from(from).expect("an internet address")
}

fn first_datagram(
    rec: &mut Recorder,
    endpoint: &Endpoint,
    peer: SocketAddr,
    direction: &'static str,
    bytes: usize,
) {
    let entry = endpoint
        .entry(c::DATAGRAM, "sendto or recvfrom")
        .with(c::PEER_IP, peer.ip().to_string())
        .with(c::PEER_PORT, i64::from(peer.port()))
        .with(c::DIRECTION, direction)
        .with(c::BYTES, bytes as i64);
    rec.add(entry);
}
