/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Whom to watch. Every program asks this first, before it reads or copies anything else.
 *
 * controls/scope keeps the maps: cgroups grow with cgroup_mkdir, pids with fork, both in the
 * kernel and before the newcomer runs its first instruction.
 */
#ifndef FATHOM_SCOPE_BPF_H
#define FATHOM_SCOPE_BPF_H

#include "ring.bpf.h"

enum scope_mode {
	SCOPE_NODE = 1,		/* everything */
	SCOPE_CGROUPS = 2,	/* the cgroups in scope_cgroups */
	SCOPE_PIDS = 4,		/* the processes in scope_pids */
	SCOPE_PODS = 8,		/* with SCOPE_CGROUPS: directories named kubepods… are nurseries */
};

/*
 * What a cgroup in the table is. New cgroups below any of them become members in the kernel, at
 * once. A nursery is not watched itself: whether what is born there is wanted is for the agent to
 * find out, while its first rows wait.
 */
enum scope_cgroup_marks {
	SCOPE_MEMBER = 1,
	SCOPE_NURSERY = 2,
};

/* cgroup2 ids to scope_cgroup_marks. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u32);
} scope_cgroups SEC(".maps");

/* Processes in scope: tgid to start time, so that a reused pid does not count. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u64);
} scope_pids SEC(".maps");

/* A task's start, which together with its pid names a process for good. */
static __always_inline __u64 process_start(struct task_struct *task)
{
	return READ(task_struct, READ(task_struct, task, group_leader), start_boottime);
}

static __always_inline __u64 task_cgroup(struct task_struct *task)
{
	struct cgroup *cgroup = READ(css_set, READ(task_struct, task, cgroups), dfl_cgrp);

	return READ(kernfs_node, READ(cgroup, cgroup, kn), id);
}

static __always_inline bool scope_has(struct fathom_config *cfg, __u32 tgid, __u64 start,
				      __u64 cgroup)
{
	__u64 *known;
	__u32 *marks;

	if (tgid == cfg->own_tgid)
		return false;
	if (cfg->scope & SCOPE_NODE)
		return true;
	marks = cfg->scope & SCOPE_CGROUPS ? bpf_map_lookup_elem(&scope_cgroups, &cgroup) : NULL;
	if (marks && *marks & SCOPE_MEMBER)
		return true;
	if (!(cfg->scope & SCOPE_PIDS))
		return false;
	known = bpf_map_lookup_elem(&scope_pids, &tgid);
	return known && *known == start;
}

/*
 * Whether the current thread is watched. The head's cgroup and tgid are filled on the way; the
 * start only where it is watched, since it costs two reads.
 */
static __always_inline bool scope_current(struct record_header *head)
{
	struct fathom_config *cfg = agent_config();
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 *marks;
	__u64 *known;

	head->tgid = pid_tgid >> 32;
	head->tid = (__u32)pid_tgid;
	if (!cfg || !cfg->scope || head->tgid == cfg->own_tgid)
		return false;
	head->cgroup = bpf_get_current_cgroup_id();
	head->start = 0;
	if (cfg->scope & SCOPE_NODE)
		goto watched;
	marks = cfg->scope & SCOPE_CGROUPS ? bpf_map_lookup_elem(&scope_cgroups, &head->cgroup) : NULL;
	if (marks && *marks & SCOPE_MEMBER)
		goto watched;
	if (!(cfg->scope & SCOPE_PIDS))
		return false;
	known = bpf_map_lookup_elem(&scope_pids, &head->tgid);
	if (!known || *known != process_start(current_task()))
		return false;
watched:
	head->start = process_start(current_task());
	return true;
}

/* Completes a head that scope_current() began, and that has its time. */
static __always_inline void head_sign(struct record_header *head, __u16 kind)
{
	head->kind = kind;
	bpf_get_current_comm(head->comm, sizeof(head->comm));
}

/* Completes a head that scope_current() began. */
static __always_inline void head_finish(struct record_header *head, __u16 kind)
{
	head->time = bpf_ktime_get_boot_ns();
	head_sign(head, kind);
}

#endif
