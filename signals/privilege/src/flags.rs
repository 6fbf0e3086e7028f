//! The bits of flags, by name.

use schema::FlagNames;

/// Of clone, unshare and setns.
pub(crate) const CLONE_FLAGS: FlagNames = &[
    (0x80, "CLONE_NEWTIME"),
    (0x100, "CLONE_VM"),
    (0x200, "CLONE_FS"),
    (0x400, "CLONE_FILES"),
    (0x800, "CLONE_SIGHAND"),
    (0x1000, "CLONE_PIDFD"),
    (0x2000, "CLONE_PTRACE"),
    (0x4000, "CLONE_VFORK"),
    (0x8000, "CLONE_PARENT"),
    (0x10000, "CLONE_THREAD"),
    (0x20000, "CLONE_NEWNS"),
    (0x40000, "CLONE_SYSVSEM"),
    (0x80000, "CLONE_SETTLS"),
    (0x100000, "CLONE_PARENT_SETTID"),
    (0x200000, "CLONE_CHILD_CLEARTID"),
    (0x800000, "CLONE_UNTRACED"),
    (0x1000000, "CLONE_CHILD_SETTID"),
    (0x2000000, "CLONE_NEWCGROUP"),
    (0x4000000, "CLONE_NEWUTS"),
    (0x8000000, "CLONE_NEWIPC"),
    (0x10000000, "CLONE_NEWUSER"),
    (0x20000000, "CLONE_NEWPID"),
    (0x40000000, "CLONE_NEWNET"),
    (0x80000000, "CLONE_IO"),
];

/// finit_module's flags are small numbers, delete_module's those of open.
pub(crate) const MODULE_FLAGS: FlagNames = &[
    (0x1, "MODULE_INIT_IGNORE_MODVERSIONS"),
    (0x2, "MODULE_INIT_IGNORE_VERMAGIC"),
    (0x4, "MODULE_INIT_COMPRESSED_FILE"),
    (0o1000, "O_TRUNC"),
    (0o4000, "O_NONBLOCK"),
];

/// Of memfd_create.
pub(crate) const MEMFD_FLAGS: FlagNames = &[
    (0x1, "MFD_CLOEXEC"),
    (0x2, "MFD_ALLOW_SEALING"),
    (0x4, "MFD_HUGETLB"),
    (0x8, "MFD_NOEXEC_SEAL"),
    (0x10, "MFD_EXEC"),
];

/// Of io_uring_setup.
pub(crate) const URING_FLAGS: FlagNames = &[
    (0x1, "IORING_SETUP_IOPOLL"),
    (0x2, "IORING_SETUP_SQPOLL"),
    (0x4, "IORING_SETUP_SQ_AFF"),
    (0x8, "IORING_SETUP_CQSIZE"),
    (0x10, "IORING_SETUP_CLAMP"),
    (0x20, "IORING_SETUP_ATTACH_WQ"),
    (0x40, "IORING_SETUP_R_DISABLED"),
    (0x80, "IORING_SETUP_SUBMIT_ALL"),
    (0x100, "IORING_SETUP_COOP_TASKRUN"),
    (0x200, "IORING_SETUP_TASKRUN_FLAG"),
    (0x400, "IORING_SETUP_SQE128"),
    (0x800, "IORING_SETUP_CQE32"),
    (0x1000, "IORING_SETUP_SINGLE_ISSUER"),
    (0x2000, "IORING_SETUP_DEFER_TASKRUN"),
    (0x4000, "IORING_SETUP_NO_MMAP"),
    (0x8000, "IORING_SETUP_REGISTERED_FD_ONLY"),
    (0x10000, "IORING_SETUP_NO_SQARRAY"),
    (0x20000, "IORING_SETUP_HYBRID_IOPOLL"),
    (0x40000, "IORING_SETUP_CQE_MIXED"),
];

/// Of perf_event_open; and of userfaultfd, whose one bit below these is moved out of their way.
pub(crate) const FEATURE_FLAGS: FlagNames = &[
    (0x1, "PERF_FLAG_FD_NO_GROUP"),
    (0x2, "PERF_FLAG_FD_OUTPUT"),
    (0x4, "PERF_FLAG_PID_CGROUP"),
    (0x8, "PERF_FLAG_FD_CLOEXEC"),
    (0o4000, "O_NONBLOCK"),
    (0o2000000, "O_CLOEXEC"),
    (1 << 32, "UFFD_USER_MODE_ONLY"),
];

/// What may stand beside the type of socket and socketpair.
pub(crate) const SOCKET_FLAGS: FlagNames =
    &[(0o4000, "SOCK_NONBLOCK"), (0o2000000, "SOCK_CLOEXEC")];

/// What may be asked for of a copy.
pub(crate) const FD_FLAGS: FlagNames = &[(0o2000000, "O_CLOEXEC")];
