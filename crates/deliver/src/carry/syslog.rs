//! The system log: this machine's socket, or RFC 5424 by UDP or TCP.

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use super::{Carrier, Trouble};
use crate::shape::falco;
use crate::{Falco, Notice, Syslog};

/// A system log.
pub(super) struct Logged {
    address: Address,
    facility: u8,
    tag: String,
    format: Falco,
    socket: Option<Socket>,
}

#[derive(Debug, PartialEq)]
enum Address {
    Local(String),
    Udp(String),
    Tcp(String),
}

enum Socket {
    Local(UnixDatagram),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

const FACILITIES: &[(&str, u8)] = &[
    ("user", 1),
    ("daemon", 3),
    ("auth", 4),
    ("authpriv", 10),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

const TIME_OUT: Duration = Duration::from_secs(5);
/// Shorter datagrams than this are not tried: it is not the length then.
const SHORTEST: usize = 256;
/// What a log over there takes at most in one datagram, as far as most networks carry it whole.
const UDP_MOST: usize = 8 << 10;

impl Logged {
    /// Connects to nobody yet.
    pub(super) fn new(config: &Syslog) -> Result<Logged, String> {
        let text = &config.address;
        let address = match (text.strip_prefix("udp://"), text.strip_prefix("tcp://")) {
            (Some(there), _) => Address::Udp(there.to_string()),
            (_, Some(there)) => Address::Tcp(there.to_string()),
            _ if text.starts_with('/') => Address::Local(text.clone()),
            _ => {
                let words = "a socket's path, udp://HOST:PORT or tcp://HOST:PORT";
                return Err(format!("`{text}` is no system log; write {words}"));
            }
        };
        if let Address::Udp(there) | Address::Tcp(there) = &address
            && there.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err())
        {
            return Err(format!("`{text}` has no port; 514 is usual"));
        }
        let found = FACILITIES.iter().find(|(name, _)| *name == config.facility);
        let names: Vec<&str> = FACILITIES.iter().map(|(name, _)| *name).collect();
        let wrong = || format!("there is no facility `{}`: {}", config.facility, names.join(", "));
        let facility = found.ok_or_else(wrong)?.1;
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'[' | b']' | b':');
        if config.tag.is_empty() || config.tag.len() > 48 || !config.tag.bytes().all(plain) {
            return Err(format!("`{}` is no tag: letters, digits and - do", config.tag));
        }
        let (tag, format) = (config.tag.clone(), config.format.clone());
        Ok(Logged { address, facility, tag, format, socket: None })
    }

    /// The message as the address wants it.
    fn message(&self, notice: &Notice) -> String {
        // The names of syslog are the priorities' own, in the same order.
        let priority = self.facility * 8 + notice.priority as u8;
        let (tag, pid) = (&self.tag, process::id());
        let text = falco::line(notice, &self.format);
        match &self.address {
            // As the C library writes it; the log itself puts down who sent it, and when.
            Address::Local(_) => format!("<{priority}>{tag}[{pid}]: {text}"),
            _ => {
                let time = falco::time(notice);
                // Six digits of a second are allowed.
                let time = format!("{}Z", &time[..time.len() - 4]);
                let host: String =
                    notice.hostname.chars().filter(char::is_ascii_graphic).take(255).collect();
                let host = if host.is_empty() { "-" } else { &host };
                format!("<{priority}>1 {time} {host} {tag} {pid} alert - {text}")
            }
        }
    }

    fn send(&mut self, message: &str) -> io::Result<()> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(connect(&self.address)?),
        };
        match socket {
            Socket::Local(socket) => datagram(message, usize::MAX, |bytes| socket.send(bytes)),
            Socket::Udp(socket) => datagram(message, UDP_MOST, |bytes| socket.send(bytes)),
            // Each with its length before it (RFC 6587): a message may have any character.
            Socket::Tcp(stream) => {
                stream.write_all(format!("{} {message}", message.len()).as_bytes())
            }
        }
    }
}

impl Carrier for Logged {
    fn carry(&mut self, notices: &[Arc<Notice>]) -> Result<usize, Trouble> {
        for (at, notice) in notices.iter().enumerate() {
            let message = self.message(notice);
            if let Err(error) = self.send(&message) {
                self.socket = None;
                let words = format!("{:?}: {error}", self.address);
                return Err(Trouble::Later { delivered: at, after: None, words });
            }
        }
        Ok(0)
    }
}

fn connect(address: &Address) -> io::Result<Socket> {
    Ok(match address {
        Address::Local(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            socket.set_write_timeout(Some(TIME_OUT))?;
            Socket::Local(socket)
        }
        Address::Udp(there) => {
            let there = resolved(there)?;
            let any = if there.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any)?;
            socket.connect(there)?;
            Socket::Udp(socket)
        }
        Address::Tcp(there) => {
            let stream = TcpStream::connect_timeout(&resolved(there)?, TIME_OUT)?;
            stream.set_write_timeout(Some(TIME_OUT))?;
            stream.set_nodelay(true)?;
            Socket::Tcp(stream)
        }
    })
}

fn resolved(there: &str) -> io::Result<std::net::SocketAddr> {
    there.to_socket_addrs()?.next().ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Sends what fits of a message: an end that is cut off is better than an alert that is lost.
fn datagram(
    message: &str,
    most: usize,
    send: impl Fn(&[u8]) -> io::Result<usize>,
) -> io::Result<()> {
    let mut length = message.len().min(most);
    loop {
        while !message.is_char_boundary(length) {
            length -= 1;
        }
        match send(&message.as_bytes()[..length]) {
            Err(error) if is_too_long(&error) && length > SHORTEST => length /= 2,
            done => return done.map(drop),
        }
    }
}

fn is_too_long(error: &io::Error) -> bool {
    let code = rustix::io::Errno::from_io_error(error);
    matches!(code, Some(rustix::io::Errno::MSGSIZE | rustix::io::Errno::NOBUFS))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;
    use crate::notice::tests::sample;

    fn logged(address: &str) -> Logged {
        let config = Syslog { address: address.to_string(), ..Syslog::default() };
        Logged::new(&config).unwrap()
    }

    #[test]
    fn this_machines_log_gets_what_the_c_library_would_send() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut logged = logged(path.to_str().unwrap());
        let trouble = logged.carry(&[Arc::new(sample())]).unwrap_err();
        assert!(matches!(trouble, Trouble::Later { delivered: 0, .. }), "{trouble:?}");

        let socket = UnixDatagram::bind(&path).unwrap();
        logged.carry(&[Arc::new(sample())]).unwrap();
        let mut bytes = [0; 4096];
        let length = socket.recv(&mut bytes).unwrap();
        let text = std::str::from_utf8(&bytes[..length]).unwrap();
        // user (1) and notice (5)
        let head = format!("<13>fathom[{}]: 08:00:00.123456789: Notice A shell", process::id());
        assert!(text.starts_with(&head), "{text}");
    }

    #[test]
    fn a_log_elsewhere_gets_rfc_5424() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut logged = logged(&format!("udp://{}", socket.local_addr().unwrap()));
        let long = Notice { output: "ü".repeat(100_000), ..sample() };
        logged.carry(&[Arc::new(sample()), Arc::new(long)]).unwrap();
        let mut bytes = vec![0; 1 << 16];
        let length = socket.recv(&mut bytes).unwrap();
        let text = std::str::from_utf8(&bytes[..length]).unwrap();
        let pid = process::id();
        let head = format!("<13>1 2026-11-22T08:00:00.123456Z node-1 fathom {pid} alert - 08:00");
        assert!(text.starts_with(&head), "{text}");
        let length = socket.recv(&mut bytes).unwrap();
        assert!(length > 4096 && std::str::from_utf8(&bytes[..length]).is_ok());
    }

    #[test]
    fn by_tcp_each_message_has_its_length() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut logged = logged(&format!("tcp://{}", listener.local_addr().unwrap()));
        logged.carry(&[Arc::new(sample()), Arc::new(sample())]).unwrap();
        drop(logged);
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        let mut count = 0;
        let mut rest = &*text;
        while let Some((length, after)) = rest.split_once(' ') {
            let (message, next) = after.split_at(length.parse().unwrap());
            assert!(message.starts_with("<13>1 2026-") && message.ends_with("container_id=3ad7"));
            (rest, count) = (next, count + 1);
        }
        assert_eq!((rest, count), ("", 2));
    }

    #[test]
    fn what_does_not_fit_is_said_at_the_start() {
        let error = |address: &str, facility: &str, tag: &str| {
            let (address, facility) = (address.to_string(), facility.to_string());
            let config = Syslog { address, facility, tag: tag.into(), ..Syslog::default() };
            Logged::new(&config).err().unwrap_or_default()
        };
        assert_eq!(error("/dev/log", "local7", "fathom"), "");
        assert!(error("log", "user", "x").contains("is no system log"));
        assert!(error("udp://host", "user", "x").contains("no port"));
        assert!(error("/dev/log", "mail", "x").contains("no facility `mail`: user, "));
        assert!(error("/dev/log", "user", "a b").contains("no tag"));
    }
}
