// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Which mechanisms work here, tried for real: each program counts how often it ran for our own
 * process. A kernel may refuse a program type, accept it and never call it (LSM programs where
 * `bpf` is not among the active LSMs), or lack it.
 */
#include "fathom/compat.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} probe_state SEC(".maps");

static __always_inline int probe_ran(void)
{
	__u32 who = 0, hits = 1;
	__u64 *tgid = bpf_map_lookup_elem(&probe_state, &who);
	__u64 *count = bpf_map_lookup_elem(&probe_state, &hits);

	if (tgid && count && *tgid == bpf_get_current_pid_tgid() >> 32)
		*count += 1;
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
