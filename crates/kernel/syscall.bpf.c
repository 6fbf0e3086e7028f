// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * One program on the end of every system call, for all signals. It jumps to whichever program
 * the loader entered for the call's number, so a call that nobody wants costs one array look-up,
 * and a signal more costs nothing.
 *
 * A call may be wanted twice: for what it did, and for the bytes that it moved. So there is a second
 * one with a table of its own, which is attached only where a signal has something in it.
 */
#include "fathom/hook.bpf.h"
#include "fathom/scope.bpf.h"

#define SYSCALLS 512
#define ENOSYS 38

struct syscall_programs {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SYSCALLS);
	__type(key, __u32);
	__type(value, __u32);
};

struct syscall_programs fathom_syscalls SEC(".maps");
struct syscall_programs fathom_syscalls_behind SEC(".maps");

/*
 * Calls of x32, which few kernels take: 64-bit registers, but memory laid out as for 32 bits. They are
 * not told, but those that would have been are counted. A bit for each number.
 */
static const __u64 x32_wanted[8] = {
	/* 2 open, 42 connect, 43 accept, 44 sendto, 49 bind, 50 listen */
	0x00061c0000000004,
	/* 76 truncate, 77 ftruncate, 82 to 88, 90 to 94 */
	0x000000007dfc3000,
	/* 165 mount, 166 umount2 */
	0x0000006000000000,
	0,
	/* 257 openat, 258 mkdirat, 260, 263 to 266, 268, 288 accept4, 316 renameat2 */
	0x1000000100001796,
	0,
	/* 429 move_mount, 437 openat2 */
	0x0020200000000000,
	/* 452 fchmodat2 */
	0x0000000000000010,
};

static __always_inline void count_x32(unsigned long number, long result)
{
	struct record_header head;

	number &= ~X32_BIT;
	if (result == -ENOSYS || number >= SYSCALLS || !(x32_wanted[number / 64] >> (number % 64) & 1))
		return;
	if (scope_current(&head))
		count_fate(0, FATE_COMPAT);
}

/* The call's number on x86-64; SYSCALLS where it has none. */
static __always_inline __u64 call_number(struct pt_regs *regs)
{
	__u64 number = regs->orig_ax;

	if (in_ia32_call())
		return ia32_number(number, regs->bx) ?: SYSCALLS;
	return number;
}

/* At the end, not the start: the result is known, and what the kernel made of the arguments. */
SEC("tp_btf/sys_exit")
int syscall_exit(__u64 *ctx)
{
	__u64 number = call_number(call_registers(ctx));

	if (number & X32_BIT)
		count_x32(number, call_result(ctx));
	if (number < SYSCALLS)
		bpf_tail_call(ctx, &fathom_syscalls, number);
	return 0;
}

SEC("tp_btf/sys_exit")
int syscall_exit_behind(__u64 *ctx)
{
	__u64 number = call_number(call_registers(ctx));

	if (number < SYSCALLS)
		bpf_tail_call(ctx, &fathom_syscalls_behind, number);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
