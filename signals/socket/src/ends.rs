//! A socket and its two ends, in words.

use std::net::{IpAddr, Ipv6Addr};

use crate::record::{SOCKET_CALLER, SOCKET_LOCAL_KNOWN, SOCKET_PEER_KNOWN, SocketEndsRecord};

/// What a record says of its socket.
pub(crate) struct Ends {
    pub(crate) socket: u64,
    pub(crate) family: &'static str,
    pub(crate) protocol: &'static str,
    pub(crate) local_ip: Option<IpAddr>,
    pub(crate) local_port: Option<u16>,
    pub(crate) peer_ip: Option<IpAddr>,
    pub(crate) peer_port: Option<u16>,
    pub(crate) source: &'static str,
}

impl Ends {
    pub(crate) fn read(record: &SocketEndsRecord) -> Ends {
        let SocketEndsRecord {
            socket,
            local,
            peer,
            local_port,
            peer_port,
            family,
            kind,
            protocol,
            marks,
        } = *record;
        let marks = u32::from(marks);
        let ip = |is_known: bool, ip: [u8; 16]| is_known.then(|| Ipv6Addr::from(ip).to_canonical());
        let port = |port: u16| (port != 0).then_some(port);
        Ends {
            socket,
            family: family_name(family),
            protocol: protocol_name(family, kind, protocol),
            local_ip: ip(marks & SOCKET_LOCAL_KNOWN != 0, local),
            local_port: port(local_port),
            peer_ip: ip(marks & SOCKET_PEER_KNOWN != 0, peer),
            peer_port: port(peer_port),
            source: if marks & SOCKET_CALLER != 0 { "caller" } else { "kernel" },
        }
    }
}

const UNIX: u8 = 1;

fn family_name(family: u8) -> &'static str {
    match family {
        UNIX => "unix",
        2 => "ipv4",
        10 => "ipv6",
        _ => "other",
    }
}

fn protocol_name(family: u8, socket_type: u8, protocol: u8) -> &'static str {
    match (family, socket_type, protocol) {
        (UNIX, 1, _) => "unix_stream",
        (UNIX, 2, _) => "unix_dgram",
        (UNIX, 5, _) => "unix_seqpacket",
        (UNIX, ..) => "unix",
        (_, 1, 6) => "tcp",
        (_, 1, 254) => "mptcp",
        (_, 2, 17) => "udp",
        (_, 2, 1 | 58) => "icmp",
        (_, _, 132) => "sctp",
        (_, _, 136) => "udplite",
        (_, 3, _) => "raw",
        _ => "other",
    }
}
