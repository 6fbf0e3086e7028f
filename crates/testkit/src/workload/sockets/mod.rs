//! Socket operations on loopback and unix addresses, with every byte counted.

mod endpoint;
mod ends;
mod exchange;
mod tcp;
mod transfer;
mod udp;
mod unix;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::fixture::Fixture;
use super::processes::Processes;
use crate::log::Recorder;
use crate::rng::Rng;
pub use tcp::peer;

/// `::1` as the kernel lists addresses.
const LOCALHOST6: &str = "00000000000000000000000000000001 ";

/// What a thread needs to work with sockets.
#[derive(Debug)]
pub(super) struct Sockets<'a> {
    fixture: &'a Fixture,
    /// Whether this machine has `::1`.
    ipv6: bool,
    names: u64,
}

impl<'a> Sockets<'a> {
    /// Finds out what this machine has.
    pub(super) fn new(fixture: &'a Fixture) -> Sockets<'a> {
        // Read, not tried: a bind would be a row that no log knows of.
        let addresses = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        let ipv6 = addresses.lines().any(|line| line.starts_with(LOCALHOST6));
        Sockets { fixture, ipv6, names: 0 }
    }

    /// Does one exchange from its first socket to its last close.
    pub(super) fn step(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        match rng.below(20) {
            0..8 => self.tcp(rng, rec),
            8 => self.tcp_with_child(rng, rec),
            9 => self.tcp_refused(rng, rec),
            10 => self.tcp_conflict(rng, rec),
            11 => self.udp(rng, rec),
            12 => self.udp_unasked(rng, rec),
            13 => self.udp_connected(rng, rec),
            14..17 => self.unix_stream(rng, rec),
            17 => self.unix_datagram(rng, rec),
            _ => self.unix_failures(rng, rec),
        }
    }

    /// A loopback address, mostly one that nobody else uses just now.
    fn loopback(&self, rng: &mut Rng) -> IpAddr {
        match rng.below(10) {
            0..4 if self.ipv6 => Ipv6Addr::LOCALHOST.into(),
            4..7 => Ipv4Addr::LOCALHOST.into(),
            _ => {
                let [a, b, c] = [0; 3].map(|_: u8| 1 + rng.below(250) as u8);
                Ipv4Addr::new(127, a, b, c).into()
            }
        }
    }

    fn processes(&self) -> Processes<'a> {
        let cwd = rustix::process::getcwd(Vec::new()).expect("the working directory is there");
        Processes::new(self.fixture, cwd.into_bytes())
    }
}
