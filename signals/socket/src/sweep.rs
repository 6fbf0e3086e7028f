//! The ends of datagram exchanges, which no hook sees: by silence, by the socket's close, or
//! because the observation ends.

use std::collections::HashMap;
use std::time::Duration;

use kernel::Kernel;
use schema::{Origin, Sink};
use wire::RecordHeader;
use zerocopy::FromBytes;

use crate::SOCKET;
use crate::decode::role_name;
use crate::ends::Ends;
use crate::event::SocketClose;
use crate::record::{SOCKET_CLOSE, SocketExchangeKeyRecord, SocketExchangeRecord};

/// Takes the exchanges that are over out of the kernel's table and puts a row for each into `sink`.
///
/// Over are those of closed sockets and those without a datagram for `idle`; with `last`, which
/// is for the end of the observation, all are. `now` is on `CLOCK_BOOTTIME` in nanoseconds, the
/// clock of records; `origin` makes of a record's head what a row says of where it came from.
/// Costs little where nothing is going on: call it once a second.
pub fn sweep(
    kernel: &Kernel,
    now: u64,
    idle: Duration,
    last: bool,
    origin: &dyn Fn(&RecordHeader) -> Origin,
    sink: &mut Sink,
) {
    let Some(exchanges) = kernel.signal_map(SOCKET.name, "socket_exchanges") else { return };
    let gone = closed_sockets(kernel);
    let long_ago = now.saturating_sub(u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX));
    for (key, value) in exchanges.entries() {
        let Ok(exchange) = SocketExchangeRecord::read_from_bytes(&value) else { continue };
        let Ok(SocketExchangeKeyRecord { socket, .. }) =
            SocketExchangeKeyRecord::read_from_bytes(&key)
        else {
            continue;
        };
        let closed = gone.get(&socket).copied();
        let (end, closed_by) = match closed {
            Some(at) => (at, "local"),
            None if exchange.last <= long_ago => (exchange.last, "idle"),
            None if last => (exchange.last, "open"),
            None => continue,
        };
        // What came in since is in the value that is taken out.
        let taken = exchanges.take(&key);
        let taken = taken.and_then(|value| SocketExchangeRecord::read_from_bytes(&value).ok());
        let exchange = taken.unwrap_or(exchange);
        sink.row(origin(&head(&exchange, now)), row(&exchange, end.max(exchange.last), closed_by));
    }
}

/// The UDP sockets that were closed since the last time, with the time of it.
fn closed_sockets(kernel: &Kernel) -> HashMap<u64, u64> {
    let Some(map) = kernel.signal_map(SOCKET.name, "socket_gone") else { return HashMap::new() };
    let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |it| u64::from_ne_bytes(*it));
    let gone: HashMap<u64, u64> =
        map.entries().iter().map(|(socket, at)| (number(socket), number(at))).collect();
    for socket in gone.keys() {
        map.remove(&socket.to_ne_bytes());
    }
    gone
}

/// The head of the record that the kernel side would have written.
fn head(exchange: &SocketExchangeRecord, now: u64) -> RecordHeader {
    RecordHeader { time: now, kind: SOCKET_CLOSE as u16, ..exchange.header }
}

fn row(exchange: &SocketExchangeRecord, end: u64, closed_by: &'static str) -> SocketClose<'static> {
    let SocketExchangeRecord {
        header,
        ends,
        last: _,
        bytes_sent,
        bytes_received,
        datagrams_sent,
        datagrams_received,
        role,
        spare: _,
    } = *exchange;
    let ends = Ends::read(&ends);
    SocketClose {
        socket: ends.socket,
        fd: None,
        family: ends.family,
        protocol: ends.protocol,
        local_ip: ends.local_ip,
        local_port: ends.local_port,
        peer_ip: ends.peer_ip,
        peer_port: ends.peer_port,
        path: None,
        role: role_name(role),
        closed_by,
        error: None,
        duration: end.saturating_sub(header.time),
        bytes_sent: Some(bytes_sent),
        bytes_received: Some(bytes_received),
        segments_sent: None,
        segments_received: None,
        datagrams_sent: Some(datagrams_sent),
        datagrams_received: Some(datagrams_received),
        rtt: None,
        retransmits: None,
    }
}
