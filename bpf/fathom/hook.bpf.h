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

#include "ia32.bpf.h"
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

#define TS_COMPAT 0x0002
#define PF_IO_WORKER 0x10
#define NR_IO_URING_ENTER 426
#define X32_BIT 0x40000000	/* in the number of a call with 32-bit pointers in x86-64's registers */
#define THREAD_SIZE 16384

/* Whether the current thread is in a 32-bit call: its numbers and registers are other ones. */
static __always_inline bool in_ia32_call(void)
{
	/* Since 5.11 the task can be read without a helper call for each step. */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf))
		return bpf_get_current_task_btf()->thread_info.status & TS_COMPAT;
	return READ(task_struct, current_task(), thread_info.status) & TS_COMPAT;
}

/* A system call: whichever table it came by, as if it had come by x86-64's. */
struct call {
	__u64 argument[6];
	__u32 number;
	__u32 ia32;		/* 0, or the number in that table, whose pointers have 32 bits in memory */
};

/* A user or group id of 16 bits. */
static __always_inline __u64 wide_id(__u64 id)
{
	return (__u16)id == 0xffff ? (__u32)-1 : (__u16)id;
}

/* The 32-bit calls that differ by more than their registers. */
static __always_inline void widen(struct call *call)
{
	__u64 *argument = call->argument;

	switch (call->ia32) {
	case IA32_UMOUNT:
		argument[1] = 0;
		break;
	case IA32_TRUNCATE:
	case IA32_FTRUNCATE:
		argument[1] = (__s32)argument[1];
		break;
	case IA32_TRUNCATE64:
	case IA32_FTRUNCATE64:
		argument[1] |= argument[2] << 32;
		break;
	case IA32_CHOWN:
	case IA32_LCHOWN:
	case IA32_FCHOWN:
		argument[1] = wide_id(argument[1]);
		argument[2] = wide_id(argument[2]);
		break;
	}
}

/*
 * The arguments of socketcall(2) stand in the caller's memory, which it may have rewritten since the
 * kernel read them. False where they cannot be read.
 */
static __always_inline bool socketcall_arguments(struct call *call)
{
	__u32 size = ia32_socket_call(call->argument[0])->arguments * sizeof(__u32);
	__u32 word[8] = {};

	if (bpf_probe_read_user(word, size & 31, (void *)call->argument[1]))
		return false;
	call->argument[0] = word[0];
	call->argument[1] = word[1];
	call->argument[2] = word[2];
	call->argument[3] = word[3];
	call->argument[4] = word[4];
	call->argument[5] = word[5];
	return true;
}

static __always_inline void read_ia32_call(struct pt_regs *regs, struct call *call)
{
	call->ia32 = regs->orig_ax;
	call->argument[0] = (__u32)regs->bx;
	call->argument[1] = (__u32)regs->cx;
	call->argument[2] = (__u32)regs->dx;
	call->argument[3] = (__u32)regs->si;
	call->argument[4] = (__u32)regs->di;
	call->argument[5] = (__u32)regs->bp;
	call->number = ia32_number(call->ia32, call->argument[0]);
}

/* At the end of a call: what it was. */
static __always_inline void read_call(struct pt_regs *regs, struct call *call)
{
	if (in_ia32_call()) {
		read_ia32_call(regs, call);
		widen(call);
		return;
	}
	call->ia32 = 0;
	call->number = regs->orig_ax;
	call->argument[0] = regs->di;
	call->argument[1] = regs->si;
	call->argument[2] = regs->dx;
	call->argument[3] = regs->r10;
	call->argument[4] = regs->r8;
	call->argument[5] = regs->r9;
}

/* The same for those calls that may come by socketcall(2). False where they cannot be read. */
static __always_inline bool read_socket_call(struct pt_regs *regs, struct call *call)
{
	read_call(regs, call);
	return call->ia32 != IA32_SOCKETCALL || socketcall_arguments(call);
}

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
	struct pt_regs *regs = entry_registers();
	__u64 number = BPF_CORE_READ(regs, orig_ax);

	if (READ(task_struct, current_task(), flags) & PF_IO_WORKER)
		return CALL_IO_URING;
	if (in_ia32_call())
		number = ia32_number(number, BPF_CORE_READ(regs, bx)) ?: CALL_UNKNOWN;
	if (number == NR_IO_URING_ENTER)
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
