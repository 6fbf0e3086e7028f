/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* How each row begins and ends, and a buffer for those that carry paths. */
#ifndef FATHOM_PRIVILEGE_CALL_BPF_H
#define FATHOM_PRIVILEGE_CALL_BPF_H

#include "fathom/hook.bpf.h"
#include "fathom/sock.bpf.h"
#include "fathom/scope.bpf.h"
#include "wire.h"

/* The call that ends here, whichever table it came by. */
static __always_inline struct call call_of(struct pt_regs *regs)
{
	struct call call;

	read_call(regs, &call);
	return call;
}

/* A buffer, NAME(), for records of TYPE with strings behind; once for each program. */
#define BUFFER(NAME, TYPE)                                                  \
	struct NAME##_value {                                               \
		struct scratch_walk walk;                                   \
		struct TYPE record;                                         \
		__u8 tail[SCRATCH_TAIL];                                    \
	};                                                                  \
	struct {                                                            \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                    \
		__uint(max_entries, 1);                                     \
		__type(key, __u32);                                         \
		__type(value, struct NAME##_value);                         \
	} NAME##_map SEC(".maps");                                          \
	static __always_inline struct NAME##_value *NAME(void)              \
	{                                                                   \
		__u32 zero = 0;                                             \
                                                                            \
		return bpf_map_lookup_elem(&NAME##_map, &zero);             \
	}

/* Whether the call is to be told; what every record says of it. */
static __always_inline bool begins(struct privilege_call_record *record, const struct call *call,
				   long result)
{
	if (!scope_current(&record->header))
		return false;
	record->result = result;
	record->number = call->number;
	record->spare = 0;
	return true;
}

/* A record's size with what stands behind it in its buffer; 0 if it cannot be. */
static __always_inline __u32 with_tail(__u32 size, volatile struct scratch_walk *walk)
{
	__u32 end = walk->end;

	return end <= SCRATCH_TAIL ? size + end : 0;
}

static __always_inline int tell(struct privilege_call_record *record, __u32 size, __u16 kind)
{
	head_finish(&record->header, kind);
	if (size)
		submit_behind(&record->header, size);
	return 0;
}

/* The same for what every program does. */
static __always_inline int tell_in_bulk(struct privilege_call_record *record, __u32 size, __u16 kind)
{
	head_finish(&record->header, kind);
	if (size)
		submit(&fathom_bulk, &record->header, size);
	return 0;
}

#endif
