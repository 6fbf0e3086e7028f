// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * One program on the end of every system call, for all signals. It jumps to whichever program
 * the loader entered for the call's number, so a call that nobody wants costs one array look-up,
 * and a signal more costs nothing.
 */
#include "fathom/hook.bpf.h"
#include "fathom/scope.bpf.h"

#define SYSCALLS 512

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SYSCALLS);
	__type(key, __u32);
	__type(value, __u32);
} fathom_syscalls SEC(".maps");

/*
 * 32-bit calls have other numbers and arguments; they are not told, but those that would have
 * been are counted. A bit for each ia32 number that opens, changes, runs or connects something.
 */
static const __u64 ia32_wanted[8] = {
	/* 5 open, 8 creat, 9 link, 10 unlink, 11 execve, 15 chmod, 16 lchown, 21 mount, 22 umount,
	 * 38 rename, 39 mkdir, 40 rmdir, 52 umount2 */
	0x001001c000618f20,
	/* 83 symlink, 92 truncate, 93 ftruncate, 94 fchmod, 95 fchown, 102 socketcall */
	0x00000040f0080000,
	/* 182 chown */
	0x0040000000000000,
	/* 193 truncate64, 194 ftruncate64, 198 lchown32, 207 fchown32, 212 chown32 */
	0x0000000000108046,
	/* 295 openat, 296 mkdirat, 298 fchownat, 301 unlinkat, 302 renameat, 303 linkat,
	 * 304 symlinkat, 306 fchmodat */
	0x0005e58000000000,
	/* 353 renameat2, 358 execveat, 361 bind, 362 connect, 363 listen, 364 accept4, 369 sendto */
	0x00021e4200000000,
	/* 429 move_mount, 437 openat2 */
	0x0020200000000000,
};

static __always_inline bool compat_syscall(void)
{
	/* Since 5.11 the task can be read without a helper call for each step. */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf))
		return bpf_get_current_task_btf()->thread_info.status & TS_COMPAT;
	return BPF_CORE_READ(current_task(), thread_info.status) & TS_COMPAT;
}

static __always_inline void count_compat(unsigned long number)
{
	struct record_header head;

	if (number < SYSCALLS && (ia32_wanted[number / 64] >> (number % 64) & 1) && scope_current(&head))
		count_fate(0, FATE_COMPAT);
}

/* At the end, not the start: the result is known, and what the kernel made of the arguments. */
SEC("tp_btf/sys_exit")
int syscall_exit(__u64 *ctx)
{
	unsigned long number = call_registers(ctx)->orig_ax;

	if (number >= SYSCALLS)
		return 0;
	if (compat_syscall())
		count_compat(number);
	else
		bpf_tail_call(ctx, &fathom_syscalls, number);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
