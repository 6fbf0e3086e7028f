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

/* What the loader tells an object before it is loaded. */
struct fathom_told {
	__u32 signal;	/* the number that it gave to this object's signal */
	__u32 classic;	/* programs on BTF tracepoints were made programs on classic ones */
};

const volatile struct fathom_told fathom_told SEC(".rodata.fathom");

/*
 * Between hold() and let_go() no other task runs on this CPU. Trampolines, and since 7.0 BTF
 * tracepoints, let a task be preempted half-way through a program; whatever comes upon the same
 * program there is not told it, and what it shares with others by CPU is not its own. Before 6.10
 * there is no such call, and programs have to look whether what they share is theirs.
 */
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

static __always_inline void hold(void)
{
	if (bpf_ksym_exists(bpf_preempt_disable))
		bpf_preempt_disable();
}

static __always_inline void let_go(void)
{
	if (bpf_ksym_exists(bpf_preempt_enable))
		bpf_preempt_enable();
}

/*
 * The same without interrupts either, since 6.14: for programs that are called in softirq, too,
 * which would otherwise come upon themselves. FLAGS is a variable of the caller's.
 */
extern void bpf_local_irq_save(unsigned long *flags) __ksym __weak;
extern void bpf_local_irq_restore(unsigned long *flags) __ksym __weak;

static __always_inline void hold_interrupts(unsigned long *flags)
{
	if (bpf_ksym_exists(bpf_local_irq_save))
		bpf_local_irq_save(flags);
	else
		hold();
}

static __always_inline void let_interrupts_go(unsigned long *flags)
{
	if (bpf_ksym_exists(bpf_local_irq_restore))
		bpf_local_irq_restore(flags);
	else
		let_go();
}

/*
 * STEP for each TURN from 0 below LIMIT, until it is false. Since 6.4 the kernel counts the turns, and
 * the verifier walks through STEP until its states look alike, twice or so. Before, it does so FEW
 * times, which then is the limit.
 */
#define FOR_MANY_TURNS(TURN, LIMIT, FEW, STEP)                                  \
	do {                                                                    \
		int TURN;                                                       \
                                                                                \
		if (bpf_ksym_exists(bpf_iter_num_new)) {                        \
			struct bpf_iter_num turns_;                             \
			int *turn_;                                             \
                                                                                \
			bpf_iter_num_new(&turns_, 0, LIMIT);                    \
			while ((turn_ = bpf_iter_num_next(&turns_))) {          \
				TURN = *turn_;                                  \
				if (!(STEP))                                    \
					break;                                  \
			}                                                       \
			bpf_iter_num_destroy(&turns_);                          \
		} else {                                                        \
			for (TURN = 0; TURN < FEW; TURN++)                      \
				if (!(STEP))                                    \
					break;                                  \
		}                                                               \
	} while (0)

#define FOR_TURNS(TURN, LIMIT, STEP) FOR_MANY_TURNS(TURN, LIMIT, LIMIT, STEP)

#endif
