/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the privilege signal writes: fixed width, no holes, no pointers. */
#ifndef FATHOM_PRIVILEGE_WIRE_H
#define FATHOM_PRIVILEGE_WIRE_H

#include "fathom/record.h"
#include "fathom/ends.h"

#define MODULE_NAME 64
#define NAMESPACE_NAME 16
#define BPF_NAME 16
#define TEXT_BYTES 256

enum privilege_kind {
	PRIVILEGE_PTRACE = 0,
	PRIVILEGE_MEMORY = 1,
	PRIVILEGE_KILL = 2,
	PRIVILEGE_MODULE = 3,
	PRIVILEGE_NAMESPACE = 4,
	PRIVILEGE_CREDENTIAL = 5,
	PRIVILEGE_CAPABILITY = 6,
	PRIVILEGE_PRCTL = 7,
	PRIVILEGE_CHDIR = 8,
	PRIVILEGE_DUP = 9,
	PRIVILEGE_MEMFD = 10,
	PRIVILEGE_URING = 11,
	PRIVILEGE_BPF = 12,
	PRIVILEGE_SOCKET = 13,
	PRIVILEGE_FEATURE = 14,
};

/* What a descriptor of bpf(2)'s leads to. */
enum bpf_object_kind {
	OBJECT_NONE = 0,
	OBJECT_PROGRAM = 1,
	OBJECT_MAP = 2,
	OBJECT_LINK = 3,	/* and the rest is of its program */
};

/* The beginning of each. */
struct privilege_call_record {
	struct record_header header;
	__s64 result;		/* what the call returned */
	__u32 number;		/* of the call, in the 64-bit table */
	__u32 spare;
};

/* ptrace, process_vm_*, kill and its like: one process acts upon another. */
struct privilege_target_record {
	struct privilege_call_record call;
	__u64 target_start;
	__u32 target_tgid;	/* 0: not known */
	__s32 target_pid;	/* as given; 0 where the call gives none */
	__u32 request;		/* PTRACE_*, or the signal */
	__u32 spare;
};

/* Behind it: the module's name, its parameters, the file's names. */
struct privilege_module_record {
	struct privilege_call_record call;
	__s32 fd;		/* -1 where the call has none */
	__u32 flags;
	__u16 name_length;
	__u16 args_length;
	__u16 path_length;
	__u16 path_marks;	/* path_marks */
};

struct privilege_namespace_record {
	struct privilege_call_record call;
	__u64 inode;		/* of the namespace that a descriptor names; 0: none */
	__u64 target_start;	/* the process of a pidfd, or the child */
	__u32 target_tgid;
	__u32 flags;		/* CLONE_*, as asked for */
	__s32 fd;		/* -1 where the call has none */
	__u32 spare;
	char name[NAMESPACE_NAME];	/* what kind the descriptor's namespace is */
};

/* The ids asked for, in the call's order, and what the caller has when it ends. */
struct privilege_credential_record {
	struct privilege_call_record call;
	__u64 effective;	/* capabilities */
	__u64 permitted;
	__u64 inheritable;
	__u32 asked[3];		/* -1 as in the call: leave it as it is */
	__u32 uid;
	__u32 euid;
	__u32 gid;
	__u32 egid;
	__s32 target_pid;	/* capset: as given */
};

struct privilege_prctl_record {
	struct privilege_call_record call;
	__u64 value;
	__u64 second;
	__u32 option;
	__u32 spare;
};

/* Behind it: the path given, pivot_root's second one, the resolved names. */
struct privilege_chdir_record {
	struct privilege_call_record call;
	__s32 fd;		/* -1 where the call has none */
	__u16 given_length;
	__u16 second_length;
	__u16 resolved_length;
	__u16 resolved_marks;	/* path_marks */
	__u32 spare;
};

/* Behind it: the file's names. */
struct privilege_dup_record {
	struct privilege_call_record call;
	struct socket_ends_record ends;
	__u64 inode;
	__u64 filesystem;	/* its magic number */
	__u64 source_start;	/* pidfd_getfd: the process that it was taken from */
	__u32 file_mode;	/* 0: the descriptor led nowhere */
	__s32 old_fd;
	__u32 flags;
	__u32 source_tgid;	/* 0: none, or not known */
	__u16 path_length;
	__u16 path_marks;	/* path_marks */
	__u32 spare;
};

struct privilege_memfd_record {
	struct privilege_call_record call;
	__u32 flags;
	__u32 spare;
	char name[TEXT_BYTES];
};

/* perf_event_open, userfaultfd. */
struct privilege_feature_record {
	struct privilege_call_record call;
	__u64 config;		/* perf: what is measured */
	__u64 target_start;
	__u32 target_tgid;	/* 0: not known */
	__s32 target_pid;	/* perf: as given */
	__u32 event_type;	/* perf: PERF_TYPE_* */
	__u32 flags;
	__s32 cpu;		/* perf: as given */
	__u32 spare;
};

struct privilege_uring_record {
	struct privilege_call_record call;
	__u32 entries;
	__u32 flags;
};

struct privilege_bpf_record {
	struct privilege_call_record call;
	__u32 command;
	__u32 object;		/* bpf_object_kind */
	__u32 object_type;	/* of the program or map */
	__u32 id;		/* of the program or map; 0: not known */
	__u32 attach_type;
	__u32 spare;
	char name[BPF_NAME];
	char path[TEXT_BYTES];
};

struct privilege_socket_record {
	struct privilege_call_record call;
	__u64 socket;		/* as in socket_ends_record; 0 on failure */
	__u64 second_socket;	/* socketpair's other end */
	__u32 family;
	__u32 socket_type;	/* SOCK_*, with its flags */
	__u32 protocol;
	__s32 fd;
	__s32 second_fd;
	__u32 spare;
};

#endif
