//! Acts in a process of its own, in a cgroup that is watched, and expects the rows, to the unit.
//!
//! All is done on each set of mechanisms that this machine has: all of them, tracepoints alone, and
//! tracepoints with kprobes. The rows are to be the same, but for what `doctor` says is lost.

#[path = "kernel/act.rs"]
mod act;
#[path = "kernel/expect.rs"]
mod expect;
#[path = "kernel/harness.rs"]
mod harness;

use std::collections::HashMap;
use std::time::Duration;

use harness::{Seen, Watch};

/// What runs in the child: the parent starts this very binary again and asks for this test.
#[test]
fn act() {
    if let Ok(name) = std::env::var(harness::ACT) {
        act::run(&name);
    }
}

/// One act and the rows that it makes, one in each line.
///
/// `{name}` stands for what the act said, `$name` for any one value that is the same wherever the
/// name stands, `(a|b)` for either, `#` for a number above 0, `-` for null. What a line does not
/// name may have any value.
struct Case {
    /// What is to be shown.
    name: &'static str,
    act: &'static str,
    rows: fn(&Seen) -> String,
}

#[test]
fn on_the_best_rungs() {
    all("on_the_best_rungs", &[]);
}

#[test]
fn on_trampolines() {
    all("on_trampolines", &["tp_btf", "fentry"]);
}

#[test]
fn on_tracepoints_alone() {
    all("on_tracepoints_alone", &["tp_btf"]);
}

#[test]
fn on_tracepoints_and_kprobes() {
    all("on_tracepoints_and_kprobes", &["tp_btf", "kprobe"]);
}

#[test]
fn on_classic_tracepoints() {
    all("on_classic_tracepoints", &["tp_btf", "tracepoint"]);
}

/// Runs every case, and the storm, with these mechanisms; all that fail are told together.
fn all(test: &str, mechanisms: &[&str]) {
    let Some(watch) = Watch::load(test, mechanisms) else { return };
    let mut wrong = Vec::new();
    for case in CASES {
        let seen = watch.observe(case.act);
        match expect::rows(&seen, &(case.rows)(&seen)) {
            Ok(()) => println!("{test}: {}", case.name),
            Err(difference) => wrong.push(format!("{}: {difference}", case.name)),
        }
    }
    assert!(wrong.is_empty(), "{}\n{:?}", wrong.join("\n"), watch.rungs);
    a_storm_is_told_to_the_unit(&watch.observe("storm"));
    no_address_can_be_forged(&watch.observe("forged"));
}

/// Without a hook on the close of sockets, silence ends an exchange; what is told is told once.
#[test]
fn silence_ends_an_exchange() {
    let Some(watch) = Watch::load("silence_ends_an_exchange", &["tp_btf"]) else { return };
    let cgroup = kernel::Cgroup::create().unwrap();
    let watched = [scope::Scope::Cgroup(cgroup.path().into())];
    scope::apply(&watch.kernel, &watched).unwrap();
    watch.observe_in(&cgroup, "udp4");
    assert!(watch.sweep(Duration::from_secs(3600), false).is_empty());
    let idle = watch.sweep(Duration::ZERO, false);
    assert_eq!(idle.len(), 4);
    assert!(idle.iter().all(|row| row.values["closed_by"] == "idle"), "{idle:?}");
    assert!(watch.sweep(Duration::ZERO, true).is_empty());
}

/// Who is not in scope leaves no trace.
#[test]
fn out_of_scope_is_silent() {
    let Some(watch) = Watch::load("out_of_scope_is_silent", &[]) else { return };
    let cgroup = kernel::Cgroup::create().unwrap();
    let other = cgroup.path().join("other");
    std::fs::create_dir(&other).unwrap();
    scope::apply(&watch.kernel, &[scope::Scope::Cgroup(other)]).unwrap();
    let stats = kernel::StatsGuard::enable().ok();
    for act in ["tcp4", "udp4", "udp_calls", "unix", "failures", "storm"] {
        let seen = watch.observe_in(&cgroup, act);
        assert!(seen.rows.is_empty(), "{act}: {:?}", seen.rows);
    }
    assert!(watch.sweep(Duration::ZERO, true).is_empty());
    drop(stats);
    watch.cost().iter().for_each(|line| println!("{line}"));
}

const LISTENS: &str = "
    socket_bind     fd={listener_fd} family=FAMILY protocol=tcp local_ip=IP local_port={port} local_source=kernel error=- path=- call=bind
    socket_state    socket=$listener old_state=CLOSE new_state=LISTEN local_ip=IP local_port={port} peer_ip=- duration=-
    socket_listen   socket=$listener fd={listener_fd} family=FAMILY protocol=tcp local_ip=IP local_port={port} backlog=128 error=- call=listen
    socket_state    socket=$listener old_state=LISTEN new_state=CLOSE duration=#
    socket_close    socket=$listener role=listener closed_by=local fd={listener_fd} local_ip=IP local_port={port} peer_ip=- peer_port=- error=- duration=# bytes_sent=- bytes_received=- segments_sent=- rtt=- retransmits=-
";

const CONNECTS: &str = "
    socket_state    socket=$client old_state=CLOSE new_state=SYN_SENT local_ip=IP local_port=- peer_ip=IP peer_port={port} duration=-
    socket_state    socket=$client old_state=SYN_SENT new_state=ESTABLISHED local_ip=IP local_port={client_port} peer_ip=IP peer_port={port} duration=#
    socket_connect  socket=$client fd={client_fd} family=FAMILY protocol=tcp local_ip=IP local_port={client_port} peer_ip=IP peer_port={port} peer_source=kernel error=- latency=# call=connect
    socket_accept   socket=$server fd={server_fd} family=FAMILY protocol=tcp local_ip=IP local_port={port} peer_ip=IP peer_port={client_port} error=- call=accept4
";

/// First closes by FIN, second answers; both ends as `FIRST` and `SECOND`.
const FINS: &str = "
    socket_state    socket=$FIRST old_state=ESTABLISHED new_state=FIN_WAIT1
    socket_state    socket=$SECOND old_state=ESTABLISHED new_state=CLOSE_WAIT
    socket_state    socket=$SECOND old_state=CLOSE_WAIT new_state=LAST_ACK duration=#
    socket_state    socket=$FIRST old_state=FIN_WAIT1 new_state=FIN_WAIT2 duration=#
    socket_state    socket=$FIRST old_state=FIN_WAIT2 new_state=CLOSE duration=#
    socket_state    socket=$SECOND old_state=LAST_ACK new_state=CLOSE duration=#
";

const CARRIED: &str = "
    socket_close    socket=$client role=client closed_by=BY_CLIENT fd={client_fd} local_ip=IP local_port={client_port} peer_ip=IP peer_port={port} bytes_sent=1000 bytes_received=3000 segments_sent=# segments_received=# datagrams_sent=- rtt=# retransmits=0 error=- duration=#
    socket_close    socket=$server role=server closed_by=BY_SERVER fd={server_fd} local_ip=IP local_port={port} peer_ip=IP peer_port={client_port} bytes_sent=3000 bytes_received=1000 segments_sent=# segments_received=# datagrams_sent=- rtt=# retransmits=0 error=- duration=#
";

fn one_connection(family: &str, ip: &str, client_first: bool) -> String {
    let (first, second) = if client_first { ("client", "server") } else { ("server", "client") };
    let by = |end| if end == first { "local" } else { "remote" };
    [LISTENS, CONNECTS, FINS, CARRIED]
        .concat()
        .replace("FIRST", first)
        .replace("SECOND", second)
        .replace("BY_CLIENT", by("client"))
        .replace("BY_SERVER", by("server"))
        .replace("FAMILY", family)
        .replace("=IP", &format!("={ip}"))
}

/// What `udp` in `act.rs` does. A socket that is not connected has its bound address as its own.
fn exchanges(seen: &Seen, family: &str, ip: &str, bound: &str, any: &str) -> String {
    // Where no hook sees the close of a UDP socket, the observation ends first; where none
    // knows the kernel's copy of an address, the caller's is told.
    let closed_by = if seen.has("close of UDP sockets, IPv4") { "local" } else { "open" };
    let to = if seen.took("to whom datagrams are sent", "fentry") { "kernel" } else { "caller" };
    let from =
        if seen.took("from whom datagrams are received", "fentry") { "kernel" } else { "caller" };
    "
        socket_bind      family=FAMILY protocol=udp local_ip=BOUND local_port={port}
        socket_bind      family=FAMILY protocol=udp local_ip=ANY local_port={client_port}
        socket_bind      family=FAMILY protocol=udp local_ip=ANY local_port={quiet_port}
        socket_connect   family=FAMILY protocol=udp local_ip=IP local_port={client_port} peer_ip=IP peer_port={port} peer_source=kernel error=- latency=-
        socket_datagram  socket=$client direction=out bytes=100 local_ip=IP local_port={client_port} peer_ip=IP peer_port={port} peer_source=kernel call=sendto
        socket_datagram  socket=$server direction=in bytes=100 local_ip=BOUND local_port={port} peer_ip=IP peer_port={client_port} peer_source=FROM call=recvfrom
        socket_datagram  socket=$quiet direction=out bytes=0 local_ip=ANY local_port={quiet_port} peer_ip=IP peer_port={port} peer_source=TO call=sendto
        socket_datagram  socket=$server direction=in bytes=0 peer_ip=IP peer_port={quiet_port} peer_source=FROM call=recvfrom
        socket_close     socket=$client role=client closed_by=BY fd=- local_port={client_port} peer_ip=IP peer_port={port} bytes_sent=600 bytes_received=1200 datagrams_sent=3 datagrams_received=3 segments_sent=- rtt=- retransmits=- duration=#
        socket_close     socket=$server role=server closed_by=BY local_port={port} peer_ip=IP peer_port={client_port} bytes_sent=1200 bytes_received=600 datagrams_sent=3 datagrams_received=3
        socket_close     socket=$quiet role=client closed_by=BY local_port={quiet_port} peer_ip=IP peer_port={port} bytes_sent=0 bytes_received=0 datagrams_sent=1 datagrams_received=0
        socket_close     socket=$server role=server closed_by=BY peer_ip=IP peer_port={quiet_port} bytes_sent=0 bytes_received=0 datagrams_sent=0 datagrams_received=1
    "
    .replace("FAMILY", family)
    .replace("=IP", &format!("={ip}"))
    .replace("BOUND", bound)
    .replace("ANY", any)
    .replace("=TO", &format!("={to}"))
    .replace("=FROM", &format!("={from}"))
    .replace("=BY", &format!("={closed_by}"))
}

/// What is to be told, whatever the mechanism, but for what `doctor` says is lost.
const CASES: &[Case] = &[
    Case {
        name: "tcp over ipv4",
        act: "tcp4",
        rows: |_| one_connection("ipv4", "127.0.0.1", true),
    },
    Case { name: "tcp over ipv6", act: "tcp6", rows: |_| one_connection("ipv6", "::1", true) },
    Case {
        name: "ipv6 sockets that talk ipv4",
        act: "tcp_mapped",
        rows: |_| one_connection("ipv6", "127.0.0.1", false),
    },
    Case {
        name: "a refused connection names its peer",
        act: "refused",
        rows: |_| {
            "
        socket_bind     protocol=udp local_port={free_port}
        socket_state    socket=$client old_state=CLOSE new_state=SYN_SENT peer_ip=127.0.0.1 peer_port={free_port}
        socket_state    socket=$client old_state=SYN_SENT new_state=CLOSE peer_port={free_port} duration=#
        socket_close    socket=$client role=client closed_by=refused error=111 peer_ip=127.0.0.1 peer_port={free_port} bytes_sent=0 bytes_received=0
        socket_connect  socket=$client protocol=tcp peer_ip=127.0.0.1 peer_port={free_port} peer_source=kernel error={error} latency=-
        "
        .into()
        },
    },
    Case {
        name: "a reset is told from both sides",
        act: "reset",
        rows: |_| {
            let ends = "
            socket_state    socket=$client old_state=ESTABLISHED new_state=CLOSE
            socket_close    socket=$client role=client closed_by=local error=- bytes_sent=0 bytes_received=0
            socket_state    socket=$server old_state=ESTABLISHED new_state=CLOSE
            socket_close    socket=$server role=server closed_by=reset error=104 bytes_sent=0 bytes_received=0
        ";
            [LISTENS, CONNECTS, ends]
                .concat()
                .replace("FAMILY", "ipv4")
                .replace("=IP", "=127.0.0.1")
        },
    },
    Case {
        name: "a connection in progress is followed",
        act: "nonblocking",
        rows: |_| {
            let rest = "
            socket_connect  socket=$client fd={client_fd} peer_port={port} peer_source=kernel error=115 latency=-
            socket_close    socket=$client closed_by=local bytes_sent=0 bytes_received=0
            socket_close    socket=$server closed_by=remote bytes_sent=0 bytes_received=0
        ";
            [LISTENS, CONNECTS, FINS, rest]
                .concat()
                .replace("FIRST", "client")
                .replace("SECOND", "server")
                .replace("FAMILY", "ipv4")
                .replace("=IP", "=127.0.0.1")
        },
    },
    Case {
        name: "what fails early is told by the caller",
        act: "failures",
        rows: |_| {
            let fails = "
            socket_bind     socket=$one fd={socket_fd} protocol=tcp local_ip=127.0.0.1 local_port={port} local_source=caller error={taken}
            socket_bind     socket=$one fd={socket_fd} local_ip=192.0.2.1 local_port=9 local_source=caller error={foreign}
            socket_connect  socket=$one fd={socket_fd} local_ip=- local_port=- peer_ip=255.255.255.255 peer_port=9 peer_source=caller error={broadcast} latency=-
            socket_accept   socket=$one fd=- peer_ip=- error={accept}
            socket_connect  socket=$two family=unix protocol=unix_stream path=/nonexistent/socket peer_source=caller peer_ip=- error={no_path}
            socket_bind     socket=$two family=unix path=/nonexistent/socket local_source=caller error={no_folder}
        ";
            [LISTENS, fails].concat().replace("FAMILY", "ipv4").replace("=IP", "=127.0.0.1")
        },
    },
    Case {
        name: "connections that end before they are accepted",
        act: "before_accept",
        rows: |_| {
            let rest = "
            socket_state    socket=$fin old_state=CLOSE new_state=SYN_SENT
            socket_state    socket=$fin old_state=SYN_SENT new_state=ESTABLISHED local_port={fin_port}
            socket_connect  socket=$fin local_port={fin_port} peer_port={port} error=-
            socket_state    socket=$fin old_state=ESTABLISHED new_state=FIN_WAIT1
            socket_state    socket=$fin old_state=(FIN_WAIT1|FIN_WAIT2) new_state=CLOSE
            socket_close    socket=$fin role=client local_port={fin_port} bytes_sent=10 bytes_received=0 closed_by=(reset|local)
            socket_state    socket=$reset old_state=CLOSE new_state=SYN_SENT
            socket_state    socket=$reset old_state=SYN_SENT new_state=ESTABLISHED local_port={reset_port}
            socket_connect  socket=$reset local_port={reset_port} peer_port={port} error=-
            socket_state    socket=$reset old_state=ESTABLISHED new_state=CLOSE
            socket_close    socket=$reset role=client closed_by=local local_port={reset_port} bytes_sent=20 bytes_received=0
            socket_accept   socket=$one fd={fin_fd} peer_port={fin_port} error=-
            socket_state    socket=$one old_state=CLOSE_WAIT new_state=(CLOSE|LAST_ACK)
            socket_close    socket=$one role=server closed_by=remote bytes_sent=0 bytes_received=10 fd={fin_fd}
            socket_accept   socket=$two fd={reset_fd} peer_port={reset_port} error=-
            socket_close    socket=$two role=server closed_by=reset error=104 bytes_sent=0 bytes_received=20 fd={reset_fd}
        ";
            [LISTENS, rest]
                .concat()
                .replace("FAMILY", "ipv4")
                .replace("=IP", "=127.0.0.1")
                .replace("fd={listener_fd} ", "")
        },
    },
    Case {
        name: "udp over ipv4",
        act: "udp4",
        rows: |seen| exchanges(seen, "ipv4", "127.0.0.1", "127.0.0.1", "0.0.0.0"),
    },
    Case {
        name: "udp over ipv6",
        act: "udp6",
        rows: |seen| exchanges(seen, "ipv6", "::1", "::1", "::"),
    },
    Case {
        name: "udp of ipv6 sockets that talk ipv4",
        act: "udp_mapped",
        rows: |seen| exchanges(seen, "ipv6", "127.0.0.1", "::", "::"),
    },
    Case {
        name: "every way to send a datagram counts once",
        act: "udp_calls",
        rows: |seen| {
            let closed_by = if seen.has("close of UDP sockets, IPv4") { "local" } else { "open" };
            // Before 6.3 tracepoints alone do not see write(2) and read(2).
            let (bytes, count) =
                if seen.has("datagrams sent over IPv4") { ("150", "5") } else { ("110", "4") };
            "
        socket_bind      local_port={port}
        socket_bind      local_port={client_port}
        socket_connect   local_port={client_port} peer_port={port}
        socket_connect   local_port={port} peer_port={client_port}
        socket_datagram  socket=$client direction=out bytes=10 local_port={client_port} peer_ip=127.0.0.1 peer_port={port}
        socket_datagram  socket=$server direction=in bytes=10 local_port={port} peer_ip=127.0.0.1 peer_port={client_port}
        socket_close     socket=$client role=client closed_by=BY bytes_sent=BYTES bytes_received=0 datagrams_sent=COUNT datagrams_received=0
        socket_close     socket=$server role=server closed_by=BY bytes_sent=0 bytes_received=BYTES datagrams_sent=0 datagrams_received=COUNT
        "
        .replace("BYTES", bytes)
        .replace("COUNT", count)
        .replace("BY", closed_by)
        },
    },
    Case {
        name: "unix sockets by path and by name",
        act: "unix",
        rows: |seen| {
            let calls = "
        socket_bind      socket=$listener fd={listener_fd} family=unix protocol=unix_stream path={path} local_source=kernel local_ip=- local_port=- error=-
        socket_listen    socket=$listener fd={listener_fd} path={path} backlog=# error=- call=listen
        socket_connect   socket=$client fd={client_fd} protocol=unix_stream path={path} peer_source=kernel peer_ip=- error=- latency=- call=connect
        socket_accept    socket=$server fd={server_fd} protocol=unix_stream path={path} error=-
        socket_bind      socket=$receiver protocol=unix_dgram path={name} error=-
        socket_connect   socket=$sender protocol=unix_dgram path={name} peer_source=kernel error=-
        ";
            let closes = "
        socket_close     socket=$client role=client closed_by=local fd={client_fd} protocol=unix_stream path=- bytes_sent=- duration=#
        socket_close     socket=$server role=server fd={server_fd} path={path}
        socket_close     socket=$listener role=listener fd={listener_fd} path={path}
        socket_close     socket=$sender role=client protocol=unix_dgram path=-
        socket_close     socket=$receiver role=bound protocol=unix_dgram path={name}
        ";
            if seen.has("close of unix sockets") { [calls, closes].concat() } else { calls.into() }
        },
    },
    Case {
        name: "calls on no socket are no events",
        act: "bad_descriptors",
        rows: |_| String::new(),
    },
];

/// Thousands of connections, one by one: nothing is missed, nothing is told twice, and every state
/// is left that was entered.
fn a_storm_is_told_to_the_unit(seen: &Seen) {
    let count = |table: &str| seen.rows.iter().filter(|row| row.table == table).count();
    let connections: usize = seen.said["connections"].parse().expect("a number");
    assert_eq!(count("socket_connect"), connections);
    assert_eq!(count("socket_accept"), connections);
    // And the listener's.
    assert_eq!(count("socket_close"), 2 * connections + 1);
    let mut states = HashMap::new();
    for row in seen.rows.iter().filter(|row| row.table == "socket_state") {
        let before = states.insert(&row.values["socket"], &row.values["new_state"]);
        match before {
            Some(before) => assert_eq!(before, &row.values["old_state"], "{row}"),
            // Of an accepted connection what came before is not told.
            None => assert!(["CLOSE", "ESTABLISHED"].contains(&row.values["old_state"].as_str())),
        }
    }
    assert_eq!(states.len(), 2 * connections + 1);
    assert!(states.values().all(|state| *state == "CLOSE"));
}

/// The peer that is told is the one that was reached, whatever the caller's memory says by then.
fn no_address_can_be_forged(seen: &Seen) {
    for (port, reached) in [("port0", "reached0"), ("port1", "reached1")] {
        let told = |row: &&harness::Row| {
            row.table == "socket_connect" && row.values["peer_port"] == seen.said[port]
        };
        let count = seen.rows.iter().filter(told).count();
        assert_eq!(count.to_string(), seen.said[reached]);
    }
}
