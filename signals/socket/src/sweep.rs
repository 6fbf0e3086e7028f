//! The ends of datagram exchanges, which no hook sees: by silence, by the socket's close, or
//! because the observation ends.

use std::collections::HashMap;
use std::time::Duration;

use kernel::Kernel;
use wire::RecordHeader;
use zerocopy::{FromBytes, IntoBytes};

use crate::SOCKET;
use crate::record::{
    OVER_CLOSED, OVER_IDLE, OVER_OPEN, SOCKET_OVER, SocketExchangeKeyRecord, SocketExchangeRecord,
    SocketOverRecord,
};

/// Takes the exchanges that are over out of the kernel's table and hands a record of each to
/// `take`, as a ring would.
///
/// Over are those of closed sockets and those without a datagram for `idle`; with `last`, which
/// is for the end of the observation, all are. `now` is on `CLOCK_BOOTTIME` in nanoseconds, the
/// clock of records. Costs little where nothing is going on: call it once a second.
pub fn sweep(kernel: &Kernel, now: u64, idle: Duration, last: bool, take: &mut dyn FnMut(&[u8])) {
    let Some(exchanges) = kernel.signal_map(SOCKET.name, "socket_exchanges") else { return };
    let number = kernel.signals().iter().position(|signal| signal.name == SOCKET.name);
    let Some(number) = number.and_then(|number| u8::try_from(number).ok()) else { return };
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
        let (end, why) = match closed {
            Some(at) => (at, OVER_CLOSED),
            None if exchange.last <= long_ago => (exchange.last, OVER_IDLE),
            None if last => (exchange.last, OVER_OPEN),
            None => continue,
        };
        // What came in since is in the value that is taken out.
        let taken = exchanges.take(&key);
        let taken = taken.and_then(|value| SocketExchangeRecord::read_from_bytes(&value).ok());
        let exchange = taken.unwrap_or(exchange);
        let mut record = over(exchange, now, end.max(exchange.last), why);
        // Which the kernel side fills in when it submits, and nobody submitted this.
        record.header.signal = number;
        take(record.as_bytes());
    }
}

/// The record of the end of `exchange`.
fn over(exchange: SocketExchangeRecord, now: u64, ended: u64, why: u32) -> SocketOverRecord {
    let size = size_of::<SocketOverRecord>() as u32;
    let header = RecordHeader { time: now, size, kind: SOCKET_OVER as u16, ..exchange.header };
    SocketOverRecord { header, exchange, ended, why: why as u8, spare: [0; 7] }
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
