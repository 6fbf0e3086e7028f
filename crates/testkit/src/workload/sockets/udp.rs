//! UDP: datagrams with and without a connection.

use std::net::SocketAddr;

use rustix::net::SocketType;

use super::Sockets;
use super::endpoint::Endpoint;
use super::ends::ClosedBy;
use crate::log::Recorder;
use crate::rng::Rng;

impl Sockets<'_> {
    /// A server and clients that are neither bound nor connected.
    pub(super) fn udp(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let (mut server, address) = self.udp_server(rng, rec);
        let client = || Endpoint::for_address(&address, SocketType::DGRAM);
        let mut clients: Vec<Endpoint> = (0..1 + rng.below(3)).map(|_| client()).collect();
        for _ in 0..1 + rng.below(8) {
            let at = rng.below(clients.len());
            let client = &mut clients[at];
            client.send_to(rng.below(1400), address);
            let back = server.receive_from();
            if rng.chance(50) {
                server.send_to(rng.below(1400), back);
                assert_eq!(client.receive_from(), address);
            }
        }
        clients.into_iter().for_each(|client| client.close(rec, ClosedBy::Nobody));
        server.close(rec, ClosedBy::Nobody);
    }

    /// Nobody asks whom the datagrams come from.
    pub(super) fn udp_unasked(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let (mut server, address) = self.udp_server(rng, rec);
        let mut client = Endpoint::for_address(&address, SocketType::DGRAM);
        for _ in 0..1 + rng.below(4) {
            client.send_to(rng.below(1400), address);
            let back = server.receive_unasked();
            if rng.chance(50) {
                server.send_to(rng.below(1400), back);
                assert_eq!(client.receive_unasked(), address);
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
        for _ in 0..1 + rng.below(6) {
            client.send(rng.below(1400));
            let back = server.receive_from();
            server.send_to(rng.below(1400), back);
            let from =
                if rng.chance(50) { client.receive_from() } else { client.receive_unasked() };
            assert_eq!(from, address);
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
