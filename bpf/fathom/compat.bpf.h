/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What differs between kernels, each as one inline function: the differences are asked of the
 * running kernel's BTF, never of a version number.
 */
#ifndef FATHOM_COMPAT_BPF_H
#define FATHOM_COMPAT_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define AT_FDCWD (-100)

static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

/*
 * Copies a NUL-ended string from the current process; gives its length with the NUL, or an
 * error. Before 5.11 the kernel told 0 for an empty string, and wrote no NUL.
 */
static __always_inline long read_user_string(void *to, __u32 size, const void *from)
{
	long n = bpf_probe_read_user_str(to, size, from);

	if (n)
		return n;
	*(__u8 *)to = 0;
	return 1;
}

/*
 * Reads one field of a kernel object. Since 6.2 a pointer can be cast to its type and read by a
 * plain load, which a bad address turns into 0; before, each read is a helper call.
 */
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;

#define READ(TYPE, object, field)                                               \
	({                                                                      \
		struct TYPE *object_ = (struct TYPE *)(object);                 \
                                                                                \
		bpf_ksym_exists(bpf_rdonly_cast) ?                              \
			((struct TYPE *)bpf_rdonly_cast(                        \
				 object_, bpf_core_type_id_kernel(struct TYPE))) \
				->field :                                       \
			BPF_CORE_READ(object_, field);                          \
	})

/* An ia32 system call on x86-64: the numbers in the table are not ours. */
#define TS_COMPAT 0x0002

#endif
