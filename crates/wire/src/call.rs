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
    (40, "sendfile"),
    (42, "connect"),
    (43, "accept"),
    (44, "sendto"),
    (45, "recvfrom"),
    (46, "sendmsg"),
    (47, "recvmsg"),
    (49, "bind"),
    (50, "listen"),
    (59, "execve"),
    (76, "truncate"),
    (77, "ftruncate"),
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
    (165, "mount"),
    (166, "umount2"),
    (257, "openat"),
    (258, "mkdirat"),
    (260, "fchownat"),
    (263, "unlinkat"),
    (264, "renameat"),
    (265, "linkat"),
    (266, "symlinkat"),
    (268, "fchmodat"),
    (275, "splice"),
    (288, "accept4"),
    (299, "recvmmsg"),
    (307, "sendmmsg"),
    (316, "renameat2"),
    (322, "execveat"),
    (429, "move_mount"),
    (437, "openat2"),
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
