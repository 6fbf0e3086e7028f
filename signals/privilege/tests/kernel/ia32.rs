//! By 32-bit calls the same rows.

use crate::script::run;

#[test]
fn calls_of_32_bits_make_the_same_rows() {
    let test = "calls_of_32_bits_make_the_same_rows";
    let plain = [
        "80 '/proc/self/root/proc'",    // chdir
        "81 99",                        // fchdir
        "161 '/nonexistent'",           // chroot
        "155 '/nonexistent' '/put'",    // pivot_root
        "41 2 1 0",                     // r4: socket
        "53 1 1 0 @0",                  // socketpair
        "32 r4",                        // dup
        "33 r4 50",                     // dup2
        "292 r4 51 524288",             // dup3
        "72 r4 1030 60",                // fcntl F_DUPFD_CLOEXEC
        "319 'hello' 1",                // memfd_create
        "425 0 @1",                     // io_uring_setup
        "321 5 @1 72",                  // bpf BPF_PROG_LOAD
        "298 0 -1 0 -1 0",              // perf_event_open
        "438 r4 0 0",                   // pidfd_getfd
        "101 16 1000000000",            // ptrace PTRACE_ATTACH
        "310 1000000000 @4 0 @4 0 1",   // process_vm_readv with a flag that there is not
        "311 1000000000 @4 0 @4 0 1",   // process_vm_writev
        "62 -1000000000 15",            // kill
        "200 1000000000 15",            // tkill
        "234 1000000000 1000000000 15", // tgkill
        "424 r4 15 0 0",                // pidfd_send_signal
        "175 @0 16 'a=b'",              // init_module
        "313 99 'a=b' 0",               // finit_module
        "176 'nosuch' 2048",            // delete_module
        "308 99 0",                     // setns
        "272 1",                        // unshare
        "157 38 1 0 0 0",               // prctl PR_SET_NO_NEW_PRIVS
        "126 @1 @2",                    // capset
        "105 -1",                       // setuid
        "117 -1 1000 -1",               // setresuid
        "117 -1 0 -1",
        "113 -1 0",   // setreuid
        "122 0",      // setfsuid
        "106 5",      // setgid
        "114 6 7",    // setregid
        "119 8 9 10", // setresgid
        "123 11",     // setfsgid
        "116 2 @0",   // setgroups
    ];
    let numbers = [
        12, 133, 61, 217, 359, 360, 41, 63, 330, 221, 356, 425, 357, 336, 438, 26, 347, 348, 37,
        238, 270, 424, 128, 350, 129, 346, 310, 172, 185, 213, 208, 208, 203, 215, 214, 204, 210,
        216, 206,
    ];
    let ia32: Vec<String> = plain
        .iter()
        .zip(numbers)
        .map(|(word, number)| format!("%{number} {}", word.split_once(' ').unwrap().1))
        .collect();
    let ia32: Vec<&str> = ia32.iter().map(String::as_str).collect();
    let (Some(plain), Some(ia32)) = (run(test, &plain), run(test, &ia32)) else { return };
    assert_eq!(ia32.lines(), plain.lines());
    assert_eq!(ia32.rows.len(), numbers.len());
}

/// The first forms of some calls: ids of 16 bits, arguments in memory.
#[test]
fn older_calls_of_32_bits_make_the_same_rows() {
    let test = "older_calls_of_32_bits_make_the_same_rows";
    let plain = [
        "105 -1",         // setuid
        "117 -1 1000 -1", // setresuid
        "117 -1 0 -1",
        "113 0 1001", // setreuid
        "113 -1 0",
        "122 0",      // setfsuid
        "106 5",      // setgid
        "114 6 7",    // setregid
        "119 8 9 10", // setresgid
        "123 11",     // setfsgid
        "116 2 @0",   // setgroups
        "=@1 17",
        "=@1+4 3",
        "41 17 3 0", // r13: socket
        "=@2 1",
        "=@2+4 1",
        "=@2+12 0",
        "53 1 1 0 @3", // socketpair
        "72 r13 0 60", // fcntl
    ];
    let ia32 = [
        "%23 65535",
        "%164 65535 1000 65535",
        "%164 65535 0 65535",
        "%70 0 1001",
        "%70 65535 0",
        "%138 0",
        "%46 5",
        "%71 6 7",
        "%170 8 9 10",
        "%139 11",
        "%81 2 @0",
        "=@1 17",
        "=@1+4 3",
        "%102 1 @1",
        "=@2 1",
        "=@2+4 1",
        "=@2+12 @3",
        "%102 8 @2",
        "%55 r13 0 60",
    ];
    let (Some(plain), Some(ia32)) = (run(test, &plain), run(test, &ia32)) else { return };
    assert_eq!(ia32.lines(), plain.lines());
    assert_eq!(plain.rows.len(), 14);
}
