//! What the child does. It prints `key=value` lines that say what it did, by which the parent
//! knows what to expect. All traffic stays on loopback, between sockets of this process.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

pub(crate) fn run(name: &str) {
    println!();
    match name {
        "tcp4" => tcp("127.0.0.1", true),
        "tcp6" => tcp("::1", true),
        "tcp_mapped" => tcp("::ffff:127.0.0.1", false),
        "refused" => refused(),
        "reset" => reset(),
        "nonblocking" => nonblocking(),
        "failures" => failures(),
        "before_accept" => before_accept(),
        "udp4" => udp("127.0.0.1", "127.0.0.1"),
        "udp6" => udp("::1", "::1"),
        "udp_mapped" => udp("::", "::ffff:127.0.0.1"),
        "udp_calls" => udp_calls(),
        "unix" => unix(),
        "storm" => storm(),
        "datagram_storm" => datagram_storm(),
        "bad_descriptors" => bad_descriptors(),
        "forged" => forged(),
        _ => panic!("no act is called {name}"),
    }
}

fn say(key: &str, value: impl std::fmt::Display) {
    println!("{key}={value}");
}

/// A listener and one connection to it: listener, client, server.
fn pair(ip: &str) -> (TcpListener, TcpStream, TcpStream) {
    let ip: IpAddr = ip.parse().unwrap();
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect((ip, port)).unwrap();
    let (server, _) = listener.accept().unwrap();
    say("port", port);
    say("client_port", client.local_addr().unwrap().port());
    say("listener_fd", listener.as_raw_fd());
    say("client_fd", client.as_raw_fd());
    say("server_fd", server.as_raw_fd());
    (listener, client, server)
}

/// One connection; the client sends 1000 bytes, the server 3000; who closes first is said.
fn tcp(ip: &str, client_first: bool) {
    let (listener, mut client, mut server) = pair(ip);
    client.write_all(&[1; 1000]).unwrap();
    server.read_exact(&mut [0; 1000]).unwrap();
    server.write_all(&[2; 3000]).unwrap();
    client.read_exact(&mut [0; 3000]).unwrap();
    let (mut first, mut second) = if client_first { (client, server) } else { (server, client) };
    first.shutdown(Shutdown::Write).unwrap();
    assert_eq!(second.read(&mut [0; 1]).unwrap(), 0);
    drop(second);
    assert_eq!(first.read(&mut [0; 1]).unwrap(), 0);
    drop(first);
    drop(listener);
}

/// A port on which nobody listens.
fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    say("free_port", port);
    port
}

fn tcp_socket(family: AddressFamily, flags: SocketFlags) -> OwnedFd {
    let flags = flags | SocketFlags::CLOEXEC;
    rustix::net::socket_with(family, SocketType::STREAM, flags, None).unwrap()
}

fn refused() {
    let port = free_port();
    let error = TcpStream::connect(("127.0.0.1", port)).unwrap_err();
    say("error", error.raw_os_error().unwrap());
}

/// The client gives up: its linger time is zero.
fn reset() {
    let (listener, client, mut server) = pair("127.0.0.1");
    sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
    assert!(server.read(&mut [0; 1]).is_err());
    drop(server);
    drop(listener);
}

fn nonblocking() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    say("port", to.port());
    say("listener_fd", listener.as_raw_fd());
    let client = tcp_socket(AddressFamily::INET, SocketFlags::NONBLOCK);
    say("client_fd", client.as_raw_fd());
    let error = rustix::net::connect(&client, &to).unwrap_err();
    say("error", error.raw_os_error());
    let (server, from) = listener.accept().unwrap();
    say("client_port", from.port());
    say("server_fd", server.as_raw_fd());
    rustix::net::connect(&client, &to).unwrap();
    // Nobody waits any more.
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
    drop(client);
    drop(server);
    drop(listener);
}

/// Calls that fail before the kernel keeps the address.
fn failures() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = busy.local_addr().unwrap();
    say("port", taken.port());
    say("listener_fd", busy.as_raw_fd());
    let socket = tcp_socket(AddressFamily::INET, SocketFlags::empty());
    say("socket_fd", socket.as_raw_fd());
    let said = |what: &str, result: rustix::io::Result<()>| {
        say(what, result.unwrap_err().raw_os_error());
    };
    said("taken", rustix::net::bind(&socket, &taken));
    said("foreign", rustix::net::bind(&socket, &SocketAddr::from(([192, 0, 2, 1], 9))));
    said("broadcast", rustix::net::connect(&socket, &SocketAddr::from(([255; 4], 9))));
    said("accept", rustix::net::accept(&socket).map(drop));
    let unix = rustix::net::SocketAddrUnix::new("/nonexistent/socket").unwrap();
    let socket = tcp_socket(AddressFamily::UNIX, SocketFlags::empty());
    said("no_path", rustix::net::connect(&socket, &unix));
    said("no_folder", rustix::net::bind(&socket, &unix));
    drop((socket, busy));
}

/// Three connections that are closed before they are accepted: by FIN, by RST, and by FIN first.
fn before_accept() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    say("port", to.port());
    say("listener_fd", listener.as_raw_fd());
    let mut fin = TcpStream::connect(to).unwrap();
    say("fin_port", fin.local_addr().unwrap().port());
    fin.write_all(&[1; 10]).unwrap();
    drop(fin);
    let mut reset = TcpStream::connect(to).unwrap();
    say("reset_port", reset.local_addr().unwrap().port());
    reset.write_all(&[1; 20]).unwrap();
    sockopt::set_socket_linger(&reset, Some(Duration::ZERO)).unwrap();
    drop(reset);
    for expected in ["fin", "reset"] {
        let (server, _) = listener.accept().unwrap();
        say(&format!("{expected}_fd"), server.as_raw_fd());
    }
}

/// The server answers each of three datagrams; a second client says nothing but one empty one.
fn udp(bound: &str, to: &str) {
    let any = if to.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
    let server = UdpSocket::bind((bound, 0)).unwrap();
    let to = SocketAddr::new(to.parse().unwrap(), server.local_addr().unwrap().port());
    let client = UdpSocket::bind(any).unwrap();
    let quiet = UdpSocket::bind(any).unwrap();
    client.connect(to).unwrap();
    say("port", to.port());
    say("client_port", client.local_addr().unwrap().port());
    say("quiet_port", quiet.local_addr().unwrap().port());
    let mut buffer = [0; 2000];
    for length in [100, 200, 300] {
        client.send(&buffer[..length]).unwrap();
        let (got, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(got, length);
        server.send_to(&buffer[..2 * length], from).unwrap();
        assert_eq!(client.recv(&mut buffer).unwrap(), 2 * length);
    }
    quiet.send_to(&[], to).unwrap();
    server.peek_from(&mut buffer).unwrap();
    assert_eq!(server.recv_from(&mut buffer).unwrap().0, 0);
}

/// The other ways to send and receive: write and read, sendmsg and recvmsg, sendmmsg, recvmmsg.
fn udp_calls() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (to, from) = (server.local_addr().unwrap(), client.local_addr().unwrap());
    say("port", to.port());
    say("client_port", from.port());
    let mut buffer = [0u8; 100];
    // Not connected: the address is in the message.
    send_message(&client, Some(to), 10);
    receive_message(&server, &mut buffer);
    // Of a receiver that does not ask, the tracepoints alone cannot say whom it heard.
    sendmmsg(&client, to, &[20, 30]);
    recvmmsg(&server, 2);
    // Connected.
    client.connect(to).unwrap();
    server.connect(from).unwrap();
    rustix::io::write(&client, &buffer[..40]).unwrap();
    assert_eq!(rustix::io::read(&server, &mut buffer).unwrap(), 40);
    send_message(&client, None, 50);
    receive_message(&server, &mut buffer);
}

fn send_message(socket: &UdpSocket, to: Option<SocketAddr>, length: usize) {
    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg, sendmsg_addr};
    let bytes = vec![7; length];
    let parts = [std::io::IoSlice::new(&bytes)];
    let mut control = SendAncillaryBuffer::default();
    let sent = match to {
        Some(to) => sendmsg_addr(socket, &to, &parts, &mut control, SendFlags::empty()),
        None => sendmsg(socket, &parts, &mut control, SendFlags::empty()),
    };
    assert_eq!(sent.unwrap(), length);
}

fn receive_message(socket: &UdpSocket, buffer: &mut [u8]) {
    use rustix::net::{RecvAncillaryBuffer, RecvFlags, recvmsg};
    let mut parts = [std::io::IoSliceMut::new(buffer)];
    let mut control = RecvAncillaryBuffer::default();
    recvmsg(socket, &mut parts, &mut control, RecvFlags::empty()).unwrap();
}

/// `struct mmsghdr` and what it points to, as the system takes them.
#[repr(C)]
struct Message {
    name: *mut SockAddr,
    name_length: u32,
    parts: *mut Part,
    parts_count: usize,
    control: *mut u8,
    control_length: usize,
    flags: u64,
    length: u64,
}

#[repr(C)]
struct Part {
    bytes: *mut u8,
    length: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct SockAddr {
    family: u16,
    port: u16,
    ip: [u8; 4],
    zero: [u8; 8],
}

mod raw {
    use super::{Message, SockAddr};

    unsafe extern "C" {
        pub(super) fn connect(fd: i32, address: *const SockAddr, length: u32) -> i32;
        pub(super) fn sendmmsg(fd: i32, messages: *mut Message, count: u32, flags: i32) -> i32;
        pub(super) fn recvmmsg(
            fd: i32,
            messages: *mut Message,
            count: u32,
            flags: i32,
            timeout: *mut u8,
        ) -> i32;
    }
}

/// Calls one of the two with messages of these lengths and one address.
fn vector(lengths: &[usize], address: SockAddr, call: impl FnOnce(&mut [Message]) -> i32) {
    let mut bytes = [0u8; 1000];
    let mut parts: Vec<Part> =
        lengths.iter().map(|&length| Part { bytes: bytes.as_mut_ptr(), length }).collect();
    let mut names = vec![address; lengths.len()];
    let message = |(part, name): (&mut Part, &mut SockAddr)| Message {
        name,
        name_length: size_of::<SockAddr>() as u32,
        parts: part,
        parts_count: 1,
        control: std::ptr::null_mut(),
        control_length: 0,
        flags: 0,
        length: 0,
    };
    let mut messages: Vec<Message> = parts.iter_mut().zip(&mut names).map(message).collect();
    assert_eq!(call(&mut messages), lengths.len() as i32);
}

fn sendmmsg(socket: &UdpSocket, to: SocketAddr, lengths: &[usize]) {
    let IpAddr::V4(ip) = to.ip() else { panic!("an IPv4 address") };
    let to = SockAddr { family: 2, port: to.port().to_be(), ip: ip.octets(), zero: [0; 8] };
    vector(lengths, to, |messages| {
        // SAFETY: the messages and all that they point to outlive the call.
        unsafe {
            raw::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), messages.len() as u32, 0)
        }
    });
}

fn recvmmsg(socket: &UdpSocket, count: usize) {
    let from = SockAddr { family: 0, port: 0, ip: [0; 4], zero: [0; 8] };
    vector(&vec![100; count], from, |messages| {
        // SAFETY: the messages and all that they point to outlive the call.
        unsafe {
            raw::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                messages.len() as u32,
                0,
                std::ptr::null_mut(),
            )
        }
    });
}

/// Stream by path and by abstract name, and datagrams.
fn unix() {
    let folder = std::env::temp_dir().join(format!("fathom-socket-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("stream");
    say("path", path.display());
    let listener = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    let (server, _) = listener.accept().unwrap();
    say("listener_fd", listener.as_raw_fd());
    say("client_fd", client.as_raw_fd());
    say("server_fd", server.as_raw_fd());
    drop(client);
    drop(server);
    drop(listener);
    use std::os::linux::net::SocketAddrExt;
    let name = format!("fathom-{}", std::process::id());
    say("name", format!("@{name}"));
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let receiver = UnixDatagram::bind_addr(&address).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.connect_addr(&address).unwrap();
    drop((sender, receiver));
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Many short connections, for the cost of each.
fn storm() {
    let count: u32 = std::env::var("FATHOM_STORM").map_or(2000, |it| it.parse().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let begun = std::time::Instant::now();
    for _ in 0..count {
        let client = TcpStream::connect(to).unwrap();
        let (server, _) = listener.accept().unwrap();
        sockopt::set_socket_linger(&server, Some(Duration::ZERO)).unwrap();
        drop(client);
        drop(server);
    }
    say("each", begun.elapsed().as_nanos() / u128::from(count));
    say("connections", count);
}

/// Many datagrams between two sockets.
fn datagram_storm() {
    let count: u32 = std::env::var("FATHOM_STORM").map_or(2000, |it| it.parse().unwrap());
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = server.local_addr().unwrap();
    let mut buffer = [0u8; 64];
    let begun = std::time::Instant::now();
    for _ in 0..count {
        client.send_to(&[1; 64], to).unwrap();
        server.recv_from(&mut buffer).unwrap();
    }
    say("each", begun.elapsed().as_nanos() / u128::from(count));
}

/// Connects while another thread rewrites the port in the address, back and forth.
fn forged() {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = [0, 1].map(|at: usize| listeners[at].local_addr().unwrap().port());
    let address = SockAddr { family: 2, port: ports[0].to_be(), ip: [127, 0, 0, 1], zero: [0; 8] };
    let address = Box::leak(Box::new(address));
    let port = (&raw mut address.port) as usize;
    let done = &AtomicBool::new(false);
    let mut reached = [0; 2];
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // SAFETY: the address is leaked, and aligned for its port.
            let port = unsafe { AtomicU16::from_ptr(port as *mut u16) };
            while !done.load(Ordering::Relaxed) {
                for one in ports {
                    port.store(one.to_be(), Ordering::Relaxed);
                }
            }
        });
        for _ in 0..1000 {
            let client = tcp_socket(AddressFamily::INET, SocketFlags::empty());
            // SAFETY: the address is a whole sockaddr_in and lives for ever.
            let result = unsafe { raw::connect(client.as_raw_fd(), &raw const *address, 16) };
            assert_eq!(result, 0);
            let client = TcpStream::from(client);
            let at = usize::from(client.peer_addr().unwrap().port() == ports[1]);
            reached[at] += 1;
            drop(listeners[at].accept().unwrap());
        }
        done.store(true, Ordering::Relaxed);
    });
    for at in 0..2 {
        say(&format!("port{at}"), ports[at]);
        say(&format!("reached{at}"), reached[at]);
    }
}

/// Calls on what is no socket or not there are no events.
fn bad_descriptors() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let to = SocketAddr::from(([127, 0, 0, 1], 9));
    assert!(rustix::net::connect(&file, &to).is_err());
    assert!(rustix::net::bind(&file, &to).is_err());
    assert!(rustix::net::listen(&file, 1).is_err());
}
