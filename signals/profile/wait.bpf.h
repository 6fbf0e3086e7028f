/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What threads wait for. A wait is known in full only when it is over, and what it cost decides
 * whether it is told: one of d nanoseconds is taken with the chance d / wait_period and then stands for
 * wait_period, a longer one always and for itself. So all waits are told in proportion to their time,
 * and a hundred thousand short ones a second cost two look-ups each.
 *
 * When the thread comes back to a CPU its stack in the kernel is still the one that it blocked with;
 * its stack in user space can be read only by itself, which it does at the end of the system call.
 */
#ifndef FATHOM_PROFILE_WAIT_BPF_H
#define FATHOM_PROFILE_WAIT_BPF_H

#include "fathom/sock.bpf.h"
#include "python.bpf.h"

#define THREADS 65536
#define CHOSEN 4096
#define WAIT_KERNEL_FRAMES 48

/* A thread that is, or was, off its CPU. */
struct wait_state {
	__u64 since;		/* 0: it did not block */
	__u64 start;		/* the thread's, since its number will be another's */
	__u64 waker_start;
	__u32 waker_tgid;
	__u32 waker_tid;
	__u32 marks;		/* profile_marks */
	__u32 spare;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, THREADS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct wait_state);
} profile_waits SEC(".maps");

/* A wait that is over and is to be told, until its thread tells it. */
struct wait_chosen {
	struct wait_state wait;
	__u64 waited;
	__u64 weight;
	__u64 ip;		/* where it entered the kernel */
	__u64 sp;
	__u64 frames[WAIT_KERNEL_FRAMES];
	__s64 bytes;		/* of the frames */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CHOSEN);
	__type(key, __u32);
	__type(value, struct wait_chosen);
} profile_chosen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wait_chosen);
} profile_choosing SEC(".maps");

/* How many waits are to be told: where it is 0, ends of system calls have nothing to do. */
__u64 profile_pending SEC(".bss.pending");

/* How many were told in this second, on this CPU. */
struct second_budget {
	__u64 second;
	__u64 told;
};

/* Renamed in 5.14. */
struct task_struct___old {
	long state;
} __attribute__((preserve_access_index));

static __always_inline bool is_blocked(struct task_struct *task)
{
	struct task_struct___old *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state);
	return BPF_CORE_READ(old, state);
}

/* The registers with which a thread that is off its CPU entered the kernel. */
static __always_inline void registers_of_task(struct task_struct *task, struct pt_regs *regs)
{
	/* Since 5.15. Before, they stood where the stack begins. */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		bpf_probe_read_kernel(regs, sizeof(*regs), (void *)bpf_task_pt_regs(task));
	else
		bpf_probe_read_kernel(regs, sizeof(*regs),
				      (struct pt_regs *)(BPF_CORE_READ(task, stack) + THREAD_SIZE) - 1);
}

/*
 * Interrupts run on the stack of whoever was there: who wakes from one is nobody. The count has been a
 * variable of its own, but for 6.2 to 6.14. Kernels that do not name their variables have neither.
 */
extern const int __preempt_count __ksym __weak;

struct pcpu_hot___count {
	int preempt_count;
} __attribute__((preserve_access_index));

extern const struct pcpu_hot___count pcpu_hot __ksym __weak;

#define COUNT_INTERRUPTS 0xff0100	/* NMI, hard and soft interrupts that are being served */

static __always_inline bool in_interrupt(void)
{
	struct pcpu_hot___count *hot;
	int count = 0;

	if (bpf_ksym_exists(&__preempt_count)) {
		count = *(int *)bpf_this_cpu_ptr(&__preempt_count);
	} else if (bpf_ksym_exists(&pcpu_hot)) {
		hot = bpf_this_cpu_ptr(&pcpu_hot);
		count = BPF_CORE_READ(hot, preempt_count);
	}
	return count & COUNT_INTERRUPTS;
}

/* The current thread leaves its CPU because it has to wait. */
static __always_inline void wait_begins(struct task_struct *task)
{
	struct record_header head;
	struct wait_state state = {}, *known;
	__u32 tid = (__u32)bpf_get_current_pid_tgid();

	/* Who ends leaves its CPU for good, and what is known of it has been forgotten. */
	if (!tid || READ(task_struct, task, flags) & PF_EXITING || !scope_current(&head))
		return;
	state.since = bpf_ktime_get_boot_ns();
	state.start = READ(task_struct, task, start_boottime);
	if (BPF_CORE_READ_BITFIELD_PROBED(task, in_iowait))
		state.marks = PROFILE_IO_WAIT;
	known = bpf_map_lookup_elem(&profile_waits, &tid);
	if (known)
		*known = state;
	else if (bpf_map_update_elem(&profile_waits, &tid, &state, BPF_ANY))
		count_fate(PROFILE_WAIT, FATE_TABLE_FULL);
}

/* Whether a wait is told, and what it then stands for. */
static __always_inline __u64 weigh(__u64 waited, const struct profile_told *told)
{
	__u64 every = told->wait_period;

	if (waited >= every)
		return waited;
	/* waited / every is the chance; both fit 32 bits after the shift. */
	return (__u64)bpf_get_prandom_u32() * (every >> 10) < (waited >> 10) << 32 ? every : 0;
}

enum budget {
	BUDGET_WAITS = 0,
	BUDGET_MAPPINGS = 1,
	BUDGETS = 2,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BUDGETS);
	__type(key, __u32);
	__type(value, struct second_budget);
} profile_budget SEC(".maps");

/* Whether no more than `most` of a kind were told in this second, on this CPU. */
static __always_inline bool within_budget(__u32 which, __u32 most)
{
	__u64 second = bpf_ktime_get_boot_ns() >> 30;
	struct second_budget *budget = bpf_map_lookup_elem(&profile_budget, &which);

	if (!budget)
		return false;
	if (budget->second != second) {
		budget->second = second;
		budget->told = 0;
	}
	return budget->told++ < most;
}

static __always_inline void begin_walk(struct walk *w, long kernel)
{
	w->record.kernel_frames = kernel > 0 && kernel <= KERNEL_FRAMES * 8 ? kernel / 8 : 0;
	w->at = w->record.kernel_frames;
	w->record.cpu = bpf_get_smp_processor_id();
	w->record.code_frames = 0;
	w->record.code_end = PROFILE_CODE_END_NONE;
}

static __always_inline void no_wait(struct walk *w)
{
	w->record.call = 0;
	w->record.waited = w->record.waker_start = 0;
	w->record.waker_tgid = w->record.waker_tid = 0;
	w->record.argument = 0;
	w->record.inode = 0;
	w->record.file_mode = 0;
	__builtin_memset(&w->record.ends, 0, sizeof(w->record.ends));
}

/* What was noted while the thread was away. */
static __always_inline void note_wait(struct walk *w, const struct wait_chosen *chosen)
{
	long bytes = chosen->bytes;

	no_wait(w);
	if (bytes < 0 || bytes > (long)sizeof(chosen->frames))
		bytes = 0;
	__builtin_memcpy(w->tail, chosen->frames, sizeof(chosen->frames));
	begin_walk(w, bytes);
	w->record.weight = chosen->weight;
	w->record.waited = chosen->waited;
	w->record.marks = chosen->wait.marks;
	w->record.waker_start = chosen->wait.waker_start;
	w->record.waker_tgid = chosen->wait.waker_tgid;
	w->record.waker_tid = chosen->wait.waker_tid;
}

/* What the descriptor leads to that the call was given. */
static __always_inline void note_descriptor(struct walk *w, int fd)
{
	struct file *file = current_file(fd);
	struct inode *inode = file ? READ(file, file, f_inode) : NULL;
	struct sock *sk;

	if (!inode)
		return;
	w->record.inode = READ(inode, inode, i_ino);
	w->record.file_mode = READ(inode, inode, i_mode);
	sk = current_sock(fd);
	if (!sk)
		return;
	sock_ends(sk, &w->record.ends);
	w->record.ends.socket = sock_name(sk);
}

/*
 * Threads that are in no system call cannot tell for themselves: those of the kernel, and those that
 * wait in a page fault. Of the latter only the innermost frame is known.
 */
static __always_inline void tell_for(struct task_struct *task, const struct wait_chosen *chosen)
{
	__u32 walker = WALKER_SWITCH;
	struct walk *w = bpf_map_lookup_elem(&profile_walks, &walker);

	if (!w)
		return;
	note_wait(w, chosen);
	w->record.header.tgid = READ(task_struct, task, tgid);
	w->record.header.tid = READ(task_struct, task, pid);
	w->record.header.start = process_start(task);
	w->record.header.cgroup = task_cgroup(task);
	head_finish(&w->record.header, PROFILE_WAIT);
	BPF_CORE_READ_STR_INTO(&w->record.header.comm, task, comm);
	w->record.space = w->record.user_frames = w->record.copied = 0;
	w->record.end = PROFILE_END_NO_USER;
	w->record.ip = w->record.sp = w->record.fp = 0;
	if (!in_kernel_only(task)) {
		w->record.ip = w->regs.ip;
		w->record.end = PROFILE_END_ASLEEP;
		w->tail[w->at & (FRAMES - 1)] = w->regs.ip;
		w->at++;
		w->record.user_frames = 1;
	}
	send_walk(w);
}

/* The thread will tell it. One call may wait more than once: then for all of it. */
static __always_inline void choose(__u32 tid, const struct wait_chosen *chosen)
{
	struct wait_chosen *before = bpf_map_lookup_elem(&profile_chosen, &tid);

	if (before) {
		before->waited += chosen->waited;
		before->weight += chosen->weight;
		count_fate(PROFILE_WAIT, FATE_JOINED);
	} else if (bpf_map_update_elem(&profile_chosen, &tid, chosen, BPF_NOEXIST)) {
		count_fate(PROFILE_WAIT, FATE_TABLE_FULL);
	} else {
		__sync_fetch_and_add(&profile_pending, 1);
	}
}

/* A thread comes back to a CPU. */
static __always_inline void wait_ends(struct task_struct *task)
{
	__u32 tid = READ(task_struct, task, pid), zero = 0, walker = WALKER_SWITCH;
	struct wait_state *state = tid ? bpf_map_lookup_elem(&profile_waits, &tid) : NULL;
	struct profile_told *told = bpf_map_lookup_elem(&profile_told, &zero);
	struct wait_chosen *chosen;
	struct walk *w;
	__u64 waited, weight;

	if (!state || !state->since || !told)
		return;
	if (state->start != READ(task_struct, task, start_boottime)) {
		state->since = 0;
		return;
	}
	waited = bpf_ktime_get_boot_ns() - state->since;
	state->since = 0;
	weight = weigh(waited, told);
	if (!weight)
		return;
	if (!within_budget(BUDGET_WAITS, told->waits)) {
		count_fate(PROFILE_WAIT, FATE_BUDGET);
		return;
	}
	chosen = bpf_map_lookup_elem(&profile_choosing, &zero);
	w = bpf_map_lookup_elem(&profile_walks, &walker);
	if (!chosen || !w)
		return;
	chosen->wait = *state;
	chosen->waited = waited;
	chosen->weight = weight;
	chosen->bytes = bpf_get_task_stack(task, chosen->frames, sizeof(chosen->frames), 0);
	registers_of_task(task, &w->regs);
	chosen->ip = w->regs.ip;
	chosen->sp = w->regs.sp;
	if ((long)w->regs.orig_ax < 0 || in_kernel_only(task)) {
		tell_for(task, chosen);
		return;
	}
	chosen->wait.marks |= PROFILE_IN_CALL;
	choose(tid, chosen);
}

/* A thread that is to tell of its wait does it, or will not any more. */
static __always_inline void told_wait(__u32 tid)
{
	if (!bpf_map_delete_elem(&profile_chosen, &tid))
		__sync_fetch_and_add(&profile_pending, -1);
}

/* At the end of the call in which the thread waited. */
static __always_inline void tell_wait(struct pt_regs *regs)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid(), zero = 0, walker = WALKER_WAIT;
	struct wait_chosen *chosen = bpf_map_lookup_elem(&profile_chosen, &tid);
	struct profile_told *told = bpf_map_lookup_elem(&profile_told, &zero);
	struct walk *w = bpf_map_lookup_elem(&profile_walks, &walker);
	struct call call;

	if (!chosen || !told || !w)
		return;
	if (!scope_current(&w->record.header)) {
		told_wait(tid);
		return;
	}
	note_wait(w, chosen);
	/* It waited after the call's end, for a signal or a debugger: this is another call. */
	if (chosen->ip != BPF_CORE_READ(regs, ip) || chosen->sp != BPF_CORE_READ(regs, sp)) {
		count_fate(PROFILE_WAIT, FATE_UNREADABLE);
		told_wait(tid);
		return;
	}
	told_wait(tid);
	read_call(regs, &call);
	w->record.call = call.number;
	w->record.argument = call.argument[0];
	note_descriptor(w, call.argument[0]);
	head_finish(&w->record.header, PROFILE_WAIT);
	walk_user(w, WALKER_WAIT);
	copy_stack(w, told);
	walk_python(w, WALKER_WAIT);
	send_walk(w);
}

#endif
