//! What a thread waited for, by the system call in which it did.

/// What a call waits for, and whether its first argument is a descriptor.
const CALLS: &[(&str, bool, &[u32])] = &[
    ("futex", false, &[202, 449, 455]),
    // `restart_syscall` goes on with a sleep, a poll or a futex; sleeps are by far the most.
    ("sleep", false, &[35, 219, 230]),
    ("poll", false, &[7, 23, 270, 271]),
    ("poll", true, &[232, 281, 441]),
    ("child", false, &[58, 61, 247]),
    ("signal", false, &[34, 128, 130]),
    ("disk", false, &[162]),
    ("disk", true, &[74, 75, 277, 306]),
    ("lock", true, &[72, 73]),
    ("queue", false, &[65, 69, 70, 220, 242, 243]),
    ("uring", true, &[426]),
    // What it waits for depends on what the descriptor leads to.
    (
        BY_FILE,
        true,
        &[0, 1, 16, 17, 18, 19, 20, 40, 42, 43, 44, 45, 46, 47, 275, 288, 295, 296, 299, 307, 326],
    ),
];
const BY_FILE: &str = "";

/// The bits of a file's mode that say what it is.
pub(crate) const S_IFMT: u32 = 0o170000;
const S_IFIFO: u32 = 0o010000;
const S_IFCHR: u32 = 0o020000;
const S_IFSOCK: u32 = 0o140000;

/// Whether the first argument of `call` is a descriptor.
pub(crate) fn takes_descriptor(call: u32) -> bool {
    find(call).is_some_and(|(_, descriptor)| descriptor)
}

/// Whether only the clock, or a signal, ends what `call` waits for.
pub(crate) fn is_ended_by_clock(call: Option<u32>) -> bool {
    call.and_then(find).is_some_and(|(what, _)| what == "sleep")
}

/// The word for what was waited for: in `call`, or outside of any, on a file of `mode`.
pub(crate) fn reason(
    call: Option<u32>,
    mode: Option<u32>,
    disk: bool,
    kernel_thread: bool,
) -> &'static str {
    let file = match mode.map(|mode| mode & S_IFMT) {
        Some(S_IFSOCK) => "socket",
        Some(S_IFIFO) => "pipe",
        Some(S_IFCHR) => "device",
        _ => "file",
    };
    match call.map(find) {
        _ if kernel_thread => "kernel",
        // Whatever the call: the kernel itself says that a disk was waited for.
        _ if disk => "disk",
        None => "fault",
        Some(Some((BY_FILE, _))) => file,
        Some(Some((what, _))) => what,
        Some(None) => "other",
    }
}

fn find(call: u32) -> Option<(&'static str, bool)> {
    let found = CALLS.iter().find(|(_, _, numbers)| numbers.contains(&call));
    found.map(|&(what, descriptor, _)| (what, descriptor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_by_call_and_file() {
        assert_eq!(reason(Some(202), None, false, false), "futex");
        assert_eq!(reason(Some(0), Some(S_IFSOCK | 0o777), false, false), "socket");
        assert_eq!(reason(Some(0), Some(0o100644), false, false), "file");
        assert_eq!(reason(Some(0), Some(0o100644), true, false), "disk");
        assert_eq!(reason(None, None, false, false), "fault");
        assert_eq!(reason(None, None, true, false), "disk");
        assert_eq!(reason(Some(9), None, false, false), "other");
        assert!(takes_descriptor(0) && !takes_descriptor(230));
    }

    #[test]
    fn no_call_is_listed_twice() {
        let mut all: Vec<u32> = CALLS.iter().flat_map(|it| it.2).copied().collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
