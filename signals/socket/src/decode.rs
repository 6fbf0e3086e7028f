//! Records to rows. What the kernel side only copied is judged here: who closed, and why.

use schema::{Later, Origin, Sink};
use wire::{Malformed, Reader, RecordHeader, call_name};

use crate::ends::Ends;
use crate::event::{
    SocketAccept, SocketBind, SocketClose, SocketConnect, SocketDatagram, SocketListen, SocketState,
};
use crate::record::{
    self, SocketCallRecord, SocketCloseRecord, SocketDatagramRecord, SocketExchangeRecord,
    SocketOverRecord, SocketStateRecord,
};

/// Turns one record into rows.
pub(crate) fn decode(
    header: &RecordHeader,
    origin: Origin,
    reader: Reader<'_>,
    sink: &mut Sink,
) -> Result<(), Malformed> {
    match u32::from(header.kind) {
        kind @ (record::SOCKET_BIND
        | record::SOCKET_LISTEN
        | record::SOCKET_CONNECT
        | record::SOCKET_ACCEPT) => call(kind, origin, reader, sink),
        record::SOCKET_STATE => state(origin, reader, sink),
        record::SOCKET_DATAGRAM => datagram(origin, reader, sink),
        record::SOCKET_CLOSE => close(origin, reader, sink),
        record::SOCKET_OVER => over(origin, reader, sink),
        _ => Err(Malformed::Kind),
    }
}

fn call(kind: u32, origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, mut tail) = reader.record::<SocketCallRecord>()?;
    let SocketCallRecord { header: _, ends, latency, result, fd, backlog, path_length, call } =
        record;
    let ends = Ends::read(&ends);
    let name = unix_name(tail.take(path_length)?);
    let path = name.as_deref();
    let error = error(result);
    let call = call_name(call);
    let used = descriptor(fd);
    let (socket, family, protocol) = (ends.socket, ends.family, ends.protocol);
    let (local_ip, local_port) = (ends.local_ip, ends.local_port);
    let (peer_ip, peer_port) = (ends.peer_ip, ends.peer_port);
    match kind {
        record::SOCKET_BIND => sink.row(
            origin,
            SocketBind {
                socket,
                fd: used,
                family,
                protocol,
                local_ip,
                local_port,
                path,
                local_source: ends.source,
                error,
                call,
            },
        ),
        record::SOCKET_LISTEN => sink.row(
            origin,
            SocketListen {
                socket,
                fd: used,
                family,
                protocol,
                local_ip,
                local_port,
                path,
                backlog,
                error,
                call,
            },
        ),
        record::SOCKET_CONNECT => sink.row(
            origin,
            SocketConnect {
                socket,
                fd: used,
                family,
                protocol,
                local_ip,
                local_port,
                peer_ip,
                peer_port,
                peer_pod: Later,
                peer_namespace: Later,
                peer_workload: Later,
                peer_service: Later,
                peer_node: Later,
                path,
                peer_source: ends.source,
                error,
                latency: (latency > 0).then_some(latency),
                call,
            },
        ),
        _ => sink.row(
            origin,
            SocketAccept {
                socket,
                fd: used.filter(|_| error.is_none()),
                family,
                protocol,
                local_ip,
                local_port,
                peer_ip,
                peer_port,
                peer_pod: Later,
                peer_namespace: Later,
                peer_workload: Later,
                peer_service: Later,
                peer_node: Later,
                path,
                error,
                call,
            },
        ),
    }
    Ok(())
}

fn state(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, _) = reader.record::<SocketStateRecord>()?;
    let SocketStateRecord { header, ends, entered, old_state, new_state, role: _, spare: _ } =
        record;
    sink.row(origin, changed(&Ends::read(&ends), header.time, entered, old_state, new_state));
    Ok(())
}

fn datagram(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, _) = reader.record::<SocketDatagramRecord>()?;
    let SocketDatagramRecord { header: _, ends, bytes, call, role, spare: _ } = record;
    let ends = Ends::read(&ends);
    sink.row(
        origin,
        SocketDatagram {
            socket: ends.socket,
            family: ends.family,
            protocol: ends.protocol,
            local_ip: ends.local_ip,
            local_port: ends.local_port,
            peer_ip: ends.peer_ip,
            peer_port: ends.peer_port,
            peer_pod: Later,
            peer_namespace: Later,
            peer_workload: Later,
            peer_service: Later,
            peer_node: Later,
            peer_source: ends.source,
            direction: if u32::from(role) == record::ROLE_CLIENT { "out" } else { "in" },
            bytes,
            call: call_name(call),
        },
    );
    Ok(())
}

/// The end of a TCP connection is a change of state as well; both are told by one record.
fn close(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, mut tail) = reader.record::<SocketCloseRecord>()?;
    let SocketCloseRecord {
        header,
        ends,
        began,
        entered,
        bytes_sent,
        bytes_received,
        packets_sent,
        packets_received,
        rtt,
        retransmits,
        error,
        fd,
        path_length,
        old_state,
        role,
        first_fin: _,
        spare: _,
    } = record;
    let ends = Ends::read(&ends);
    let path = unix_name(tail.take(path_length)?);
    let flows = u32::from(role) != record::ROLE_LISTENER;
    let (tcp, udp) = (ends.protocol == "tcp" && flows, ends.protocol == "udp");
    if ends.protocol == "tcp" && old_state != 0 {
        sink.row(origin, changed(&ends, header.time, entered, old_state, TCP_CLOSE));
    }
    sink.row(
        origin,
        SocketClose {
            socket: ends.socket,
            fd: descriptor(fd),
            family: ends.family,
            protocol: ends.protocol,
            local_ip: ends.local_ip,
            local_port: ends.local_port,
            peer_ip: ends.peer_ip,
            peer_port: ends.peer_port,
            peer_pod: Later,
            peer_namespace: Later,
            peer_workload: Later,
            peer_service: Later,
            peer_node: Later,
            path: path.as_deref(),
            role: role_name(role),
            closed_by: closed_by(&record),
            error: (error != 0).then_some(error),
            duration: header.time.saturating_sub(began),
            bytes_sent: (tcp || udp).then_some(bytes_sent),
            bytes_received: (tcp || udp).then_some(bytes_received),
            segments_sent: tcp.then_some(packets_sent),
            segments_received: tcp.then_some(packets_received),
            datagrams_sent: udp.then_some(packets_sent),
            datagrams_received: udp.then_some(packets_received),
            rtt: (tcp && rtt > 0).then_some(u64::from(rtt) * 1000),
            retransmits: tcp.then_some(retransmits),
        },
    );
    Ok(())
}

/// The end of an exchange that the sweep found.
fn over(origin: Origin, reader: Reader<'_>, sink: &mut Sink) -> Result<(), Malformed> {
    let (record, _) = reader.record::<SocketOverRecord>()?;
    let SocketOverRecord { header: _, exchange, ended, why, spare: _ } = record;
    let SocketExchangeRecord {
        header: began,
        ends,
        last: _,
        bytes_sent,
        bytes_received,
        datagrams_sent,
        datagrams_received,
        role,
        spare: _,
    } = exchange;
    let ends = Ends::read(&ends);
    sink.row(
        origin,
        SocketClose {
            socket: ends.socket,
            fd: None,
            family: ends.family,
            protocol: ends.protocol,
            local_ip: ends.local_ip,
            local_port: ends.local_port,
            peer_ip: ends.peer_ip,
            peer_port: ends.peer_port,
            peer_pod: Later,
            peer_namespace: Later,
            peer_workload: Later,
            peer_service: Later,
            peer_node: Later,
            path: None,
            role: role_name(role),
            closed_by: match u32::from(why) {
                record::OVER_CLOSED => "local",
                record::OVER_IDLE => "idle",
                _ => "open",
            },
            error: None,
            duration: ended.saturating_sub(began.time),
            bytes_sent: Some(bytes_sent),
            bytes_received: Some(bytes_received),
            segments_sent: None,
            segments_received: None,
            datagrams_sent: Some(datagrams_sent),
            datagrams_received: Some(datagrams_received),
            rtt: None,
            retransmits: None,
        },
    );
    Ok(())
}

fn changed(ends: &Ends, now: u64, entered: u64, old_state: u8, new_state: u8) -> SocketState {
    SocketState {
        socket: ends.socket,
        family: ends.family,
        protocol: ends.protocol,
        local_ip: ends.local_ip,
        local_port: ends.local_port,
        peer_ip: ends.peer_ip,
        peer_port: ends.peer_port,
        peer_pod: Later,
        peer_namespace: Later,
        peer_workload: Later,
        peer_service: Later,
        peer_node: Later,
        old_state: state_name(old_state),
        new_state: state_name(new_state),
        duration: (entered > 0).then_some(now.saturating_sub(entered)),
    }
}

const TCP_CLOSE: u8 = 7;

fn state_name(state: u8) -> &'static str {
    const NAMES: [&str; 14] = [
        "UNKNOWN",
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT1",
        "FIN_WAIT2",
        "TIME_WAIT",
        "CLOSE",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "CLOSING",
        "NEW_SYN_RECV",
        "BOUND_INACTIVE",
    ];
    NAMES.get(usize::from(state)).copied().unwrap_or("UNKNOWN")
}

fn role_name(role: u8) -> &'static str {
    match u32::from(role) {
        record::ROLE_CLIENT => "client",
        record::ROLE_SERVER => "server",
        record::ROLE_LISTENER => "listener",
        _ => "bound",
    }
}

/// The error that ended it comes first, then who said so first.
fn closed_by(record: &SocketCloseRecord) -> &'static str {
    const EPIPE: i32 = 32;
    const ENETUNREACH: i32 = 101;
    const ECONNABORTED: i32 = 103;
    const ECONNRESET: i32 = 104;
    const ETIMEDOUT: i32 = 110;
    const ECONNREFUSED: i32 = 111;
    const EHOSTUNREACH: i32 = 113;
    match record.error {
        ECONNRESET | EPIPE => return "reset",
        ETIMEDOUT => return "timeout",
        ECONNREFUSED => return "refused",
        ENETUNREACH | EHOSTUNREACH => return "unreachable",
        ECONNABORTED => return "aborted",
        _ => {}
    }
    match u32::from(record.first_fin) {
        record::FIN_REMOTE => "remote",
        // Ended before it was accepted, so not by us.
        record::FIN_NONE if record.old_state == 0 && record.ends.protocol == 6 => "remote",
        _ => "local",
    }
}

fn descriptor(fd: i32) -> Option<i32> {
    (fd >= 0).then_some(fd)
}

/// The errno of a result; a call that a signal interrupts and that may go on says so.
fn error(result: i32) -> Option<i32> {
    const EINTR: i32 = 4;
    match result {
        0.. => None,
        -516..=-512 => Some(EINTR),
        errno => Some(errno.wrapping_neg()),
    }
}

/// A unix socket's name: a path up to its NUL, or an abstract name, shown with an `@`.
fn unix_name(bytes: &[u8]) -> Option<Vec<u8>> {
    let (first, rest) = bytes.split_first()?;
    if *first == 0 {
        return Some([b"@", rest].concat());
    }
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    Some(bytes[..end].to_vec())
}
