//! One socket, with what its rows have to say.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketFlags, SocketType, sockopt,
};

use crate::columns as c;
use crate::log::{Expect, LogEntry, Recorder};

/// A socket and what went through it.
#[derive(Debug)]
pub(super) struct Endpoint {
    fd: OwnedFd,
    /// The kernel's name for it, which rows carry.
    cookie: i64,
    family: &'static str,
    protocol: &'static str,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) sent: i64,
    pub(super) received: i64,
    pub(super) packets_sent: i64,
    pub(super) packets_received: i64,
    /// Whether there was something to close, so that its close must be told.
    used: bool,
}

/// How a connection came to its end, as one side sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClosedBy {
    /// This side spoke the last word first.
    Local,
    /// The other side did.
    Remote,
    /// This side cut it off.
    LocalReset,
    /// The other side cut it off.
    RemoteReset,
    /// There was no connection to close.
    Nobody,
}

impl Endpoint {
    /// A new socket; making one is no row.
    pub(super) fn new(family: AddressFamily, kind: SocketType, flags: SocketFlags) -> Endpoint {
        let flags = flags | SocketFlags::CLOEXEC;
        let fd = rustix::net::socket_with(family, kind, flags, None).expect("a socket");
        let family = match family {
            AddressFamily::INET => "ipv4",
            AddressFamily::INET6 => "ipv6",
            _ => "unix",
        };
        let protocol = match (family, kind) {
            ("unix", SocketType::STREAM) => "unix_stream",
            ("unix", _) => "unix_dgram",
            (_, SocketType::STREAM) => "tcp",
            _ => "udp",
        };
        Endpoint::of(fd, family, protocol)
    }

    /// A socket for `address`.
    pub(super) fn for_address(address: &SocketAddr, kind: SocketType) -> Endpoint {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        Endpoint::new(family, kind, SocketFlags::empty())
    }

    fn of(fd: OwnedFd, family: &'static str, protocol: &'static str) -> Endpoint {
        if protocol == "tcp" {
            // Nobody waits for acknowledgements that the other side delays.
            sockopt::set_tcp_nodelay(&fd, true).expect("TCP_NODELAY");
        }
        let cookie = sockopt::socket_cookie(&fd).expect("every socket has a cookie") as i64;
        Endpoint {
            fd,
            cookie,
            family,
            protocol,
            local: None,
            peer: None,
            sent: 0,
            received: 0,
            packets_sent: 0,
            packets_received: 0,
            used: false,
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// An entry about this socket.
    pub(super) fn entry(&self, table: &'static str, call: &'static str) -> LogEntry {
        LogEntry::new(table, call)
            .with(c::SOCKET, self.cookie)
            .with(c::FAMILY, self.family)
            .with(c::PROTOCOL, self.protocol)
    }

    pub(super) fn bind(&mut self, rec: &mut Recorder, to: SocketAddr) -> Result<(), Errno> {
        let result = rustix::net::bind(&self.fd, &to);
        let mut entry = self.entry(c::BIND, "bind").result(&result);
        entry = entry.with(c::LOCAL_IP, to.ip().to_string());
        if result.is_ok() {
            self.learn_local();
            let port = self.local.map_or(0, |local| local.port());
            // Port 0 is asked for; which one it became is known only after.
            let ports = [i64::from(port), i64::from(to.port())].map(Expect::Int);
            entry = entry.with(c::LOCAL_PORT, Expect::one_of(ports));
        }
        rec.add(entry);
        result
    }

    pub(super) fn listen(&mut self, rec: &mut Recorder, backlog: i32) {
        let result = rustix::net::listen(&self.fd, backlog);
        self.used = true;
        let entry = self.entry(c::LISTEN, "listen").with(c::BACKLOG, i64::from(backlog));
        rec.add(self.with_local(entry).result(&result));
    }

    pub(super) fn connect(&mut self, rec: &mut Recorder, to: SocketAddr) -> Result<(), Errno> {
        let result = rustix::net::connect(&self.fd, &to);
        let again = result == Err(Errno::ISCONN);
        let mut entry = self.entry(c::CONNECT, "connect").result(&result);
        if !again {
            entry = entry
                .with(c::PEER_IP, to.ip().to_string())
                .with(c::PEER_PORT, i64::from(to.port()));
        }
        if matches!(result, Ok(()) | Err(Errno::INPROGRESS)) {
            self.learn_local();
            (self.peer, self.used) = (Some(to), true);
            entry = self.with_local(entry);
        }
        rec.add(entry);
        result
    }

    /// Accepts a connection that is there or comes within ten seconds.
    pub(super) fn accept(&self, rec: &mut Recorder) -> Endpoint {
        self.wait_for(PollFlags::IN);
        let fd = rustix::net::accept_with(&self.fd, SocketFlags::CLOEXEC).expect("a connection");
        let mut endpoint = Endpoint::of(fd, self.family, self.protocol);
        endpoint.learn_local();
        let peer = rustix::net::getpeername(&endpoint.fd).ok().flatten();
        endpoint.peer = peer.and_then(internet);
        endpoint.used = true;
        let entry = endpoint.entry(c::ACCEPT, "accept4").with(c::ERROR, Expect::Null);
        let entry = endpoint.with_local(entry);
        rec.add(endpoint.with_peer(entry));
        endpoint
    }

    /// Binds to a unix address, which rows show as `path`.
    pub(super) fn bind_unix(
        &mut self,
        rec: &mut Recorder,
        to: &impl SocketAddrArg,
        path: &[u8],
    ) -> Result<(), Errno> {
        let result = rustix::net::bind(&self.fd, to);
        self.used |= result.is_ok();
        rec.add(self.entry(c::BIND, "bind").with(c::PATH, path).result(&result));
        result
    }

    /// Connects to a unix address, which rows show as `path`.
    pub(super) fn connect_unix(
        &mut self,
        rec: &mut Recorder,
        to: &impl SocketAddrArg,
        path: &[u8],
    ) -> Result<(), Errno> {
        let result = rustix::net::connect(&self.fd, to);
        self.used |= result.is_ok();
        rec.add(self.entry(c::CONNECT, "connect").with(c::PATH, path).result(&result));
        result
    }

    pub(super) fn accept_unix(&self, rec: &mut Recorder, path: &[u8]) -> Endpoint {
        self.wait_for(PollFlags::IN);
        let fd = rustix::net::accept_with(&self.fd, SocketFlags::CLOEXEC).expect("a connection");
        let mut endpoint = Endpoint::of(fd, self.family, self.protocol);
        endpoint.used = true;
        let entry = endpoint.entry(c::ACCEPT, "accept4");
        rec.add(entry.with(c::PATH, path).with(c::ERROR, Expect::Null));
        endpoint
    }

    /// Sends `count` bytes as one call does, all of them.
    pub(super) fn send(&mut self, count: usize) {
        let mut left = count;
        loop {
            let buffer = vec![b'.'; left];
            let sent = rustix::net::send(&self.fd, &buffer, SendFlags::NOSIGNAL)
                .expect("the peer is there");
            self.sent += sent as i64;
            self.packets_sent += 1;
            left -= sent;
            if left == 0 {
                return;
            }
        }
    }

    pub(super) fn send_to(&mut self, count: usize, to: &impl SocketAddrArg) {
        let buffer = vec![b'.'; count];
        let sent = rustix::net::sendto(&self.fd, &buffer, SendFlags::NOSIGNAL, to)
            .expect("loopback takes a datagram");
        self.used = true;
        self.sent += sent as i64;
        self.packets_sent += 1;
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
        let (got, _) = rustix::net::recv(&self.fd, &mut buffer[..], RecvFlags::empty())?;
        self.received += got as i64;
        self.used = true;
        self.packets_received += 1;
        Ok(got)
    }

    /// Waits until the socket is ready; ten seconds are more than loopback ever takes.
    pub(super) fn wait_for(&self, what: PollFlags) {
        let mut fds = [PollFd::new(&self.fd, what)];
        let limit = Timespec::try_from(Duration::from_secs(10)).expect("ten seconds are a time");
        let ready = poll(&mut fds, Some(&limit)).expect("poll");
        assert_ne!(ready, 0, "nothing came in ten seconds on {self:?}");
    }

    /// Lets the close cut the connection off.
    pub(super) fn linger_never(&self) {
        sockopt::set_socket_linger(&self.fd, Some(Duration::ZERO)).expect("SO_LINGER");
    }

    pub(super) fn close(self, rec: &mut Recorder, by: ClosedBy) {
        let mut entry = self.entry(c::CLOSE, "close");
        entry = self.with_local(entry);
        entry = self.with_peer(entry);
        let either = |count: i64| match self.protocol {
            "tcp" | "udp" => Expect::Int(count),
            _ => Expect::one_of([Expect::Null, Expect::Int(count)]),
        };
        entry = entry
            .with(c::BYTES_SENT, either(self.sent))
            .with(c::BYTES_RECEIVED, either(self.received));
        if self.protocol == "udp" {
            entry = entry
                .with(c::DATAGRAMS_SENT, self.packets_sent)
                .with(c::DATAGRAMS_RECEIVED, self.packets_received);
        }
        match by {
            ClosedBy::Local => entry = entry.with(c::CLOSED_BY, "local"),
            ClosedBy::Remote => entry = entry.with(c::CLOSED_BY, "remote"),
            ClosedBy::RemoteReset => entry = entry.with(c::CLOSED_BY, "reset"),
            ClosedBy::LocalReset => {
                let words = ["reset", "local"].map(Expect::text);
                entry = entry.with(c::CLOSED_BY, Expect::one_of(words));
            }
            ClosedBy::Nobody => {}
        }
        rec.add(if self.used { entry } else { entry.maybe() });
        drop(self.fd);
    }

    fn learn_local(&mut self) {
        self.local = rustix::net::getsockname(&self.fd).ok().and_then(internet);
    }

    fn with_local(&self, entry: LogEntry) -> LogEntry {
        match self.local.filter(|local| !local.ip().is_unspecified()) {
            Some(local) => entry
                .with(c::LOCAL_IP, local.ip().to_string())
                .with(c::LOCAL_PORT, i64::from(local.port())),
            None => entry,
        }
    }

    fn with_peer(&self, entry: LogEntry) -> LogEntry {
        match self.peer {
            Some(peer) => entry
                .with(c::PEER_IP, peer.ip().to_string())
                .with(c::PEER_PORT, i64::from(peer.port())),
            None => entry,
        }
    }
}

fn internet(address: SocketAddrAny) -> Option<SocketAddr> {
    SocketAddr::try_from(address).ok()
}
