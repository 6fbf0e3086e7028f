//! The names of the system calls that records tell of.

use crate::{CALL_IO_URING, CALL_UNKNOWN};

/// What a record's `call` is called: the system call by its x86-64 number, whichever table the caller
/// used, or `io_uring` for what was asked for through a ring. None where it is not known.
pub fn call_name(call: u16) -> Option<&'static str> {
    match u32::from(call) {
        CALL_IO_URING => Some("io_uring"),
        CALL_UNKNOWN => None,
        _ => CALLS.binary_search_by_key(&call, |it| it.0).ok().map(|at| CALLS[at].1),
    }
}

/// By number.
const CALLS: &[(u16, &str)] = &[
    (0, "read"),
    (1, "write"),
    (2, "open"),
    (19, "readv"),
    (20, "writev"),
    (32, "dup"),
    (33, "dup2"),
    (40, "sendfile"),
    (41, "socket"),
    (42, "connect"),
    (43, "accept"),
    (44, "sendto"),
    (45, "recvfrom"),
    (46, "sendmsg"),
    (47, "recvmsg"),
    (49, "bind"),
    (50, "listen"),
    (53, "socketpair"),
    (56, "clone"),
    (59, "execve"),
    (62, "kill"),
    (72, "fcntl"),
    (76, "truncate"),
    (77, "ftruncate"),
    (80, "chdir"),
    (81, "fchdir"),
    (82, "rename"),
    (83, "mkdir"),
    (84, "rmdir"),
    (85, "creat"),
    (86, "link"),
    (87, "unlink"),
    (88, "symlink"),
    (90, "chmod"),
    (91, "fchmod"),
    (92, "chown"),
    (93, "fchown"),
    (94, "lchown"),
    (101, "ptrace"),
    (105, "setuid"),
    (106, "setgid"),
    (113, "setreuid"),
    (114, "setregid"),
    (116, "setgroups"),
    (117, "setresuid"),
    (119, "setresgid"),
    (122, "setfsuid"),
    (123, "setfsgid"),
    (126, "capset"),
    (155, "pivot_root"),
    (157, "prctl"),
    (161, "chroot"),
    (165, "mount"),
    (166, "umount2"),
    (175, "init_module"),
    (176, "delete_module"),
    (200, "tkill"),
    (234, "tgkill"),
    (257, "openat"),
    (258, "mkdirat"),
    (260, "fchownat"),
    (263, "unlinkat"),
    (264, "renameat"),
    (265, "linkat"),
    (266, "symlinkat"),
    (268, "fchmodat"),
    (272, "unshare"),
    (275, "splice"),
    (288, "accept4"),
    (292, "dup3"),
    (298, "perf_event_open"),
    (299, "recvmmsg"),
    (307, "sendmmsg"),
    (308, "setns"),
    (310, "process_vm_readv"),
    (311, "process_vm_writev"),
    (313, "finit_module"),
    (316, "renameat2"),
    (319, "memfd_create"),
    (321, "bpf"),
    (322, "execveat"),
    (323, "userfaultfd"),
    (424, "pidfd_send_signal"),
    (425, "io_uring_setup"),
    (429, "move_mount"),
    (435, "clone3"),
    (437, "openat2"),
    (438, "pidfd_getfd"),
    (452, "fchmodat2"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_found_by_its_number() {
        for &(number, name) in CALLS {
            assert_eq!(call_name(number), Some(name));
        }
        assert_eq!(call_name(CALL_IO_URING as u16), Some("io_uring"));
        assert_eq!(call_name(CALL_UNKNOWN as u16), None);
        assert_eq!(call_name(3), None);
    }
}
