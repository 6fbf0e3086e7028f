//! Acts, and expects the rows, one to one; on this host and on every kernel of the matrix.

#[path = "kernel/descriptors.rs"]
mod descriptors;
#[path = "kernel/ia32.rs"]
mod ia32;
#[path = "kernel/modules.rs"]
mod modules;
#[path = "kernel/script.rs"]
mod script;
#[path = "kernel/storm.rs"]
mod storm;

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

#[test]
fn a_root_is_exchanged() {
    let test = "a_root_is_exchanged";
    let words = [
        "272 131072",                       // unshare CLONE_NEWNS
        "?0 165 'none' '/' 0 278528 0",     // and no mount of ours gets out
        "?0 ?1 165 'tmpfs' '/tmp' 'tmpfs'", // mount
        "?0 ?1 80 '/tmp'",
        "?0 ?1 155 '.' '.'", // pivot_root
    ];
    let Some(ran) = run(test, &words) else { return };
    assert_eq!(ran.results[..4], [0; 4], "a mount namespace of its own");
    // The root of a guest is no mount that could be exchanged.
    let end = match ran.results[4] {
        0 => "path_resolved=/".to_string(),
        error => format!("error={}", -error),
    };
    let expected = [
        "namespace_change call=unshare flags=131072".to_string(),
        "process_chdir call=chdir path=/tmp path_resolved=/tmp".to_string(),
        format!("process_chdir call=pivot_root path=. put_old=. {end}"),
    ];
    assert_eq!(ran.lines(), expected);
}
