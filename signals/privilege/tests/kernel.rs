//! Acts, and expects the rows, one to one; on this host and on every kernel of the matrix.

#[path = "kernel/script.rs"]
mod script;

use std::fs;
use std::os::unix::fs::MetadataExt;

use script::{run, run_with};
use testkit::watch::{CLASSIC, mechanisms, not_run};

#[test]
fn what_one_process_does_to_another() {
    let test = "what_one_process_does_to_another";
    let words = [
        "57",                         // r0: fork
        "?0 34",                      // the child waits
        "39",                         // r2: getpid
        "101 16902 r0",               // PTRACE_SEIZE
        "101 4 r0 @0",                // PTRACE_POKETEXT: it does not stand still
        "101 1 r0 @0",                // PTRACE_PEEKTEXT: only looks
        "101 16904 r0",               // PTRACE_LISTEN: only steps
        "#@0 @1",                     // an address …
        "#@0+8 8",                    // … and a length
        "310 r0 @0 1 @0 1 0",         // process_vm_readv
        "311 r0 @0 1 @0 1 0",         // process_vm_writev
        "310 1000000000 @0 1 @0 1 0", // nobody
        "434 r0 0",                   // r12: pidfd_open
        "424 r12 0 0 0",              // pidfd_send_signal
        "424 1 9 0 0",                // to no pidfd
        "234 r2 r2 0",                // tgkill to itself: no event
        "200 r2 0",                   // tkill to itself: no event
        "200 r0 0",                   // tkill
        "234 r0 r0 0",                // tgkill
        "62 -1000000000 15",          // to a group that is not there
        "62 r0 9",                    // kill
        "61 r0 0 1073741824 0",       // wait4, __WALL, perhaps for a stop
        "61 r0 0 1073741824 0",       // and for the end
        "62 r0 9",                    // gone
        "101 16 1000000000",          // PTRACE_ATTACH
        "101 4711 r2",                // no such request
        "101 0",                      // PTRACE_TRACEME
    ];
    let Some(ran) = run(test, &words) else { return };
    let expected = [
        "process_ptrace call=ptrace request=PTRACE_SEIZE target=r0 target_pid=r0",
        "process_ptrace call=ptrace request=PTRACE_POKETEXT target=r0 target_pid=r0 error=3",
        "process_memory call=process_vm_readv target=r0 target_pid=r0 bytes=8",
        "process_memory call=process_vm_writev target=r0 target_pid=r0 bytes=8",
        "process_memory call=process_vm_readv target_pid=1000000000 error=3",
        "process_kill call=pidfd_send_signal signal=0 target=r0",
        "process_kill call=pidfd_send_signal signal=9 error=9",
        "process_kill call=tkill signal=0 target=r0 target_pid=r0",
        "process_kill call=tgkill signal=0 target=r0 target_pid=r0",
        "process_kill call=kill signal=15 target_pid=-1000000000 error=3",
        "process_kill call=kill signal=9 target=r0 target_pid=r0",
        "process_kill call=kill signal=9 target_pid=r0 error=3",
        "process_ptrace call=ptrace request=PTRACE_ATTACH target_pid=1000000000 error=3",
        "process_ptrace call=ptrace request=4711 target=r2 target_pid=r2 error=3",
        "process_ptrace call=ptrace request=PTRACE_TRACEME target=r2",
    ];
    assert_eq!(ran.lines(), expected);
}

/// A number means another process in another pid namespace.
#[test]
fn a_target_is_named_by_the_kernel() {
    let test = "a_target_is_named_by_the_kernel";
    let words = [
        "272 536870912",          // unshare CLONE_NEWPID
        "57",                     // a child: 1 in there
        "?1 57",                  // and its child: 2
        "?1 ?2 157 15 'renamed'", // which tells the node its real pid,
        "?1 ?2 39",               // learns that it is 2,
        "?1 ?2 62 r4 19",         // and stops itself
        "?1 !2 61 r2 0 2 0",      // its parent waits for that,
        "?1 !2 62 r2 9",          // kills it by its number there,
        "?1 !2 61 r2 0 0 0",
        "?1 !2 62 r2 9", // twice
        "?1 60 0",       // and exits
        "61 r1 0 0 0",
    ];
    let Some(ran) = run(test, &words) else { return };
    let grandchild = ran.rows.iter().find(|row| row.comm == script::RENAMED).expect("it was told");
    let of = |row: usize| ran.rows[row].text("target").map(|key| key.rsplit('-').next().unwrap());
    let (pid, lines) = (grandchild.pid.to_string(), ran.lines());
    assert_eq!(ran.rows.len(), 5, "{lines:#?}");
    assert_eq!(of(2), Some(pid.as_str()), "it stops itself: {lines:#?}");
    assert_eq!(of(3), Some(pid.as_str()), "its parent kills it: {lines:#?}");
    assert_eq!(ran.rows[3].number("target_pid"), Some(2));
    assert_eq!(lines[4], "process_kill call=kill signal=9 target_pid=2 error=3");
}

#[test]
fn who_becomes_whom() {
    let test = "who_becomes_whom";
    let words = [
        "105 -1",         // setuid: no such id
        "117 -1 1000 -1", // setresuid
        "117 -1 0 -1",
        "113 0 1001", // setreuid
        "113 -1 0",
        "122 1002", // setfsuid
        "122 0",
        "106 5",         // setgid
        "114 6 7",       // setregid
        "119 8 9 10",    // setresgid
        "123 11",        // setfsgid
        "116 2 @0",      // setgroups
        "116 70000 @0",  // too many
        "=@1 537396514", // a header of capset's for itself,
        "=@2 1",         // and CAP_CHOWN alone,
        "=@2+4 129",     // with CAP_SETUID in reserve
        "126 @1 @2",
        "105 1003", // not allowed any more
        "126 @1 1", // not readable
    ];
    let Some(ran) = run(test, &words) else { return };
    let now = |uid: u32, euid: u32, gid: u32, egid: u32, capabilities: &str| {
        format!(
            "uid_after={uid} euid_after={euid} gid_after={gid} egid_after={egid} cap_effective={capabilities}"
        )
    };
    let expected = [
        format!("call=setuid {} error=22", now(0, 0, 0, 0, "all")),
        format!("call=setresuid euid=1000 {}", now(0, 1000, 0, 0, "0")),
        format!("call=setresuid euid=0 {}", now(0, 0, 0, 0, "all")),
        format!("call=setreuid uid=0 euid=1001 {}", now(0, 1001, 0, 0, "0")),
        format!("call=setreuid euid=0 {}", now(0, 0, 0, 0, "all")),
        // The kernel takes what concerns files away from who is not root to them.
        format!("call=setfsuid fsuid=1002 {}", now(0, 0, 0, 0, "without files")),
        format!("call=setfsuid fsuid=0 {}", now(0, 0, 0, 0, "all")),
        format!("call=setgid gid=5 {}", now(0, 0, 5, 5, "all")),
        format!("call=setregid gid=6 egid=7 {}", now(0, 0, 6, 7, "all")),
        format!("call=setresgid gid=8 egid=9 sgid=10 {}", now(0, 0, 8, 9, "all")),
        format!("call=setfsgid fsgid=11 {}", now(0, 0, 8, 9, "all")),
        format!("call=setgroups groups=2 {}", now(0, 0, 8, 9, "all")),
        format!("call=setgroups groups=70000 {} error=22", now(0, 0, 8, 9, "all")),
        "call=capset target_pid=0 cap_effective=1 cap_permitted=129 cap_inheritable=0".to_string(),
        format!("call=setuid uid=1003 {} error=1", now(0, 0, 8, 9, "1")),
        "call=capset target_pid=0 cap_effective=1 cap_permitted=129 cap_inheritable=0 error=14"
            .to_string(),
    ];
    for (line, expected) in ran.lines().iter().zip(&expected) {
        let table = if expected.contains("capset") { "capability" } else { "credential" };
        if let Some((begin, _)) = expected.split_once("without files") {
            assert!(line.starts_with(&format!("{table}_change {begin}")), "{line}");
            assert!(!line.ends_with("cap_effective=all"), "{line}");
        } else {
            assert_eq!(line, &format!("{table}_change {expected}"));
        }
    }
    assert_eq!(ran.rows.len(), expected.len());
}

#[test]
fn what_a_process_forbids_itself_and_calls_itself() {
    let test = "what_a_process_forbids_itself_and_calls_itself";
    let words = [
        "157 38 1 0 0 0",   // PR_SET_NO_NEW_PRIVS
        "157 39 0 0 0 0",   // PR_GET_NO_NEW_PRIVS: only asks
        "157 15 'renamed'", // PR_SET_NAME
        "157 4 0",          // PR_SET_DUMPABLE
        "157 4 9",          // to what there is not
        "157 47 1 5 0 0",   // PR_CAP_AMBIENT_IS_SET: only asks
        "157 47 2 5 0 0",   // PR_CAP_AMBIENT_RAISE of what is not inheritable
        "157 22 99",        // PR_SET_SECCOMP
        "157 4711",         // nothing
    ];
    let Some(ran) = run(test, &words) else { return };
    let expected = [
        "process_prctl call=prctl option=PR_SET_NO_NEW_PRIVS value=1",
        "process_prctl call=prctl option=PR_SET_NAME",
        "process_prctl call=prctl option=PR_SET_DUMPABLE value=0",
        "process_prctl call=prctl option=PR_SET_DUMPABLE value=9 error=22",
        "process_prctl call=prctl option=PR_CAP_AMBIENT value=2 second=5 error=1",
        "process_prctl call=prctl option=PR_SET_SECCOMP value=99 error=22",
    ];
    assert_eq!(ran.lines(), expected);
    assert_eq!((ran.rows[0].comm.as_str(), ran.rows[1].comm.as_str()), ("calls", "renamed"));
}

#[test]
fn which_namespaces_are_made_and_entered() {
    let test = "which_namespaces_are_made_and_entered";
    let words = [
        "2 '/proc/self/ns/uts'", // r0: open
        "272 67108864",          // unshare CLONE_NEWUTS
        "272 1",                 // no such flag
        "308 r0 67108864",       // setns
        "308 r0 131072",         // it is no mount namespace
        "308 99 0",              // no descriptor
        "308 0 0",               // not of a namespace
        "56 67108881",           // clone CLONE_NEWUTS | SIGCHLD
        "?7 60 0",
        "61 r7",
        "56 17", // clone without a namespace: no event
        "?10 60 0",
        "61 r10",
        "#@3 134217728", // clone3 CLONE_NEWIPC
        "#@3+32 17",
        "435 @3 64",
        "?15 60 0",
        "61 r15",
        "39",
        "434 r18 0", // pidfd_open of itself
        "308 r19 67108864",
    ];
    let Some(ran) = run(test, &words) else { return };
    let last = |at: usize| match ran.results[at] {
        0 => String::new(),
        error => format!(" error={}", -error),
    };
    let expected = [
        "namespace_change call=unshare flags=67108864".to_string(),
        "namespace_change call=unshare flags=1 error=22".to_string(),
        "namespace_change call=setns flags=67108864 fd=3 namespace_kind=uts namespace_inode=some".to_string(),
        "namespace_change call=setns flags=131072 fd=3 namespace_kind=uts namespace_inode=some error=22".to_string(),
        "namespace_change call=setns flags=0 fd=99 error=9".to_string(),
        "namespace_change call=setns flags=0 fd=0 error=22".to_string(),
        "namespace_change call=clone flags=67108864 target=r7".to_string(),
        "namespace_change call=clone3 flags=134217728 target=r15".to_string(),
        // Of a pidfd since 5.8.
        format!("namespace_change call=setns flags=67108864 fd=4 target=r18{}", last(20)),
    ];
    assert_eq!(ran.lines(), expected);
    assert!(ran.results[7] > 0 && ran.results[15] > 0, "clones: {:?}", ran.results);
    let inode = fs::metadata("/proc/self/ns/uts").expect("/proc is mounted");
    assert_eq!(ran.rows[2].number("namespace_inode"), Some(inode.ino() as i64));
}

#[test]
fn where_a_process_goes() {
    let test = "where_a_process_goes";
    let words = [
        "80 '/proc/self/root/proc/1/..'", // chdir
        "2 '/proc/self'",                 // r1: open
        "81 r1",                          // fchdir
        "81 99",
        "80 '/nonexistent/place'",
        "80 1",                      // not readable
        "155 '/nonexistent' '/put'", // pivot_root
        "161 '/proc'",               // chroot
        "80 '/'",
    ];
    let Some(ran) = run(test, &words) else { return };
    let pid = ran.rows[0].pid;
    let expected = [
        "process_chdir call=chdir path=/proc/self/root/proc/1/.. path_resolved=/proc".to_string(),
        format!("process_chdir call=fchdir fd=3 path_resolved=/proc/{pid}"),
        "process_chdir call=fchdir fd=99 error=9".to_string(),
        "process_chdir call=chdir path=/nonexistent/place error=2".to_string(),
        "process_chdir call=chdir error=14".to_string(),
        "process_chdir call=pivot_root path=/nonexistent put_old=/put error=2".to_string(),
        "process_chdir call=chroot path=/proc path_resolved=/proc".to_string(),
        "process_chdir call=chdir path=/ path_resolved=/proc".to_string(),
    ];
    assert_eq!(ran.lines(), expected);
}

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

#[test]
fn which_modules_are_tried() {
    let test = "which_modules_are_tried";
    let words = [
        "175 @0 16 'a=b'",    // init_module of zeros
        "2 '/proc/self/exe'", // r1: open
        "313 r1 'x=1' 1",     // finit_module of what is no module
        "313 99 '' 0",
        "176 'nosuch' 2048", // delete_module
    ];
    let Some(ran) = run(test, &words) else { return };
    let error = |at: usize| -ran.results[at];
    let exe = ran.program.display();
    let expected = [
        format!("module_load call=init_module args=a=b flags=0 error={}", error(0)),
        format!(
            "module_load call=finit_module fd=3 path_resolved={exe} args=x=1 flags=1 error={}",
            error(2)
        ),
        format!("module_load call=finit_module fd=99 flags=0 error={}", error(3)),
        format!("module_load call=delete_module name=nosuch flags=2048 error={}", error(4)),
    ];
    assert_eq!(ran.lines(), expected);
}

/// Only in a guest: on a machine of somebody's no module is to come or go.
#[test]
fn a_module_is_named_by_the_kernel() {
    let test = "a_module_is_named_by_the_kernel";
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc is mounted");
    let file = fs::canonicalize(format!("/lib/modules/{}/dummy.ko", release.trim()));
    let (Some(_), Ok(file)) = (std::env::var_os("FATHOM_VM"), file) else {
        return not_run(test, "not in a guest that has the module `dummy`");
    };
    let file = file.display();
    let open = format!("2 '{file}'");
    let words = [
        "176 'dummy' 2048",        // delete_module: it was there from the start
        &open,                     // r1
        "313 r1 'numdummies=0' 0", // finit_module
        "313 r1 'numdummies=0' 0", // twice
        "176 'dummy' 2048",
        "176 'dummy' 2048", // twice
        "313 r1 '' 0",      // as it was
    ];
    let Some(ran) = run(test, &words) else { return };
    let expected = [
        "module_load call=delete_module name=dummy flags=2048".to_string(),
        format!(
            "module_load call=finit_module name=dummy fd=3 path_resolved={file} args=numdummies=0 flags=0"
        ),
        format!(
            "module_load call=finit_module fd=3 path_resolved={file} args=numdummies=0 flags=0 error=17"
        ),
        "module_load call=delete_module name=dummy flags=2048".to_string(),
        "module_load call=delete_module name=dummy flags=2048 error=2".to_string(),
        format!("module_load call=finit_module name=dummy fd=3 path_resolved={file} flags=0"),
    ];
    assert_eq!(ran.lines(), expected);
    for hook in ["names of modules loaded", "names of modules unloaded"] {
        assert_eq!(ran.watch.mechanism(hook), "tp_btf", "{hook}");
    }
}

/// Where a task can be preempted on BTF tracepoints, the programs stand on the classic ones.
#[test]
fn classic_tracepoints_give_the_same_rows() {
    let test = "classic_tracepoints_give_the_same_rows";
    if !mechanisms().contains(&CLASSIC) {
        return not_run(test, "no classic tracepoints");
    }
    let words = [
        "80 '/proc/self/root'",
        "105 -1",
        "319 'hello' 0",
        "32 r2",
        "62 0 0",
        "41 17 3 0",
        "157 38 1 0 0 0",
        "126 @0 @1",
        "272 1",
        "425 0 @0",
        "321 5 @0 72",
        "176 'nosuch' 2048",
        "101 16 1000000000",
        "310 1000000000 @0 1 @0 1 0",
    ];
    let [Some(plain), Some(classic)] =
        [&["tp_btf"], &[CLASSIC]].map(|mechanisms| run_with(test, mechanisms, &words))
    else {
        return;
    };
    assert_eq!(plain.lines(), classic.lines());
    assert_eq!(plain.rows.len(), words.len());
}
