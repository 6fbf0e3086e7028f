/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* How much of a call is copied, and the copying. */
#ifndef FATHOM_STREAM_COPY_BPF_H
#define FATHOM_STREAM_COPY_BPF_H

#include "socket.bpf.h"

#define PIECES 1024		/* of a vector: UIO_MAXIOV */
#define FEW_PIECES 64		/* where the verifier would walk through each */
#define WHOLE_PIECES 64		/* of a call that is copied whole: STREAM_BYTES each */
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
 * Whether the first bytes are some that user space asked for; 2 where all that follows is wanted, too.
 * What is behind a short call is zero. A program by itself, for the verifier: it is walked once.
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
			return 1 + !!all->signature[(at + i) & 255].dense;
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
	if (s->verdict == VERDICT_WHOLE)
		known->credit[out] = STREAM_BYTES;
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
	if (fits == 2 && !s->record.position) {
		known->dense = true;
		if (s->verdict == VERDICT_NONE)
			s->verdict = VERDICT_WHOLE;
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

/*
 * The next piece of a call that is told in pieces: s->told bytes of s->size were told before. By itself,
 * for the verifier. 0 where there is no more.
 */
__noinline int stream_piece(__u32 place)
{
	struct scratch_value *s = stream_scratch_at(place);
	__u64 room = STREAM_BYTES;

	if (!s || s->told >= s->size || !s->purse)
		return 0;
	copy_from(s, s->told, s->size, room < s->purse ? room : s->purse);
	if (!s->copied)
		return 0;
	tell(s, &s->fresh, s->copied, s->out);
	s->record.position += s->copied;
	s->told += s->copied;
	s->purse -= s->copied;
	return 1;
}

/*
 * Tells all of a call whose first bytes were copied, in pieces that stand one behind the other. Gives
 * how much of it that was; what is left is told by its size.
 */
static __always_inline __u64 pieces(struct scratch_value *s, struct stream_socket *known, __u64 size,
				    bool out)
{
	struct stream_signatures_record *all;
	__u32 zero = 0, i, first = s->copied;

	all = bpf_map_lookup_elem(&stream_signatures, &zero);
	if (!all)
		return 0;
	tell(s, known, first, out);
	s->record.position += first;
	/* What tell() needs of it; a program by itself is not given it. */
	s->fresh.name = known->name;
	s->fresh.marks = known->marks;
	s->size = size;
	s->told = first;
	s->out = out;
	s->purse = purse(known, s->record.header.time, all->second_bytes);
	for (i = 0; i < WHOLE_PIECES; i++)
		if (!stream_piece(s->place))
			break;
	known->spent += s->told - first;
	s->copied = 0;
	return s->told;
}

/* A call moved `size` bytes, which lie in s->vector or s->single, from s->record.position on. */
static __always_inline void moved(struct scratch_value *s, struct stream_socket *known, __u64 size, bool out)
{
	const void *end = s->single.iov_base + size;
	__u32 last = 0;

	s->copied = 0;
	s->verdict = verdict_of(known);
	if (s->verdict == VERDICT_NONE && known->dense)
		s->verdict = VERDICT_WHOLE;
	/* One clock for all that is said of the call: reading it is a tenth of what is done here. */
	s->record.header.time = bpf_ktime_get_boot_ns();
	if (s->verdict == VERDICT_PASS) {
		known->untold[out] += size;
		if (known->untold[out] < UNTOLD)
			return;
		size = known->untold[out];
		s->record.position = known->position[out] - size;
		known->untold[out] = 0;
	} else {
		take(s, known, size, out);
		if (s->verdict == VERDICT_WHOLE && s->copied && s->copied < size) {
			size -= pieces(s, known, size, out);
			if (!size)
				return;
		}
		last = last_bytes(s, known, size);
	}
	tell(s, known, size - last, out);
	if (last) {
		s->copied = bpf_probe_read_user(s->data, GLANCE, end - GLANCE) ? 0 : GLANCE;
		s->record.position += size - GLANCE;
		tell(s, known, GLANCE, out);
	}
}

#endif
