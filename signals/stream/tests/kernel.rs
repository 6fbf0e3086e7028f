//! Moves bytes by every call that can, and expects them, to the byte; on this host and on every kernel
//! of the matrix.

#[path = "kernel/frames.rs"]
mod frames;

use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, exit};

use schema::{ClosedSocket, Moved, OpenedSocket, SocketNews};
use signal_stream::{STREAM, Settings, Signature, Verdict};
use testkit::calls;
use testkit::watch::{MECHANISMS, Watch};

/// Set in the child that acts; it is this very test program.
const ACT: &str = "FATHOM_TEST_ACT";

/// What is copied of a call that says nothing to anyone.
const GLANCE: usize = 64;

/// What came, with the bytes that were copied.
#[derive(Default)]
struct Seen {
    opened: Vec<OpenedSocket>,
    moved: Vec<(Moved, Vec<u8>)>,
    closed: Vec<ClosedSocket>,
}

impl Seen {
    /// The calls of a direction, as positions and what was copied.
    fn way(&self, sent: bool) -> Vec<(u64, u64, String)> {
        let calls = self.moved.iter().filter(|(it, _)| it.sent == sent);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        calls.map(|(it, bytes)| (it.position, it.size, text(bytes))).collect()
    }
}

#[test]
fn every_call_that_moves_bytes_is_told() {
    let script: &[&str] = &[
        "53 1 1 0 @0",         // socketpair(AF_UNIX, SOCK_STREAM): *0 and *0+4
        "1 *0 'write' 5",      // write
        "0 *0+4 @1 3",         // read
        "45 *0+4 @1 64 2 0 0", // recvfrom(MSG_PEEK): nothing
        "45 *0+4 @1 64 0 0 0", // recvfrom
        "#@2 'one-'",          // two pieces: an address …
        "#@2+8 4",             // … and a length
        "#@2+16 'two'",
        "#@2+24 3",
        "20 *0 @2 2", // writev
        "#@3 @4",
        "#@3+8 2",
        "#@3+16 @4+100",
        "#@3+24 100",
        "19 *0+4 @3 2", // readv: two bytes here, five there
        "#@5+16 @2",    // a message's header: its pieces …
        "#@5+24 2",     // … and how many
        "46 *0 @5 0",   // sendmsg
        "#@6+16 @3",
        "#@6+24 2",
        "47 *0+4 @6 0",           // recvmsg
        "307 *0 @5 1 0",          // sendmmsg
        "299 *0+4 @6 1 0 0",      // recvmmsg
        "44 *0 'sendto' 6 0 0 0", // sendto
    ];
    let Some(seen) = script_seen("every_call_that_moves_bytes_is_told", script) else { return };
    let call = |position: u64, text: &str| (position, text.len() as u64, text.to_string());
    let sent = [call(0, "write"), call(5, "one-two"), call(12, "one-two"), call(19, "one-two")];
    assert_eq!(seen.way(true), [&sent[..], &[call(26, "sendto")]].concat());
    let received = [call(0, "wri"), call(3, "te"), call(5, "one-two"), call(12, "one-two")];
    assert_eq!(seen.way(false), [&received[..], &[call(19, "one-two")]].concat());
    assert_eq!(seen.opened.len(), 2, "{:?}", seen.opened);
    assert!(seen.opened.iter().all(|it| !it.datagrams && !it.from_middle && it.peer.is_none()));
}

#[test]
fn as_much_is_copied_as_a_message_is_worth() {
    let Some(seen) = act_seen("as_much_is_copied_as_a_message_is_worth", "messages") else {
        return;
    };
    let lengths: Vec<usize> = seen
        .moved
        .iter()
        .filter(|(it, _)| it.sent && it.size == 10_000)
        .map(|(_, bytes)| bytes.len())
        .collect();
    // The first bytes of a connection; the same again without an answer between; what is known.
    assert_eq!(lengths, [4096, GLANCE, 4096]);
    let known = seen.moved.iter().find(|(it, bytes)| it.sent && bytes.starts_with(b"KNOWN"));
    assert!(known.is_some_and(|(it, _)| it.position == 20_000), "{known:?}");
}

/// However the calls cut them, and wherever the caller has them.
#[test]
fn of_frames_those_are_copied_that_matter() {
    let Some(seen) = act_seen("of_frames_those_are_copied_that_matter", "frames") else { return };
    let stream = frames::stream(300);
    for sent in [true, false] {
        let mut copied = vec![false; stream.bytes.len()];
        let mut next = 0;
        for (moved, bytes) in seen.moved.iter().filter(|(it, _)| it.sent == sent) {
            assert_eq!(moved.position, next, "sent {sent}");
            let at = next as usize..next as usize + bytes.len();
            assert!(stream.bytes[at.clone()] == bytes[..], "at {next}, sent {sent}");
            copied[at].fill(true);
            next += moved.size;
        }
        assert_eq!(next, stream.bytes.len() as u64);
        for wanted in &stream.wanted {
            let lacks = wanted.clone().find(|at| !copied[*at]);
            assert_eq!(lacks, None, "of {wanted:?}, sent {sent}");
        }
        let copied = copied.iter().filter(|it| **it).count();
        assert!(copied < stream.bytes.len() / 2, "{copied} of {}", stream.bytes.len());
    }
}

/// The first call after it is said that begins with a frame shows where they stand.
#[test]
fn frames_are_found_in_the_middle() {
    let Some(watch) = watch("frames_are_found_in_the_middle") else { return };
    let mut child = start(&watch, "joins");
    let socket = socket_that_sent(&watch, &mut child);
    signal_stream::judge(&watch.kernel, socket, false, Verdict::Framed).expect("it can be told");
    child.stdin.take().expect("its input").write_all(b"\n").expect("it listens");
    assert!(child.wait().expect("it ends").success());
    let seen = Seen::of(watch.sockets().expect("records"));
    let of = |it: &&(Moved, Vec<u8>)| it.0.socket == socket && it.0.sent;
    let all: Vec<u8> = seen.moved.iter().filter(of).flat_map(|it| it.1.clone()).collect();
    let heads = all.windows(6).filter(|it| it == b"a head").count();
    assert_eq!(heads, 3, "{} bytes", all.len());
}

#[test]
fn a_tcp_connection_is_told_from_its_first_byte_to_its_end() {
    let test = "a_tcp_connection_is_told_from_its_first_byte_to_its_end";
    let Some(seen) = act_seen(test, "tcp") else { return };
    let (client, server): (Vec<_>, Vec<_>) = seen
        .opened
        .iter()
        .partition(|it| it.peer.is_some_and(|peer| Some(peer) == server_of(&seen)));
    assert_eq!((client.len(), server.len()), (1, 1), "{:?}", seen.opened);
    assert_eq!((client[0].local, client[0].peer), (server[0].peer, server[0].local));
    assert_eq!((client[0].asked, server[0].asked), (Some(true), Some(false)));
    for opened in [client[0], server[0]] {
        assert!(!opened.from_middle && !opened.datagrams, "{opened:?}");
        let of = |it: &&(Moved, Vec<u8>)| it.0.socket == opened.socket;
        let sum = |sent: bool| -> u64 {
            seen.moved.iter().filter(of).filter(|it| it.0.sent == sent).map(|it| it.0.size).sum()
        };
        // Bytes without a hole, and the end where the last of them were, although both FINs came.
        for sent in [true, false] {
            let mut next = 0;
            for (moved, _) in seen.moved.iter().filter(of).filter(|it| it.0.sent == sent) {
                assert_eq!(moved.position, next, "{moved:?}");
                next += moved.size;
            }
        }
        let closed = seen.closed.iter().find(|it| it.socket == opened.socket).expect("it ended");
        assert_eq!((closed.sent, closed.received), (sum(true), sum(false)));
    }
}

#[test]
fn datagrams_are_told_with_their_peers() {
    let Some(seen) = act_seen("datagrams_are_told_with_their_peers", "udp") else { return };
    assert!(seen.opened.iter().all(|it| it.datagrams), "{:?}", seen.opened);
    let texts: Vec<_> = seen.moved.iter().map(|(it, bytes)| (it.sent, bytes.as_slice())).collect();
    let expected =
        [(true, b"ask".as_slice()), (false, b"ask"), (true, b"answer"), (false, b"answer")];
    assert_eq!(texts, expected);
    assert!(seen.moved.iter().all(|(it, _)| it.datagram && it.peer.is_some()), "{:?}", seen.moved);
    // Who was asked is who answered.
    assert_eq!(seen.moved[0].0.peer, seen.moved[3].0.peer);
}

#[test]
fn what_is_not_read_is_counted_only() {
    let test = "what_is_not_read_is_counted_only";
    let Some(watch) = watch(test) else { return };
    let mut child = start(&watch, "stops");
    let socket = socket_that_sent(&watch, &mut child);
    signal_stream::judge(&watch.kernel, socket, false, Verdict::Pass).expect("it can be told");
    child.stdin.take().expect("its input").write_all(b"\n").expect("it listens");
    assert!(child.wait().expect("it ends").success());
    let seen = Seen::of(watch.sockets().expect("records"));
    let sent: Vec<_> = seen.moved.iter().filter(|(it, _)| it.socket == socket && it.sent).collect();
    // 300 times 1000 bytes: told once, when there are enough of them.
    assert_eq!(sent.len(), 1, "{sent:?}");
    let (moved, bytes) = sent[0];
    assert!(bytes.is_empty() && moved.size >= 256 << 10 && moved.position == 5, "{moved:?}");
}

/// The socket by which the child sent something, when it says that it has.
fn socket_that_sent(watch: &Watch, child: &mut Child) -> u64 {
    // The test program has something to say of its own before.
    let out = BufReader::new(child.stdout.take().expect("its output"));
    let said = out.lines().map_while(Result::ok).any(|line| line.ends_with("now"));
    assert!(said, "it never said when");
    let first = watch.sockets().expect("records");
    let socket = first.0.iter().find_map(|news| match news {
        SocketNews::Moved(_, moved) if moved.sent => Some(moved.socket),
        _ => None,
    });
    socket.expect("something was sent")
}

/// Not a test: what the child does.
#[test]
fn act() {
    let Ok(name) = std::env::var(ACT) else { return };
    match name.as_str() {
        "messages" => messages(),
        "tcp" => tcp(),
        "udp" => udp(),
        "frames" => sends_frames(),
        "joins" => joins(),
        _ => stops(),
    }
    exit(0);
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client =
        TcpStream::connect(listener.local_addr().expect("it has one")).expect("it listens");
    (client, listener.accept().expect("somebody called").0)
}

fn messages() {
    let (mut client, mut server) = connection();
    let mut known = [b'x'; 10_000];
    known[..5].copy_from_slice(b"KNOWN");
    let mut room = [0; 10_000];
    for message in [[b'y'; 10_000], [b'z'; 10_000], known] {
        client.write_all(&message).expect("sent");
        server.read_exact(&mut room).expect("received");
    }
}

/// Sends frames in calls of all sizes, some from many places, and receives them in others.
fn sends_frames() {
    let (mut client, mut server) = connection();
    let stream = frames::stream(300).bytes;
    let reader = std::thread::spawn(move || {
        let mut room = vec![0; 100_000];
        let mut sizes = frames::Chance(7);
        // What a connection begins with has to come at once to be known.
        let mut size = 100;
        while server.read(&mut room[..size]).expect("received") > 0 {
            size = sizes.size(50_000);
        }
    });
    let (mut rest, mut sizes) = (&stream[..], frames::Chance(3));
    while !rest.is_empty() {
        let (call, behind) = rest.split_at(sizes.size(100_000).max(8).min(rest.len()));
        rest = behind;
        let pieces = 1 + sizes.size(50);
        let mut pieces: Vec<IoSlice> =
            call.chunks(call.len().div_ceil(pieces)).map(IoSlice::new).collect();
        let mut pieces = pieces.as_mut_slice();
        while !pieces.is_empty() {
            let sent = client.write_vectored(pieces).expect("sent");
            IoSlice::advance_slices(&mut pieces, sent);
        }
    }
    drop(client);
    reader.join().expect("it reads");
}

/// Says what nobody knows, and then frames in one call.
fn joins() {
    let (mut client, _server) = connection();
    client.write_all(b"first").expect("sent");
    println!("now");
    std::io::stdin().read_line(&mut String::new()).expect("told to go on");
    let body = frames::frame(frames::BODY, &[b'.'; 3000]);
    let head = frames::frame(frames::HEAD, b"a head");
    client.write_all(&[body, head].concat().repeat(3)).expect("sent");
}

fn tcp() {
    let (mut client, mut server) = connection();
    let mut room = [0; 64];
    client.write_all(b"hello").expect("sent");
    server.read_exact(&mut room[..5]).expect("received");
    server.write_all(b"good bye").expect("sent");
    drop(server);
    // The FIN may come with the last byte.
    while client.read(&mut room).expect("received") > 0 {}
}

fn udp() {
    let [one, other] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a port"));
    let mut room = [0; 64];
    one.send_to(b"ask", other.local_addr().expect("one")).expect("sent");
    let (_, from) = other.recv_from(&mut room).expect("received");
    other.send_to(b"answer", from).expect("sent");
    one.recv_from(&mut room).expect("received");
}

fn stops() {
    let (mut client, mut server) = connection();
    let mut room = [0; 1000];
    client.write_all(b"first").expect("sent");
    server.read_exact(&mut room[..5]).expect("received");
    println!("now");
    std::io::stdin().read_line(&mut String::new()).expect("told to go on");
    for _ in 0..300 {
        client.write_all(&room).expect("sent");
        server.read_exact(&mut room).expect("received");
    }
    assert!(client.as_raw_fd() != server.as_raw_fd());
}

/// The address that somebody connected to: the one that is there first as a peer.
fn server_of(seen: &Seen) -> Option<std::net::SocketAddr> {
    seen.opened.first().and_then(|it| it.peer)
}

fn watch(test: &str) -> Option<Watch> {
    let watch = Watch::start(test, &[&STREAM], MECHANISMS).expect("it loads")?;
    if let Some(it) = watch.kernel.rejections().first() {
        panic!("{} {}", it.program, it.log);
    }
    let known = u64::from_le_bytes(*b"KNOWN\0\0\0");
    let framed = u64::from_le_bytes(*frames::PREFACE);
    let body = u64::from(frames::BODY) << 24;
    let signatures = vec![
        Signature { offset: 0, mask: (1 << 40) - 1, value: known, framed: 0 },
        Signature { offset: 0, mask: u64::MAX, value: framed, framed: 8 },
        Signature { offset: 0, mask: 0xff << 24 | 0xff, value: body, framed: 0 },
    ];
    let frames = frames::FRAMES;
    let settings = Settings {
        signatures,
        frames,
        message_bytes: 4096,
        second_bytes: 1 << 20,
        reads_tls: false,
    };
    signal_stream::tell(&watch.kernel, &settings).expect("it can be told");
    Some(watch)
}

fn start(watch: &Watch, act: &str) -> Child {
    let own = std::env::current_exe().expect("we run");
    let mut command = Command::new(own);
    command.args(["--exact", "act", "--nocapture"]).env(ACT, act);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    watch.spawn(&mut command).expect("it runs")
}

fn act_seen(test: &str, act: &str) -> Option<Seen> {
    let watch = watch(test)?;
    let mut child = start(&watch, act);
    assert!(child.wait().expect("it ends").success());
    Some(Seen::of(watch.sockets().expect("records")))
}

fn script_seen(test: &str, script: &[&str]) -> Option<Seen> {
    let watch = watch(test)?;
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let program = calls::write(&folder).expect("a place for the program");
    let mut child = watch.spawn(Command::new(program).args(script)).expect("it runs");
    assert!(child.wait().expect("it ends").success());
    Some(Seen::of(watch.sockets().expect("records")))
}

impl Seen {
    fn of((news, bytes): (Vec<SocketNews>, Vec<u8>)) -> Seen {
        let mut seen = Seen::default();
        for news in news {
            match news {
                SocketNews::Opened(_, opened) => seen.opened.push(opened),
                SocketNews::Moved(_, moved) => {
                    let copied = bytes[moved.bytes.clone()].to_vec();
                    seen.moved.push((moved, copied));
                }
                SocketNews::Closed(_, closed) => seen.closed.push(closed),
                SocketNews::Mapped(..) => {}
            }
        }
        seen
    }
}
