//! Records to what sockets carry.

use std::net::{Ipv6Addr, SocketAddr};

use schema::{ClosedSocket, Moved, OpenedSocket, Origin, Sink, SocketNews};
use wire::{Malformed, Reader, RecordHeader};

use crate::record::{
    self, SocketEndsRecord, StreamClosedRecord, StreamDataRecord, StreamMappedRecord,
    StreamOpenedRecord,
};

/// Turns one record into news of a socket.
pub(crate) fn decode(
    header: &RecordHeader,
    origin: Origin,
    reader: Reader<'_>,
    sink: &mut Sink,
) -> Result<(), Malformed> {
    let news = match u32::from(header.kind) {
        record::STREAM_OPENED => {
            let (record, _) = reader.record()?;
            SocketNews::Opened(origin, opened(&record))
        }
        record::STREAM_DATA => SocketNews::Moved(origin, moved(reader, &mut sink.bytes)?),
        record::STREAM_CLOSED => {
            let (StreamClosedRecord { header: _, socket, sent, received }, _) = reader.record()?;
            SocketNews::Closed(origin, ClosedSocket { socket, sent, received })
        }
        record::STREAM_MAPPED => {
            let (StreamMappedRecord { header: _, name }, _) = reader.record()?;
            let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
            SocketNews::Mapped(origin, String::from_utf8_lossy(&name[..end]).into_owned())
        }
        _ => return Err(Malformed::Kind),
    };
    sink.sockets.push(news);
    Ok(())
}

fn opened(record: &StreamOpenedRecord) -> OpenedSocket {
    let StreamOpenedRecord { header: _, ends, marks, spare: _ } = *record;
    let SocketEndsRecord { socket, local, peer, local_port, peer_port, marks: known, .. } = ends;
    let (known, marks) = (u32::from(known), u32::from(marks));
    let end = |mark, ip, port| (known & mark != 0).then(|| address(ip, port));
    OpenedSocket {
        socket,
        local: end(record::SOCKET_LOCAL_KNOWN, local, local_port),
        peer: end(record::SOCKET_PEER_KNOWN, peer, peer_port),
        datagrams: marks & record::STREAM_DATAGRAM != 0,
        from_middle: marks & record::STREAM_MIDDLE != 0,
        asked: match marks & (record::STREAM_CLIENT | record::STREAM_SERVER) {
            record::STREAM_CLIENT => Some(true),
            record::STREAM_SERVER => Some(false),
            _ => None,
        },
    }
}

fn moved(reader: Reader<'_>, bytes: &mut Vec<u8>) -> Result<Moved, Malformed> {
    let (record, mut tail) = reader.record::<StreamDataRecord>()?;
    let StreamDataRecord {
        header: _,
        socket,
        position,
        size,
        peer,
        peer_port,
        copied,
        call: _,
        marks,
        spare: _,
    } = record;
    let data = tail.take(copied)?;
    let begin = bytes.len();
    bytes.extend_from_slice(data);
    let marks = u32::from(marks);
    Ok(Moved {
        socket,
        sent: marks & record::STREAM_OUT != 0,
        datagram: marks & record::STREAM_DATAGRAM != 0,
        from_middle: marks & record::STREAM_MIDDLE != 0,
        tls: marks & record::STREAM_PLAIN != 0,
        position,
        size,
        bytes: begin..bytes.len(),
        peer: (marks & record::STREAM_PEER != 0).then(|| address(peer, peer_port)),
    })
}

fn address(ip: [u8; 16], port: u16) -> SocketAddr {
    SocketAddr::new(Ipv6Addr::from(ip).to_canonical(), port)
}
