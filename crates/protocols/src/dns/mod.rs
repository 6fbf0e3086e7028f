//! DNS, over UDP and TCP.

mod conversation;
mod message;
mod row;
#[cfg(test)]
mod tests;

pub use message::{Answer, Message};
pub use row::DnsRequest;

use schema::Event;

use crate::{Protocol, Side, Signature, Transport, Verdict};

/// DNS.
pub static DNS: Protocol = Protocol {
    name: "dns",
    transports: &[Transport::Datagram, Transport::Stream],
    ports: &[53, 5353, 5355],
    signatures: &[
        // One question, and nothing that a question does not have: byte 5 is 1, byte 4 and 6 are 0.
        Signature::at(Side::Client, 4, &[0, 1, 0]),
        Signature::at(Side::Server, 4, &[0, 1]),
        // The same behind the length that TCP puts before it.
        Signature::at(Side::Client, 6, &[0, 1, 0]),
        Signature::at(Side::Server, 6, &[0, 1]),
    ],
    frames: None,
    probe,
    converse: |setting| Box::new(conversation::Dns { transport: setting.transport }),
    summary: message::summary,
    tables: &[DnsRequest::TABLE],
    write: row::write,
};

fn probe(side: Side, bytes: &[u8], transport: Transport) -> Verdict {
    let bytes = match transport {
        Transport::Datagram => bytes,
        Transport::Stream => match conversation::framed(bytes) {
            Some((length, _)) if length < 17 => return Verdict::Unlikely,
            Some((_, bytes)) => bytes,
            None => return Verdict::More,
        },
    };
    match message::begins(side, bytes) {
        Some(true) => Verdict::Likely,
        Some(false) => Verdict::Unlikely,
        None => Verdict::More,
    }
}
