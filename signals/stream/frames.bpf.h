/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Connections that go in frames. Many requests may stand in one call, and what matters of each behind
 * the bodies of others. Each frame says how long it is, so they are walked through, and bodies are not
 * copied.
 */
#ifndef FATHOM_STREAM_FRAMES_BPF_H
#define FATHOM_STREAM_FRAMES_BPF_H

#include "copy.bpf.h"

#define STEPS 512		/* through one call, to a frame or to tell what was found */
#define LAST_STEPS 8		/* to tell the rest, where they were too few */
#define SPAN 1024		/* a shorter gap is copied: another record would cost more */

static __always_inline bool is_frame(const struct stream_frames_record *frames, const __u8 *front)
{
	return !(*(__u64 *)front & frames->never) && front[3] < 32 && frames->kinds >> front[3] & 1;
}

/* Whether it is known where in this call, or behind it, the next frame begins. */
static __always_inline bool keeps_step(const struct scratch_value *s, const struct stream_socket *known,
				       bool out)
{
	return known->frame[out] + known->front[out][15] >= s->record.position;
}

/*
 * Where that is not known: whether it did while the call was copied, or a frame begins where the call
 * does, as most do now and then.
 */
static __always_inline bool finds_step(struct scratch_value *s, struct stream_socket *known, bool out)
{
	struct stream_signatures_record *all;
	__u32 zero = 0;

	if (keeps_step(s, known, out))
		return true;
	all = bpf_map_lookup_elem(&stream_signatures, &zero);
	if (!all || s->copied < FRONT || !is_frame(&all->frames, s->data) || !stream_is_known(s->place))
		return false;
	known->frame[out] = known->wanted[out] = s->record.position;
	known->front[out][15] = 0;
	return true;
}

/* Tells bytes that stand together, and the gap behind them, as far as one record may. */
static __always_inline void step_told(struct scratch_value *s)
{
	struct walk *walk = &s->walk;
	__u64 end = walk->wanted < walk->until ? walk->wanted : walk->until, size, room = 0;

	if (end > walk->told)
		room = end - walk->told;
	size = room;
	if (room > STREAM_BYTES)
		room = STREAM_BYTES;
	if (room > s->purse)
		room = s->purse;
	copy_from(s, walk->told - walk->begin, s->size, room);
	s->purse -= s->copied;
	/* Where no more can be had, the rest is a gap. */
	size = s->copied && s->copied < size ? s->copied : walk->until - walk->told;
	s->record.position = walk->told;
	tell(s, &s->fresh, size, s->out);
	walk->told += size;
	if (walk->told >= walk->until)
		walk->wanted = walk->then;
}

/* Reads what is there of a frame's front, behind what came before. False if it cannot be read. */
static __always_inline bool read_front(struct scratch_value *s)
{
	struct walk *walk = &s->walk;
	__u32 have = walk->have, i;

	copy_from(s, walk->frame + have - walk->begin, s->size, FRONT - have);
	if (!s->copied)
		return false;
	for (i = 0; i < FRONT; i++)
		if (i >= have)
			walk->front[i] = s->data[(i - have) & 15];
	walk->have = have + s->copied;
	return true;
}

/* To the next frame. False where there is none. */
static __always_inline bool step_on(struct scratch_value *s, const struct stream_frames_record *frames)
{
	struct walk *walk = &s->walk;
	__u64 from, next, wanted;

	if (!read_front(s))
		return false;
	if (walk->have < FRONT) {
		walk->wanted = walk->end;
		return true;
	}
	if (!is_frame(frames, walk->front))
		return false;
	from = walk->frame > walk->begin ? walk->frame : walk->begin;
	wanted = walk->frame + FRONT + frames->first;
	next = walk->frame + FRONT;
	next += (__u32)walk->front[0] << 16 | (__u32)walk->front[1] << 8 | walk->front[2];
	if (wanted > next || frames->copied >> walk->front[3] & 1)
		wanted = next;
	walk->frame = next;
	walk->have = 0;
	/* One record holds no more, and of a long call something has been told when there are no more steps. */
	if (from > walk->wanted + SPAN || from > walk->told + STREAM_BYTES) {
		walk->until = from;
		walk->then = wanted;
	} else {
		walk->wanted = wanted;
	}
	return true;
}

/* One step of a walk, by itself for the verifier. 0 where all was told. */
__noinline int stream_step(__u32 place)
{
	struct scratch_value *s = stream_scratch_at(place);
	struct stream_signatures_record *all;
	__u32 zero = 0;

	all = bpf_map_lookup_elem(&stream_signatures, &zero);
	if (!s || !all || s->walk.told >= s->walk.end)
		return 0;
	if (s->walk.told < s->walk.until) {
		step_told(s);
	} else if (s->walk.lost || s->walk.frame + s->walk.have >= s->walk.end) {
		s->walk.until = s->walk.end;
		s->walk.then = s->walk.wanted;
	} else if (!step_on(s, &all->frames)) {
		s->walk.lost = true;
	}
	return 1;
}

/* Tells a call of whose frames it is known where they begin. */
static __always_inline void tell_frames(struct scratch_value *s, struct stream_socket *known, __u64 size,
					bool out)
{
	struct stream_signatures_record *all;
	struct walk *walk = &s->walk;
	__u32 zero = 0, i;
	__u64 purse_before;

	all = bpf_map_lookup_elem(&stream_signatures, &zero);
	if (!all)
		return;
	walk->begin = walk->told = walk->until = s->record.position;
	walk->end = walk->begin + size;
	walk->frame = known->frame[out];
	walk->wanted = known->wanted[out] > walk->begin ? known->wanted[out] : walk->begin;
	walk->have = known->front[out][15] & 15;
	walk->lost = false;
	__builtin_memcpy(walk->front, known->front[out], sizeof(walk->front));
	/* What tell() needs of it; a program by itself is not given it. */
	s->fresh.name = known->name;
	s->fresh.marks = known->marks;
	s->size = size;
	s->out = out;
	s->purse = purse_before = purse(known, s->record.header.time, all->second_bytes);
	for (i = 0; i < STEPS + LAST_STEPS; i++) {
		if (i == STEPS)
			walk->lost = true;
		if (!stream_step(s->place))
			break;
	}
	known->spent += purse_before - s->purse;
	/* Lost: before all that will come. */
	known->frame[out] = walk->lost ? 0 : walk->frame;
	known->wanted[out] = walk->wanted;
	__builtin_memcpy(known->front[out], walk->front, sizeof(walk->front));
	known->front[out][15] = walk->lost ? 0 : walk->have;
}

#endif
