//! Unix sockets: by path and by abstract name.

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::Sockets;
use super::endpoint::Endpoint;
use super::ends::ClosedBy;
use crate::log::Recorder;
use crate::rng::Rng;

impl Sockets<'_> {
    pub(super) fn unix_stream(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let (address, path) = self.unix_address(rng.chance(50));
        let mut listener = unix(SocketType::STREAM);
        listener.bind_unix(rec, &address, &path).expect("the name is new");
        listener.listen(rec, 8);
        let mut client = unix(SocketType::STREAM);
        client.connect_unix(rec, &address, &path).expect("the listener is there");
        let mut server = listener.accept_unix(rec);
        for _ in 0..rng.below(3) {
            let (there, back) = (1 + rng.below(8000), 1 + rng.below(8000));
            client.send(there);
            server.receive(there);
            server.send(back);
            client.receive(back);
        }
        client.close(rec, ClosedBy::Nobody);
        server.close(rec, ClosedBy::Nobody);
        listener.close(rec, ClosedBy::Nobody);
    }

    pub(super) fn unix_datagram(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let (address, path) = self.unix_address(rng.chance(50));
        let mut server = unix(SocketType::DGRAM);
        server.bind_unix(rec, &address, &path).expect("the name is new");
        let mut client = unix(SocketType::DGRAM);
        let connected = rng.chance(50);
        if connected {
            client.connect_unix(rec, &address, &path).expect("the server is there");
        }
        for _ in 0..1 + rng.below(4) {
            let count = 1 + rng.below(2000);
            if connected {
                client.send(count);
            } else {
                client.send_to_any(count, &address);
            }
            server.receive_some(4096).expect("a datagram is there");
        }
        client.close(rec, ClosedBy::Nobody);
        server.close(rec, ClosedBy::Nobody);
    }

    /// A name in use, one that is not there, and one that nobody listens at any more.
    pub(super) fn unix_failures(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let (address, path) = self.unix_address(false);
        let mut early = unix(SocketType::STREAM);
        assert_eq!(early.connect_unix(rec, &address, &path), Err(Errno::NOENT));
        early.close(rec, ClosedBy::Nobody);
        let mut listener = unix(SocketType::STREAM);
        listener.bind_unix(rec, &address, &path).expect("the name is new");
        if rng.chance(50) {
            let mut second = unix(SocketType::STREAM);
            let result = second.bind_unix(rec, &address, &path);
            assert_eq!(result, Err(Errno::ADDRINUSE));
            second.close(rec, ClosedBy::Nobody);
        }
        listener.close(rec, ClosedBy::Nobody);
        let mut late = unix(SocketType::STREAM);
        assert_eq!(late.connect_unix(rec, &address, &path), Err(Errno::CONNREFUSED));
        late.close(rec, ClosedBy::Nobody);
    }

    /// A name that nobody has, and how rows show it.
    fn unix_address(&mut self, is_abstract: bool) -> (SocketAddrUnix, Vec<u8>) {
        self.names += 1;
        let (thread, names) = (rustix::thread::gettid().as_raw_nonzero(), self.names);
        if is_abstract {
            let name = format!("fathom-testkit-{thread}-{names}");
            let address = SocketAddrUnix::new_abstract_name(name.as_bytes());
            (address.expect("the name is short"), format!("@{name}").into_bytes())
        } else {
            let end = format!("/socket {thread}-{names}");
            let path = [&self.fixture.home[..], end.as_bytes()].concat();
            (SocketAddrUnix::new(&path).expect("the path is short"), path)
        }
    }
}

fn unix(kind: SocketType) -> Endpoint {
    Endpoint::new(AddressFamily::UNIX, kind, SocketFlags::empty())
}
