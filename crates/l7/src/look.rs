//! Finding out what is spoken: both sides have to speak it.

use protocols::{ALL, Protocol, Side, Transport, Verdict};

/// The first bytes of one direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub bytes: &'a [u8],
    /// Whether nothing will be added to them.
    pub ended: bool,
}

/// What is spoken, as far as it shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Look {
    /// This, and the process is this side of it.
    Named(&'static Protocol, Side),
    Tls,
    /// Nothing that is known.
    Nothing,
    /// More has to be said.
    Open,
}

/// Looks at what the process sent and received. `side` is what the process is, if that is known. Where
/// both sides could have said either, as lists of words in Redis, the client is who spoke first.
pub(crate) fn look(
    out: View,
    into: View,
    side: Option<Side>,
    out_first: bool,
    transport: Transport,
) -> Look {
    let mut open = false;
    let both = match out_first {
        true => [Side::Client, Side::Server],
        false => [Side::Server, Side::Client],
    };
    for side in both.into_iter().filter(|&other| side.is_none_or(|side| side == other)) {
        let (client, server) = if side == Side::Client { (out, into) } else { (into, out) };
        for protocol in ALL.iter().filter(|protocol| protocol.transports.contains(&transport)) {
            let asks = verdict(protocol, Side::Client, client, transport);
            let answers = match asks {
                Verdict::Unlikely => continue,
                _ => verdict(protocol, Side::Server, server, transport),
            };
            match (asks, answers) {
                (Verdict::Likely, Verdict::Likely) => return Look::Named(protocol, side),
                (_, Verdict::Unlikely) => {}
                _ => open = true,
            }
        }
    }
    if transport == Transport::Stream {
        match (tls(out), tls(into)) {
            (Verdict::Likely, Verdict::Likely) => return Look::Tls,
            (Verdict::Unlikely, _) | (_, Verdict::Unlikely) => {}
            _ => open = true,
        }
    }
    if open { Look::Open } else { Look::Nothing }
}

/// Looks at one side alone, where nothing was heard of the other for long: the port of the server
/// has to be usual for the protocol.
pub(crate) fn look_one_sided(
    out: View,
    into: View,
    side: Side,
    port: u16,
    transport: Transport,
) -> Option<&'static Protocol> {
    let (client, server) = if side == Side::Client { (out, into) } else { (into, out) };
    let fits = |protocol: &&&Protocol| {
        protocol.transports.contains(&transport)
            && protocol.ports.contains(&port)
            && server.bytes.is_empty()
            && verdict(protocol, Side::Client, client, transport) == Verdict::Likely
    };
    ALL.iter().find(fits).copied()
}

fn verdict(protocol: &Protocol, side: Side, view: View, transport: Transport) -> Verdict {
    match (protocol.probe)(side, view.bytes, transport) {
        // What was said is all there is: it was not enough. But a side that said nothing yet may.
        Verdict::More if view.ended && !view.bytes.is_empty() => Verdict::Unlikely,
        verdict => verdict,
    }
}

/// Whether these are records of TLS: a hello, an alert, or data of a connection that is older.
fn tls(view: View) -> Verdict {
    match view.bytes {
        [kind @ 0x14..=0x17, 3, 0..=4, high, low, rest @ ..] => {
            let length = u16::from_be_bytes([*high, *low]);
            let hello = match rest.first() {
                Some(1 | 2) => Verdict::Likely,
                Some(_) => Verdict::Unlikely,
                None => Verdict::More,
            };
            match kind {
                _ if length == 0 || length > (1 << 14) + 2048 => Verdict::Unlikely,
                0x16 => hello,
                _ => Verdict::Likely,
            }
        }
        [0x14..=0x17]
        | [0x14..=0x17, 3]
        | [0x14..=0x17, 3, 0..=4]
        | [0x14..=0x17, 3, 0..=4, _]
        | [] => {
            if view.ended && !view.bytes.is_empty() {
                Verdict::Unlikely
            } else {
                Verdict::More
            }
        }
        _ => Verdict::Unlikely,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(bytes: &[u8]) -> View<'_> {
        View { bytes, ended: false }
    }

    fn said(out: &[u8], into: &[u8], side: Option<Side>) -> Look {
        look(view(out), view(into), side, true, Transport::Stream)
    }

    #[test]
    fn both_sides_have_to_fit() {
        let (asks, answers) = (b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n");
        assert!(matches!(said(asks, b"", None), Look::Open));
        assert!(matches!(said(asks, b"SSH-2.0-x\r\n", None), Look::Nothing));
        assert!(
            matches!(said(asks, answers, None), Look::Named(p, Side::Client) if p.name == "http")
        );
        assert!(matches!(said(answers, asks, None), Look::Named(_, Side::Server)));
        assert!(matches!(said(answers, asks, Some(Side::Client)), Look::Nothing));
    }

    #[test]
    fn who_speaks_first_asks_where_both_could() {
        let asks = b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$4\r\nsave\r\n";
        let answers = b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n";
        let seen = |out, into, first| look(view(out), view(into), None, first, Transport::Stream);
        assert!(
            matches!(seen(asks, answers, true), Look::Named(p, Side::Client) if p.name == "redis")
        );
        assert!(
            matches!(seen(answers, asks, false), Look::Named(p, Side::Server) if p.name == "redis")
        );
    }

    #[test]
    fn tls_is_told() {
        let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc";
        assert!(matches!(said(hello, b"\x16\x03\x03\x00\x7a\x02", None), Look::Tls));
        assert!(matches!(said(hello, b"\x15\x03\x03\x00\x02\x02\x28", None), Look::Tls));
        assert!(matches!(said(b"\x17\x03\x03\x00\x20a", b"\x17\x03", None), Look::Open));
        assert!(matches!(
            said(b"\x16\x03\x01\x02\x00\x09..............", b"", None),
            Look::Nothing
        ));
    }
}
