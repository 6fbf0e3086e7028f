/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A per-CPU buffer in which one record is built before it is copied to a ring, for records that
 * are too large for the stack. Every program has its own: a program may be interrupted by
 * another, but the kernel never runs a program inside itself (it counts that as a miss).
 *
 * A record is a fixed part, `struct TYPE`, and a tail of strings laid end to end.
 */
#ifndef FATHOM_SCRATCH_BPF_H
#define FATHOM_SCRATCH_BPF_H

#include "compat.bpf.h"

#define SCRATCH_TAIL 20480	/* four paths and what their last names may run over */

/*
 * The state of a walk over names or arguments. It is kept in the buffer, not in registers: the
 * verifier knows nothing of what is read from a map, so all turns of a loop look alike to it and
 * are walked once each, instead of once for every way to get there.
 */
struct scratch_walk {
	struct dentry *dentry;
	struct vfsmount *mnt;
	struct dentry *root;		/* of mnt */
	struct dentry *base_dentry;	/* where to remember passing; may be null */
	struct vfsmount *base_mnt;
	__u32 base_at;			/* the offset at which the base was met */
	__u32 marks;			/* path_marks */
	__u32 start;			/* where in the tail the walk began to write */
	__u32 end;			/* where it is to go on */
};

/* The buffer's type; once in an object. */
#define SCRATCH_TYPE(TYPE)                                                  \
	struct scratch_value {                                              \
		struct scratch_walk walk;                                   \
		struct TYPE record;                                         \
		__u8 tail[SCRATCH_TAIL];                                    \
	}

/* One buffer, NAME(); once for each program. */
#define SCRATCH(NAME)                                                       \
	struct {                                                            \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                    \
		__uint(max_entries, 1);                                     \
		__type(key, __u32);                                         \
		__type(value, struct scratch_value);                        \
	} NAME##_map SEC(".maps");                                          \
	static __always_inline struct scratch_value *NAME(void)             \
	{                                                                   \
		__u32 zero = 0;                                             \
                                                                            \
		return bpf_map_lookup_elem(&NAME##_map, &zero);             \
	}

#endif
