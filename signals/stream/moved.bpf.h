/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What is told of a call that moved bytes. */
#ifndef FATHOM_STREAM_MOVED_BPF_H
#define FATHOM_STREAM_MOVED_BPF_H

#include "copy.bpf.h"
#include "frames.bpf.h"

/*
 * How a long message ends is often what matters: how it went, or that it is over. So of a call of a
 * connection that is read, and that was not copied whole, the last bytes are told by a record of
 * their own. How many that are; 0 where the call says them already, or where they lie elsewhere.
 */
static __always_inline __u32 last_bytes(const struct scratch_value *s, const struct stream_socket *known,
					__u64 size)
{
	if (s->vector || s->discards || !s->single.iov_len || known->marks & STREAM_DATAGRAM)
		return 0;
	return size > s->copied + GLANCE && is_read(s->verdict) ? GLANCE : 0;
}

/* What was not told of a connection that is passed over, if there is enough of it. */
static __always_inline void pass(struct scratch_value *s, struct stream_socket *known, __u64 size, bool out)
{
	known->untold[out] += size;
	if (known->untold[out] < UNTOLD)
		return;
	s->record.position = known->position[out] - known->untold[out];
	tell(s, known, known->untold[out], out);
	known->untold[out] = 0;
}

/* A call moved `size` bytes, which lie in s->vector or s->single, from s->record.position on. */
static __always_inline void moved(struct scratch_value *s, struct stream_socket *known, __u64 size, bool out)
{
	const void *end = s->single.iov_base + size;
	__u32 last;

	s->copied = 0;
	s->verdict = verdict_of(known);
	if (s->verdict == VERDICT_NONE && known->framed)
		s->verdict = VERDICT_FRAMED;
	/* One clock for all that is said of the call: reading it is a tenth of what is done here. */
	s->record.header.time = bpf_ktime_get_boot_ns();
	if (s->verdict == VERDICT_PASS) {
		pass(s, known, size, out);
		return;
	}
	if (s->verdict == VERDICT_FRAMED && keeps_step(s, known, out)) {
		tell_frames(s, known, size, out);
		return;
	}
	take(s, known, size, out);
	if (s->verdict == VERDICT_FRAMED && finds_step(s, known, out)) {
		tell_frames(s, known, size, out);
		return;
	}
	last = last_bytes(s, known, size);
	tell(s, known, size - last, out);
	if (last) {
		s->copied = bpf_probe_read_user(s->data, GLANCE, end - GLANCE) ? 0 : GLANCE;
		s->record.position += size - GLANCE;
		tell(s, known, GLANCE, out);
	}
}

#endif
