//! The joins that everybody needs.

use crate::rows::*;

#[test]
fn processes_know_their_parents_and_depth() {
    let folder = tempfile::tempdir().unwrap();
    let fork = |parent| ProcessFork { parent: key(parent), parent_pid: parent };
    let exec = |parent: u32, args: &'static [u8], error| ProcessExec {
        args,
        error,
        parent: key(parent),
        parent_pid: parent,
    };
    let forks = batch([
        (1.0, process(20, "/bin/sh"), fork(10)),
        (2.0, process(30, "/bin/sh"), fork(20)),
        (3.0, process(40, "/usr/bin/make"), fork(30)),
    ]);
    let execs = batch([
        (2.5, process(30, "/usr/bin/make"), exec(20, b"make\0all\0", None)),
        (3.5, process(40, "/usr/bin/cc"), exec(30, b"cc\0", None)),
        (3.6, process(40, "/usr/bin/cc"), exec(1, b"ld\0", Some(2))),
    ]);
    let engine = Kept::default()
        .stored::<ProcessFork>(folder.path(), &[forks])
        .hot::<ProcessExec<'_>>(execs)
        .engine();
    let sql = "SELECT event, pid, comm, parent_pid, parent_comm, parent_exe, depth \
               FROM process_tree ORDER BY time";
    let tree = [
        "fork|20|sh|10|||0",
        "fork|30|sh|20|sh|/bin/sh|1",
        "exec|30|make|20|sh|/bin/sh|1",
        "fork|40|make|30|make|/usr/bin/make|2",
        "exec|40|cc|30|make|/usr/bin/make|2",
    ];
    assert_eq!(lines(&engine, sql), tree);
    let sql = "SELECT args FROM process_tree WHERE comm = 'make' AND event = 'exec' \
               AND time > '2026-11-22T05:00:00Z'";
    assert_eq!(lines(&engine, sql), ["make all"]);
}

#[test]
fn a_tree_that_bites_its_tail_ends() {
    let fork = |parent| ProcessFork { parent: key(parent), parent_pid: parent };
    let forks =
        batch([(1.0, process(20, "/bin/a"), fork(30)), (2.0, process(30, "/bin/b"), fork(20))]);
    let engine = Kept::default().hot::<ProcessFork>(forks).engine();
    let sql = "SELECT pid, parent_comm, depth FROM process_tree ORDER BY pid";
    assert_eq!(lines(&engine, sql), ["20|b|", "30|a|"]);
}

#[test]
fn connections_have_both_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (client, server) = (process(5, "/usr/bin/curl"), process(6, "/usr/sbin/nginx"));
    let here = Some("10.0.0.1".parse().unwrap());
    let there = Some("10.0.0.2".parse().unwrap());
    let connect = |socket, local_port| SocketConnect {
        socket,
        family: "ipv4",
        protocol: "tcp",
        local_ip: here,
        local_port: Some(local_port),
        peer_ip: there,
        peer_port: Some(80),
        ..SocketConnect::default()
    };
    let close = SocketClose {
        socket: 1,
        family: "ipv4",
        protocol: "tcp",
        local_ip: here,
        local_port: Some(4000),
        peer_ip: there,
        peer_port: Some(80),
        peer_service: Some("web"),
        role: "client",
        closed_by: "local",
        duration: 2 * SECOND as u64,
        bytes_sent: Some(100),
        bytes_received: Some(2000),
        ..SocketClose::default()
    };
    let other_end = SocketClose {
        socket: 2,
        local_ip: there,
        local_port: Some(80),
        peer_ip: here,
        peer_port: Some(4000),
        peer_service: None,
        role: "server",
        closed_by: "remote",
        bytes_sent: Some(2000),
        bytes_received: Some(100),
        ..close
    };
    let datagram = |socket, peer_port| SocketDatagram {
        socket,
        family: "ipv4",
        protocol: "udp",
        local_ip: here,
        local_port: Some(5000),
        peer_ip: there,
        peer_port: Some(peer_port),
        direction: "out",
        ..SocketDatagram::default()
    };
    let connects =
        batch([(1.0, client.clone(), connect(1, 4000)), (2.0, client.clone(), connect(3, 4001))]);
    let closes = batch([(3.0, client.clone(), close), (3.1, server, other_end)]);
    let engine = Kept::default()
        .stored::<SocketConnect<'_>>(folder.path(), &[connects])
        .hot::<SocketClose<'_>>(closes)
        .hot::<SocketDatagram<'_>>(batch([(4.0, client, datagram(9, 53))]))
        .engine();
    let sql = "SELECT role, comm, local_port, peer_ip, peer_port, peer_service, peer_comm, \
               bytes_sent, duration, began, closed_by FROM connection ORDER BY time";
    let connections = [
        "client|curl|4001|10.0.0.2|80|||||2026-11-22T05:00:02Z|",
        "client|curl|4000|10.0.0.2|80|web|nginx|100|2000000000|2026-11-22T05:00:01Z|local",
        "server|nginx|80|10.0.0.1|4000||curl|2000|2000000000|2026-11-22T05:00:01.100Z|remote",
        "client|curl|5000|10.0.0.2|53|||||2026-11-22T05:00:04Z|",
    ];
    assert_eq!(lines(&engine, sql), connections);
}
