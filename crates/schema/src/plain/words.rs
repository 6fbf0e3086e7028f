//! The kernel's names for its numbers.

use crate::FlagNames;

/// The symbol of an error number, such as `ENOENT`.
pub fn errno(number: i64) -> Option<&'static str> {
    let within = |it: i64| Some(ERRNOS[usize::try_from(it).ok().filter(|at| *at < ERRNOS.len())?]);
    let name = match number {
        // A call that a signal broke off; user space never meets these, but our hooks do.
        512 => "ERESTARTSYS",
        513 => "ERESTARTNOINTR",
        514 => "ERESTARTNOHAND",
        515 => "ENOIOCTLCMD",
        516 => "ERESTART_RESTARTBLOCK",
        524 => "ENOTSUPP",
        _ => within(number)?,
    };
    (!name.is_empty()).then_some(name)
}

/// The name of a signal; those for real time are named as the shells do (`SIGRTMIN+3`).
pub fn signal(number: i64) -> Option<&'static str> {
    let at = usize::try_from(number).ok()?;
    SIGNALS.get(at).copied().filter(|name| !name.is_empty())
}

/// Tells each name of a set, and returns the bits that have none.
///
/// The names are tried in their order, and each takes its bits away, so that a wide mask
/// (`O_SYNC`) may stand before a narrow one that it contains. A mask of 0 names the empty set.
pub fn flags(names: FlagNames, bits: u64, mut tell: impl FnMut(&'static str)) -> u64 {
    let mut left = bits;
    for &(mask, name) in names {
        if if mask == 0 { bits == 0 } else { left & mask == mask } {
            tell(name);
            left &= !mask;
        }
    }
    left
}

/// Capabilities by their bits.
pub const CAPABILITIES: FlagNames = &capability_bits();

const fn capability_bits() -> [(u64, &'static str); CAPABILITY_NAMES.len()] {
    let mut bits = [(0, ""); CAPABILITY_NAMES.len()];
    let mut at = 0;
    while at < bits.len() {
        bits[at] = (1 << at, CAPABILITY_NAMES[at]);
        at += 1;
    }
    bits
}

#[rustfmt::skip]
const CAPABILITY_NAMES: [&str; 41] = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID",
    "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK",
    "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
    "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// As in `asm-generic`, which x86-64 and arm64 share.
#[rustfmt::skip]
const ERRNOS: [&str; 134] = [
    "", "EPERM", "ENOENT", "ESRCH", "EINTR", "EIO", "ENXIO", "E2BIG", "ENOEXEC", "EBADF",
    "ECHILD", "EAGAIN", "ENOMEM", "EACCES", "EFAULT", "ENOTBLK", "EBUSY", "EEXIST", "EXDEV", "ENODEV",
    "ENOTDIR", "EISDIR", "EINVAL", "ENFILE", "EMFILE", "ENOTTY", "ETXTBSY", "EFBIG", "ENOSPC", "ESPIPE",
    "EROFS", "EMLINK", "EPIPE", "EDOM", "ERANGE", "EDEADLK", "ENAMETOOLONG", "ENOLCK", "ENOSYS", "ENOTEMPTY",
    "ELOOP", "", "ENOMSG", "EIDRM", "ECHRNG", "EL2NSYNC", "EL3HLT", "EL3RST", "ELNRNG", "EUNATCH",
    "ENOCSI", "EL2HLT", "EBADE", "EBADR", "EXFULL", "ENOANO", "EBADRQC", "EBADSLT", "", "EBFONT",
    "ENOSTR", "ENODATA", "ETIME", "ENOSR", "ENONET", "ENOPKG", "EREMOTE", "ENOLINK", "EADV", "ESRMNT",
    "ECOMM", "EPROTO", "EMULTIHOP", "EDOTDOT", "EBADMSG", "EOVERFLOW", "ENOTUNIQ", "EBADFD", "EREMCHG", "ELIBACC",
    "ELIBBAD", "ELIBSCN", "ELIBMAX", "ELIBEXEC", "EILSEQ", "ERESTART", "ESTRPIPE", "EUSERS", "ENOTSOCK", "EDESTADDRREQ",
    "EMSGSIZE", "EPROTOTYPE", "ENOPROTOOPT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EOPNOTSUPP", "EPFNOSUPPORT", "EAFNOSUPPORT", "EADDRINUSE", "EADDRNOTAVAIL",
    "ENETDOWN", "ENETUNREACH", "ENETRESET", "ECONNABORTED", "ECONNRESET", "ENOBUFS", "EISCONN", "ENOTCONN", "ESHUTDOWN", "ETOOMANYREFS",
    "ETIMEDOUT", "ECONNREFUSED", "EHOSTDOWN", "EHOSTUNREACH", "EALREADY", "EINPROGRESS", "ESTALE", "EUCLEAN", "ENOTNAM", "ENAVAIL",
    "EISNAM", "EREMOTEIO", "EDQUOT", "ENOMEDIUM", "EMEDIUMTYPE", "ECANCELED", "ENOKEY", "EKEYEXPIRED", "EKEYREVOKED", "EKEYREJECTED",
    "EOWNERDEAD", "ENOTRECOVERABLE", "ERFKILL", "EHWPOISON",
];

/// As on x86-64 and arm64; 32 and 33 are the C library's own.
#[rustfmt::skip]
const SIGNALS: [&str; 65] = [
    "", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL",
    "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP",
    "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",
    "SIGPWR", "SIGSYS", "", "", "SIGRTMIN", "SIGRTMIN+1", "SIGRTMIN+2", "SIGRTMIN+3", "SIGRTMIN+4", "SIGRTMIN+5",
    "SIGRTMIN+6", "SIGRTMIN+7", "SIGRTMIN+8", "SIGRTMIN+9", "SIGRTMIN+10", "SIGRTMIN+11", "SIGRTMIN+12", "SIGRTMIN+13", "SIGRTMIN+14", "SIGRTMIN+15",
    "SIGRTMAX-14", "SIGRTMAX-13", "SIGRTMAX-12", "SIGRTMAX-11", "SIGRTMAX-10", "SIGRTMAX-9", "SIGRTMAX-8", "SIGRTMAX-7", "SIGRTMAX-6", "SIGRTMAX-5",
    "SIGRTMAX-4", "SIGRTMAX-3", "SIGRTMAX-2", "SIGRTMAX-1", "SIGRTMAX",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_kernels_names() {
        assert_eq!(
            [errno(1), errno(40), errno(110)],
            [Some("EPERM"), Some("ELOOP"), Some("ETIMEDOUT")]
        );
        assert_eq!([errno(133), errno(512)], [Some("EHWPOISON"), Some("ERESTARTSYS")]);
        assert_eq!([errno(0), errno(41), errno(134), errno(-2)], [None; 4]);
        assert_eq!(
            [signal(9), signal(15), signal(64)],
            [Some("SIGKILL"), Some("SIGTERM"), Some("SIGRTMAX")]
        );
        assert_eq!([signal(0), signal(32), signal(65), signal(-1)], [None; 4]);
        assert_eq!(CAPABILITIES[21], (1 << 21, "CAP_SYS_ADMIN"));
        assert_eq!(CAPABILITIES[40], (1 << 40, "CAP_CHECKPOINT_RESTORE"));
    }

    #[test]
    fn a_wide_mask_takes_its_bits_from_a_narrow_one() {
        const NAMES: FlagNames = &[(0, "NOTHING"), (6, "SYNC"), (2, "DSYNC"), (8, "APPEND")];
        let told = |bits| {
            let mut names = Vec::new();
            let left = flags(NAMES, bits, |name| names.push(name));
            (names, left)
        };
        assert_eq!(told(6 | 8), (vec!["SYNC", "APPEND"], 0));
        assert_eq!(told(2 | 16), (vec!["DSYNC"], 16));
        assert_eq!(told(0), (vec!["NOTHING"], 0));
    }
}
