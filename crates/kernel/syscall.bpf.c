// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * One program on the end of every system call, for all signals. It jumps to whichever program
 * the loader entered for the call's number, so a call that nobody wants costs one array look-up,
 * and a signal more costs nothing.
 */
#include "fathom/compat.bpf.h"

#define SYSCALLS 512

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SYSCALLS);
	__type(key, __u32);
	__type(value, __u32);
} fathom_syscalls SEC(".maps");

/* At the end, not the start: the result is known, and what the kernel made of the arguments. */
SEC("tp_btf/sys_exit")
int syscall_exit(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	unsigned long number = regs->orig_ax;	/* typed: a load, not a read */

	if (number < SYSCALLS)
		bpf_tail_call(ctx, &fathom_syscalls, number);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
