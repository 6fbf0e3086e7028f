//! Numbers of traces and spans: those that a request carries, and hashes where it carries none.

use std::net::{IpAddr, SocketAddr};

use crate::request::{Place, Request};

/// How long a window of time is in which equal calls share a trace, in nanoseconds.
const WINDOW: u64 = 100_000_000;

/// The trace of a request, and its caller's span if it is known.
pub(super) fn trace(request: &Request<'_>, own: [u8; 8]) -> ([u8; 16], Option<[u8; 8]>) {
    let columns = request.columns;
    if let Some(carried) = request.bytes(columns.trace_id).and_then(hex) {
        return (carried, request.bytes(columns.span_id).and_then(hex));
    }
    let end = |ip: Place, port: Place| {
        let port = request.number(port).and_then(|port| u16::try_from(port).ok())?;
        let ip = request.ip(ip).filter(|ip| !ip.is_unspecified())?;
        Some(SocketAddr::new(ip, port))
    };
    let local = end(columns.local_ip, columns.local_port);
    let peer = end(columns.peer_ip, columns.peer_port);
    let mut hash = Hash::new();
    match local.zip(peer) {
        Some((local, peer)) => {
            hash.end(local.min(peer));
            hash.end(local.max(peer));
            // Every node has those addresses.
            if local.ip().is_loopback() {
                hash.bytes(request.node().as_bytes());
            }
            hash.bytes(request.protocol().as_bytes());
            hash.bytes(request.bytes(columns.operation).unwrap_or_default());
            hash.bytes(request.bytes(columns.resource).unwrap_or_default());
            for bytes in [columns.request_bytes, columns.response_bytes] {
                hash.number(request.number(bytes).unwrap_or(u64::MAX));
            }
            hash.number(request.begin() / WINDOW);
        }
        None => hash.bytes(&own),
    }
    (hash.finish().to_be_bytes(), None)
}

/// The number of a request's own span. `sequence` tells those apart that began at the same moment, as
/// the commands of a pipeline.
pub(super) fn span(request: &Request<'_>, sequence: u64) -> [u8; 8] {
    let mut hash = Hash::new();
    hash.bytes(request.node().as_bytes());
    hash.number(request.number(request.columns.socket).unwrap_or(0));
    hash.number(request.begin());
    hash.number(u64::from(request.is_client()));
    hash.number(sequence);
    let [id @ .., _, _, _, _, _, _, _, _] = hash.finish().to_be_bytes();
    id
}

/// FNV-1a of 128 bits: the same on every node and in every release. Nothing secret hangs on it.
struct Hash(u128);

impl Hash {
    fn new() -> Hash {
        Hash(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        bytes.iter().for_each(|byte| self.byte(*byte));
    }

    fn number(&mut self, number: u64) {
        number.to_be_bytes().into_iter().for_each(|byte| self.byte(byte));
    }

    fn end(&mut self, end: SocketAddr) {
        let ip = match end.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        self.bytes(&ip.octets());
        self.number(end.port().into());
    }

    fn byte(&mut self, byte: u8) {
        self.0 =
            (self.0 ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }

    /// Neither half of it is ever zero. Each is stirred, since samplers look at a few bits only.
    fn finish(self) -> u128 {
        let (high, low) = ((self.0 >> 64) as u64, self.0 as u64);
        u128::from(stir(high ^ low.rotate_left(32)).max(1)) << 64 | u128::from(stir(low).max(1))
    }
}

/// Every bit of the outcome depends on every bit of `number`.
fn stir(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Reads hex digits; a number that is zero is none.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? * 16 + digit(1)?) as u8;
    }
    (bytes != [0; N]).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_strictly() {
        assert_eq!(hex(b"00fF"), Some([0, 255]));
        for bad in [&b"0000"[..], b"00f", b"00fg", b"00ff0", b""] {
            assert_eq!(hex::<2>(bad), None);
        }
    }

    #[test]
    fn hashes_differ_by_where_words_end() {
        let of = |words: &[&str]| {
            let mut hash = Hash::new();
            words.iter().for_each(|word| hash.bytes(word.as_bytes()));
            hash.finish()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["a"]), of(&["a", ""]));
    }
}
