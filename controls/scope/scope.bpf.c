// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Keeps the scope as cgroups and processes come: in the kernel, at the moment they are made, so
 * that a newcomer is in scope before its first instruction.
 */
#include "fathom/hook.bpf.h"
#include "fathom/scope.bpf.h"

#define ANCESTOR_DEPTH 64

/* What could not be taken into the scope for want of room is counted by these. */
enum scope_kind {
	SCOPE_CGROUP = 0,
	SCOPE_PID = 1,
};

struct kernfs_node___old {
	struct kernfs_node *parent;
} __attribute__((preserve_access_index));

/* A new cgroup below one in scope is in scope; nobody can have joined it yet. */
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(scope_cgroup_made, struct cgroup *cgroup)
{
	struct kernfs_node *node = BPF_CORE_READ(cgroup, kn), *above;
	__u64 id = BPF_CORE_READ(node, id), parent;
	__u32 one = 1;

	/* 6.15 renamed the field. */
	if (bpf_core_field_exists(node->__parent))
		above = BPF_CORE_READ(node, __parent);
	else
		above = BPF_CORE_READ((struct kernfs_node___old *)node, parent);
	parent = BPF_CORE_READ(above, id);
	if (bpf_map_lookup_elem(&scope_cgroups, &parent) &&
	    bpf_map_update_elem(&scope_cgroups, &id, &one, BPF_ANY))
		count_fate(SCOPE_CGROUP, FATE_TABLE_FULL);
	return 0;
}

/* Ids are not used again while the node is up, so a late removal harms nobody. */
SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(scope_cgroup_gone, struct cgroup *cgroup)
{
	__u64 id = BPF_CORE_READ(cgroup, kn, id);

	bpf_map_delete_elem(&scope_cgroups, &id);
	return 0;
}

static __always_inline bool pid_known(struct task_struct *task)
{
	__u32 tgid = BPF_CORE_READ(task, tgid);
	__u64 *start = bpf_map_lookup_elem(&scope_pids, &tgid);

	/* 0: just entered by the agent, which cannot know the exact start. */
	return start && (!*start || *start == process_start(task));
}

static __always_inline void pid_enter(struct task_struct *task)
{
	__u32 tgid = BPF_CORE_READ(task, tgid);
	__u64 start = process_start(task);

	if (bpf_map_update_elem(&scope_pids, &tgid, &start, BPF_ANY))
		count_fate(SCOPE_PID, FATE_TABLE_FULL);
}

/* Before the child runs. Attached before any signal, so signals find the child in scope. */
SEC("tp_btf/sched_process_fork")
int scope_process_made(__u64 *ctx)
{
	struct task_struct *child;

	if (!pid_known(current_task()))
		return 0;
	child = forked_child(ctx);
	if (!child)
		return 0;
	if (READ(task_struct, child, pid) == READ(task_struct, child, tgid))
		pid_enter(child);
	forked_child_done(child);
	return 0;
}

/* When the task is freed, long after its exit was told. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(scope_process_gone, struct task_struct *task)
{
	__u32 tgid = BPF_CORE_READ(task, tgid);

	if (BPF_CORE_READ(task, pid) == (int)tgid && pid_known(task))
		bpf_map_delete_elem(&scope_pids, &tgid);
	return 0;
}

/*
 * Takes in the descendants, already running, of the processes in scope, and completes the
 * entries that the agent began.
 */
SEC("iter/task")
int scope_descendants(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *above = task;
	int i;

	if (!task || BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid))
		return 0;
	for (i = 0; i < ANCESTOR_DEPTH; i++) {
		if (pid_known(above)) {
			pid_enter(task);
			break;
		}
		above = BPF_CORE_READ(above, real_parent);
		if (!above || !BPF_CORE_READ(above, tgid))
			break;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
