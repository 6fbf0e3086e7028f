//! The tables of the socket signal: the only place where their columns are named.

use std::net::IpAddr;

use schema::{Event, Later};

/// A socket was given an address by `bind`, or was refused it.
#[derive(Event)]
#[event(table = "socket_bind", since = "0.1")]
pub struct SocketBind<'a> {
    /// The socket's cookie; where the kernel had given none its inode number with the top bit set.
    #[event(kind = Uint)]
    pub socket: u64,
    /// The descriptor that the caller used.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// The address family of the socket: `ipv4`, `ipv6` (it may talk to IPv4 peers), `unix`.
    #[event(kind = Text)]
    pub family: &'static str,
    /// `tcp`, `udp`, `unix_stream`, `unix_dgram`, `unix_seqpacket` …
    #[event(kind = Text)]
    pub protocol: &'static str,
    /// The address bound to; unspecified where it takes any. On failure what was asked for.
    #[event(kind = Ip)]
    pub local_ip: Option<IpAddr>,
    /// The port bound to, chosen by the kernel where the caller asked for none.
    #[event(kind = Port)]
    pub local_port: Option<u16>,
    /// The path of a unix socket as the caller gave it, an abstract name with `@` in front; null
    /// for others.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// Who says the address: `kernel`, or `caller` where the call failed: then it was read from the
    /// caller's memory.
    #[event(kind = Text)]
    pub local_source: &'static str,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `bind`, or `io_uring` where it was asked for through a ring.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// A socket began to take connections, or was refused to.
#[derive(Event)]
#[event(table = "socket_listen", since = "0.1")]
pub struct SocketListen<'a> {
    /// The socket's cookie; where the kernel had given none its inode number with the top bit set.
    #[event(kind = Uint)]
    pub socket: u64,
    /// The descriptor that the caller used.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// The address family of the socket: `ipv4`, `ipv6` (it may talk to IPv4 peers), `unix`.
    #[event(kind = Text)]
    pub family: &'static str,
    /// `tcp`, `udp`, `unix_stream`, `unix_dgram`, `unix_seqpacket` …
    #[event(kind = Text)]
    pub protocol: &'static str,
    /// The address of this end; unspecified where it takes any, null where it has none.
    #[event(kind = Ip)]
    pub local_ip: Option<IpAddr>,
    /// The port of this end; null where it has none.
    #[event(kind = Port)]
    pub local_port: Option<u16>,
    /// The path that a unix socket is bound to, an abstract name with `@` in front; null for
    /// others.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// How many connections may wait, as the kernel took it (the caller may have asked for more);
    /// on failure as asked for.
    #[event(kind = Uint, unit = Count)]
    pub backlog: u32,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `listen`, or `io_uring` where it was asked for through a ring.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// A `connect` came to its result. For UDP it only sets the peer.
#[derive(Event)]
#[event(table = "socket_connect", since = "0.1")]
pub struct SocketConnect<'a> {
    /// The socket's cookie; where the kernel had given none its inode number with the top bit set.
    #[event(kind = Uint)]
    pub socket: u64,
    /// The descriptor that the caller used.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// The address family of the socket: `ipv4`, `ipv6` (it may talk to IPv4 peers), `unix`.
    #[event(kind = Text)]
    pub family: &'static str,
    /// `tcp`, `udp`, `unix_stream`, `unix_dgram`, `unix_seqpacket` …
    #[event(kind = Text)]
    pub protocol: &'static str,
    /// The address of this end; unspecified where it takes any, null where it has none.
    #[event(kind = Ip)]
    pub local_ip: Option<IpAddr>,
    /// The port of this end; null where it has none, as before SYN is sent.
    #[event(kind = Port)]
    pub local_port: Option<u16>,
    /// The address that was to be reached; null for unix sockets and where the caller dissolves a
    /// UDP socket's association.
    #[event(kind = Ip)]
    pub peer_ip: Option<IpAddr>,
    /// The port that was to be reached; null where `peer_ip` is.
    #[event(kind = Port)]
    pub peer_port: Option<u16>,
    /// The pod that had the peer's address then; null where it was none, or is not known. Of this
    /// and the next four columns the cluster is asked, so they are null without one.
    #[event(kind = Peer(PeerPart::Pod))]
    pub peer_pod: Later,
    /// The namespace of that pod or service.
    #[event(kind = Peer(PeerPart::Namespace))]
    pub peer_namespace: Later,
    /// What that pod belongs to, as `Deployment/web`.
    #[event(kind = Peer(PeerPart::Workload))]
    pub peer_workload: Later,
    /// The service that has the peer's address, or that the pod answers for; of several the first
    /// by name.
    #[event(kind = Peer(PeerPart::Service))]
    pub peer_service: Later,
    /// The node that has the peer's address, or that the pod is on.
    #[event(kind = Peer(PeerPart::Node))]
    pub peer_node: Later,
    /// The path of the unix socket that was to be reached, an abstract name with `@` in front; null
    /// for others and where that socket has none.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// Who says the peer: `kernel`, or `caller` where the call failed before the kernel kept it:
    /// then it was read from the caller's memory.
    #[event(kind = Text)]
    pub peer_source: &'static str,
    /// Why it failed or is not done: `EINPROGRESS` on a non-blocking socket, whose `socket_state`
    /// rows say how it goes on; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// From sending SYN until the connection stood; null for other protocols and where the call
    /// returned earlier.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub latency: Option<u64>,
    /// The system call: `connect`, or `io_uring` where it was asked for through a ring.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// An `accept` gave a connection or failed. That nobody waited (`EAGAIN`) is not told.
#[derive(Event)]
#[event(table = "socket_accept", since = "0.1")]
pub struct SocketAccept<'a> {
    /// The new socket's cookie, or its inode number with the top bit set; on failure the
    /// listener's.
    #[event(kind = Uint)]
    pub socket: u64,
    /// The new descriptor; null on failure.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// The address family of the socket: `ipv4`, `ipv6` (it may talk to IPv4 peers), `unix`.
    #[event(kind = Text)]
    pub family: &'static str,
    /// `tcp`, `udp`, `unix_stream`, `unix_dgram`, `unix_seqpacket` …
    #[event(kind = Text)]
    pub protocol: &'static str,
    /// The address of this end; unspecified where it takes any, null where it has none.
    #[event(kind = Ip)]
    pub local_ip: Option<IpAddr>,
    /// The port of this end; null where it has none.
    #[event(kind = Port)]
    pub local_port: Option<u16>,
    /// The address of the other end; null where there is none or it is not known.
    #[event(kind = Ip)]
    pub peer_ip: Option<IpAddr>,
    /// The port of the other end; null where there is none or it is not known.
    #[event(kind = Port)]
    pub peer_port: Option<u16>,
    /// The pod that had the peer's address then; null where it was none, or is not known. Of this
    /// and the next four columns the cluster is asked, so they are null without one.
    #[event(kind = Peer(PeerPart::Pod))]
    pub peer_pod: Later,
    /// The namespace of that pod or service.
    #[event(kind = Peer(PeerPart::Namespace))]
    pub peer_namespace: Later,
    /// What that pod belongs to, as `Deployment/web`.
    #[event(kind = Peer(PeerPart::Workload))]
    pub peer_workload: Later,
    /// The service that has the peer's address, or that the pod answers for; of several the first
    /// by name.
    #[event(kind = Peer(PeerPart::Service))]
    pub peer_service: Later,
    /// The node that has the peer's address, or that the pod is on.
    #[event(kind = Peer(PeerPart::Node))]
    pub peer_node: Later,
    /// The path of the unix socket that was connected to, an abstract name with `@` in front; null
    /// for others.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `accept`, `accept4`, or `io_uring` where it was asked for through a ring.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// A TCP socket changed its state. The row's process is whoever connected, listened or accepted.
#[derive(Event)]
#[event(table = "socket_state", since = "0.1")]
pub struct SocketState {
    /// The socket's cookie; where the kernel had given none its inode number with the top bit set.
    #[event(kind = Uint)]
    pub socket: u64,
    /// The address family of the socket: `ipv4`, `ipv6` (it may talk to IPv4 peers), `unix`.
    #[event(kind = Text)]
    pub family: &'static str,
    /// `tcp`, `udp`, `unix_stream`, `unix_dgram`, `unix_seqpacket` …
    #[event(kind = Text)]
    pub protocol: &'static str,
    /// The address of this end; unspecified where it takes any, null where it has none.
    #[event(kind = Ip)]
    pub local_ip: Option<IpAddr>,
    /// The port of this end; null where it has none, as before SYN is sent.
    #[event(kind = Port)]
    pub local_port: Option<u16>,
    /// The address of the other end; null where there is none or it is not known.
    #[event(kind = Ip)]
    pub peer_ip: Option<IpAddr>,
    /// The port of the other end; null where there is none or it is not known.
    #[event(kind = Port)]
    pub peer_port: Option<u16>,
    /// The pod that had the peer's address then; null where it was none, or is not known. Of this
    /// and the next four columns the cluster is asked, so they are null without one.
    #[event(kind = Peer(PeerPart::Pod))]
    pub peer_pod: Later,
    /// The namespace of that pod or service.
    #[event(kind = Peer(PeerPart::Namespace))]
    pub peer_namespace: Later,
    /// What that pod belongs to, as `Deployment/web`.
    #[event(kind = Peer(PeerPart::Workload))]
    pub peer_workload: Later,
    /// The service that has the peer's address, or that the pod answers for; of several the first
    /// by name.
    #[event(kind = Peer(PeerPart::Service))]
    pub peer_service: Later,
    /// The node that has the peer's address, or that the pod is on.
    #[event(kind = Peer(PeerPart::Node))]
    pub peer_node: Later,
    /// The state left, as `ss` names it: `SYN_SENT`, `ESTABLISHED` …
    #[event(kind = Text)]
    pub old_state: &'static str,
    /// The state entered.
    #[event(kind = Text)]
    pub new_state: &'static str,
    /// How long the socket was in the old state; null where its entry was not seen. Out of
    /// `SYN_SENT` it is the latency of connecting.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub duration: Option<u64>,
}

/// The first datagram between a UDP socket and a peer; `socket_close` tells the sums at the end.
#[derive(Event)]
#[event(table = "socket_datagram", since = "0.1")]
pub struct SocketDatagram {
    /// The socket's cookie; where the kernel had given none its inode number with the top bit set.
    #[event(kind = Uint)]
    pub socket: u64,
    /// The address family of the socket: `ipv4`, `ipv6` (it may talk to IPv4 peers), `unix`.
    #[event(kind = Text)]
    pub family: &'static str,
    /// `tcp`, `udp`, `unix_stream`, `unix_dgram`, `unix_seqpacket` …
    #[event(kind = Text)]
    pub protocol: &'static str,
    /// The address of this end; unspecified where it takes any, null where it has none.
    #[event(kind = Ip)]
    pub local_ip: Option<IpAddr>,
    /// The port of this end.
    #[event(kind = Port)]
    pub local_port: Option<u16>,
    /// The address of the other end; null where there is none or it is not known.
    #[event(kind = Ip)]
    pub peer_ip: Option<IpAddr>,
    /// The port of the other end; null where there is none or it is not known.
    #[event(kind = Port)]
    pub peer_port: Option<u16>,
    /// The pod that had the peer's address then; null where it was none, or is not known. Of this
    /// and the next four columns the cluster is asked, so they are null without one.
    #[event(kind = Peer(PeerPart::Pod))]
    pub peer_pod: Later,
    /// The namespace of that pod or service.
    #[event(kind = Peer(PeerPart::Namespace))]
    pub peer_namespace: Later,
    /// What that pod belongs to, as `Deployment/web`.
    #[event(kind = Peer(PeerPart::Workload))]
    pub peer_workload: Later,
    /// The service that has the peer's address, or that the pod answers for; of several the first
    /// by name.
    #[event(kind = Peer(PeerPart::Service))]
    pub peer_service: Later,
    /// The node that has the peer's address, or that the pod is on.
    #[event(kind = Peer(PeerPart::Node))]
    pub peer_node: Later,
    /// Who says the peer: `kernel`, or `caller` where it was read from the caller's memory.
    #[event(kind = Text)]
    pub peer_source: &'static str,
    /// `out` where this socket sent first, `in` where the peer did.
    #[event(kind = Text)]
    pub direction: &'static str,
    /// The length of that datagram.
    #[event(kind = Uint, unit = Bytes)]
    pub bytes: u64,
    /// The system call that moved it: `sendto`, `recvmsg`, `write` …, `io_uring`; null where it is
    /// not known.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// A connection, a listener or an exchange of datagrams ended. The row's process is whoever began
/// it here.
#[derive(Event)]
#[event(table = "socket_close", since = "0.1")]
pub struct SocketClose<'a> {
    /// The socket's cookie; where the kernel had given none its inode number with the top bit set.
    #[event(kind = Uint)]
    pub socket: u64,
    /// The descriptor it was begun with; null where it is not known, as for UDP.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// The address family of the socket: `ipv4`, `ipv6` (it may talk to IPv4 peers), `unix`.
    #[event(kind = Text)]
    pub family: &'static str,
    /// `tcp`, `udp`, `unix_stream`, `unix_dgram`, `unix_seqpacket` …
    #[event(kind = Text)]
    pub protocol: &'static str,
    /// The address of this end; unspecified where it takes any, null where it has none.
    #[event(kind = Ip)]
    pub local_ip: Option<IpAddr>,
    /// The port of this end; null where it has none, as before SYN is sent.
    #[event(kind = Port)]
    pub local_port: Option<u16>,
    /// The address of the other end; null where there is none or it is not known.
    #[event(kind = Ip)]
    pub peer_ip: Option<IpAddr>,
    /// The port of the other end; null where there is none or it is not known.
    #[event(kind = Port)]
    pub peer_port: Option<u16>,
    /// The pod that had the peer's address then; null where it was none, or is not known. Of this
    /// and the next four columns the cluster is asked, so they are null without one.
    #[event(kind = Peer(PeerPart::Pod))]
    pub peer_pod: Later,
    /// The namespace of that pod or service.
    #[event(kind = Peer(PeerPart::Namespace))]
    pub peer_namespace: Later,
    /// What that pod belongs to, as `Deployment/web`.
    #[event(kind = Peer(PeerPart::Workload))]
    pub peer_workload: Later,
    /// The service that has the peer's address, or that the pod answers for; of several the first
    /// by name.
    #[event(kind = Peer(PeerPart::Service))]
    pub peer_service: Later,
    /// The node that has the peer's address, or that the pod is on.
    #[event(kind = Peer(PeerPart::Node))]
    pub peer_node: Later,
    /// The path of a unix socket, an abstract name with `@` in front; null for others and where it
    /// has none.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// `client`: connected, or sent the first datagram; `server`: was accepted, or received the
    /// first one; `listener`; `bound`: a unix socket that did neither.
    #[event(kind = Text)]
    pub role: &'static str,
    /// Who ended it: `local` or `remote` sent FIN first or closed; `reset` by the peer; `timeout`;
    /// `refused`, `unreachable`: never stood; `aborted` by an administrator; for UDP `idle`, or
    /// `open` where only the observation ended.
    #[event(kind = Text)]
    pub closed_by: &'static str,
    /// The error left on the socket; null without one.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// From connect or accept to the end; for UDP from the first datagram to the last or to the
    /// close.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub duration: u64,
    /// Bytes of the application sent, each once however often it was sent again; null for unix
    /// sockets and listeners.
    #[event(kind = Uint, unit = Bytes)]
    pub bytes_sent: Option<u64>,
    /// Bytes of the application that arrived in order; null for unix sockets and listeners.
    #[event(kind = Uint, unit = Bytes)]
    pub bytes_received: Option<u64>,
    /// TCP segments sent, those without data included; null but for TCP connections.
    #[event(kind = Uint, unit = Count)]
    pub segments_sent: Option<u64>,
    /// TCP segments received, those without data included; null but for TCP connections.
    #[event(kind = Uint, unit = Count)]
    pub segments_received: Option<u64>,
    /// Datagrams sent, one for each call (segmentation offload makes more of them); null but for
    /// UDP.
    #[event(kind = Uint, unit = Count)]
    pub datagrams_sent: Option<u64>,
    /// Datagrams received by the application; null but for UDP.
    #[event(kind = Uint, unit = Count)]
    pub datagrams_received: Option<u64>,
    /// The smoothed round trip time; null where none was measured and but for TCP.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub rtt: Option<u64>,
    /// Segments sent again; null but for TCP connections.
    #[event(kind = Uint, unit = Count)]
    pub retransmits: Option<u32>,
}
