//! One socket, with what the rows of its calls have to say.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg;
use rustix::net::{AddressFamily, SocketAddrAny, SocketFlags, SocketType, sockopt};

use super::ends::ClosedBy;
use super::exchange::Exchanges;
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
    /// The unix name that it is bound to.
    pub(super) path: Option<Vec<u8>>,
    /// The bytes of a stream.
    pub(super) sent: i64,
    pub(super) received: i64,
    /// The datagrams over UDP.
    pub(super) exchanges: Exchanges,
    /// What it has become; nothing where there is nothing to close.
    pub(super) role: Option<Role>,
}

/// What a socket is in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
    Listener,
    /// A unix socket that was only bound.
    Bound,
}

impl Role {
    pub(super) fn word(self) -> &'static str {
        match self {
            Role::Client => "client",
            Role::Server => "server",
            Role::Listener => "listener",
            Role::Bound => "bound",
        }
    }
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
            path: None,
            sent: 0,
            received: 0,
            exchanges: Exchanges::default(),
            role: None,
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn number(&self) -> i64 {
        i64::from(self.fd.as_raw_fd())
    }

    pub(super) fn protocol(&self) -> &'static str {
        self.protocol
    }

    pub(super) fn is_ipv4(&self) -> bool {
        self.family == "ipv4"
    }

    /// An entry about this socket.
    pub(super) fn entry(&self, table: &'static str, call: &'static str) -> LogEntry {
        LogEntry::new(table, call)
            .with(c::SOCKET, self.cookie)
            .with(c::FAMILY, self.family)
            .with(c::PROTOCOL, self.protocol)
    }

    /// The entry of a call on this socket, with its result.
    fn call<T>(
        &self,
        table: &'static str,
        call: &'static str,
        result: &Result<T, Errno>,
    ) -> LogEntry {
        self.entry(table, call).with(c::FD, self.number()).result(result)
    }

    pub(super) fn bind(&mut self, rec: &mut Recorder, to: SocketAddr) -> Result<(), Errno> {
        let result = rustix::net::bind(&self.fd, &to);
        self.local = local_of(self.fd());
        // Port 0 is asked for; which one it became the kernel says.
        let at = self.local.filter(|_| result.is_ok()).unwrap_or(to);
        let port = Some(i64::from(at.port())).filter(|&port| port != 0);
        let entry = self
            .call(c::BIND, "bind", &result)
            .with(c::LOCAL_IP, at.ip().to_string())
            .with(c::LOCAL_PORT, port)
            .with(c::PATH, Expect::Null)
            .with(c::LOCAL_SOURCE, source(result.is_ok()));
        rec.add(entry);
        result
    }

    pub(super) fn listen(&mut self, rec: &mut Recorder, backlog: i32) {
        let result = rustix::net::listen(&self.fd, backlog);
        self.role = Some(Role::Listener);
        if self.protocol == "tcp" {
            self.changed(rec, "CLOSE", "LISTEN");
        }
        let entry = self.call(c::LISTEN, "listen", &result).with(c::BACKLOG, i64::from(backlog));
        rec.add(self.with_ends(entry).with(c::PATH, self.path.clone()));
    }

    pub(super) fn connect(&mut self, rec: &mut Recorder, to: SocketAddr) -> Result<(), Errno> {
        let result = rustix::net::connect(&self.fd, &to);
        let again = result == Err(Errno::ISCONN);
        let latency = match (self.protocol, &result) {
            ("tcp", Ok(())) => Expect::AtLeast { at_least: 1 },
            _ => Expect::Null,
        };
        let entry = self
            .call(c::CONNECT, "connect", &result)
            .with(c::LATENCY, latency)
            .with(c::PEER_SOURCE, source(!again))
            .with(c::PATH, Expect::Null)
            .with(c::PEER_IP, to.ip().to_string())
            .with(c::PEER_PORT, i64::from(to.port()));
        if again {
            rec.add(entry);
            return result;
        }
        (self.peer, self.role) = (Some(to), Some(Role::Client));
        let under_way = matches!(result, Ok(()) | Err(Errno::INPROGRESS));
        if under_way {
            self.local = local_of(self.fd());
        }
        rec.add(self.with_ends(entry));
        if self.protocol == "tcp" {
            self.changed(rec, "CLOSE", "SYN_SENT");
            if under_way {
                self.changed(rec, "SYN_SENT", "ESTABLISHED");
            } else {
                self.ended(rec, ClosedBy::Refused);
                self.role = None;
            }
        }
        result
    }

    /// Accepts a connection that is there or comes within ten seconds.
    pub(super) fn accept(&self, rec: &mut Recorder) -> Endpoint {
        let mut endpoint = self.accepted();
        endpoint.local = local_of(endpoint.fd());
        let peer = rustix::net::getpeername(&endpoint.fd).ok().flatten();
        endpoint.peer = peer.and_then(internet);
        let entry = endpoint.call(c::ACCEPT, "accept4", &Ok(()));
        rec.add(endpoint.with_ends(entry).with(c::PATH, Expect::Null));
        endpoint
    }

    pub(super) fn accept_unix(&self, rec: &mut Recorder) -> Endpoint {
        let mut endpoint = self.accepted();
        endpoint.path.clone_from(&self.path);
        let entry = endpoint.call(c::ACCEPT, "accept4", &Ok(()));
        rec.add(endpoint.with_ends(entry).with(c::PATH, self.path.clone()));
        endpoint
    }

    fn accepted(&self) -> Endpoint {
        self.wait_for(PollFlags::IN);
        let fd = rustix::net::accept_with(&self.fd, SocketFlags::CLOEXEC).expect("a connection");
        let mut endpoint = Endpoint::of(fd, self.family, self.protocol);
        endpoint.role = Some(Role::Server);
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
        if result.is_ok() {
            (self.role, self.path) = (Some(Role::Bound), Some(path.to_vec()));
        }
        let entry = self.call(c::BIND, "bind", &result).with(c::PATH, path);
        rec.add(self.with_ends(entry).with(c::LOCAL_SOURCE, source(result.is_ok())));
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
        if result.is_ok() {
            self.role = Some(Role::Client);
        }
        let entry = self
            .call(c::CONNECT, "connect", &result)
            .with(c::PATH, path)
            .with(c::LATENCY, Expect::Null)
            .with(c::PEER_SOURCE, source(result.is_ok()));
        rec.add(self.with_ends(entry));
        result
    }

    pub(super) fn close(self, rec: &mut Recorder, by: ClosedBy) {
        self.ended(rec, by);
        drop(self.fd);
    }

    /// The entry with both ends as far as they are known; of a unix socket that it has none.
    pub(super) fn with_ends(&self, mut entry: LogEntry) -> LogEntry {
        if let Some(local) = self.local {
            entry = entry
                .with(c::LOCAL_IP, local.ip().to_string())
                .with(c::LOCAL_PORT, i64::from(local.port()));
        }
        let no_peer = self.family == "unix" || self.role == Some(Role::Listener);
        if self.peer.is_some() || no_peer {
            entry = entry
                .with(c::PEER_IP, self.peer.map(|peer| peer.ip().to_string()))
                .with(c::PEER_PORT, self.peer.map(|peer| i64::from(peer.port())));
        }
        if self.family == "unix" {
            entry = entry.with(c::LOCAL_IP, Expect::Null).with(c::LOCAL_PORT, Expect::Null);
        }
        entry
    }
}

/// Where a socket is bound.
pub(super) fn local_of(fd: BorrowedFd<'_>) -> Option<SocketAddr> {
    rustix::net::getsockname(fd).ok().and_then(internet)
}

pub(super) fn internet(address: SocketAddrAny) -> Option<SocketAddr> {
    SocketAddr::try_from(address).ok()
}

/// Who says an address: the kernel where it took it over.
fn source(by_kernel: bool) -> &'static str {
    if by_kernel { "kernel" } else { "caller" }
}
