//! Records made by hand become rows, and damaged ones are refused.
//!
//! The bytes are laid out here once more, apart from `wire.h`: who changes a layout meets this test.

use std::net::{IpAddr, Ipv4Addr};

use schema::{Event, Origin, Sink, Value};
use signal_socket::{
    SOCKET, SocketAccept, SocketBind, SocketClose, SocketConnect, SocketDatagram, SocketState,
};
use wire::{Malformed, Reader};

const BIND: u16 = 0;
const CONNECT: u16 = 2;
const ACCEPT: u16 = 3;
const CLOSE: u16 = 4;
const STATE: u16 = 5;
const DATAGRAM: u16 = 6;
const OVER: u16 = 7;
const LOCAL: u8 = 1;
const PEER: u8 = 2;
const CALLER: u8 = 4;
const TIME: u64 = 10_000;

/// A record under construction.
struct Record(Vec<u8>);

impl Record {
    fn new(kind: u16) -> Record {
        let mut bytes = Vec::new();
        for word in [TIME, 1_000, 7] {
            bytes.extend(word.to_ne_bytes());
        }
        for word in [42u32, 43, 0] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0, 0]);
        bytes.extend(b"comm\0\0\0\0\0\0\0\0\0\0\0\0");
        Record(bytes)
    }

    /// `family` as AF_*, `kind` as SOCK_*, `protocol` as IPPROTO_*.
    fn ends(mut self, [family, kind, protocol]: [u8; 3], marks: u8) -> Record {
        self.0.extend(77u64.to_ne_bytes());
        for last in [1, 2] {
            self.0.extend(Ipv4Addr::new(10, 0, 0, last).to_ipv6_mapped().octets());
        }
        self.0.extend(1000u16.to_ne_bytes());
        self.0.extend(if marks & PEER != 0 { 80u16 } else { 0 }.to_ne_bytes());
        self.0.extend([family, kind, protocol, marks]);
        self
    }

    fn u64s(mut self, words: &[u64]) -> Record {
        words.iter().for_each(|word| self.0.extend(word.to_ne_bytes()));
        self
    }

    fn i32s(mut self, words: &[i32]) -> Record {
        words.iter().for_each(|word| self.0.extend(word.to_ne_bytes()));
        self
    }

    fn u16s(mut self, words: &[u16]) -> Record {
        words.iter().for_each(|word| self.0.extend(word.to_ne_bytes()));
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Record {
        self.0.extend(bytes);
        self
    }

    fn decode(mut self) -> Result<Sink, Malformed> {
        let size = (self.0.len() as u32).to_ne_bytes();
        self.0[32..36].copy_from_slice(&size);
        let (header, reader) = Reader::new(&self.0)?;
        let mut sink = Sink::default();
        (SOCKET.decode)(&header, Origin::default(), reader, &mut sink)?;
        Ok(sink)
    }
}

/// The values of these columns in the table's only row.
fn values<'a, E: Event, const N: usize>(sink: &'a Sink, columns: [&str; N]) -> [Value<'a>; N] {
    let rows = sink.tables.iter().find(|rows| std::ptr::eq(rows.table, E::TABLE)).expect("a row");
    assert_eq!(rows.len(), 1);
    columns.map(|name| rows.columns[E::TABLE.field(name).expect(name)].value(0))
}

fn ip(last: u8) -> Value<'static> {
    Value::Ip(IpAddr::from([10, 0, 0, last]))
}

const TCP: [u8; 3] = [2, 1, 6];
const UDP: [u8; 3] = [10, 2, 17];
const UNIX: [u8; 3] = [1, 1, 0];

#[test]
fn a_connect_that_worked() {
    let record =
        Record::new(CONNECT).ends(TCP, LOCAL | PEER).u64s(&[500]).i32s(&[0, 5, 0]).u16s(&[0, 0]);
    let sink = record.decode().unwrap();
    let columns =
        ["socket", "fd", "family", "protocol", "local_ip", "local_port", "peer_ip", "peer_port"];
    assert_eq!(
        values::<SocketConnect, 8>(&sink, columns),
        [
            Value::Uint(77),
            Value::Int(5),
            Value::Text(b"ipv4"),
            Value::Text(b"tcp"),
            ip(1),
            Value::Uint(1000),
            ip(2),
            Value::Uint(80),
        ]
    );
    let columns = ["path", "peer_source", "error", "latency"];
    assert_eq!(
        values::<SocketConnect, 4>(&sink, columns),
        [Value::Null, Value::Text(b"kernel"), Value::Null, Value::Uint(500)]
    );
}

#[test]
fn results_become_errors() {
    let error = |result| {
        let record =
            Record::new(CONNECT).ends(TCP, CALLER).u64s(&[0]).i32s(&[result, 5, 0]).u16s(&[0, 42]);
        let sink = record.decode().unwrap();
        let [error, source, peer] =
            values::<SocketConnect, 3>(&sink, ["error", "peer_source", "peer_ip"]);
        assert_eq!((source, peer), (Value::Text(b"caller"), Value::Null));
        error.number()
    };
    assert_eq!(error(-111), Some(111));
    // The kernel's own word for "interrupted, to be called again".
    assert_eq!(error(-512), Some(4));
    assert_eq!(error(0), None);
}

#[test]
fn a_failed_accept_has_no_descriptor() {
    let accept = |result, fd| {
        let record =
            Record::new(ACCEPT).ends(TCP, LOCAL).u64s(&[0]).i32s(&[result, fd, 0]).u16s(&[0, 0]);
        let sink = record.decode().unwrap();
        let [fd, error] = values::<SocketAccept, 2>(&sink, ["fd", "error"]);
        (fd.number(), error.number())
    };
    assert_eq!(accept(9, 9), (Some(9), None));
    assert_eq!(accept(-22, 3), (None, Some(22)));
}

#[test]
fn the_call_is_named() {
    let call = |number| {
        let record = Record::new(ACCEPT).ends(TCP, LOCAL).u64s(&[0]).i32s(&[9, 9, 0]);
        let sink = record.u16s(&[0, number]).decode().unwrap();
        let [call] = values::<SocketAccept, 1>(&sink, ["call"]);
        call.text().map(<[u8]>::to_vec)
    };
    assert_eq!(call(43).as_deref(), Some(&b"accept"[..]));
    assert_eq!(call(288).as_deref(), Some(&b"accept4"[..]));
    assert_eq!(call(0xfffe).as_deref(), Some(&b"io_uring"[..]));
    assert_eq!(call(0xffff), None);
}

#[test]
fn names_of_unix_sockets() {
    let path = |bytes: &[u8]| {
        let length = bytes.len() as u16;
        let record = Record::new(BIND).ends(UNIX, 0).u64s(&[0]).i32s(&[0, 3, 0]).u16s(&[length, 0]);
        let sink = record.bytes(bytes).decode()?;
        let [path, protocol] = values::<SocketBind, 2>(&sink, ["path", "protocol"]);
        assert_eq!(protocol, Value::Text(b"unix_stream"));
        Ok::<_, Malformed>(path.text().map(<[u8]>::to_vec))
    };
    assert_eq!(path(b"/run/x\0").unwrap().as_deref(), Some(&b"/run/x"[..]));
    assert_eq!(path(b"\0x\0y").unwrap().as_deref(), Some(&b"@x\0y"[..]));
    assert_eq!(path(b"").unwrap(), None);
    let record = Record::new(BIND).ends(UNIX, 0).u64s(&[0]).i32s(&[0, 3, 0]).u16s(&[9, 0]);
    assert_eq!(record.bytes(b"/short").decode().err(), Some(Malformed::Text));
}

#[test]
fn a_change_of_state_says_how_long_the_old_one_was() {
    let duration = |entered| {
        let record = Record::new(STATE).ends(TCP, LOCAL | PEER).u64s(&[entered]);
        let sink = record.bytes(&[1, 8, 1, 0, 0, 0, 0, 0]).decode().unwrap();
        let [old, new, duration] =
            values::<SocketState, 3>(&sink, ["old_state", "new_state", "duration"]);
        assert_eq!((old, new), (Value::Text(b"ESTABLISHED"), Value::Text(b"CLOSE_WAIT")));
        duration.number()
    };
    assert_eq!(duration(TIME - 5), Some(5));
    assert_eq!(duration(0), None);
}

#[test]
fn the_first_datagram() {
    let record = Record::new(DATAGRAM).ends(UDP, LOCAL | PEER).u64s(&[100]);
    let sink = record.u16s(&[45]).bytes(&[2, 0, 0, 0, 0, 0]).decode().unwrap();
    let columns = ["family", "protocol", "direction", "bytes", "call"];
    assert_eq!(
        values::<SocketDatagram, 5>(&sink, columns),
        [
            Value::Text(b"ipv6"),
            Value::Text(b"udp"),
            Value::Text(b"in"),
            Value::Uint(100),
            Value::Text(b"recvfrom")
        ]
    );
}

#[test]
fn the_end_of_an_exchange_that_was_found_later() {
    let closed_by = |why| {
        // The exchange as it stood in the table, its own head first: it began at 4000.
        let mut head = Record::new(DATAGRAM);
        head.0[..8].copy_from_slice(&4_000u64.to_ne_bytes());
        let exchange = head.ends(UDP, LOCAL | PEER).u64s(&[6_000, 10, 20, 1, 2]);
        let record = Record::new(OVER).bytes(&exchange.bytes(&[2, 0, 0, 0, 0, 0, 0, 0]).0);
        let sink = record.u64s(&[7_000]).bytes(&[why, 0, 0, 0, 0, 0, 0, 0]).decode().unwrap();
        let columns = ["role", "duration", "bytes_sent", "bytes_received", "datagrams_received"];
        assert_eq!(
            values::<SocketClose, 5>(&sink, columns),
            [
                Value::Text(b"server"),
                Value::Uint(3_000),
                Value::Uint(10),
                Value::Uint(20),
                Value::Uint(2)
            ]
        );
        let columns = ["peer_ip", "peer_port", "fd", "segments_sent", "retransmits"];
        assert_eq!(
            values::<SocketClose, 5>(&sink, columns),
            [ip(2), Value::Uint(80), Value::Null, Value::Null, Value::Null]
        );
        let [by] = values::<SocketClose, 1>(&sink, ["closed_by"]);
        String::from_utf8(by.text().unwrap().to_vec()).unwrap()
    };
    assert_eq!([1, 2, 3].map(closed_by), ["local", "idle", "open"]);
}

/// The end of a connection with this error, last state, role and first FIN.
fn closed(what: [u8; 3], error: i32, old_state: u8, role: u8, first_fin: u8) -> Sink {
    let record =
        Record::new(CLOSE).ends(what, LOCAL | PEER).u64s(&[TIME - 90, TIME - 9, 1, 2, 3, 4]);
    let record = record.i32s(&[7, 5, error, -1]).u16s(&[0]);
    record.bytes(&[old_state, role, first_fin, 0, 0, 0]).decode().unwrap()
}

#[test]
fn the_end_of_a_connection_is_a_change_of_state_too() {
    let sink = closed(TCP, 0, 9, 2, 2);
    let [old, new, duration] =
        values::<SocketState, 3>(&sink, ["old_state", "new_state", "duration"]);
    assert_eq!(
        [old, new, duration],
        [Value::Text(b"LAST_ACK"), Value::Text(b"CLOSE"), Value::Uint(9)]
    );
    let columns = ["role", "closed_by", "duration", "fd", "error", "rtt", "retransmits"];
    assert_eq!(
        values::<SocketClose, 7>(&sink, columns),
        [
            Value::Text(b"server"),
            Value::Text(b"remote"),
            Value::Uint(90),
            Value::Null,
            Value::Null,
            Value::Uint(7000),
            Value::Uint(5),
        ]
    );
    let columns = ["bytes_sent", "bytes_received", "segments_sent", "segments_received"];
    assert_eq!(values::<SocketClose, 4>(&sink, columns), [1, 2, 3, 4].map(Value::Uint));
    let columns = ["datagrams_sent", "datagrams_received"];
    assert_eq!(values::<SocketClose, 2>(&sink, columns), [Value::Null, Value::Null]);
}

#[test]
fn who_closed() {
    let closed_by = |error, old_state, role, first_fin| {
        let sink = closed(TCP, error, old_state, role, first_fin);
        let [by] = values::<SocketClose, 1>(&sink, ["closed_by"]);
        String::from_utf8(by.text().unwrap().to_vec()).unwrap()
    };
    assert_eq!(closed_by(0, 5, 1, 1), "local");
    assert_eq!(closed_by(0, 9, 1, 2), "remote");
    assert_eq!(closed_by(104, 1, 1, 0), "reset");
    assert_eq!(closed_by(32, 8, 1, 2), "reset");
    assert_eq!(closed_by(110, 2, 1, 0), "timeout");
    assert_eq!(closed_by(111, 2, 1, 0), "refused");
    assert_eq!(closed_by(113, 2, 1, 0), "unreachable");
    assert_eq!(closed_by(103, 1, 1, 0), "aborted");
    // Given up with a linger time of zero, and gone before it was accepted.
    assert_eq!(closed_by(0, 1, 1, 0), "local");
    assert_eq!(closed_by(0, 0, 2, 0), "remote");
}

#[test]
fn what_does_not_apply_is_null() {
    let sink = closed(UDP, 0, 0, 1, 0);
    assert!(sink.tables.iter().all(|rows| !std::ptr::eq(rows.table, SocketState::TABLE)));
    let columns = ["bytes_sent", "datagrams_sent", "segments_sent", "rtt", "retransmits"];
    let [bytes, datagrams, segments, rtt, retransmits] = values::<SocketClose, 5>(&sink, columns);
    assert_eq!([bytes, datagrams], [Value::Uint(1), Value::Uint(3)]);
    assert_eq!([segments, rtt, retransmits], [Value::Null; 3]);
    for sink in [closed(TCP, 0, 10, 3, 0), closed(UNIX, 0, 0, 1, 0)] {
        let columns = ["bytes_sent", "segments_sent", "datagrams_sent", "rtt"];
        assert_eq!(values::<SocketClose, 4>(&sink, columns), [Value::Null; 4]);
    }
}

#[test]
fn damaged_records_are_refused() {
    let (taken, refused) = testkit::fuzz::decode(&SOCKET, 1, 200_000, 42);
    // Both happen, or the test tests nothing.
    assert!(taken > 100 && refused > 100, "{taken} taken, {refused} refused");
    assert_eq!(Record::new(99).decode().err(), Some(Malformed::Kind));
    assert_eq!(Record::new(CLOSE).ends(TCP, 0).decode().err(), Some(Malformed::Short));
}
