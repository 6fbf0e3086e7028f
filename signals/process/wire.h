/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the process signal writes: fixed width, no holes, no pointers. */
#ifndef FATHOM_PROCESS_WIRE_H
#define FATHOM_PROCESS_WIRE_H

#include "fathom/record.h"

enum process_kind {
	PROCESS_FORK = 0,	/* a process came to be */
	PROCESS_EXEC = 1,	/* a process runs a new image */
	PROCESS_EXEC_FAILED = 2,/* it tried to */
	PROCESS_EXIT = 3,	/* a process ended */
	PROCESS_SEEN = 4,	/* a process was there already */
};

enum process_marks {
	PROCESS_ARGS_TRUNCATED = 1,	/* the vector is longer than what was read */
	PROCESS_ARGS_UNREADABLE = 2,	/* its memory could not be read */
	PROCESS_OVERLAY_UPPER = 4,	/* the executable lies in an overlay's upper layer */
	PROCESS_ANCESTOR = 8,		/* seen only as the ancestor of one in scope */
	PROCESS_CORE_DUMPED = 16,	/* its memory was dumped */
};

/* Who it is and where it lives: in every record that describes a whole process. */
struct process_facts_record {
	__u64 parent_start;
	__u64 cap_permitted;
	__u64 cap_effective;
	__u64 cap_inheritable;
	__u64 exe_inode;
	__s64 exe_ctime;	/* nanoseconds since 1970 */
	__s64 exe_mtime;
	__u32 parent_tgid;
	__u32 vpid;		/* the pid in its own pid namespace */
	__u32 session;		/* the session's id in the initial pid namespace */
	__u32 pgid;		/* the process group's id in the initial pid namespace */
	__u32 vpgid;		/* in its own one; 0 where the group is of another */
	__u32 tty;		/* major << 20 | minor; 0 without a terminal */
	__u32 loginuid;
	__u32 uid;
	__u32 gid;
	__u32 euid;
	__u32 egid;
	__u32 ns_mnt;
	__u32 ns_pid;
	__u32 ns_net;
	__u32 ns_uts;
	__u32 ns_ipc;
	__u32 ns_user;
	__u32 ns_cgroup;
	__u32 ns_time;
	__u32 exe_device;
	__u32 exe_mode;
	__u32 exe_links;	/* 0: the file was deleted */
};

struct process_fork_record {
	struct record_header header;	/* of the child */
	__u64 parent_start;
	__u32 parent_tgid;
	__u32 vpid;
};

/* Behind it: [exe names][cwd names][given path][args], see path_names(). */
struct process_exec_record {
	struct record_header header;
	struct process_facts_record facts;
	__u64 latency;		/* nanoseconds from the start of exec; 0 where it is not known */
	__s32 error;		/* 0, or the negative errno of a failed exec */
	__u16 exe_length;
	__u16 cwd_length;
	__u16 given_length;
	__u16 args_length;
	__u16 exe_marks;	/* path_marks */
	__u16 cwd_marks;
	__u16 marks;		/* process_marks */
	__u16 call;		/* its number on x86-64, or record_call */
	__u16 spare[2];
};

struct process_exit_record {
	struct record_header header;
	__u64 user_time;	/* nanoseconds, all threads */
	__u64 system_time;
	__u32 status;		/* as wait(2) gives it: code << 8, or the signal */
	__u32 spare;
};

#endif
