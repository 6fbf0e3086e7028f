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

/* An ia32 system call on x86-64: the numbers in the table are not ours. */
#define TS_COMPAT 0x0002

static __always_inline bool compat_syscall(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread_info.status) & TS_COMPAT;
}

#endif
