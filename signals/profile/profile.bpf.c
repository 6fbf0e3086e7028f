// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Where CPU time goes, and what threads wait for: stacks. */
#include "fathom/inode.bpf.h"
#include "python.bpf.h"
#include "unwind.bpf.h"
#include "wait.bpf.h"

/* Makes these types part of the object's BTF, from which Rust reads them. */
const enum profile_kind *unused_kind __attribute__((unused));
const enum profile_end_kind *unused_end __attribute__((unused));
const enum profile_marks *unused_marks __attribute__((unused));
const enum socket_marks *unused_socket_marks __attribute__((unused));
const enum profile_code_end_kind *unused_code_end __attribute__((unused));
const enum profile_code_marks *unused_code_marks __attribute__((unused));
const struct profile_mapped_record *unused_mapped __attribute__((unused));
const struct profile_code_record *unused_code __attribute__((unused));
const struct profile_image_record *unused_image __attribute__((unused));

#define USER_CS 3
#define CS_AT 17			/* of the registers; as wide a word as any, until 6.9 made it a short one */
#define PROT_EXEC 4
#define MAP_ANONYMOUS 0x20
#define NR_MMAP 9
#define MAPPINGS_PER_SECOND 2000	/* on each CPU: who makes more code by the second is read from /proc */

/*
 * The tick of a CPU's clock. Idle CPUs do not tick; scope is asked before any stack is touched.
 */
SEC("perf_event")
int profile_sample(struct bpf_perf_event_data *ctx)
{
	__u32 zero = 0, walker = WALKER_CLOCK;
	struct profile_told *told = bpf_map_lookup_elem(&profile_told, &zero);
	struct walk *w = bpf_map_lookup_elem(&profile_walks, &walker);
	bool user = (((volatile __u64 *)ctx)[CS_AT] & USER_CS) == USER_CS;
	long kernel = 0;

	if (!told || !w || !(__u32)bpf_get_current_pid_tgid())
		return 0;
	if (!scope_current(&w->record.header))
		return 0;
	if (told->every > 1 && w->ticks++ % told->every)
		return 0;
	if (!user)
		kernel = bpf_get_stack(ctx, w->tail, KERNEL_FRAMES * sizeof(__u64), 0);
	begin_walk(w, kernel);
	w->record.weight = told->period * (told->every ?: 1);
	w->record.marks = user ? 0 : PROFILE_KERNEL_SIDE;
	no_wait(w);
	head_finish(&w->record.header, PROFILE_SAMPLE);
	walk_user(w, WALKER_CLOCK);
	copy_stack(w, told);
	walk_python(w, WALKER_CLOCK);
	send_walk(w);
	return 0;
}

static __always_inline void describe_file(struct file *file, struct profile_file_record *record)
{
	struct inode *inode = file ? READ(file, file, f_inode) : NULL;

	if (!inode)
		return;
	record->inode = READ(inode, inode, i_ino);
	record->device = READ(super_block, READ(inode, inode, i_sb), s_dev);	/* major << 20 | minor */
	record->written = INODE_TIME(inode, i_mtime);
}

/*
 * The end of mmap and mprotect: code came to be where there was none, or other code. So the agent
 * knows what a process consists of even where it has gone before anybody could look.
 */
SEC("tp_btf/sys_exit")
int CALL_END(profile_mapped, struct pt_regs *regs, long result)
{
	struct profile_mapped_record record = {};
	struct call call;

	read_call(regs, &call);
	if (!(call.argument[2] & PROT_EXEC) || !call.argument[1] || (result < 0 && result > -4096))
		return 0;
	if (!scope_current(&record.header))
		return 0;
	if (!within_budget(BUDGET_MAPPINGS, MAPPINGS_PER_SECOND)) {
		count_fate(PROFILE_MAPPED, FATE_BUDGET);
		return 0;
	}
	record.protected = call.number != NR_MMAP;
	record.address = call.number == NR_MMAP ? result : call.argument[0];
	record.length = call.argument[1];
	if (call.number == NR_MMAP && !(call.argument[3] & MAP_ANONYMOUS)) {
		record.offset = call.argument[5];
		describe_file(current_file(call.argument[4]), &record.file);
	}
	head_finish(&record.header, PROFILE_MAPPED);
	submit_behind(&record.header, sizeof(record));
	return 0;
}

/* A new image: nothing of the old one's mappings is left. The auxiliary vector says where things are. */
SEC("tp_btf/sched_process_exec")
int profile_image(__u64 *ctx)
{
	struct profile_image_record record = {};
	struct mm_struct *mm = READ(task_struct, current_task(), mm);
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	bpf_map_delete_elem(&profile_spaces, &tgid);
	if (!scope_current(&record.header))
		return 0;
	describe_file(READ(mm_struct, mm, exe_file), &record.file);
	bpf_probe_read_kernel(record.auxiliary, sizeof(record.auxiliary), mm->saved_auxv);
	head_finish(&record.header, PROFILE_IMAGE);
	submit_behind(&record.header, sizeof(record));
	return 0;
}

/* With interrupts off, on the way from one thread to the next. */
SEC("tp_btf/sched_switch")
int BPF_PROG(profile_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	if (!preempt && is_blocked(prev))
		wait_begins(prev);
	wait_ends(next);
	return 0;
}

static __always_inline int woken(struct task_struct *task)
{
	__u32 tid = READ(task_struct, task, pid);
	struct wait_state *state = bpf_map_lookup_elem(&profile_waits, &tid);
	__u64 waker = bpf_get_current_pid_tgid();

	if (!state || !state->since)
		return 0;
	state->waker_tgid = waker >> 32;
	state->waker_tid = waker;
	state->waker_start = process_start(current_task());
	return 0;
}

/* In the thread that wakes another, or in an interrupt, which is nobody. */
SEC("tp_btf/sched_waking")
int BPF_PROG(profile_waking, struct task_struct *task)
{
	return in_interrupt() ? 0 : woken(task);
}

/* Where it cannot be told which of the two it is. */
SEC("tp_btf/sched_waking")
int BPF_PROG(profile_waking_any, struct task_struct *task)
{
	return woken(task);
}

SEC("tp_btf/sys_exit")
int CALL_END(profile_wait, struct pt_regs *regs, long result)
{
	if (profile_pending)
		tell_wait(regs);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int profile_thread_gone(__u64 *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32, tid = id;

	if (tid == tgid)
		bpf_map_delete_elem(&profile_spaces, &tgid);
	bpf_map_delete_elem(&profile_waits, &tid);
	told_wait(tid);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
