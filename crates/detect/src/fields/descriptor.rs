//! What an event is done to: `fd.*`.
//!
//! There is no table of descriptors here that could be wrong: each event brings what the kernel has
//! behind its descriptor at that moment, whoever opened it and however it got there.

use std::borrow::Cow;
use std::net::IpAddr;

use schema::Value;

use super::workload::short_id;
use super::{Chosen, Event, Id, View};
use crate::columns::Role;
use crate::value::Seen;

/// What is behind a descriptor.
#[derive(Debug)]
pub(crate) struct Descriptor<'a> {
    /// Falco's word and letter for its type.
    kind: (&'a str, &'static str),
    number: Option<i64>,
    name: Cow<'a, [u8]>,
    raw: Option<&'a [u8]>,
    ends: Option<Ends<'a>>,
}

/// The two ends of a socket.
#[derive(Debug)]
struct Ends<'a> {
    local: (Option<IpAddr>, Option<u16>),
    peer: (Option<IpAddr>, Option<u16>),
    protocol: &'a [u8],
    /// Whether this end accepted, or waits for others.
    server: bool,
    connected: bool,
    changed: bool,
}

/// Falco's letters for types.
const KINDS: &[(&str, &str)] = &[
    ("file", "f"),
    ("device", "f"),
    ("directory", "d"),
    ("ipv4", "4"),
    ("ipv6", "6"),
    ("unix", "u"),
    ("pipe", "p"),
    ("fifo", "p"),
    ("event", "e"),
    ("signalfd", "s"),
    ("eventpoll", "l"),
    ("inotify", "i"),
    ("timerfd", "t"),
    ("netlink", "n"),
    ("bpf", "b"),
    ("userfaultfd", "u"),
    ("io_uring", "r"),
    ("memfd", "m"),
    ("pidfd", "P"),
];

impl<'a> Event<'a> {
    /// What the event is done to; none where it has nothing of the kind.
    pub(crate) fn descriptor(&self) -> Option<&Descriptor<'a>> {
        self.descriptor.get_or_init(|| describe(self)).as_ref()
    }
}

impl Descriptor<'_> {
    /// `fd.name`
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }
}

/// `given` put in order, as Falco does it: from `directory` where it is relative.
pub(crate) fn lexical(given: &[u8], directory: Option<&[u8]>) -> Option<Vec<u8>> {
    wire::normalize(given, directory)
}

fn describe<'a>(event: &Event<'a>) -> Option<Descriptor<'a>> {
    match event.columns.table.name {
        "file_open" | "file_chmod" | "file_chown" | "file_truncate" => file(event),
        name if name.starts_with("socket_") => socket(event),
        "fd_dup" => match event.text(Role::FileType)? {
            b"ipv4" | b"ipv6" | b"unix" => socket(event),
            other => Some(Descriptor {
                kind: kind(std::str::from_utf8(other).ok()?),
                number: Some(event.result()),
                name: Cow::Borrowed(event.text(Role::Resolved).unwrap_or_default()),
                raw: None,
                ends: None,
            }),
        },
        "memfd_create" => Some(Descriptor {
            kind: kind("memfd"),
            number: Some(event.result()),
            name: Cow::Borrowed(event.text(Role::Name)?),
            raw: event.text(Role::Name),
            ends: None,
        }),
        _ => None,
    }
}

fn file<'a>(event: &Event<'a>) -> Option<Descriptor<'a>> {
    let (given, resolved) = (event.text(Role::Path), event.text(Role::Resolved));
    let name = match (event.view, given, resolved) {
        (View::Alias, _, Some(resolved)) => {
            Cow::Owned(event.around.state.alias(event.process(), resolved)?)
        }
        (View::Resolved, _, Some(resolved)) => Cow::Borrowed(resolved),
        (_, Some(given), _) => match lexical(given, event.text(Role::Dir)) {
            Some(name) => Cow::Owned(name),
            None => Cow::Borrowed(resolved?),
        },
        (_, None, resolved) => Cow::Borrowed(resolved?),
    };
    const DIRECTORY: i64 = 0o040_000;
    const O_DIRECTORY: i64 = 0o200_000;
    let flags = event.number(Role::Flags).unwrap_or(0);
    let is_directory = match event.number(Role::FileMode) {
        Some(mode) => mode & 0o170_000 == DIRECTORY,
        None => event.is("file_open") && flags & O_DIRECTORY != 0,
    };
    Some(Descriptor {
        kind: kind(if is_directory { "directory" } else { "file" }),
        number: Some(if event.is("file_open") {
            event.number(Role::Fd).unwrap_or(-1)
        } else {
            event.number(Role::Fd)?
        }),
        name,
        raw: given,
        ends: None,
    })
}

fn socket<'a>(event: &Event<'a>) -> Option<Descriptor<'a>> {
    let family = event.text(Role::Family).or_else(|| event.text(Role::FileType))?;
    let family = std::str::from_utf8(family).ok()?;
    let number = match event.is("fd_dup") || event.is("socket_create") {
        true => Some(event.result()),
        false => event.number(Role::Fd),
    };
    if family == "unix" {
        let path = event.text(Role::Path).unwrap_or_default();
        let ends = None;
        return Some(Descriptor { kind: kind("unix"), number, name: path.into(), raw: None, ends });
    }
    let address = |role| match event.value(role) {
        Value::Ip(address) => Some(address),
        _ => None,
    };
    let port = |role| event.number(role).and_then(|port| u16::try_from(port).ok());
    let local = (address(Role::LocalIp), port(Role::LocalPort));
    let peer = (address(Role::PeerIp), port(Role::PeerPort));
    let server = event.around.state.is_server(event);
    let failed = event.number(Role::Error).is_some();
    let datagram = event.is("socket_datagram");
    let ends = Ends {
        local,
        peer,
        protocol: event.text(Role::Protocol).unwrap_or_default(),
        server,
        // The peer of a datagram whose socket is not connected is the caller's word, or differs by
        // datagram; the first datagram to each peer is the event.
        connected: !failed
            && match event.columns.table.name {
                "socket_create" | "socket_bind" | "socket_listen" => false,
                "socket_datagram" => event.around.state.is_connected(event),
                _ => peer.0.is_some(),
            },
        changed: datagram || event.is("socket_connect"),
    };
    let name = match (local.0, peer.0) {
        (_, Some(_)) => {
            let (client, server) = if server { (peer, local) } else { (local, peer) };
            format!("{}->{}", end(client), end(server))
        }
        // One that waits for others has a name of its own in Falco, too.
        (Some(_), None) => end(local),
        (None, None) => String::new(),
    };
    let is_six = family == "ipv6" && !mapped(peer.0.or(local.0));
    let kind = match family {
        "ipv4" | "ipv6" => kind(if is_six { "ipv6" } else { "ipv4" }),
        other => kind(if other == "other" { "netlink" } else { "unix" }),
    };
    let domain = event.text(Role::Domain);
    // A packet socket has no type of Falco's.
    let kind = match domain {
        Some(domain)
            if !matches!(domain, b"AF_INET" | b"AF_INET6" | b"AF_UNIX" | b"AF_NETLINK") =>
        {
            ("", "")
        }
        _ => kind,
    };
    Some(Descriptor { kind, number, name: name.into_bytes().into(), raw: None, ends: Some(ends) })
}

/// IPv6 sockets may talk IPv4.
fn mapped(address: Option<IpAddr>) -> bool {
    matches!(address, Some(IpAddr::V4(_)))
}

fn end((address, port): (Option<IpAddr>, Option<u16>)) -> String {
    let port = port.unwrap_or(0);
    match address {
        Some(address) => format!("{address}:{port}"),
        None => format!("0.0.0.0:{port}"),
    }
}

fn kind(name: &str) -> (&'static str, &'static str) {
    KINDS.iter().find(|(known, _)| *known == name).copied().unwrap_or(("", ""))
}

pub(super) fn read<'a>(field: &Chosen, event: &'a Event<'_>) -> Option<Seen<'a>> {
    if !is_of_descriptor(field.id) {
        return None;
    }
    let resolved = event.text(Role::Resolved);
    match field.id {
        Id::FdResolved => return Some(Seen::maybe(resolved, Seen::text)),
        Id::FdMismatch => {
            let differs = event.value(Role::Differs);
            return Some(match differs {
                Value::Bool(differs) => Seen::Bool(differs),
                _ => Seen::Nothing,
            });
        }
        Id::FdIno => return Some(Seen::maybe(event.number(Role::Inode), Seen::number)),
        Id::FdDev => return Some(Seen::maybe(event.number(Role::Device), Seen::number)),
        _ => {}
    }
    let Some(descriptor) = event.descriptor() else { return Some(Seen::Nothing) };
    Some(of(field.id, descriptor, event))
}

fn of<'a>(id: Id, descriptor: &'a Descriptor<'_>, event: &'a Event<'_>) -> Seen<'a> {
    let name = descriptor.name();
    let named = |text: &'a str| if text.is_empty() { Seen::Nothing } else { Seen::text(text) };
    let is_path = descriptor.ends.is_none();
    match id {
        Id::FdNum => Seen::maybe(descriptor.number, Seen::number),
        Id::FdType => named(descriptor.kind.0),
        Id::FdTypechar => named(descriptor.kind.1),
        Id::FdName if name.is_empty() => Seen::Nothing,
        Id::FdName => Seen::text(name),
        Id::FdNameraw => Seen::maybe(descriptor.raw, Seen::text),
        Id::FdDirectory if is_path => Seen::text(split(name).0),
        Id::FdFilename if is_path => Seen::text(split(name).1),
        Id::FdContainername => {
            let id = short_id(event.process().container.as_deref());
            Seen::owned([id.as_bytes(), b":", name].concat())
        }
        Id::FdContainerdirectory if is_path => {
            let id = short_id(event.process().container.as_deref());
            Seen::owned([id.as_bytes(), b":", split(name).0].concat())
        }
        Id::FdUid => Seen::maybe(descriptor.number, |number| {
            Seen::owned(format!("{}{number}", event.process().key.pid))
        }),
        Id::FdSockfamily => match descriptor.kind.0 {
            "ipv4" | "ipv6" => Seen::text("ip"),
            "unix" => Seen::text("unix"),
            _ => Seen::Nothing,
        },
        _ => Seen::maybe(descriptor.ends.as_ref(), |ends| end_of(id, ends, event)),
    }
}

fn end_of<'a>(id: Id, ends: &'a Ends<'_>, event: &'a Event<'_>) -> Seen<'a> {
    let (client, server) =
        if ends.server { (ends.peer, ends.local) } else { (ends.local, ends.peer) };
    let ip = |end: (Option<IpAddr>, _)| Seen::maybe(end.0, Seen::Ip);
    let port = |end: (_, Option<u16>)| Seen::maybe(end.1, Seen::number);
    let host = |end: (Option<IpAddr>, Option<u16>)| {
        let names = end.0.map(|address| event.around.names.hosts(address)).unwrap_or_default();
        Seen::Several(names.iter().map(|name| Seen::owned(&**name)).collect())
    };
    match id {
        Id::FdIp | Id::FdNet => Seen::Several(vec![ip(client), ip(server)]),
        Id::FdCip | Id::FdCnet => ip(client),
        Id::FdSip | Id::FdSnet => ip(server),
        Id::FdLip | Id::FdLnet => ip(ends.local),
        Id::FdRip | Id::FdRnet => ip(ends.peer),
        Id::FdPort => Seen::Several(vec![port(client), port(server)]),
        Id::FdCport => port(client),
        Id::FdSport => port(server),
        Id::FdLport => port(ends.local),
        Id::FdRport => port(ends.peer),
        Id::FdCipName => host(client),
        Id::FdSipName => host(server),
        Id::FdLipName => host(ends.local),
        Id::FdRipName => host(ends.peer),
        Id::FdL4proto => match ends.protocol {
            b"tcp" => Seen::text("tcp"),
            b"udp" => Seen::text("udp"),
            b"icmp" | b"icmpv6" => Seen::text("icmp"),
            b"raw" => Seen::text("raw"),
            _ => Seen::Nothing,
        },
        Id::FdIsServer => Seen::Bool(ends.server),
        Id::FdConnected => Seen::Bool(ends.connected),
        Id::FdNameChanged => Seen::Bool(ends.changed),
        _ => Seen::Nothing,
    }
}

/// The directory and the last part of a path. Of `/x` the directory is `/`.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(0) => (b"/", &path[1..]),
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

fn is_of_descriptor(id: Id) -> bool {
    super::FIELDS[id as usize].name.starts_with("fd.")
}
