//! What is behind a descriptor, in words.

use std::net::{IpAddr, Ipv6Addr};

use crate::record::{SOCKET_LOCAL_KNOWN, SOCKET_PEER_KNOWN, SocketEndsRecord};

/// What a record says of its socket.
pub(crate) struct Ends {
    pub(crate) socket: u64,
    pub(crate) protocol: &'static str,
    pub(crate) local_ip: Option<IpAddr>,
    pub(crate) local_port: Option<u16>,
    pub(crate) peer_ip: Option<IpAddr>,
    pub(crate) peer_port: Option<u16>,
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
            protocol: number,
            marks,
        } = *record;
        let known = |mark: u32| u32::from(marks) & mark != 0;
        let ip = |known: bool, ip: [u8; 16]| known.then(|| Ipv6Addr::from(ip).to_canonical());
        let port = |known: bool, port: u16| (known && port != 0).then_some(port);
        let number = if number == MPTCP_BYTE { MPTCP } else { number.into() };
        Ends {
            socket,
            protocol: protocol(family.into(), kind.into(), number),
            local_ip: ip(known(SOCKET_LOCAL_KNOWN), local),
            local_port: port(known(SOCKET_LOCAL_KNOWN), local_port),
            peer_ip: ip(known(SOCKET_PEER_KNOWN), peer),
            peer_port: port(known(SOCKET_PEER_KNOWN), peer_port),
        }
    }
}

const UNIX: u32 = 1;
const IPV4: u32 = 2;
const IPV6: u32 = 10;
const MPTCP: u32 = 262;
/// What stands for it where there is only a byte.
const MPTCP_BYTE: u8 = 254;

/// An address family as every table names it.
pub(crate) fn family(number: u32) -> &'static str {
    match number {
        UNIX => "unix",
        IPV4 => "ipv4",
        IPV6 => "ipv6",
        15 => "key",
        16 => "netlink",
        17 => "packet",
        21 => "rds",
        29 => "can",
        30 => "tipc",
        31 => "bluetooth",
        38 => "alg",
        40 => "vsock",
        43 => "smc",
        44 => "xdp",
        _ => "other",
    }
}

/// A socket's protocol as every table names it.
pub(crate) fn protocol(family: u32, socket_type: u32, number: u32) -> &'static str {
    match (family, socket_type, number) {
        (UNIX, 1, _) => "unix_stream",
        (UNIX, 2, _) => "unix_dgram",
        (UNIX, 5, _) => "unix_seqpacket",
        (UNIX, ..) => "unix",
        (IPV4 | IPV6, 1, 0 | 6) => "tcp",
        (IPV4 | IPV6, 1, MPTCP) => "mptcp",
        (IPV4 | IPV6, 2, 0 | 17) => "udp",
        (IPV4 | IPV6, 2, 1 | 58) => "icmp",
        (IPV4 | IPV6, _, 132) => "sctp",
        (IPV4 | IPV6, _, 136) => "udplite",
        (IPV4 | IPV6, 3, _) => "raw",
        _ => "other",
    }
}

const S_IFMT: u32 = 0o170000;
const PIPEFS: u64 = 0x50495045;
const PIDFS: u64 = 0x50494446;
const NSFS: u64 = 0x6e736673;
const ANON_INODE_FS: u64 = 0x09041934;

pub(crate) fn is_socket(file_mode: u32) -> bool {
    file_mode & S_IFMT == 0o140000
}

/// What kind of file a descriptor leads to; none where there is none.
pub(crate) fn kind(
    file_mode: u32,
    filesystem: u64,
    family_number: u8,
    path: Option<&[u8]>,
) -> Option<&'static str> {
    if is_socket(file_mode) {
        let named = family(family_number.into());
        let known = matches!(named, "unix" | "ipv4" | "ipv6" | "netlink" | "packet");
        return Some(if known { named } else { "socket" });
    }
    match (filesystem, file_mode & S_IFMT) {
        _ if file_mode == 0 => None,
        (PIDFS, _) => Some("pidfd"),
        (NSFS, _) => Some("namespace"),
        (PIPEFS, 0o010000) => Some("pipe"),
        (_, 0o010000) => Some("fifo"),
        (_, 0o040000) => Some("directory"),
        (_, 0o020000 | 0o060000) => Some("device"),
        (ANON_INODE_FS, _) => Some(anonymous(path.unwrap_or_default())),
        (_, 0o100000) if path.is_some_and(|path| path.starts_with(b"memfd:")) => Some("memfd"),
        (_, 0o100000) => Some("file"),
        _ => Some("other"),
    }
}

/// The files that the kernel makes without any file system, by what it calls them.
fn anonymous(name: &[u8]) -> &'static str {
    match name {
        b"[eventfd]" => "event",
        b"[eventpoll]" => "eventpoll",
        b"[signalfd]" => "signalfd",
        b"[timerfd]" => "timerfd",
        b"inotify" => "inotify",
        b"[fanotify]" => "fanotify",
        b"bpf-prog" | b"bpf-map" | b"bpf_link" | b"bpf-link" | b"bpf_iter" | b"btf" => "bpf",
        b"[pidfd]" => "pidfd",
        b"[io_uring]" => "io_uring",
        b"[userfaultfd]" => "userfaultfd",
        b"[perf_event]" => "perf_event",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_a_descriptor_has_a_name() {
        let of = |mode, filesystem, family, path: &str| {
            kind(mode, filesystem, family, Some(path.as_bytes()))
        };
        assert_eq!(of(0o100644, 0xef53, 0, "/etc/passwd"), Some("file"));
        assert_eq!(of(0o100644, 0xef53, 0, "/etc/[eventfd]"), Some("file"));
        assert_eq!(of(0o100777, 0x01021994, 0, "memfd:x"), Some("memfd"));
        assert_eq!(of(0o600, 0x09041934, 0, "[eventfd]"), Some("event"));
        assert_eq!(of(0o100600, 0x09041934, 0, "[eventpoll]"), Some("eventpoll"));
        assert_eq!(of(0o600, 0x09041934, 0, "[new]"), Some("other"));
        assert_eq!(of(0o010600, PIPEFS, 0, ""), Some("pipe"));
        assert_eq!(of(0o010600, 0xef53, 0, "/tmp/f"), Some("fifo"));
        assert_eq!(of(0o140777, 0, 10, ""), Some("ipv6"));
        assert_eq!(of(0o140777, 0, 38, ""), Some("socket"));
        assert_eq!(kind(0, 0, 0, None), None);
    }
}
