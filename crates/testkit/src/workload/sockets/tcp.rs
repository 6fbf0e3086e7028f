//! TCP: who connects, who sends what, who closes first.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, sockopt};

use super::Sockets;
use super::endpoint::Endpoint;
use super::ends::ClosedBy;
use crate::log::{Edge, LogEntry, Recorder};
use crate::rng::Rng;

/// The most that is under way at once, which every socket's buffers hold.
const CHUNK: usize = 16 << 10;

impl Sockets<'_> {
    /// Both sides of a connection.
    pub(super) fn tcp(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let (listener, address) = self.listener(rng, rec);
        for _ in 0..1 + rng.below(2) {
            let (client, server) = self.pair(rng, rec, &listener, address);
            exchange_and_close(rng, rec, client, server);
        }
        listener.close(rec, ClosedBy::Nobody);
    }

    fn listener(&self, rng: &mut Rng, rec: &mut Recorder) -> (Endpoint, SocketAddr) {
        let at = SocketAddr::new(self.loopback(rng), 0);
        let mut listener = Endpoint::for_address(&at, SocketType::STREAM);
        listener.bind(rec, at).expect("a loopback address takes a port");
        listener.listen(rec, *rng.pick(&[1, 2, 16, 128]));
        let address = listener.local.expect("a bound socket has an address");
        (listener, address)
    }

    fn pair(
        &self,
        rng: &mut Rng,
        rec: &mut Recorder,
        listener: &Endpoint,
        address: SocketAddr,
    ) -> (Endpoint, Endpoint) {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        if rng.chance(30) {
            let mut client = Endpoint::new(family, SocketType::STREAM, SocketFlags::NONBLOCK);
            let result = client.connect(rec, address);
            assert!(matches!(result, Ok(()) | Err(Errno::INPROGRESS)), "connect: {result:?}");
            client.wait_for(PollFlags::OUT);
            assert_eq!(sockopt::socket_error(client.fd()), Ok(Ok(())));
            rustix::io::ioctl_fionbio(client.fd(), false).expect("FIONBIO");
            return (client, listener.accept(rec));
        }
        let mut client = Endpoint::new(family, SocketType::STREAM, SocketFlags::empty());
        client.connect(rec, address).expect("the listener is there");
        if rng.chance(10) {
            assert_eq!(client.connect(rec, address), Err(Errno::ISCONN));
        }
        (client, listener.accept(rec))
    }

    /// A server here, a client in a child that keeps its own log.
    pub(super) fn tcp_with_child(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let (listener, address) = self.listener(rng, rec);
        let (sends, receives) = (1 + rng.below(200_000), 1 + rng.below(200_000));
        let args = [
            "child".to_owned(),
            "peer".to_owned(),
            format!("--seed={}", rng.draw() >> 32),
            format!("--connect={address}"),
            format!("--send={sends}"),
            format!("--receive={receives}"),
        ];
        let client_first = rng.chance(50);
        let args = [&args[..], &if client_first { vec!["--close-first".into()] } else { vec![] }];
        self.processes().own_child(rec, &args.concat(), |rec| {
            let mut server = listener.accept(rec);
            server.receive(sends);
            send_in_chunks(&mut server, receives);
            if client_first {
                assert_eq!(wait_for_end(&mut server), Ok(0));
                server.close(rec, ClosedBy::Remote);
            } else {
                server.close(rec, ClosedBy::Local);
            }
        });
        listener.close(rec, ClosedBy::Nobody);
    }

    /// Nobody listens.
    pub(super) fn tcp_refused(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let at = SocketAddr::new(self.loopback(rng), 0);
        let mut silent = Endpoint::for_address(&at, SocketType::STREAM);
        silent.bind(rec, at).expect("a loopback address takes a port");
        let address = silent.local.expect("a bound socket has an address");
        let mut client = Endpoint::for_address(&at, SocketType::STREAM);
        assert_eq!(client.connect(rec, address), Err(Errno::CONNREFUSED));
        client.close(rec, ClosedBy::Nobody);
        silent.close(rec, ClosedBy::Nobody);
    }

    /// Two want one port, or one wants an address that this machine has not.
    pub(super) fn tcp_conflict(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let (listener, address) = self.listener(rng, rec);
        let mut late = Endpoint::for_address(&address, SocketType::STREAM);
        assert_eq!(late.bind(rec, address), Err(Errno::ADDRINUSE));
        late.close(rec, ClosedBy::Nobody);
        // An address for documentation (RFC 5737), which is nobody's; a bind sends nothing.
        let foreign = SocketAddr::from((Ipv4Addr::new(203, 0, 113, 7), 0));
        let mut stranger = Endpoint::for_address(&foreign, SocketType::STREAM);
        assert_eq!(stranger.bind(rec, foreign), Err(Errno::ADDRNOTAVAIL));
        stranger.close(rec, ClosedBy::Nobody);
        listener.close(rec, ClosedBy::Nobody);
    }
}

fn exchange_and_close(
    rng: &mut Rng,
    rec: &mut Recorder,
    mut client: Endpoint,
    mut server: Endpoint,
) {
    for _ in 0..rng.below(4) {
        transfer(rng, &mut client, &mut server);
        transfer(rng, &mut server, &mut client);
    }
    // From here on `client` is the side that closes first.
    if rng.chance(50) {
        std::mem::swap(&mut client, &mut server);
    }
    match rng.below(4) {
        0 => {
            client.linger_never();
            client.close(rec, ClosedBy::LocalReset);
            assert_eq!(wait_for_end(&mut server), Err(Errno::CONNRESET));
            server.close(rec, ClosedBy::RemoteReset);
        }
        1 => {
            rustix::net::shutdown(client.fd(), Shutdown::Write).expect("shutdown");
            assert_eq!(wait_for_end(&mut server), Ok(0));
            transfer(rng, &mut server, &mut client);
            server.close(rec, ClosedBy::Remote);
            assert_eq!(wait_for_end(&mut client), Ok(0));
            client.close(rec, ClosedBy::Local);
        }
        _ => {
            client.close(rec, ClosedBy::Local);
            assert_eq!(wait_for_end(&mut server), Ok(0));
            server.close(rec, ClosedBy::Remote);
        }
    }
}

/// Waits for what ends a connection: nothing more to read, or an error.
fn wait_for_end(endpoint: &mut Endpoint) -> Result<usize, Errno> {
    endpoint.wait_for(PollFlags::IN);
    endpoint.receive_some(1)
}

fn transfer(rng: &mut Rng, from: &mut Endpoint, to: &mut Endpoint) {
    let mut left = match rng.below(4) {
        0 => 1,
        1 => 1 + rng.below(1000),
        2 => 1 + rng.below(20_000),
        _ => 1 + rng.below(200_000),
    };
    while left > 0 {
        let count = left.min(CHUNK);
        from.send(count);
        to.receive(count);
        left -= count;
    }
}

fn send_in_chunks(endpoint: &mut Endpoint, mut left: usize) {
    while left > 0 {
        let count = left.min(CHUNK);
        endpoint.send(count);
        left -= count;
    }
}

/// The client of a connection whose server is another process; returns its log.
pub fn peer(
    seed: u64,
    to: SocketAddr,
    sends: usize,
    receives: usize,
    closes_first: bool,
) -> Vec<LogEntry> {
    let mut rec = Recorder::new(Arc::new(AtomicU64::new(0)));
    rec.mark(Edge::Begin, seed);
    let mut client = Endpoint::for_address(&to, SocketType::STREAM);
    client.connect(&mut rec, to).expect("the server listens");
    send_in_chunks(&mut client, sends);
    client.receive(receives);
    if closes_first {
        client.close(&mut rec, ClosedBy::Local);
    } else {
        assert_eq!(wait_for_end(&mut client), Ok(0));
        client.close(&mut rec, ClosedBy::Remote);
    }
    rec.mark(Edge::End, seed);
    rec.into_entries()
}
