//! What goes through a socket, counted as its rows have to count it.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg;
use rustix::net::{RecvFlags, SendFlags, sockopt};

use super::endpoint::{Endpoint, internet};
use super::exchange::Way;

impl Endpoint {
    /// Sends `count` bytes as one call does, all of them.
    pub(super) fn send(&mut self, count: usize) {
        let mut left = count;
        loop {
            let buffer = vec![b'.'; left];
            let sent = rustix::net::send(self.fd(), &buffer, SendFlags::NOSIGNAL)
                .expect("the peer is there");
            self.sent += sent as i64;
            if let ("udp", Some(peer)) = (self.protocol(), self.peer) {
                self.exchanges.add(Way::Out, peer, sent, false);
            }
            left -= sent;
            if left == 0 {
                return;
            }
        }
    }

    /// Sends one datagram to an internet address.
    pub(super) fn send_to(&mut self, count: usize, to: SocketAddr) {
        self.send_to_any(count, &to);
        self.exchanges.add(Way::Out, to, count, true);
    }

    /// Sends one datagram to any address.
    pub(super) fn send_to_any(&self, count: usize, to: &impl SocketAddrArg) {
        let buffer = vec![b'.'; count];
        let sent = rustix::net::sendto(self.fd(), &buffer, SendFlags::NOSIGNAL, to)
            .expect("loopback takes a datagram");
        assert_eq!(sent, count, "a datagram goes whole");
    }

    /// Receives exactly `count` bytes of a stream.
    pub(super) fn receive(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            self.wait_for(PollFlags::IN);
            let got = self.receive_some(left).expect("the peer sends what was agreed");
            assert_ne!(got, 0, "the peer closed too early");
            left -= got;
        }
    }

    /// Receives at most `count` bytes, or one datagram.
    pub(super) fn receive_some(&mut self, count: usize) -> Result<usize, Errno> {
        let mut buffer = vec![0; count.max(1)];
        let (got, _) = rustix::net::recv(self.fd(), &mut buffer[..], RecvFlags::empty())?;
        self.received += got as i64;
        Ok(got)
    }

    /// Receives one datagram over UDP and says whom it came from.
    pub(super) fn receive_from(&mut self) -> SocketAddr {
        let (got, from) = self.next_datagram(RecvFlags::empty());
        self.exchanges.add(Way::In, from, got, true);
        from
    }

    /// The same without asking for the sender, who is found by a look before.
    pub(super) fn receive_unasked(&mut self) -> SocketAddr {
        let (_, from) = self.next_datagram(RecvFlags::PEEK);
        let got = self.receive_some(2048).expect("a datagram is there");
        match self.peer {
            Some(peer) => self.exchanges.add(Way::In, peer, got, false),
            None => self.exchanges.add_unasked(from, got),
        }
        from
    }

    fn next_datagram(&self, flags: RecvFlags) -> (usize, SocketAddr) {
        self.wait_for(PollFlags::IN);
        let mut buffer = [0; 2048];
        let (got, _, from) =
            rustix::net::recvfrom(self.fd(), &mut buffer[..], flags).expect("a datagram is there");
        (got, from.and_then(internet).expect("a datagram has a sender"))
    }

    /// Waits until the socket is ready; ten seconds are more than loopback ever takes.
    pub(super) fn wait_for(&self, what: PollFlags) {
        let mut fds = [PollFd::from_borrowed_fd(self.fd(), what)];
        let limit = Timespec::try_from(Duration::from_secs(10)).expect("ten seconds are a time");
        let ready = poll(&mut fds, Some(&limit)).expect("poll");
        assert_ne!(ready, 0, "nothing came in ten seconds on {self:?}");
    }

    /// Lets the close cut the connection off.
    pub(super) fn linger_never(&self) {
        sockopt::set_socket_linger(self.fd(), Some(Duration::ZERO)).expect("SO_LINGER");
    }
}
