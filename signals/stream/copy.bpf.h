/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* How much of a call is copied, and the copying. */
#ifndef FATHOM_STREAM_COPY_BPF_H
#define FATHOM_STREAM_COPY_BPF_H

#include "socket.bpf.h"

#define PIECES 1024		/* of a vector: UIO_MAXIOV */
#define FEW_PIECES 64		/* where the verifier would walk through each */
#define WORDS 9			/* what signatures look at: a glance, and the word that begins at its end */
#define ALIKE 48		/* signatures that begin with the same byte */
#define UNTOLD (256 << 10)	/* bytes that are passed over before they are told */

/* As 32-bit callers have it. */
struct ia32_iovec {
	__u32 base;
	__u32 length;
};

/* Appends a piece of user memory to what was copied. False if that is all that can be had. */
static __always_inline bool copy_piece(volatile struct scratch_value *s, const void *from, __u64 length)
{
	__u64 at = s->copied, room = s->room, left = s->left, skip = s->skip;

	if (skip) {
		if (skip > length)
			skip = length;
		s->skip -= skip;
		from += skip;
		length -= skip;
		if (!length)
			return true;
	}
	if (at >= room || !left)
		return false;
	if (length > left)
		length = left;
	s->left = left - length;
	if (length > room - at)
		length = room - at;
	/* What the verifier has to see: the compiler would check another copy than the one that is used. */
	asm volatile("%0 &= %1" : "+r"(at) : "i"(STREAM_BYTES - 1));
	asm volatile("%0 &= %1" : "+r"(length) : "i"(2 * STREAM_BYTES - 1));
	if (bpf_probe_read_user((void *)s->data + at, length, from))
		return false;
	s->copied = at + length;
	return true;
}

static __always_inline bool copy_from_vector(struct scratch_value *s, const void *vector, __u32 number,
					     __u32 count)
{
	struct ia32_iovec narrow;
	struct iovec piece;

	if (number >= count)
		return false;
	if (s->call.ia32) {
		if (bpf_probe_read_user(&narrow, sizeof(narrow), vector + number * sizeof(narrow)))
			return false;
		piece.iov_base = (void *)(__u64)narrow.base;
		piece.iov_len = narrow.length;
	} else if (bpf_probe_read_user(&piece, sizeof(piece), vector + number * sizeof(piece))) {
		return false;
	}
	return copy_piece(s, piece.iov_base, piece.iov_len);
}

/* Copies s->room of the s->left bytes that lie in s->vector; by itself, for the verifier. */
__noinline int stream_copy_vector(__u32 count)
{
	struct scratch_value *s = stream_scratch();
	const void *vector;

	if (!s)
		return 0;
	vector = s->vector;
	FOR_MANY_TURNS(number, PIECES, FEW_PIECES, copy_from_vector(s, vector, number, count));
	return s->copied;
}

/* Copies `room` of the call's bytes, from `skip` on. */
static __always_inline void copy_from(struct scratch_value *s, __u64 skip, __u64 size, __u32 room)
{
	s->room = room;
	s->left = s->discards ? 0 : size - skip;
	s->skip = skip;
	s->copied = 0;
	if (s->vector)
		stream_copy_vector(s->vectors);
	else
		copy_piece(s, s->single.iov_base, s->single.iov_len);
}

/* Copies the call's first `room` bytes. */
static __always_inline void copy(struct scratch_value *s, __u64 size, __u32 room)
{
	copy_from(s, 0, size, room);
}

static __always_inline bool compare(const struct stream_signatures_record *all, struct scratch_value *s,
				    __u32 number)
{
	const struct stream_signature_record *one = &all->signature[number & 255];

	return (*(__u64 *)(s->data + (one->offset & (GLANCE - 1))) & one->mask) == one->value;
}

/*
 * Whether the first bytes are some that user space asked for; one more than where frames begin, if they
 * do. What is behind a short call is zero. A program by itself, for the verifier: it is walked once.
 */
__noinline int stream_is_known(__u32 place)
{
	struct scratch_value *s = stream_scratch_at(place);
	struct stream_signatures_record *all;
	__u32 zero = 0, i, at, count;

	all = bpf_map_lookup_elem(&stream_signatures, &zero);
	if (!s || !all)
		return 0;
	at = all->begins[s->data[0]];
	count = all->count[s->data[0]];
	for (i = 0; i < ALIKE && i < count; i++) {
		if (compare(all, s, at + i))
			return 1 + all->signature[(at + i) & 255].framed;
	}
	at = all->others;
	count = all->other_count;
	for (i = 0; i < ALIKE && i < count; i++) {
		if (compare(all, s, at + i))
			return 1;
	}
	return 0;
}

/* How much of a connection may be copied in this second. */
static __always_inline __u32 purse(struct stream_socket *known, __u64 now, __u32 a_second)
{
	__u32 second = now >> 30;

	if (known->second != second) {
		known->second = second;
		known->spent = 0;
	}
	return known->spent < a_second ? a_second - known->spent : 0;
}

/*
 * Copies what the message is worth. A message begins where the other side spoke before, or with bytes
 * that are known; its first bytes are what counts, in however many calls they come.
 */
static __always_inline void take(struct scratch_value *s, struct stream_socket *known, __u64 size, bool out)
{
	__u32 zero = 0, room, budget, most, left;
	struct stream_signatures_record *all = bpf_map_lookup_elem(&stream_signatures, &zero);
	__u64 *words = (__u64 *)s->data;
	bool read, turned;
	int i, fits;

	if (!all)
		return;
	budget = all->message_bytes;
	if (budget > STREAM_BYTES)
		budget = STREAM_BYTES;
	read = is_read(s->verdict);
	turned = known->last != 1 + out || known->marks & STREAM_DATAGRAM;
	known->last = 1 + out;
	/* Too short to say what it is, as where a server waits with one byte for the next request. */
	if (turned)
		known->credit[out] = read || !s->record.position || size < sizeof(__u64) ? budget : 0;
	left = purse(known, s->record.header.time, all->second_bytes);
	room = known->credit[out];
	if (room < GLANCE)
		room = GLANCE;
	for (i = 0; i < WORDS; i++)
		words[i] = 0;
	copy(s, size, room < left ? room : left);
	most = size < budget ? size : budget;
	if (most > left)
		most = left;
	fits = s->copied && (s->copied < most || !s->record.position) ? stream_is_known(s->place) : 0;
	if (fits && s->copied < most) {
		known->credit[out] = budget;
		copy(s, size, most);
	}
	/* Only how it begins says that of a connection; this very call is its first. */
	if (fits > 1 && !s->record.position) {
		known->framed = true;
		known->frame[out] = known->wanted[out] = fits - 1;
		if (s->verdict == VERDICT_NONE)
			s->verdict = VERDICT_FRAMED;
	}
	known->credit[out] -= s->copied < known->credit[out] ? s->copied : known->credit[out];
	known->spent += s->copied;
}

static __always_inline void tell(struct scratch_value *s, struct stream_socket *known, __u64 size, bool out)
{
	struct stream_data_record *record = &s->record;
	__u32 copied = s->copied;

	record->socket = known->name;
	record->size = size;
	record->call = s->call.number;
	record->marks = (known->marks & (STREAM_DATAGRAM | STREAM_PLAIN | STREAM_MIDDLE)) | (out ? STREAM_OUT : 0);
	record->spare = 0;
	record->peer_port = 0;
	if (s->peer.known) {
		record->marks |= STREAM_PEER;
		record->peer_port = s->peer.port;
		__builtin_memcpy(record->peer, s->peer.ip, sizeof(record->peer));
	} else {
		__builtin_memset(record->peer, 0, sizeof(record->peer));
	}
	asm volatile("%0 &= %1" : "+r"(copied) : "i"(2 * STREAM_BYTES - 1));
	record->copied = copied;
	head_sign(&record->header, STREAM_DATA);
	/* Where a task can be preempted in here, another may have taken the buffer. */
	if (s->owner != bpf_get_current_pid_tgid()) {
		count_fate(STREAM_DATA, FATE_NO_SCRATCH);
		return;
	}
	submit_to(&fathom_bulk, worker_of_socket(known->name), &record->header,
		  sizeof(*record) + copied, BPF_RB_NO_WAKEUP);
}

#endif
