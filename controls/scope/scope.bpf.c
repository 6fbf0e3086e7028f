// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Keeps the scope as cgroups and processes come: in the kernel, at the moment they are made, so
 * that a newcomer is in scope before its first instruction.
 */
#include "fathom/hook.bpf.h"
#include "fathom/scope.bpf.h"
#include "wire.h"

#define ANCESTOR_DEPTH 64

struct cgroup_news {
	struct scope_cgroup_record record;
	__u8 path[2 * CGROUP_PATH];	/* as much as the verifier thinks may be sent */
};

/* cgroups are made and removed under one mutex, so one buffer would do. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cgroup_news);
} cgroup_news_map SEC(".maps");

/* Makes these types part of the object's BTF, from which Rust reads them. */
const enum scope_kind *unused_kind __attribute__((unused));
const enum scope_cgroup_marks *unused_marks __attribute__((unused));

struct kernfs_node___old {
	struct kernfs_node *parent;
} __attribute__((preserve_access_index));

/* Ids are those of one hierarchy; those of cgroup v1 number their own from the start. */
static __always_inline bool is_cgroup2(struct cgroup *cgroup)
{
	return !BPF_CORE_READ(cgroup, root, hierarchy_id);
}

static __always_inline __u64 id_above(struct kernfs_node *node)
{
	struct kernfs_node *above;

	/* 6.15 renamed the field. */
	if (bpf_core_field_exists(node->__parent))
		above = BPF_CORE_READ(node, __parent);
	else
		above = BPF_CORE_READ((struct kernfs_node___old *)node, parent);
	return BPF_CORE_READ(above, id);
}

/* Whether the kubelet makes its pods below: `kubepods`, `kubepods.slice` and their like. */
static __always_inline bool is_for_pods(struct kernfs_node *node)
{
	__u64 name = 0;

	bpf_probe_read_kernel(&name, sizeof(name), BPF_CORE_READ(node, name));
	return name == 0x73646f706562756b;	/* "kubepods" */
}

/* Tells the agent, which has to know what a cgroup is called while it is still there. */
static __always_inline void tell(__u16 kind, __u64 id, const char *path, bool entered)
{
	__u32 zero = 0;
	struct cgroup_news *news = bpf_map_lookup_elem(&cgroup_news_map, &zero);
	long length;

	if (!news)
		return;
	__builtin_memset(&news->record, 0, sizeof(news->record));
	news->record.header.cgroup = id;
	news->record.header.tgid = bpf_get_current_pid_tgid() >> 32;
	news->record.entered = entered;
	head_finish(&news->record.header, kind);
	length = bpf_probe_read_kernel_str(news->path, CGROUP_PATH, path);
	if (length < 1 || length > CGROUP_PATH)
		length = 1;
	news->record.path_length = length;
	submit_news(&news->record.header, sizeof(news->record) + (length & (2 * CGROUP_PATH - 1)));
}

/*
 * A new cgroup below one in scope is in scope; nobody can have joined it yet. What is made
 * elsewhere is told only where the whole node is watched.
 */
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(scope_cgroup_made, struct cgroup *cgroup, const char *path)
{
	struct kernfs_node *node = BPF_CORE_READ(cgroup, kn);
	__u64 id = BPF_CORE_READ(node, id), parent = id_above(node);
	struct fathom_config *cfg = agent_config();
	__u32 marks = 0;

	if (!cfg || !is_cgroup2(cgroup))
		return 0;
	if (bpf_map_lookup_elem(&scope_cgroups, &parent))
		marks = SCOPE_MEMBER;
	else if (cfg->scope & SCOPE_PODS && is_for_pods(node))
		marks = SCOPE_NURSERY;
	if (marks && bpf_map_update_elem(&scope_cgroups, &id, &marks, BPF_ANY))
		count_fate(SCOPE_CGROUP, FATE_TABLE_FULL);
	if (marks || cfg->scope & SCOPE_NODE)
		tell(SCOPE_MADE, id, path, marks & SCOPE_MEMBER);
	return 0;
}

/* Ids are not used again while the node is up, so a late removal harms nobody. */
SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(scope_cgroup_gone, struct cgroup *cgroup, const char *path)
{
	__u64 id = BPF_CORE_READ(cgroup, kn, id);
	struct fathom_config *cfg = agent_config();
	bool known;

	if (!cfg || !is_cgroup2(cgroup))
		return 0;
	known = !bpf_map_delete_elem(&scope_cgroups, &id);
	if (known || cfg->scope & SCOPE_NODE)
		tell(SCOPE_GONE, id, path, known);
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
