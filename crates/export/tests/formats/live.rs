//! The live table tells a person what happened.

use export::{Format, Live, Options, Terminal, by_time};
use schema::{Batch, Event, Table};
use unicode_width::UnicodeWidthStr;

use crate::sample::*;

const TABLES: &[&Table] = &[
    FileChown::TABLE,
    FileOpen::TABLE,
    FileRename::TABLE,
    FileSymlink::TABLE,
    ProcessExec::TABLE,
    ProcessExit::TABLE,
    ProcessFork::TABLE,
    SocketClose::TABLE,
    SocketConnect::TABLE,
    SocketState::TABLE,
];

#[test]
fn rows_of_many_tables_share_one_form() {
    insta::assert_snapshot!(show(TABLES, Some(120), &story()));
}

#[test]
fn rows_of_one_table_have_columns_of_their_own() {
    let grids = story().into_iter().map(|batch| show(&[batch.table], Some(120), &[batch]));
    insta::assert_snapshot!(grids.collect::<Vec<_>>().join("\n"));
}

#[test]
fn without_a_terminal_nothing_is_cut() {
    let mut shown = show(TABLES, None, &story());
    for batch in story() {
        shown += &show(&[batch.table], None, &[batch]);
    }
    assert!(!shown.contains('…'), "{shown}");
    assert!(shown.contains("CAP_SYS_ADMIN") && shown.contains("1a2b3c4d-2f9c8e511267-4711"));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in 1..200 {
        let mut shown = show(TABLES, Some(width), &story());
        for batch in story() {
            shown += &show(&[batch.table], Some(width), &[batch]);
        }
        let wide = shown.lines().find(|line| UnicodeWidthStr::width(*line) > width.into());
        assert_eq!(wide, None, "in {width} columns");
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    let terminal = Terminal { colour: true, width: Some(120), ..Terminal::default() };
    let coloured = shown(TABLES, terminal, &story());
    assert!(coloured.contains("\x1b[31mENOENT\x1b[0m"));
    let mut plain = String::new();
    for piece in coloured.split('\x1b') {
        plain += piece.strip_prefix('[').map_or(piece, |rest| rest.split_once('m').unwrap().1);
    }
    assert_eq!(plain, show(TABLES, Some(120), &story()));
}

#[test]
fn personal_values_can_be_hidden() {
    let mut live = Live::new(TABLES, Terminal::default(), Options { hide_personal: true });
    let mut out = Vec::new();
    live.batch(&story()[1], &mut out);
    let shown = String::from_utf8(out).unwrap();
    assert!(shown.contains("[hidden] [hidden]") && !shown.contains("/etc/hosts"), "{shown}");
}

#[test]
fn a_table_may_say_itself_what_is_shown() {
    let alone = show(&[Call::TABLE], Some(120), &calls());
    let among_others = show(&[Call::TABLE, FileOpen::TABLE], Some(120), &calls());
    insta::assert_snapshot!(format!("{alone}\n{among_others}"));
    for width in 1..200 {
        let shown = show(&[Call::TABLE], Some(width), &calls());
        let wide = shown.lines().find(|line| UnicodeWidthStr::width(*line) > width.into());
        assert_eq!(wide, None, "in {width} columns");
    }
    let whole = Terminal { width: Some(120), whole: true, ..Terminal::default() };
    let whole = shown(&[Call::TABLE], whole, &calls());
    assert!(whole.contains("RECEIVING") && whole.contains(LONG_ERROR), "{whole}");
}

/// A call to somebody else.
#[derive(Event)]
#[event(
    table = "remote_call",
    since = "0.1",
    brief = "status|outcome latency role>peer_service|peer operation+resource absent error! tls?"
)]
struct Call<'a> {
    /// Who the process is.
    #[event(kind = Text)]
    role: &'a str,
    /// What was done.
    #[event(kind = Text)]
    operation: &'a str,
    /// To what.
    #[event(kind = Text)]
    resource: Option<&'a str>,
    /// How it went.
    #[event(kind = Text)]
    status: Option<&'a str>,
    /// What became of it.
    #[event(kind = Text)]
    outcome: &'a str,
    /// What was said of its failure.
    #[event(kind = Text)]
    error: Option<&'a str>,
    /// How long it took.
    #[event(kind = Duration, unit = Nanoseconds)]
    latency: Option<u64>,
    /// How long its answer took.
    #[event(kind = Duration, unit = Nanoseconds)]
    receiving: Option<u64>,
    /// The other end.
    #[event(kind = Ip)]
    peer_ip: Option<std::net::IpAddr>,
    /// The port of the other end.
    #[event(kind = Port)]
    peer_port: Option<u16>,
    /// What is there.
    #[event(kind = Text)]
    peer_service: Option<&'a str>,
    /// Whether it was hidden.
    #[event(kind = Bool)]
    tls: bool,
}

const LONG_ERROR: &str =
    "relation \"orders_of_the_year_before_last\" does not exist at character 42";

fn calls() -> Vec<Batch> {
    let web = process(4711, "/usr/bin/web", true);
    let call = |role, operation, resource| Call {
        role,
        operation,
        resource,
        status: Some("OK"),
        outcome: "answered",
        error: None,
        latency: Some(1_234_567),
        receiving: Some(12),
        peer_ip: Some("10.0.0.7".parse().unwrap()),
        peer_port: Some(5432),
        peer_service: None,
        tls: false,
    };
    let sql =
        "SELECT name, price FROM orders WHERE customer = ? AND placed > ? ORDER BY placed LIMIT ?";
    let failed = Call {
        error: Some(LONG_ERROR),
        status: Some("42P01"),
        ..call("client", "SELECT", Some(sql))
    };
    let silent = Call {
        status: None,
        outcome: "no_answer",
        latency: None,
        ..call("server", "GET", Some("/cart"))
    };
    let named = Call {
        peer_service: Some("shop/prices"),
        tls: true,
        ..call("client", "Quote", Some("shop.Prices"))
    };
    let wordless =
        Call { error: Some(""), status: Some("NOT_FOUND"), ..call("client", "PING", None) };
    vec![batch([
        (1, web.clone(), call("client", "SELECT", Some(sql))),
        (2, web.clone(), failed),
        (3, web.clone(), silent),
        (4, web.clone(), named),
        (5, web, wordless),
    ])]
}

/// What a small script does.
fn story() -> Vec<Batch> {
    let shell = process(4711, "/usr/bin/dash", false);
    let cat = process(4712, "/usr/bin/cat", false);
    let curl = process(4713, "/usr/bin/curl", true);
    let exec = |path: &'static [u8], args: &'static [u8], error: Option<i32>| ProcessExec {
        path: Some(path),
        path_resolved: error.is_none().then_some(path),
        path_differs: error.is_none().then_some(false),
        args,
        args_truncated: false,
        cwd: Some(b"/root"),
        error,
        latency: error.is_none().then_some(312_000),
        parent: shell.key,
        parent_pid: 4711,
        session: 4711,
        tty: None,
        uid: 0,
        euid: 0,
        cap_effective: 1 << 21,
        ns_mnt: 4_026_531_840,
        ns_pid: 4_026_531_836,
        file_mode: error.is_none().then_some(0o100_755),
    };
    let fork = ProcessFork { parent: shell.key, parent_pid: 4711, vpid: 4712 };
    let ip = |text: &str| Some(text.parse().unwrap());
    let connect = |peer: &str, error| SocketConnect {
        socket: 4711,
        protocol: "tcp",
        local_ip: ip("10.0.0.5"),
        local_port: Some(41234),
        peer_ip: ip(peer),
        peer_port: Some(443),
        latency: Some(12_345_678),
        error,
    };
    let close = SocketClose {
        socket: 4711,
        protocol: "tcp",
        local_ip: ip("10.0.0.5"),
        local_port: Some(41234),
        peer_ip: ip("93.184.216.34"),
        peer_port: Some(443),
        bytes_sent: 517,
        bytes_received: 20_000_000,
        retransmits: 2,
        rtt: Some(11_900_000),
    };
    let exit = |exit_code, signal| ProcessExit {
        exit_code,
        signal,
        core_dumped: signal.is_some(),
        duration: 48_000_000,
        user_time: 2_000_000,
    };
    let shadow = FileOpen {
        path: Some(b"/tmp/innocent"),
        path_resolved: Some(b"/etc/shadow"),
        path_differs: Some(true),
        ..open()
    };
    let failed = |path: &'static [u8], error| FileOpen {
        path: Some(path),
        dir: (path[0] != b'/').then_some(b"/root".as_slice()),
        path_resolved: None,
        path_differs: None,
        fd: None,
        inode: None,
        device: None,
        error: Some(error),
        ..open()
    };
    let long: &[u8] = b"/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/1234/fs/usr/share/doc/README";
    let rename = FileRename {
        path: Some(b"/tmp/a"),
        path_resolved: Some(b"/tmp/a"),
        new_path: Some("/tmp/日本語\n".as_bytes()),
        new_path_resolved: None,
        error: None,
    };
    let chown =
        FileChown { path: Some(b"/tmp/a"), uid: Some(1000), gid: Some(1000), error: Some(1) };
    let state = SocketState {
        protocol: "tcp",
        local_ip: ip("10.0.0.5"),
        local_port: Some(41234),
        old_state: "SYN_SENT",
        new_state: "ESTABLISHED",
    };
    let (target, path): (&[u8], &[u8]) = (b"/etc/shadow", b"innocent");
    let symlink = FileSymlink { target: Some(target), path: Some(path), dir: Some(b"/tmp") };
    vec![
        batch([(0, cat.clone(), fork)]),
        batch([
            (1, cat.clone(), exec(b"/usr/local/bin/cat", b"cat\0/etc/hosts\0my file\0", Some(2))),
            (2, cat.clone(), exec(b"/usr/bin/cat", b"cat\0/etc/hosts\0my file\0", None)),
        ]),
        batch([
            (3, cat.clone(), open()),
            (4, cat.clone(), shadow),
            (5, cat.clone(), failed(b"my file", 2)),
            (6, cat.clone(), failed(long, 13)),
            (20, curl.clone(), open()),
        ]),
        batch([(3, cat.clone(), symlink)]),
        batch([(21, curl.clone(), state)]),
        batch([(7, cat.clone(), rename)]),
        batch([(8, cat.clone(), chown)]),
        batch([
            (21, curl.clone(), connect("93.184.216.34", None)),
            (22, curl.clone(), connect("2606:2800:220:1::1", Some(111))),
        ]),
        batch([(40, curl.clone(), close)]),
        batch([(48, cat, exit(Some(1), None)), (60, curl, exit(None, Some(11)))]),
    ]
}

fn show(tables: &[&'static Table], width: Option<u16>, batches: &[Batch]) -> String {
    shown(tables, Terminal { width, ..Terminal::default() }, batches)
}

fn shown(tables: &[&'static Table], terminal: Terminal, batches: &[Batch]) -> String {
    let mut live = Live::new(tables, terminal, Options::default());
    let mut out = Vec::new();
    live.head(&mut out);
    for row in by_time(batches) {
        live.row(row, &mut out);
    }
    String::from_utf8(out).unwrap()
}
