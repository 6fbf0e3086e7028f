//! Acts, and expects the rows, one to one; on this host and on every kernel of the matrix.

#[path = "kernel/script.rs"]
mod script;

use script::run;

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
