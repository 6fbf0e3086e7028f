// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Which mechanisms work here, tried for real: each program counts how often it ran for our own
 * process. A kernel may refuse a program type, accept it and never call it (LSM programs where
 * `bpf` is not among the active LSMs), or lack it.
 */
#include "fathom/hook.bpf.h"

/* Who asks: its pid and pid namespace, as it knows them itself, which may be a container's. */
enum probe_place {
	PROBE_PID = 0,
	PROBE_NAMESPACE = 1,
	PROBE_HITS = 2,
	PROBE_TGID = 3,		/* what the node calls it */
	PROBE_PREEMPTED = 4,	/* whether the program could have been preempted */
	PROBE_PLACES = 5,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROBE_PLACES);
	__type(key, __u32);
	__type(value, __u64);
} probe_state SEC(".maps");

static __always_inline __u64 *place(__u32 number)
{
	return bpf_map_lookup_elem(&probe_state, &number);
}

static __always_inline int probe_ran(void)
{
	struct pid *pid = BPF_CORE_READ(current_task(), group_leader, thread_pid);
	__u64 *own = place(PROBE_PID), *namespace = place(PROBE_NAMESPACE);
	__u64 *hits = place(PROBE_HITS), *tgid = place(PROBE_TGID);
	struct upid upid = {};

	bpf_probe_read_kernel(&upid, sizeof(upid), (void *)pid +
			      bpf_core_field_offset(struct pid, numbers) +
			      BPF_CORE_READ(pid, level) * bpf_core_type_size(struct upid));
	if (!own || !namespace || !hits || !tgid || upid.nr != *own ||
	    BPF_CORE_READ(upid.ns, ns.inum) != *namespace)
		return 0;
	*tgid = bpf_get_current_pid_tgid() >> 32;
	*hits += 1;
	return 0;
}

SEC("lsm/file_open")
int BPF_PROG(probe_lsm, struct file *file)
{
	return probe_ran();
}

SEC("fentry/security_file_open")
int BPF_PROG(probe_fentry)
{
	return probe_ran();
}

/*
 * Up to 6.18 preemption is off on a BTF tracepoint; since 7.0 only migration is, where the kernel can
 * preempt itself at all.
 */
SEC("tp_btf/sys_exit")
int BPF_PROG(probe_tp_btf)
{
	struct task_struct *task = current_task();
	__u64 *preempted = place(PROBE_PREEMPTED);

	if (preempted && bpf_core_field_exists(task->migration_disabled))
		*preempted = BPF_CORE_READ(task, migration_disabled);
	return probe_ran();
}

/* With what our programs need there: a task by its number, which came with 6.12. */
SEC("tracepoint/raw_syscalls/sys_exit")
int probe_tracepoint(void *ctx)
{
	struct task_struct *task = NULL;

	if (bpf_ksym_exists(bpf_task_from_pid))
		task = bpf_task_from_pid((__u32)bpf_get_current_pid_tgid());
	if (!task)
		return 0;
	bpf_task_release(task);
	return probe_ran();
}

SEC("kprobe/security_file_open")
int BPF_KPROBE(probe_kprobe)
{
	return probe_ran();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
