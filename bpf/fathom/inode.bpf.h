/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What tells one file from another that came to have its inode number. */
#ifndef FATHOM_INODE_BPF_H
#define FATHOM_INODE_BPF_H

#include "compat.bpf.h"

/*
 * When the inode was changed and written. The seconds and nanoseconds stand alone since 6.11; before
 * they were a pair, renamed in 6.6 (ctime) and 6.7 (mtime). The highest bit of ctime's nanoseconds is
 * a mark of the kernel's own since 6.13.
 */
struct inode___pair {
	struct timespec64 i_ctime;
	struct timespec64 i_mtime;
	struct timespec64 __i_ctime;
	struct timespec64 __i_mtime;
} __attribute__((preserve_access_index));

#define NANOSECONDS(seconds, rest) ((seconds) * 1000000000LL + ((rest) & 0x7fffffff))
#define INODE_TIME(inode, which)                                                     \
	({                                                                           \
		struct inode___pair *pair_ = (void *)(inode);                        \
		__s64 time_ = 0;                                                     \
                                                                                     \
		if (bpf_core_field_exists((inode)->which##_sec))                     \
			time_ = NANOSECONDS(READ(inode, inode, which##_sec),         \
					    READ(inode, inode, which##_nsec));       \
		else if (bpf_core_field_exists(pair_->__##which))                    \
			time_ = NANOSECONDS(BPF_CORE_READ(pair_, __##which.tv_sec),  \
					    BPF_CORE_READ(pair_, __##which.tv_nsec)); \
		else if (bpf_core_field_exists(pair_->which))                        \
			time_ = NANOSECONDS(BPF_CORE_READ(pair_, which.tv_sec),      \
					    BPF_CORE_READ(pair_, which.tv_nsec));    \
		time_;                                                               \
	})

#endif
