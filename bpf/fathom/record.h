/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The head of every record that the kernel side writes. Fixed width, no holes, no pointers:
 * the compiler refuses padding (-Wpadded -Werror), and the Rust mirror is made from the BTF of
 * the objects that use it.
 */
#ifndef FATHOM_RECORD_H
#define FATHOM_RECORD_H

struct record_header {
	__u64 time;	/* CLOCK_BOOTTIME, nanoseconds */
	__u64 start;	/* when the process started, on the same clock */
	__u64 cgroup;	/* the thread's cgroup2 id */
	__u32 tgid;	/* the process id in the initial pid namespace */
	__u32 tid;	/* the thread id in the initial pid namespace */
	__u32 size;	/* of the whole record, this head included */
	__u16 kind;	/* which of the signal's records this is */
	__u8 signal;	/* which signal wrote it; the loader gives the number */
	__u8 spare;
	char comm[16];	/* the thread's name */
};

/*
 * What became of a record. The counters stand in one per-CPU array, so that
 * `written = delivered + lost` can be checked to the unit.
 */
enum record_fate {
	FATE_SUBMITTED = 0,	/* handed to the ring */
	FATE_RING_FULL = 1,	/* the ring had no room */
	FATE_NO_SCRATCH = 2,	/* the per-CPU buffer was not there (never seen to happen) */
	FATE_TABLE_FULL = 3,	/* a map that remembers between two hooks was full */
	FATE_COMPAT = 4,	/* a system call of x32: its memory is laid out otherwise */
	FATE_UNREADABLE = 5,	/* a kernel object could not be read */
	FATE_BUDGET = 6,	/* more than the agent allows in a second */
	FATE_JOINED = 7,	/* told together with another */
	FATE_NO_SOCKET = 8,	/* said inside TLS on a socket that is not known */
	FATE_COUNT = 9,
};

/*
 * Which system call a record tells of: its number on x86-64, whichever table the caller used, or
 * one of these.
 */
enum record_call {
	CALL_IO_URING = 0xfffe,	/* no call of its own: asked for through a ring */
	CALL_UNKNOWN = 0xffff,
};

/* Counters for one signal: RECORD_KINDS kinds with FATE_COUNT fates each. */
#define RECORD_KINDS 32
#define RECORD_SIGNALS 16

#endif
