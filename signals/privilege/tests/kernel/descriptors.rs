//! Descriptors that are copied, and those that no path leads to.

use crate::script::run;

#[test]
fn what_becomes_standard_input() {
    let test = "what_becomes_standard_input";
    let words = [
        "293 @0 0",         // a pipe: 3 and 4
        "32 *0",            // dup: 5
        "33 *0+4 50",       // dup2
        "292 *0 51 524288", // dup3 O_CLOEXEC
        "72 *0 0 60",       // F_DUPFD
        "72 *0 1030 61",    // F_DUPFD_CLOEXEC
        "72 *0 1 0",        // F_GETFD: no event
        "32 99",            // no descriptor
        "292 *0 *0 0",      // the same twice
        "290 0 0",          // r9: eventfd2
        "32 r9",
        "291 0", // r11: epoll_create1
        "32 r11",
        "2 '/'", // r13: open
        "32 r13",
        "2 '/dev/null'", // r15
        "32 r15",
        "2 '/proc/self/exe'", // r17
        "32 r17",
        "319 'hello'", // r19: memfd_create, a row of its own
        "32 r19",
        "41 2 1 0", // r21: a TCP socket, likewise
        "=@2 2",    // an address of 127.0.0.1, any port
        "=@2+4 16777343",
        "49 r21 @2 16", // bind
        "50 r21 1",     // listen
        "=@2+100 16",
        "51 r21 @2 @2+100", // getsockname
        "41 2 1 0",         // r28: another
        "42 r28 @2 16",     // connect
        "33 r28 0",         // to standard input
        "33 r21 70",        // the listener
        "41 1 1 0",         // r32: a unix socket
        "32 r32",
        "41 16 3 0", // r34: a netlink socket
        "32 r34",
        "57", // r36: a child that has all of them
        "?36 34",
        "434 r36 0",   // r38: pidfd_open
        "438 r38 0 0", // pidfd_getfd of its standard input
        "438 r38 99 0",
        "62 r36 9",
        "61 r36 0 0 0",
    ];
    let Some(ran) = run(test, &words) else { return };
    let rows: Vec<_> = ran.rows.iter().filter(|row| row.table == "fd_dup").collect();
    let shown: Vec<String> = ran
        .lines()
        .into_iter()
        .filter_map(|line| Some(line.strip_prefix("fd_dup ")?.into()))
        .collect();
    let exe = ran.program.display();
    let result = |at: usize| ran.results[at];
    let port = |row: usize, column: &str| rows[row].number(column).expect("a port");
    let (listens, connects) = (port(14, "local_port"), port(13, "local_port"));
    assert!(listens > 0 && connects > 0 && listens != connects, "{shown:#?}");
    let expected = [
        "call=dup old_fd=3 fd=5 flags=0 type=pipe inode=some".to_string(),
        "call=dup2 old_fd=4 fd=50 flags=0 type=pipe inode=some".to_string(),
        "call=dup3 old_fd=3 fd=51 flags=524288 type=pipe inode=some".to_string(),
        "call=fcntl old_fd=3 fd=60 flags=0 type=pipe inode=some".to_string(),
        "call=fcntl old_fd=3 fd=61 flags=524288 type=pipe inode=some".to_string(),
        "call=dup old_fd=99 flags=0 error=9".to_string(),
        "call=dup3 old_fd=3 flags=0 type=pipe inode=some error=22".to_string(),
        format!(
            "call=dup old_fd={} fd={} flags=0 type=event inode=some path_resolved=[eventfd]",
            result(9),
            result(10)
        ),
        format!(
            "call=dup old_fd={} fd={} flags=0 type=eventpoll inode=some path_resolved=[eventpoll]",
            result(11),
            result(12)
        ),
        format!(
            "call=dup old_fd={} fd={} flags=0 type=directory inode=some path_resolved=/",
            result(13),
            result(14)
        ),
        format!(
            "call=dup old_fd={} fd={} flags=0 type=device inode=some path_resolved=/dev/null",
            result(15),
            result(16)
        ),
        format!(
            "call=dup old_fd={} fd={} flags=0 type=file inode=some path_resolved={exe}",
            result(17),
            result(18)
        ),
        format!(
            "call=dup old_fd={} fd={} flags=0 type=memfd inode=some path_resolved=memfd:hello",
            result(19),
            result(20)
        ),
        format!(
            "call=dup2 old_fd={} fd=0 flags=0 type=ipv4 inode=some socket=some protocol=tcp local_ip=127.0.0.1 local_port={connects} peer_ip=127.0.0.1 peer_port={listens}",
            result(28)
        ),
        format!(
            "call=dup2 old_fd={} fd=70 flags=0 type=ipv4 inode=some socket=some protocol=tcp local_ip=127.0.0.1 local_port={listens}",
            result(21)
        ),
        format!(
            "call=dup old_fd={} fd={} flags=0 type=unix inode=some socket=some protocol=unix_stream",
            result(32),
            result(33)
        ),
        format!(
            "call=dup old_fd={} fd={} flags=0 type=netlink inode=some socket=some protocol=other",
            result(34),
            result(35)
        ),
        format!(
            "call=pidfd_getfd old_fd=0 source=r36 fd={} flags=524288 type=ipv4 inode=some socket=some protocol=tcp local_ip=127.0.0.1 local_port={connects} peer_ip=127.0.0.1 peer_port={listens}",
            result(39)
        ),
        "call=pidfd_getfd old_fd=99 source=r36 flags=524288 error=9".to_string(),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn descriptors_that_no_path_leads_to() {
    let test = "descriptors_that_no_path_leads_to";
    let words = [
        "319 'hello' 1", // memfd_create MFD_CLOEXEC
        "319 'bad' -1",
        "319 1 0",  // not readable
        "=@0+8 8",  // IORING_SETUP_CQSIZE …
        "=@0+4 64", // … of 64
        "425 5 @0", // io_uring_setup: eight places
        "425 0 @0",
        "41 17 524291 768", // socket AF_PACKET SOCK_RAW | SOCK_CLOEXEC
        "41 10 2 0",        // IPv6, UDP
        "41 16 3 0",        // netlink
        "41 99 1 0",
        "53 1 2049 0 @1", // socketpair AF_UNIX SOCK_STREAM | SOCK_NONBLOCK
        "53 2 1 0 @1",
        "=@2 1",            // PERF_TYPE_SOFTWARE
        "=@2+4 64",         // in an attribute of the first size
        "298 @2 0 -1 -1 8", // perf_event_open
        "298 0 -1 0 -1 0",  // not readable
        "323 1",            // userfaultfd UFFD_USER_MODE_ONLY
    ];
    let Some(ran) = run(test, &words) else { return };
    let socket = |at: usize| match ran.results[at] {
        error if error < 0 => format!(" error={}", -error),
        fd => format!(" fd={fd} socket=some"),
    };
    let own = ran.rows[0].pid;
    let memfd = |at: usize| format!("memfd_create call=memfd_create name={}", ["hello", "bad"][at]);
    let made = |at: usize, entries| {
        let end = ran.fd_or_error(at);
        format!("uring_setup call=io_uring_setup entries={entries} flags=8{end}")
    };
    let expected = [
        format!("{} flags=1{}", memfd(0), ran.fd_or_error(0)),
        format!("{} flags=4294967295 error=22", memfd(1)),
        "memfd_create call=memfd_create name= flags=0 error=14".to_string(),
        // Without io_uring in the kernel the numbers asked for are told.
        made(5, if ran.results[5] < 0 { 5 } else { 8 }),
        made(6, 0),
        format!(
            "socket_create call=socket domain=AF_PACKET family=packet type=SOCK_RAW flags=524288 protocol=other protocol_number=768{}",
            socket(7)
        ),
        format!(
            "socket_create call=socket domain=AF_INET6 family=ipv6 type=SOCK_DGRAM flags=0 protocol=udp protocol_number={}{}",
            if ran.results[8] < 0 { 0 } else { 17 },
            socket(8)
        ),
        format!(
            "socket_create call=socket domain=AF_NETLINK family=netlink type=SOCK_RAW flags=0 protocol=other protocol_number=0{}",
            socket(9)
        ),
        "socket_create call=socket domain=99 family=other type=SOCK_STREAM flags=0 protocol=other protocol_number=0 error=97".to_string(),
        format!(
            "socket_create call=socketpair domain=AF_UNIX family=unix type=SOCK_STREAM flags=2048 protocol=unix_stream protocol_number=0 fd={0} socket=some second_fd={1} second_socket=some",
            ran.rows[9].number("fd").unwrap_or(-1),
            ran.rows[9].number("second_fd").unwrap_or(-1),
        ),
        "socket_create call=socketpair domain=AF_INET family=ipv4 type=SOCK_STREAM flags=0 protocol=tcp protocol_number=0 error=95".to_string(),
        format!(
            "kernel_feature call=perf_event_open type=PERF_TYPE_SOFTWARE config=0 target={own} target_pid=0 cpu=-1 flags=8{}",
            ran.fd_or_error(15)
        ),
        "kernel_feature call=perf_event_open type=PERF_TYPE_HARDWARE config=0 target_pid=-1 cpu=0 flags=0 error=14".to_string(),
        format!("kernel_feature call=userfaultfd flags=4294967296{}", ran.fd_or_error(17)),
    ];
    assert_eq!(ran.lines(), expected);
    assert_ne!(ran.rows[9].text("socket"), ran.rows[9].text("second_socket"));
}

#[test]
fn what_others_do_with_bpf() {
    let test = "what_others_do_with_bpf";
    let words = [
        "=@0 2", // BPF_MAP_TYPE_ARRAY
        "=@0+4 4",
        "=@0+8 8",
        "=@0+12 1",
        "=@0+28 1886152040", // named "help"
        "321 0 @0 72",       // r5: MAP_CREATE
        "321 1 @7 32",       // MAP_LOOKUP_ELEM: no event
        "=@1 1",             // BPF_PROG_TYPE_SOCKET_FILTER
        "=@1+4 2",           // of two instructions:
        "#@1+8 @2",
        "#@2 183",   // r0 = 0
        "#@2+8 149", // exit
        "#@1+16 'GPL'",
        "=@1+48 1735357040", // named "prog"
        "321 5 @1 72",       // r14: PROG_LOAD
        "=@1+4 0",           // of none
        "321 5 @1 72",
        "#@3 '/nonexistent/pin'",
        "=@3+8 r5",
        "321 6 @3 16", // OBJ_PIN
        "321 7 @3 8",  // OBJ_GET
        "#@4 'nosuch'",
        "=@4+8 r14",
        "321 17 @4 16", // RAW_TRACEPOINT_OPEN
        "321 4711 @7 8",
        "=@5 99", // PROG_ATTACH to no cgroup
        "=@5+4 r14",
        "=@5+8 1", // BPF_CGROUP_INET_EGRESS
        "321 8 @5 16",
    ];
    let Some(ran) = run(test, &words) else { return };
    let (map, program) = (ran.results[5], ran.results[14]);
    assert!(map >= 0 && program >= 0, "{:?}", ran.results);
    let error = |at: usize| -ran.results[at];
    let expected = [
        format!(
            "bpf_command call=bpf command=BPF_MAP_CREATE object=map map_type=BPF_MAP_TYPE_ARRAY name=help id=some fd={map}"
        ),
        format!(
            "bpf_command call=bpf command=BPF_PROG_LOAD object=program program_type=BPF_PROG_TYPE_SOCKET_FILTER name=prog id=some fd={program}"
        ),
        format!(
            "bpf_command call=bpf command=BPF_PROG_LOAD object=program program_type=BPF_PROG_TYPE_SOCKET_FILTER name=prog error={}",
            error(16)
        ),
        format!(
            "bpf_command call=bpf command=BPF_OBJ_PIN object=map map_type=BPF_MAP_TYPE_ARRAY name=help id=some path=/nonexistent/pin error={}",
            error(19)
        ),
        format!(
            "bpf_command call=bpf command=BPF_OBJ_GET path=/nonexistent/pin error={}",
            error(20)
        ),
        format!(
            "bpf_command call=bpf command=BPF_RAW_TRACEPOINT_OPEN object=program program_type=BPF_PROG_TYPE_SOCKET_FILTER name=prog id=some tracepoint=nosuch error={}",
            error(23)
        ),
        format!("bpf_command call=bpf command=4711 error={}", error(24)),
        format!(
            "bpf_command call=bpf command=BPF_PROG_ATTACH object=program program_type=BPF_PROG_TYPE_SOCKET_FILTER name=prog id=some attach_type=BPF_CGROUP_INET_EGRESS error={}",
            error(28)
        ),
    ];
    assert_eq!(ran.lines(), expected);
}
