/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the file signal writes: fixed width, no holes, no pointers. */
#ifndef FATHOM_FILE_WIRE_H
#define FATHOM_FILE_WIRE_H

#include "fathom/record.h"

enum file_kind {
	FILE_OPEN = 0,
	FILE_RENAME = 1,
	FILE_UNLINK = 2,
	FILE_LINK = 3,
	FILE_SYMLINK = 4,
	FILE_CHMOD = 5,
	FILE_CHOWN = 6,
	FILE_MKDIR = 7,
	FILE_RMDIR = 8,
	FILE_MOUNT = 9,
	FILE_UMOUNT = 10,
	FILE_TRUNCATE = 11,
	FILE_EXEC = 12,		/* an open by exec, a row of file_open too */
};

/* One path of a call, as the caller gave it and as the kernel resolved it. */
struct file_path_record {
	__u16 given_length;	/* 0: there is none, or it could not be read */
	__u16 resolved_length;	/* names, see path_names() */
	__u16 resolved_marks;	/* path_marks; without PATH_KNOWN it is not known */
	__u16 base_at;		/* with PATH_HAS_BASE: where the base lies in the names */
	__u16 base_length;	/* else: names of the base, if the given path is relative */
	__u16 base_marks;
};

/* Behind it: first given, extra, second given, both resolved (names), both bases (names). */
struct file_record {
	struct record_header header;
	__u64 inode;
	__u64 size;		/* truncate: the length asked for */
	__s32 error;		/* 0, or a negative errno */
	__s32 fd;		/* -1 where the call has none */
	__u32 flags;		/* as asked for */
	__u32 mode;		/* as asked for */
	__u32 uid;
	__u32 gid;
	__u32 device;
	__u32 file_mode;	/* the opened file's type and permissions */
	__u32 created;		/* 1: this open made the file */
	__u16 extra_length;	/* mount: the file system's type */
	__u16 call;		/* its number on x86-64, or record_call */
	struct file_path_record path[2];
};

/* What a hook above the system call knew, until the call's end; the names follow. */
struct file_stash_record {
	__u16 kind;
	__u16 length[2];
	__u16 marks[2];
	__u16 spare[3];
};

#endif
