/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the profile signal writes: fixed width, no holes, no pointers. */
#ifndef FATHOM_PROFILE_WIRE_H
#define FATHOM_PROFILE_WIRE_H

#include "fathom/record.h"
#include "fathom/ends.h"

enum profile_kind {
	PROFILE_SAMPLE = 0,	/* what a CPU did */
	PROFILE_WAIT = 1,	/* what a thread waited for */
	PROFILE_MAPPED = 2,	/* code was mapped */
	PROFILE_IMAGE = 3,	/* a process has a new image */
	PROFILE_CODE = 4,	/* a function of an interpreter was met for the first time */
};

/* Why the walk up the user stack ended. */
enum profile_end_kind {
	PROFILE_END_BOTTOM = 0,		/* there is no caller */
	PROFILE_END_UNKNOWN = 1,	/* this process's mappings are not in the kernel's tables */
	PROFILE_END_UNMAPPED = 2,	/* they are, but the address is in none of them */
	PROFILE_END_NO_TABLE = 3,	/* the binary has no table (yet) */
	PROFILE_END_NO_RULE = 4,	/* nothing is known of the address, and no frame pointer helps */
	PROFILE_END_UNSUPPORTED = 5,	/* the rule is one that the walk does not know */
	PROFILE_END_UNREADABLE = 6,	/* the stack could not be read there */
	PROFILE_END_DEEP = 7,		/* there are more frames than are taken */
	PROFILE_END_STUCK = 8,		/* a caller's frame does not lie above its callee's */
	PROFILE_END_NO_USER = 9,	/* a thread of the kernel */
	PROFILE_END_ASLEEP = 10,	/* it waited in a page fault, where only the innermost frame is known */
};

/* Why the walk up an interpreter's frames ended. */
enum profile_code_end_kind {
	PROFILE_CODE_END_NONE = 0,	/* the process has no interpreter that we know of */
	PROFILE_CODE_END_BOTTOM = 1,	/* there is no caller */
	PROFILE_CODE_END_NO_THREAD = 2,	/* the interpreter does not know this thread */
	PROFILE_CODE_END_UNREADABLE = 3,/* the process's memory could not be read there */
	PROFILE_CODE_END_DEEP = 4,	/* there are more frames than are taken */
};

/* Of a frame of an interpreter. */
enum profile_code_marks {
	PROFILE_CODE_ENTRY = 1,		/* C entered the interpreter here */
	PROFILE_CODE_NO_PLACE = 2,	/* where in the function it is, is not known */
};

enum profile_marks {
	PROFILE_IO_WAIT = 1,	/* the thread waited for a disk */
	PROFILE_IN_CALL = 2,	/* it was in a system call; else in a page fault or the like */
	PROFILE_KERNEL_SIDE = 4,/* the sample hit the kernel */
};

/*
 * Behind it: [kernel frames][user frames], innermost first, 8 bytes each, [copied stack][frames of an
 * interpreter], innermost first, 16 bytes each: the function's address, and then the offset of the
 * instruction << 8 | profile_code_marks.
 */
struct profile_stack_record {
	struct record_header header;
	__u64 weight;		/* nanoseconds that this sample stands for */
	__u64 ip;		/* the registers in user space where the walk began */
	__u64 sp;
	__u64 fp;
	__u32 space;		/* whose mappings the walk used; 0: nobody's */
	__u32 cpu;
	__u16 kernel_frames;
	__u16 user_frames;
	__u16 copied;		/* bytes from `sp` on, where the walk did not get to the bottom */
	__u16 end;		/* profile_end_kind */
	__u32 marks;		/* profile_marks */
	/* Of waits: */
	__u32 call;		/* the system call's number on x86-64 */
	__u64 waited;		/* nanoseconds, this once */
	__u64 waker_start;
	__u32 waker_tgid;	/* who woke it; 0 where it was an interrupt */
	__u32 waker_tid;
	__s64 argument;		/* the call's first */
	__u64 inode;		/* of the file behind it, where it is a descriptor */
	__u32 file_mode;
	__u16 code_frames;
	__u16 code_end;		/* profile_code_end_kind */
	struct socket_ends_record ends;	/* where that is a socket */
};

/* Behind it: [name][file][table]; of a name that is too long the begin, of a file the end. */
struct profile_code_record {
	struct record_header header;
	__u64 code;		/* its address */
	__u32 space;		/* in which the address holds */
	__u32 first_line;
	__u32 table_size;	/* bytes; what is here may be less */
	__u16 name_bytes;
	__u16 file_bytes;
	__u16 table_bytes;	/* from instructions to lines, as the interpreter has it */
	__u8 name_kind;		/* bytes of a letter; 0 where it could not be read */
	__u8 file_kind;
	__u32 spare;
};

/* A file, as the kernel has it; all 0 where there is none. */
struct profile_file_record {
	__u64 inode;
	__s64 written;		/* mtime, nanoseconds since 1970 */
	__u32 device;		/* major << 20 | minor */
	__u32 spare;
};

struct profile_mapped_record {
	struct record_header header;
	__u64 address;
	__u64 length;
	__u64 offset;		/* in the file, bytes */
	__u64 protected;	/* it was there, and may be run from now on */
	struct profile_file_record file;
};

#define AUXILIARY_WORDS 40

struct profile_image_record {
	struct record_header header;
	struct profile_file_record file;
	__u64 auxiliary[AUXILIARY_WORDS];	/* what the kernel told the new image: pairs of type and value */
};

#endif
