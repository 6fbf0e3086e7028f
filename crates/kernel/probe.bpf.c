// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Which mechanisms work here, tried for real: each program counts how often it ran for our own
 * process. A kernel may refuse a program type, accept it and never call it (LSM programs where
 * `bpf` is not among the active LSMs), or lack it.
 */
#include "fathom/compat.bpf.h"

/* Who asks: its pid and pid namespace, as it knows them itself, which may be a container's. */
enum probe_place {
	PROBE_PID = 0,
	PROBE_NAMESPACE = 1,
	PROBE_HITS = 2,
	PROBE_TGID = 3,		/* what the node calls it */
	PROBE_PLACES = 4,
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

SEC("tp_btf/sys_exit")
int BPF_PROG(probe_tp_btf)
{
	return probe_ran();
}

SEC("kprobe/security_file_open")
int BPF_KPROBE(probe_kprobe)
{
	return probe_ran();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
