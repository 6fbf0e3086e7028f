//! The file signal: what is done to files by name, each path as given and as resolved.
//!
//! See the folder's `README.md` for what it sees, what it does not, and what it costs.
#![forbid(unsafe_code)]

mod decode;
mod event;

pub use event::{
    FileChmod, FileChown, FileLink, FileMkdir, FileMount, FileOpen, FileRename, FileRmdir,
    FileSymlink, FileTruncate, FileUmount, FileUnlink,
};

use kernel::{Hook, Mechanism, Rung, Signal};
use schema::Event;

#[allow(dead_code)]
mod record {
    include!(concat!(env!("OUT_DIR"), "/file.rs"));
}

/// The signal, as the loader takes it.
pub static FILE: Signal = Signal {
    name: "file",
    object: include_bytes!(concat!(env!("OUT_DIR"), "/file.bpf.o")),
    layout: record::LAYOUT,
    tables: &[
        FileOpen::TABLE,
        FileRename::TABLE,
        FileUnlink::TABLE,
        FileLink::TABLE,
        FileSymlink::TABLE,
        FileChmod::TABLE,
        FileChown::TABLE,
        FileMkdir::TABLE,
        FileRmdir::TABLE,
        FileMount::TABLE,
        FileUmount::TABLE,
        FileTruncate::TABLE,
    ],
    kinds: &[
        "file_open",
        "file_rename",
        "file_unlink",
        "file_link",
        "file_symlink",
        "file_chmod",
        "file_chown",
        "file_mkdir",
        "file_rmdir",
        "file_mount",
        "file_umount",
        "file_truncate",
        "file_open",
    ],
    hooks: &[
        Hook {
            what: "open",
            lost: "all of it",
            rungs: &[Rung::full(Mechanism::Syscall(&[2, 85, 257, 437]), "file_open")],
        },
        Hook {
            what: "open by exec",
            lost: "the files that are run, as rows of file_open",
            rungs: &[Rung::full(Mechanism::TpBtf, "file_exec")],
        },
        Hook {
            what: "unlink, rmdir, mkdir, chmod, chown, truncate, umount by path",
            lost: "all of it",
            rungs: &[Rung::full(
                Mechanism::Syscall(&[76, 83, 84, 87, 90, 92, 94, 166, 258, 260, 263, 268, 452]),
                "file_change",
            )],
        },
        Hook {
            what: "rename, link, symlink, mount",
            lost: "all of it",
            rungs: &[Rung::full(
                Mechanism::Syscall(&[82, 86, 88, 165, 264, 265, 266, 316, 429]),
                "file_pair",
            )],
        },
        Hook {
            what: "chmod, chown, truncate of an open file",
            lost: "all of it",
            rungs: &[Rung::full(Mechanism::Syscall(&[77, 91, 93]), "file_handle")],
        },
        Hook {
            what: "what is asked of io_uring",
            lost: "the paths as given of what goes through io_uring, and where no better hook sees \
                   such operations, all of them",
            rungs: &[
                Rung::full(Mechanism::TpBtf, "file_ring_asked"),
                Rung::full(Mechanism::TpBtf, "file_ring_asked_before"),
                // The same program as below: it sees the paths itself.
                Rung::full(Mechanism::Fentry, "file_ring_filp"),
            ],
        },
        Hook {
            what: "open through io_uring",
            lost: "files opened through io_uring",
            rungs: &[
                Rung::full(Mechanism::Fentry, "file_ring_open"),
                RING_DONE,
                Rung {
                    mechanism: Mechanism::Fentry,
                    program: "file_ring_filp",
                    cannot: "of opens through io_uring the descriptor, whether it is closed on exec, \
                             and whether O_NONBLOCK is the caller's",
                },
            ],
        },
        ring("unlink and rmdir through io_uring", &[RING_UNLINK, RING_DONE]),
        ring("rename through io_uring", &[RING_RENAME, RING_DONE]),
        ring("mkdir through io_uring", &[RING_MKDIR, RING_DONE]),
        ring("symlink through io_uring", &[RING_SYMLINK, RING_DONE]),
        ring("link through io_uring", &[RING_LINK, RING_DONE]),
        Hook {
            what: "operations of io_uring whose success is not told",
            lost: "operations of io_uring that are asked for with IOSQE_CQE_SKIP_SUCCESS",
            rungs: &[
                // The same program as above: it sees what is done, told or not.
                Rung::full(Mechanism::Fentry, "file_ring_open"),
                Rung { mechanism: Mechanism::TpBtf, program: "file_ring_silent", cannot: SILENT },
                Rung {
                    mechanism: Mechanism::TpBtf,
                    program: "file_ring_silent_before",
                    cannot: SILENT,
                },
                // Such a kernel does not have them.
                Rung::full(Mechanism::Fentry, "file_ring_filp"),
            ],
        },
        Hook {
            what: "the end of io_uring calls",
            lost: "all of it",
            rungs: &[Rung::full(Mechanism::Syscall(&[426]), "file_forget")],
        },
        resolve(
            "resolved path of unlink",
            &[
                Rung::full(Mechanism::Lsm, "resolve_unlink_lsm"),
                Rung::full(Mechanism::Fentry, "resolve_unlink_fentry"),
                Rung::full(Mechanism::Kprobe, "resolve_unlink_kprobe"),
            ],
        ),
        resolve(
            "resolved path of rmdir",
            &[
                Rung::full(Mechanism::Lsm, "resolve_rmdir_lsm"),
                Rung::full(Mechanism::Fentry, "resolve_rmdir_fentry"),
                Rung::full(Mechanism::Kprobe, "resolve_rmdir_kprobe"),
            ],
        ),
        resolve(
            "resolved path of mkdir",
            &[
                Rung::full(Mechanism::Lsm, "resolve_mkdir_lsm"),
                Rung::full(Mechanism::Fentry, "resolve_mkdir_fentry"),
                Rung::full(Mechanism::Kprobe, "resolve_mkdir_kprobe"),
            ],
        ),
        resolve(
            "resolved path of symlink",
            &[
                Rung::full(Mechanism::Lsm, "resolve_symlink_lsm"),
                Rung::full(Mechanism::Fentry, "resolve_symlink_fentry"),
                Rung::full(Mechanism::Kprobe, "resolve_symlink_kprobe"),
            ],
        ),
        resolve(
            "resolved path of link",
            &[
                Rung::full(Mechanism::Lsm, "resolve_link_lsm"),
                Rung::full(Mechanism::Fentry, "resolve_link_fentry"),
                Rung::full(Mechanism::Kprobe, "resolve_link_kprobe"),
            ],
        ),
        resolve(
            "resolved path of chmod",
            &[
                Rung::full(Mechanism::Lsm, "resolve_chmod_lsm"),
                Rung::full(Mechanism::Fentry, "resolve_chmod_fentry"),
                Rung::full(Mechanism::Kprobe, "resolve_chmod_kprobe"),
            ],
        ),
        resolve(
            "resolved path of chown",
            &[
                Rung::full(Mechanism::Lsm, "resolve_chown_lsm"),
                Rung::full(Mechanism::Fentry, "resolve_chown_fentry"),
                Rung::full(Mechanism::Kprobe, "resolve_chown_kprobe"),
            ],
        ),
        resolve(
            "resolved path of truncate",
            &[
                Rung::full(Mechanism::Lsm, "resolve_truncate_lsm"),
                Rung::full(Mechanism::Fentry, "resolve_truncate_fentry"),
                Rung::full(Mechanism::Kprobe, "resolve_truncate_kprobe"),
            ],
        ),
        resolve(
            "resolved path of rename",
            &[
                Rung::full(Mechanism::Lsm, "resolve_rename_lsm"),
                Rung::full(Mechanism::Fentry, "resolve_rename_fentry"),
                Rung::full(Mechanism::Kprobe, "resolve_rename_kprobe"),
            ],
        ),
        resolve(
            "resolved path of umount",
            &[
                Rung::full(Mechanism::Lsm, "resolve_umount_lsm"),
                Rung::full(Mechanism::Fentry, "resolve_umount_fentry"),
                Rung::full(Mechanism::Kprobe, "resolve_umount_kprobe"),
            ],
        ),
        resolve(
            "resolved path of mount",
            &[
                Rung::full(Mechanism::Lsm, "resolve_mount_lsm"),
                Rung::full(Mechanism::Fentry, "resolve_mount_fentry"),
                Rung::full(Mechanism::Kprobe, "resolve_mount_kprobe"),
            ],
        ),
        resolve(
            "resolved path of move_mount",
            &[
                Rung::full(Mechanism::Lsm, "resolve_move_mount_lsm"),
                Rung::full(Mechanism::Fentry, "resolve_move_mount_fentry"),
                Rung::full(Mechanism::Kprobe, "resolve_move_mount_kprobe"),
            ],
        ),
    ],
    decode: decode::decode,
};

const SILENT: &str = "whether operations came to be that were asked for with IOSQE_CQE_SKIP_SUCCESS: they \
                      are told without a result, an open without its file";
const RING_DONE: Rung = Rung::full(Mechanism::TpBtf, "file_ring_done");
const RING_UNLINK: Rung = Rung::full(Mechanism::Fentry, "file_ring_unlink");
const RING_RENAME: Rung = Rung::full(Mechanism::Fentry, "file_ring_rename");
const RING_MKDIR: Rung = Rung::full(Mechanism::Fentry, "file_ring_mkdir");
const RING_SYMLINK: Rung = Rung::full(Mechanism::Fentry, "file_ring_symlink");
const RING_LINK: Rung = Rung::full(Mechanism::Fentry, "file_ring_link");

/// A hook on what is done through io_uring.
const fn ring(what: &'static str, rungs: &'static [Rung]) -> Hook {
    Hook { what, lost: "all of it", rungs }
}

/// A hook that resolves a path where no file is left behind.
const fn resolve(what: &'static str, rungs: &'static [Rung]) -> Hook {
    Hook { what, lost: "`path_resolved` is null", rungs }
}
