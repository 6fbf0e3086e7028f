//! The tables of the file signal: the only place where their columns are named.

use schema::{Event, FlagNames};
use wire::PATH_MARKS;

/// How a file was opened. The access mode is no bit in Linux; it is made one here.
pub(crate) const OPEN_FLAGS: FlagNames = &[
    (1 << 32, "O_RDONLY"),
    (1 << 33, "O_WRONLY"),
    (1 << 34, "O_RDWR"),
    (1 << 35, "O_EXEC"),
    (0o20200000, "O_TMPFILE"),
    (0o4010000, "O_SYNC"),
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o400, "O_NOCTTY"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o10000, "O_DSYNC"),
    (0o20000, "O_ASYNC"),
    (0o40000, "O_DIRECT"),
    (0o100000, "O_LARGEFILE"),
    (0o200000, "O_DIRECTORY"),
    (0o400000, "O_NOFOLLOW"),
    (0o1000000, "O_NOATIME"),
    (0o2000000, "O_CLOEXEC"),
    (0o10000000, "O_PATH"),
];

const AT_FLAGS: FlagNames = &[
    (0x100, "AT_SYMLINK_NOFOLLOW"),
    (0x200, "AT_REMOVEDIR"),
    (0x400, "AT_SYMLINK_FOLLOW"),
    (0x1000, "AT_EMPTY_PATH"),
];

const RENAME_FLAGS: FlagNames =
    &[(1, "RENAME_NOREPLACE"), (2, "RENAME_EXCHANGE"), (4, "RENAME_WHITEOUT")];

const UMOUNT_FLAGS: FlagNames =
    &[(1, "MNT_FORCE"), (2, "MNT_DETACH"), (4, "MNT_EXPIRE"), (8, "UMOUNT_NOFOLLOW")];

const MOUNT_FLAGS: FlagNames = &[
    (0x1, "MS_RDONLY"),
    (0x2, "MS_NOSUID"),
    (0x4, "MS_NODEV"),
    (0x8, "MS_NOEXEC"),
    (0x10, "MS_SYNCHRONOUS"),
    (0x20, "MS_REMOUNT"),
    (0x400, "MS_NOATIME"),
    (0x800, "MS_NODIRATIME"),
    (0x1000, "MS_BIND"),
    (0x2000, "MS_MOVE"),
    (0x4000, "MS_REC"),
    (0x8000, "MS_SILENT"),
    (0x20000, "MS_UNBINDABLE"),
    (0x40000, "MS_PRIVATE"),
    (0x80000, "MS_SLAVE"),
    (0x100000, "MS_SHARED"),
    (0x200000, "MS_RELATIME"),
    (0x1000000, "MS_STRICTATIME"),
];

/// A file was opened, or an attempt to open it failed.
#[derive(Event)]
#[event(table = "file_open", since = "0.1")]
pub struct FileOpen<'a> {
    /// The path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The directory that a relative `path` starts from, as it is called when the call ends; null
    /// for an absolute one.
    #[event(kind = Path, personal)]
    pub dir: Option<&'a [u8]>,
    /// The path as the kernel resolved it, from the root of the mount namespace; null where nothing was resolved or this kernel's hook cannot know it.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two name different files: a symbolic link, a mount, a rewritten buffer.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// What is odd about `path_resolved`: cut, deleted, or not below the namespace's root.
    #[event(kind = Flags(PATH_MARKS))]
    pub path_marks: u64,
    /// How it was to be opened: for reading or writing, created, truncated, executed …
    #[event(kind = Flags(OPEN_FLAGS))]
    pub flags: u64,
    /// The permissions for a new file; null where none could be made.
    #[event(kind = Mode)]
    pub mode: Option<u32>,
    /// Whether this open made the file; null on failure.
    #[event(kind = Bool)]
    pub created: Option<bool>,
    /// The new file descriptor; null on failure and for a file opened by exec.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// The file's inode number; null on failure.
    #[event(kind = Uint)]
    pub inode: Option<u64>,
    /// The device that the file lies on; null on failure.
    #[event(kind = Device)]
    pub device: Option<u32>,
    /// The file's type and permission bits; null on failure.
    #[event(kind = Mode)]
    pub file_mode: Option<u32>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `open`, `openat`, `openat2`, `creat`; `execve` for a file opened by exec,
    /// `io_uring` for one opened through a ring.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// A file was renamed, or an attempt to rename it failed.
#[derive(Event)]
#[event(table = "file_rename", since = "0.1")]
pub struct FileRename<'a> {
    /// The path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The directory that a relative `path` starts from, as it is called when the call ends; null
    /// for an absolute one.
    #[event(kind = Path, personal)]
    pub dir: Option<&'a [u8]>,
    /// The path as the kernel resolved it, from the root of the mount namespace; null where nothing was resolved or this kernel's hook cannot know it.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two name different files: a symbolic link, a mount, a rewritten buffer.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// The new path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub new_path: Option<&'a [u8]>,
    /// The directory that a relative `new_path` starts from, as it is called when the call ends;
    /// null for an absolute one.
    #[event(kind = Path, personal)]
    pub new_dir: Option<&'a [u8]>,
    /// The new path as the kernel resolved it; null as for `path_resolved`.
    #[event(kind = Path, personal)]
    pub new_path_resolved: Option<&'a [u8]>,
    /// Whether the two new paths name different files.
    #[event(kind = Bool)]
    pub new_path_differs: Option<bool>,
    /// What was asked for beside.
    #[event(kind = Flags(RENAME_FLAGS))]
    pub flags: u32,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `rename`, `renameat`, `renameat2`, or `io_uring` where it was asked for
    /// through a ring.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// A name of a file was removed, or an attempt to remove it failed.
#[derive(Event)]
#[event(table = "file_unlink", since = "0.1")]
pub struct FileUnlink<'a> {
    /// The path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The directory that a relative `path` starts from, as it is called when the call ends; null
    /// for an absolute one.
    #[event(kind = Path, personal)]
    pub dir: Option<&'a [u8]>,
    /// The path as the kernel resolved it, from the root of the mount namespace; null where nothing was resolved or this kernel's hook cannot know it.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two name different files: a symbolic link, a mount, a rewritten buffer.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `unlink`, `unlinkat`, or `io_uring` where it was asked for through a ring.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// A file was given a second name, or an attempt to do so failed.
#[derive(Event)]
#[event(table = "file_link", since = "0.1")]
pub struct FileLink<'a> {
    /// The path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The directory that a relative `path` starts from, as it is called when the call ends; null
    /// for an absolute one.
    #[event(kind = Path, personal)]
    pub dir: Option<&'a [u8]>,
    /// The path as the kernel resolved it, from the root of the mount namespace; null where nothing was resolved or this kernel's hook cannot know it.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two name different files: a symbolic link, a mount, a rewritten buffer.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// The new path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub new_path: Option<&'a [u8]>,
    /// The directory that a relative `new_path` starts from, as it is called when the call ends;
    /// null for an absolute one.
    #[event(kind = Path, personal)]
    pub new_dir: Option<&'a [u8]>,
    /// The new path as the kernel resolved it; null as for `path_resolved`.
    #[event(kind = Path, personal)]
    pub new_path_resolved: Option<&'a [u8]>,
    /// Whether the two new paths name different files.
    #[event(kind = Bool)]
    pub new_path_differs: Option<bool>,
    /// What was asked for beside.
    #[event(kind = Flags(AT_FLAGS))]
    pub flags: u32,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `link`, `linkat`, or `io_uring` where it was asked for through a ring.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// A symbolic link was made, or an attempt to make it failed.
#[derive(Event)]
#[event(table = "file_symlink", since = "0.1")]
pub struct FileSymlink<'a> {
    /// What the link says; null where it could not be read.
    #[event(kind = Path, personal)]
    pub target: Option<&'a [u8]>,
    /// The path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The directory that a relative `path` starts from, as it is called when the call ends; null
    /// for an absolute one.
    #[event(kind = Path, personal)]
    pub dir: Option<&'a [u8]>,
    /// The path as the kernel resolved it, from the root of the mount namespace; null where nothing was resolved or this kernel's hook cannot know it.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two name different files: a symbolic link, a mount, a rewritten buffer.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `symlink`, `symlinkat`, or `io_uring` where it was asked for through a
    /// ring.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// A file's permissions were changed, or an attempt to change them failed.
#[derive(Event)]
#[event(table = "file_chmod", since = "0.1")]
pub struct FileChmod<'a> {
    /// The path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The directory that a relative `path` starts from, as it is called when the call ends; null
    /// for an absolute one.
    #[event(kind = Path, personal)]
    pub dir: Option<&'a [u8]>,
    /// The path as the kernel resolved it, from the root of the mount namespace; null where nothing was resolved or this kernel's hook cannot know it.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two name different files: a symbolic link, a mount, a rewritten buffer.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// The permissions asked for.
    #[event(kind = Mode)]
    pub mode: u32,
    /// The file descriptor; null where the call gave a path.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// What was asked for beside.
    #[event(kind = Flags(AT_FLAGS))]
    pub flags: u32,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `chmod`, `fchmod`, `fchmodat`, `fchmodat2`.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// A file's owner was changed, or an attempt to change it failed.
#[derive(Event)]
#[event(table = "file_chown", since = "0.1")]
pub struct FileChown<'a> {
    /// The path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The directory that a relative `path` starts from, as it is called when the call ends; null
    /// for an absolute one.
    #[event(kind = Path, personal)]
    pub dir: Option<&'a [u8]>,
    /// The path as the kernel resolved it, from the root of the mount namespace; null where nothing was resolved or this kernel's hook cannot know it.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two name different files: a symbolic link, a mount, a rewritten buffer.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// The new owner; null where it stays.
    #[event(kind = Uid)]
    pub uid: Option<u32>,
    /// The new group; null where it stays.
    #[event(kind = Gid)]
    pub gid: Option<u32>,
    /// The file descriptor; null where the call gave a path.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// What was asked for beside.
    #[event(kind = Flags(AT_FLAGS))]
    pub flags: u32,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `chown`, `lchown`, `fchown`, `fchownat`.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// A directory was made, or an attempt to make it failed.
#[derive(Event)]
#[event(table = "file_mkdir", since = "0.1")]
pub struct FileMkdir<'a> {
    /// The path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The directory that a relative `path` starts from, as it is called when the call ends; null
    /// for an absolute one.
    #[event(kind = Path, personal)]
    pub dir: Option<&'a [u8]>,
    /// The path as the kernel resolved it, from the root of the mount namespace; null where nothing was resolved or this kernel's hook cannot know it.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two name different files: a symbolic link, a mount, a rewritten buffer.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// The permissions asked for.
    #[event(kind = Mode)]
    pub mode: u32,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `mkdir`, `mkdirat`, or `io_uring` where it was asked for through a ring.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// A directory was removed, or an attempt to remove it failed.
#[derive(Event)]
#[event(table = "file_rmdir", since = "0.1")]
pub struct FileRmdir<'a> {
    /// The path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The directory that a relative `path` starts from, as it is called when the call ends; null
    /// for an absolute one.
    #[event(kind = Path, personal)]
    pub dir: Option<&'a [u8]>,
    /// The path as the kernel resolved it, from the root of the mount namespace; null where nothing was resolved or this kernel's hook cannot know it.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two name different files: a symbolic link, a mount, a rewritten buffer.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `rmdir`, `unlinkat`, or `io_uring` where it was asked for through a ring.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// Something was mounted, remounted or moved, or an attempt to do so failed.
#[derive(Event)]
#[event(table = "file_mount", since = "0.1")]
pub struct FileMount<'a> {
    /// What was to be mounted, as the caller gave it.
    #[event(kind = Path, personal)]
    pub source: Option<&'a [u8]>,
    /// The file system's type, as the caller gave it.
    #[event(kind = Text)]
    pub filesystem: Option<&'a [u8]>,
    /// The path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The directory that a relative `path` starts from, as it is called when the call ends; null
    /// for an absolute one.
    #[event(kind = Path, personal)]
    pub dir: Option<&'a [u8]>,
    /// The path as the kernel resolved it, from the root of the mount namespace; null where nothing was resolved or this kernel's hook cannot know it.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two name different files: a symbolic link, a mount, a rewritten buffer.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// What was asked for beside.
    #[event(kind = Flags(MOUNT_FLAGS))]
    pub flags: u32,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `mount` or `move_mount`.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// Something was unmounted, or an attempt to unmount it failed.
#[derive(Event)]
#[event(table = "file_umount", since = "0.1")]
pub struct FileUmount<'a> {
    /// The path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The directory that a relative `path` starts from, as it is called when the call ends; null
    /// for an absolute one.
    #[event(kind = Path, personal)]
    pub dir: Option<&'a [u8]>,
    /// The path as the kernel resolved it, from the root of the mount namespace; null where nothing was resolved or this kernel's hook cannot know it.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two name different files: a symbolic link, a mount, a rewritten buffer.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// What was asked for beside.
    #[event(kind = Flags(UMOUNT_FLAGS))]
    pub flags: u32,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `umount2`.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}

/// A file's size was set, or an attempt to set it failed.
#[derive(Event)]
#[event(table = "file_truncate", since = "0.1")]
pub struct FileTruncate<'a> {
    /// The path as the caller gave it; null where it could not be read.
    #[event(kind = Path, personal)]
    pub path: Option<&'a [u8]>,
    /// The directory that a relative `path` starts from, as it is called when the call ends; null
    /// for an absolute one.
    #[event(kind = Path, personal)]
    pub dir: Option<&'a [u8]>,
    /// The path as the kernel resolved it, from the root of the mount namespace; null where nothing was resolved or this kernel's hook cannot know it.
    #[event(kind = Path, personal)]
    pub path_resolved: Option<&'a [u8]>,
    /// Whether the two name different files: a symbolic link, a mount, a rewritten buffer.
    #[event(kind = Bool)]
    pub path_differs: Option<bool>,
    /// The size asked for.
    #[event(kind = Uint, unit = Bytes)]
    pub size: u64,
    /// The file descriptor; null where the call gave a path.
    #[event(kind = Int)]
    pub fd: Option<i32>,
    /// Why it failed; null on success.
    #[event(kind = Errno)]
    pub error: Option<i32>,
    /// The system call: `truncate` or `ftruncate`.
    #[event(kind = Text)]
    pub call: Option<&'static str>,
}
