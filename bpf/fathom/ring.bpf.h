/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The way up: two rings by worth, one of each for every worker, and the books about them.
 *
 * All maps here are shared: the loader makes them once and gives them to every object.
 * `fathom_facts` carries what must not be lost (the life of processes), `fathom_bulk` the rest,
 * so that a storm of opens can never push out an exec. The process chooses the ring, so all
 * records of one process arrive in order at one worker.
 */
#ifndef FATHOM_RING_BPF_H
#define FATHOM_RING_BPF_H

#include "compat.bpf.h"
#include "record.h"

#define RING_WORKERS 16
#define WAKE_WINDOW 8192	/* bytes; records are far smaller on the whole */

struct fathom_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, RING_WORKERS);
	__type(key, __u32);
	__array(values, struct fathom_ring);
} fathom_facts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, RING_WORKERS);
	__type(key, __u32);
	__array(values, struct fathom_ring);
} fathom_bulk SEC(".maps");

/* What became of the records: [signal][kind][fate], per CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RECORD_SIGNALS * RECORD_KINDS * FATE_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} fathom_fates SEC(".maps");

/* What the agent tells every program; a map write changes it, never a re-attach. */
struct fathom_config {
	__u32 scope;		/* SCOPE_* bits: what is watched */
	__u32 own_tgid;		/* the agent itself, never watched */
	__u32 worker_mask;	/* workers - 1; workers are a power of two */
	__u32 wake_at;		/* bytes in a ring from which on its reader is woken at once */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fathom_config);
} fathom_config SEC(".maps");

static __always_inline struct fathom_config *agent_config(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&fathom_config, &zero);
}

static __always_inline void count_fate(__u32 kind, enum record_fate fate)
{
	__u32 place = (fathom_told.signal * RECORD_KINDS + kind) * FATE_COUNT + fate;
	__u64 *count = bpf_map_lookup_elem(&fathom_fates, &place);

	if (count)
		*count += 1;
}

/* Whether the ring took it. */
static __always_inline bool submit_to(void *rings, __u32 worker, struct record_header *record,
				      __u32 size, __u64 wake)
{
	struct fathom_config *cfg = agent_config();
	void *ring = bpf_map_lookup_elem(rings, &worker);

	if (!cfg || !ring)
		return false;
	record->size = size;
	record->signal = fathom_told.signal;
	record->spare = 0;
	/* Once on the way up: a reader that is behind is awake already. */
	if (bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) - cfg->wake_at < WAKE_WINDOW)
		wake = BPF_RB_FORCE_WAKEUP;
	if (bpf_ringbuf_output(ring, record, size, wake)) {
		count_fate(record->kind, FATE_RING_FULL);
		return false;
	}
	count_fate(record->kind, FATE_SUBMITTED);
	return true;
}

/* Which worker's ring a process's records go to, so that they stay in their order. */
static __always_inline __u32 worker_of(const struct record_header *record)
{
	struct fathom_config *cfg = agent_config();

	return cfg && cfg->worker_mask ? (record->tgid * 0x9E3779B1u >> 16) & cfg->worker_mask : 0;
}

/*
 * Copies a finished record to its process's ring. A wake-up costs fifty times what the copy
 * does, so the reader polls by the clock and is woken only when the ring is filling up.
 */
static __always_inline void submit(void *rings, struct record_header *record, __u32 size)
{
	submit_to(rings, worker_of(record), record, size, BPF_RB_NO_WAKEUP);
}

/*
 * For what is worth as much as the life of processes, but which anyone can make in any number by a
 * loop: half of the ring is left for that life, and the rest goes where loss hurts less.
 */
static __always_inline void submit_behind(struct record_header *record, __u32 size)
{
	__u32 worker = worker_of(record);
	void *ring = bpf_map_lookup_elem(&fathom_facts, &worker);

	if (ring && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) <
			    bpf_ringbuf_query(ring, BPF_RB_RING_SIZE) / 2)
		submit_to(&fathom_facts, worker, record, size, BPF_RB_NO_WAKEUP);
	else
		submit_to(&fathom_bulk, worker, record, size, BPF_RB_NO_WAKEUP);
}

/* For what the first worker has to know at once. */
static __always_inline void submit_news(struct record_header *record, __u32 size)
{
	submit_to(&fathom_facts, 0, record, size, BPF_RB_FORCE_WAKEUP);
}

#endif
