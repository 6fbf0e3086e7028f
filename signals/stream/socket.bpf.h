/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What is remembered of a socket that moves bytes, and where its next byte stands. */
#ifndef FATHOM_STREAM_SOCKET_BPF_H
#define FATHOM_STREAM_SOCKET_BPF_H

#include "fathom/hook.bpf.h"
#include "fathom/sock.bpf.h"
#include "fathom/scope.bpf.h"
#include "fathom/message.bpf.h"
#include "wire.h"

#define STREAM_BYTES 8192	/* of one call, at most; a power of two */
#define GLANCE 64		/* what is copied of a call that says nothing to anyone */
#define FRONT 9			/* bytes at the front of a frame */
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define RCV_SHUTDOWN 1
#define VERDICTS 65536

/* Directions are numbered as STREAM_OUT has it: 0 received, 1 sent. */
struct stream_socket {
	struct record_header owner;	/* who moved its first bytes */
	__u64 inode;			/* socks are used again; their inodes' numbers are not */
	__u64 name;			/* 0: this kind of socket is not read */
	__u64 position[2];
	__u64 untold[2];		/* bytes of connections that are passed over, told together */
	__u32 sequence[2];		/* TCP's number of the next byte */
	__u32 credit[2];		/* how much of the message may still be copied */
	__u32 second;
	__u32 spent;			/* bytes copied in that second */
	__u8 marks;			/* stream_marks */
	__u8 tcp;
	__u8 last;			/* 1 + the direction of the last call */
	__u8 framed;			/* it began as those do that go in frames */
	__u8 spare[4];
	__u64 frame[2];			/* where the next frame begins, or the one that began */
	__u64 wanted[2];		/* bytes before this place are copied */
	__u8 front[2][16];		/* the bytes of its front that came; their number is the last */
};

/* By the sock's address. The oldest fall out; what is known of them can be read from the sock again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, struct stream_socket);
} stream_sockets SEC(".maps");

/*
 * Which side of it the process is, of TCP connections that nobody moved bytes of yet. Who took one
 * is not known in the softirq that makes it, so they are there whether they are watched or not.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u8);	/* STREAM_CLIENT or STREAM_SERVER */
} stream_sides SEC(".maps");

/* The upper half is a part of the name's hash, the lower a stream_verdict_kind. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VERDICTS);
	__type(key, __u32);
	__type(value, __u32);
} stream_verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stream_signatures_record);
} stream_signatures SEC(".maps");

/*
 * The socket that a thread moved bytes of last, where that may be needed to know which one carries a
 * TLS session.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u64);
} stream_last SEC(".maps");

/* A walk from frame to frame through a call's bytes. All places are those of the stream. */
struct walk {
	__u64 begin;			/* of the call's bytes */
	__u64 end;
	__u64 frame;			/* where the next frame begins */
	__u64 told;			/* bytes before this place were told */
	__u64 wanted;			/* bytes before this place are copied */
	__u64 until;			/* what has to be told now: up to here */
	__u64 then;			/* what is wanted behind that */
	__u8 front[16];
	__u32 have;			/* bytes of the frame's front */
	__u32 lost;			/* whether there was something else than a frame */
};

struct scratch_value {
	struct stream_data_record record;
	/* More than is used: the verifier does not add up where a piece begins and how long it is. */
	__u8 data[3 * STREAM_BYTES];
	struct stream_opened_record opened;
	struct stream_socket fresh;
	struct call call;
	struct mmsghdr message;
	struct iovec single;
	const struct iovec *vector;
	__u64 vectors;
	__u64 left;			/* bytes of the call that are not copied yet */
	struct socket_end peer;
	__u64 owner;			/* the thread that is at it, or was; see tell() */
	__u32 room;			/* bytes of it that may be */
	__u32 copied;
	__u64 skip;			/* bytes of it that are passed over first */
	__u64 size;			/* all of them, of a call that is told in pieces */
	__u64 purse;			/* how many more may be copied */
	__u64 out;			/* its direction */
	__u64 verdict;			/* of the connection */
	__u64 discards;			/* whether the bytes are not where the caller wanted them */
	__u64 place;			/* its own, among the CPU's */
	struct walk walk;
};

#define SCRATCHES 4

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, __u32);
	__type(value, struct scratch_value);
} stream_scratch_map SEC(".maps");

static __always_inline struct scratch_value *stream_scratch_at(__u32 place)
{
	return bpf_map_lookup_elem(&stream_scratch_map, &place);
}

/* For all programs at the end of system calls: none of them is ever interrupted by another. */
static __always_inline struct scratch_value *stream_scratch(void)
{
	return stream_scratch_at(0);
}

static __always_inline __u32 name_hash(__u64 name)
{
	return (name * 0x9E3779B97F4A7C15ULL) >> 32;
}

/* All that is said of a socket goes to one worker, whichever process says it. */
static __always_inline __u32 worker_of_socket(__u64 name)
{
	struct fathom_config *cfg = agent_config();

	return cfg ? name_hash(name) >> 8 & cfg->worker_mask : 0;
}

/* What is thought of a connection, or of what is said inside its TLS. */
static __always_inline __u32 verdict_of(const struct stream_socket *known)
{
	__u64 name = known->marks & STREAM_PLAIN ? ~known->name : known->name;
	__u32 hash = name_hash(name), place = hash % VERDICTS;
	__u32 *verdict = bpf_map_lookup_elem(&stream_verdicts, &place);

	return verdict && *verdict >> 16 == hash >> 16 ? *verdict & 0xff : VERDICT_NONE;
}

static __always_inline bool is_read(__u64 verdict)
{
	return verdict == VERDICT_READ || verdict == VERDICT_FRAMED;
}

/* Whether the call that took the last bytes may have taken the FIN with them, which counts as a byte. */
static __always_inline bool took_fin(struct sock *sk, bool out)
{
	return !out && READ(sock, sk, sk_shutdown) & RCV_SHUTDOWN;
}

/*
 * Where TCP's next bytes stand, by its own count, which also knows of bytes that moved unseen. The
 * SYN counts as a byte that was acknowledged, on the side that sent it.
 */
static __always_inline void tcp_positions(struct stream_socket *fresh, struct sock *sk, __u64 size,
					  bool out)
{
	__u32 unread, unacked, sent = READ(tcp_sock, sk, write_seq);
	__u32 taken = READ(tcp_sock, sk, copied_seq);
	__u64 first;

	unacked = sent - READ(tcp_sock, sk, snd_una);
	unread = READ(tcp_sock, sk, rcv_nxt) - taken;
	fresh->sequence[1] = sent;
	fresh->sequence[0] = taken;
	fresh->position[1] = READ(tcp_sock, sk, bytes_acked) + unacked;
	fresh->position[0] = READ(tcp_sock, sk, bytes_received) - unread;
	/* What this call moved is counted by the caller, from before it on. */
	fresh->position[out] -= size;
	fresh->sequence[out] -= size;
	if (!unread && took_fin(sk, out))
		fresh->position[0] -= 1;
	first = fresh->position[1];
	if (first == 1)
		first = fresh->position[1] = 0;
	if (first || fresh->position[0])
		fresh->marks |= STREAM_MIDDLE;
}

/* A socket that is seen for the first time. */
static __always_inline struct stream_socket *first_seen(struct scratch_value *s, struct sock *sk,
							 __u64 inode, __u64 size, bool out)
{
	struct stream_opened_record *opened = &s->opened;
	struct stream_socket *fresh = &s->fresh;
	__u64 key = (__u64)sk;
	__u8 kind, *side;

	__builtin_memset(fresh, 0, sizeof(*fresh));
	fresh->inode = inode;
	sock_ends(sk, &opened->ends);
	kind = opened->ends.kind;
	if (opened->ends.family == AF_UNIX && kind == SOCK_STREAM) {
		fresh->name = sock_name(sk);
	} else if (opened->ends.family == AF_INET || opened->ends.family == AF_INET6) {
		if (kind == SOCK_STREAM && opened->ends.protocol == IPPROTO_TCP) {
			fresh->tcp = true;
			tcp_positions(fresh, sk, size, out);
			fresh->name = sock_name(sk);
		} else if (kind == SOCK_DGRAM && opened->ends.protocol == IPPROTO_UDP) {
			fresh->marks = STREAM_DATAGRAM;
			fresh->name = sock_name(sk);
		}
	}
	side = fresh->tcp ? bpf_map_lookup_elem(&stream_sides, &key) : NULL;
	if (side) {
		fresh->marks |= *side;
		bpf_map_delete_elem(&stream_sides, &key);
	}
	if (fresh->name) {
		__builtin_memcpy(&opened->header, &s->record.header, sizeof(opened->header));
		head_finish(&opened->header, STREAM_OPENED);
		__builtin_memcpy(&fresh->owner, &opened->header, sizeof(fresh->owner));
		opened->ends.socket = fresh->name;
		opened->marks = fresh->marks;
		__builtin_memset(opened->spare, 0, sizeof(opened->spare));
		submit_to(&fathom_bulk, worker_of_socket(fresh->name), &opened->header,
			  sizeof(*opened), BPF_RB_NO_WAKEUP);
	}
	bpf_map_update_elem(&stream_sockets, &key, fresh, BPF_ANY);
	return bpf_map_lookup_elem(&stream_sockets, &key);
}

static __always_inline void note_last(const struct stream_socket *known)
{
	__u64 thread = bpf_get_current_pid_tgid(), name = known->name;
	struct stream_signatures_record *told;
	__u32 zero = 0;

	told = bpf_map_lookup_elem(&stream_signatures, &zero);
	if (told && told->reads_tls && !is_read(verdict_of(known)))
		bpf_map_update_elem(&stream_last, &thread, &name, BPF_ANY);
}

/* The sock behind a descriptor, and its inode's number; null if it is none. */
static __always_inline struct sock *socket_of(int fd, __u64 *number)
{
	struct file *file = current_file(fd);
	struct inode *inode = file ? READ(file, file, f_inode) : NULL;

	if (!inode || (READ(inode, inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	*number = READ(inode, inode, i_ino);
	return READ(socket, READ(file, file, private_data), sk);
}

/*
 * The socket behind a descriptor that moved `size` bytes, with their position in s->record; null if
 * it is none, or of a kind that is not read.
 */
static __always_inline struct stream_socket *moving(struct scratch_value *s, int fd, __u64 size,
						    bool out)
{
	struct stream_socket *known;
	__u32 sequence, step;
	struct sock *sk;
	__u64 key, inode;

	sk = socket_of(fd, &inode);
	if (!sk)
		return NULL;
	key = (__u64)sk;
	known = bpf_map_lookup_elem(&stream_sockets, &key);
	if (!known || known->inode != inode)
		known = first_seen(s, sk, inode, size, out);
	if (!known || !known->name)
		return NULL;
	if (known->tcp) {
		sequence = out ? READ(tcp_sock, sk, write_seq) : READ(tcp_sock, sk, copied_seq);
		step = sequence - known->sequence[out];
		/* Backwards where another thread's call is told before this one's, or it began anew. */
		if (step > 1U << 31)
			step = 0;
		if (step == size + 1 && took_fin(sk, out))
			step = size;
		known->sequence[out] = sequence;
	} else {
		step = size;
	}
	known->position[out] += step;
	s->record.position = known->position[out] - size;
	note_last(known);
	return known;
}

#endif
