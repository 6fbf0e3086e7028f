/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Processes that were there before us, and the ancestors of those that are watched. */
#ifndef FATHOM_PROCESS_SEEN_BPF_H
#define FATHOM_PROCESS_SEEN_BPF_H

#define ANCESTOR_DEPTH 16

SCRATCH(seen_scratch)

/* One process that was there before us. An ancestor out of scope gives no more than its name. */
static __always_inline void seen(struct seq_file *seq, struct task_struct *task, bool in_scope)
{
	struct scratch_value *s = seen_scratch();
	struct file *exe = BPF_CORE_READ(task, mm, exe_file);
	__u32 size;

	if (!s)
		return;
	s->record.marks = in_scope ? 0 : PROCESS_ANCESTOR;
	s->record.error = s->record.args_length = s->record.given_length = 0;
	s->record.latency = 0;
	s->record.call = CALL_UNKNOWN;
	s->record.header.tgid = s->record.header.tid = BPF_CORE_READ(task, tgid);
	s->record.header.start = process_start(task);
	s->record.header.cgroup = task_cgroup(task);
	describe(task, &s->record.facts);
	executable(exe, &s->record);
	places(task, exe, s);
	head_finish(&s->record.header, PROCESS_SEEN);
	BPF_CORE_READ_STR_INTO(&s->record.header.comm, task, comm);
	size = exec_size(s);
	if (!size)
		return;
	s->record.header.size = size;
	s->record.header.signal = fathom_told.signal;
	s->record.header.spare = 0;
	bpf_seq_write(seq, &s->record, size);
}

/* Ancestors, out of scope, of processes in scope: tgid to start. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} process_ancestors SEC(".maps");

static __always_inline void note_ancestors(struct fathom_config *cfg, struct task_struct *task)
{
	__u64 start;
	__u32 tgid;
	int i;

	for (i = 0; i < ANCESTOR_DEPTH; i++) {
		task = BPF_CORE_READ(task, real_parent, group_leader);
		tgid = BPF_CORE_READ(task, tgid);
		start = process_start(task);
		if (!tgid || scope_has(cfg, tgid, start, task_cgroup(task)))
			break;	/* the top, or one that comes by itself */
		bpf_map_update_elem(&process_ancestors, &tgid, &start, BPF_ANY);
	}
}

/*
 * Goes through all tasks, but copies only those in scope and their ancestors. An ancestor is
 * usually met before its descendants, so the agent reads this twice; what is told twice does no
 * harm.
 */
SEC("iter/task")
int process_seen(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct fathom_config *cfg = agent_config();
	__u64 start, *wanted;
	bool in_scope;
	__u32 tgid;

	if (!task || !cfg || BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid))
		return 0;
	tgid = BPF_CORE_READ(task, tgid);
	start = process_start(task);
	in_scope = scope_has(cfg, tgid, start, task_cgroup(task));
	if (in_scope || tgid == cfg->own_tgid)
		note_ancestors(cfg, task);
	wanted = bpf_map_lookup_elem(&process_ancestors, &tgid);
	if (in_scope || tgid == cfg->own_tgid || (wanted && *wanted == start))
		seen(ctx->meta->seq, task, in_scope);
	return 0;
}

#endif
