/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What a hook hands over, for programs that stand on a BTF tracepoint or, unchanged, on the classic
 * one of the same name.
 *
 * Since 7.0 a task may be preempted half-way through a program on a BTF tracepoint, and until it
 * goes on the kernel does not run that program on that CPU: what others do meanwhile would be
 * lost. On classic tracepoints preemption is off. So the loader changes the programs' type where
 * it has to, and says so in fathom_told; the verifier never sees the other half.
 */
#ifndef FATHOM_HOOK_BPF_H
#define FATHOM_HOOK_BPF_H

#include "compat.bpf.h"
#include "record.h"

extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *task) __ksym __weak;

/*
 * A BTF tracepoint's argument. In assembly, since the compiler would join the two kinds' loads into
 * one from a chosen address, which the verifier does not allow.
 */
#define BTF_ARGUMENT(ctx, number)                                               \
	({                                                                      \
		__u64 argument_;                                                \
                                                                                \
		asm volatile("%0 = *(u64 *)(%1 + %2)"                           \
			     : "=r"(argument_)                                  \
			     : "r"(ctx), "i"((number) * sizeof(__u64)));        \
		argument_;                                                      \
	})

/* sys_exit: the caller's registers. */
static __always_inline struct pt_regs *call_registers(__u64 *ctx)
{
	if (fathom_told.classic)
		return (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return (struct pt_regs *)BTF_ARGUMENT(ctx, 0);
}

/* sys_exit: the call's result. */
static __always_inline long call_result(__u64 *ctx)
{
	if (fathom_told.classic)
		return ((struct trace_event_raw_sys_exit *)ctx)->ret;
	return BTF_ARGUMENT(ctx, 1);
}

#define NR_IO_URING_ENTER 426
#define PF_IO_WORKER 0x10
#define THREAD_SIZE 16384

/* The registers with which the current thread entered the kernel. */
static __always_inline struct pt_regs *entry_registers(void)
{
	/* Since 5.15. Before, what the helper gives is where the stack begins. */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return (struct pt_regs *)(READ(task_struct, current_task(), stack) + THREAD_SIZE) - 1;
}

/*
 * Which call the current thread is in, from a hook inside it. A worker of io_uring is in none: its
 * registers are those of the thread that made it.
 */
static __always_inline __u16 current_call(void)
{
	__u64 number = BPF_CORE_READ(entry_registers(), orig_ax);

	if (READ(task_struct, current_task(), flags) & PF_IO_WORKER || number == NR_IO_URING_ENTER)
		return CALL_IO_URING;
	return number < CALL_IO_URING ? number : CALL_UNKNOWN;
}

/* A program at the end of system calls: SEC("tp_btf/sys_exit") int CALL_END(NAME, PARAMETERS). */
#define CALL_END(name, args...)                                                \
	name(__u64 *ctx);                                                       \
	static __always_inline int ____##name(args);                            \
	int name(__u64 *ctx)                                                    \
	{                                                                       \
		return ____##name(call_registers(ctx), call_result(ctx));       \
	}                                                                       \
	static __always_inline int ____##name(args)

/* sched_process_fork: the child, null where it cannot be had; to be given back. */
static __always_inline struct task_struct *forked_child(__u64 *ctx)
{
	if (fathom_told.classic)
		return bpf_task_from_pid(((struct trace_event_raw_sched_process_fork *)ctx)->child_pid);
	return (struct task_struct *)BTF_ARGUMENT(ctx, 1);
}

static __always_inline void forked_child_done(struct task_struct *child)
{
	if (fathom_told.classic)
		bpf_task_release(child);
}

/* sched_process_exec: the path that was given to execve(2), in kernel memory. */
static __always_inline const void *exec_filename(__u64 *ctx)
{
	struct trace_event_raw_sched_process_exec *event = (void *)ctx;

	if (fathom_told.classic)
		return (void *)ctx + (event->__data_loc_filename & 0xffff);
	return BPF_CORE_READ((struct linux_binprm *)BTF_ARGUMENT(ctx, 2), filename);
}

/* sched_process_exec: the thread that called, which has its leader's id by now. */
static __always_inline __u32 exec_caller(__u64 *ctx)
{
	if (fathom_told.classic)
		return ((struct trace_event_raw_sched_process_exec *)ctx)->old_pid;
	return BTF_ARGUMENT(ctx, 1);
}

#endif
